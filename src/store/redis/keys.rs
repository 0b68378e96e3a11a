use std::sync::Arc;

use super::RedisConfigError;
use crate::store::Scope;

/// What stands before every key while its layout stays as it is. Another layout gets another number,
/// so that versions of this crate that differ in it do not meet.
const LAYOUT: u32 = 1;
const LONGEST: usize = 32;

/// The names of all keys of a deployment.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    deployment: Arc<str>,
}

impl Keys {
    /// Takes the name of a deployment: a few of `a` to `z`, `0` to `9` and `-`, so that no pattern of an
    /// access list and no hash tag can be read in another way than it is meant.
    pub(super) fn new(prefix: &str) -> Result<Self, RedisConfigError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if prefix.is_empty() || prefix.len() > LONGEST || !prefix.bytes().all(plain) {
            return Err(RedisConfigError::new(format!(
                "the prefix of a store's keys takes 1 to {LONGEST} of a-z, 0-9 and `-`"
            )));
        }
        let deployment = format!("{prefix}:{LAYOUT}").into();
        Ok(Self { deployment })
    }

    /// The hash tag that all keys begin with that belong to no scope.
    pub(super) fn round(&self) -> String {
        format!("{{{}}}", self.deployment)
    }

    /// The hash tag that all keys of a scope begin with: a cluster holds them in one place.
    pub(super) fn scope(&self, scope: Scope) -> String {
        format!("{{{}:{scope}}}", self.deployment)
    }

    /// The channel on which cooldowns are announced; `share.lua` makes the same of a tag.
    pub(super) fn channel(&self) -> String {
        format!("{}:cooldowns", self.deployment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_scope_begin_with_its_tag() {
        let keys = Keys::new("blue-2").unwrap();
        assert_eq!(keys.round(), "{blue-2:1}");
        assert_eq!(keys.scope(Scope::new(0xab)), "{blue-2:1:00000000000000ab}");
        assert_eq!(keys.channel(), "blue-2:1:cooldowns");
    }

    #[test]
    fn a_prefix_that_could_be_read_otherwise_is_refused() {
        for prefix in ["", "a b", "a}", "{a", "a:b", "A", "ä", &"a".repeat(33)] {
            assert!(Keys::new(prefix).is_err(), "{prefix}");
        }
    }
}
