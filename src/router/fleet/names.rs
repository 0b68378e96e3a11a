use std::{fmt, hash::Hasher};

use siphasher::sip::SipHasher13;

use super::super::{entries::GroupKey, target::Target, upstream::Upstream};

/// Names things the same in every instance that has the same secret: nobody without it can tell what a
/// name stands for, or find others that stand for the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Names(u64);

/// What counters belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ScopeOf {
    /// A quota group: what was sent, refused and answered.
    Group(u64),
    /// A pool: what answers were worth.
    Pool(u64),
}

impl ScopeOf {
    pub(crate) fn hash(self) -> u64 {
        match self {
            Self::Group(hash) | Self::Pool(hash) => hash,
        }
    }
}

/// Sets the kinds of names apart.
#[derive(Clone, Copy)]
enum Kind {
    Secret = 1,
    Task,
    Pool,
    Group,
    Target,
    Ticket,
    Mark,
    Credential,
}

impl fmt::Debug for Names {
    /// Leaves out the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Names {
    /// Draws names from what only the instances know.
    pub(crate) fn of_secret(secret: &[u8]) -> Self {
        Self(hash(0, Kind::Secret, &[Some(secret)]))
    }

    /// Goes on with a key that was kept.
    pub(crate) fn of_key(key: u64) -> Self {
        Self(key)
    }

    pub(crate) fn key(self) -> u64 {
        self.0
    }

    /// Returns what other names with the same key have in common, from which the key does not follow.
    pub(crate) fn mark(self) -> u64 {
        hash(self.0, Kind::Mark, &[])
    }

    pub(crate) fn task(self, tenant: Option<&str>, task: Option<&str>) -> u64 {
        let parts = [tenant.map(str::as_bytes), task.map(str::as_bytes)];
        hash(self.0, Kind::Task, &parts)
    }

    pub(crate) fn pool(self, name: &str) -> u64 {
        hash(self.0, Kind::Pool, &[Some(name.as_bytes())])
    }

    /// Names a quota group. Another credential is another quota, most often; what goes into the name of it
    /// is a hash that says nothing to who does not know the secret.
    pub(crate) fn group(self, key: &GroupKey) -> u64 {
        let (model, upstream, credential) = match key {
            GroupKey::Named(name) => (name, None, None),
            GroupKey::Own {
                upstream,
                credential,
                model,
            } => (
                model,
                Some(upstream.as_deref().unwrap_or_default()),
                credential.as_ref(),
            ),
        };
        let credential = credential.map(|credential| {
            let parts: Vec<_> = credential.parts().map(Some).collect();
            hash(self.0, Kind::Credential, &parts).to_le_bytes()
        });
        let parts = [
            Some(model.as_bytes()),
            upstream.map(str::as_bytes),
            credential.as_ref().map(<[u8; 8]>::as_slice),
        ];
        hash(self.0, Kind::Group, &parts)
    }

    pub(crate) fn target(self, pool: &str, target: &Target) -> u64 {
        let address = target.upstream.as_ref().map(Upstream::key);
        let parts = [
            Some(pool.as_bytes()),
            Some(target.label().as_bytes()),
            Some(target.model.as_bytes()),
            address.as_deref().map(str::as_bytes),
        ];
        hash(self.0, Kind::Target, &parts)
    }

    /// Returns what proves that an attempt's number was given by an instance.
    pub(crate) fn ticket(self, owner: u32, sequence: u64) -> u64 {
        // Once for every attempt: two words at once, and keys that no other kind of name has.
        let mut hasher =
            SipHasher13::new_with_keys(self.0, self.0.rotate_left(32) ^ Kind::Ticket as u64);
        let mut words = [0; 12];
        let (low, high) = words.split_at_mut(8);
        low.copy_from_slice(&sequence.to_le_bytes());
        high.copy_from_slice(&owner.to_le_bytes());
        hasher.write(&words);
        hasher.finish()
    }
}

/// `SipHash` with a key, a kind, and the parts with their lengths.
fn hash(key: u64, kind: Kind, parts: &[Option<&[u8]>]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(key, !key);
    hasher.write(&[kind as u8]);
    for part in parts {
        match part {
            None => hasher.write(&[0]),
            Some(bytes) => {
                hasher.write(&[1]);
                hasher.write(&(bytes.len() as u64).to_le_bytes());
                hasher.write(bytes);
            }
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_secret_gives_the_same_names_and_another_gives_others() {
        let (one, same) = (Names::of_secret(b"s"), Names::of_secret(b"s"));
        let other = Names::of_secret(b"t");
        assert_eq!(one.task(Some("a"), None), same.task(Some("a"), None));
        assert_ne!(one.task(Some("a"), None), other.task(Some("a"), None));
    }

    #[test]
    fn what_is_not_the_same_is_not_named_the_same() {
        let names = Names::of_secret(b"s");
        let all = [
            names.task(Some("ab"), Some("c")),
            names.task(Some("a"), Some("bc")),
            names.task(None, Some("abc")),
            names.task(Some("abc"), None),
            names.pool("abc"),
            names.ticket(1, 2),
            names.ticket(2, 1),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn names_stay_as_they_are_over_versions() {
        // Instances of two versions run side by side while one replaces the other.
        assert_eq!(Names::of_key(7).pool("chat"), 7_718_125_211_202_097_224);
    }
}
