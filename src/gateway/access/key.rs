use std::{
    fmt,
    hash::{Hash, Hasher},
};

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq as _;

use crate::{config, gateway::headers::Trust};

/// A key by which a client may use the gateway. The gateway knows its hash only.
///
/// ```
/// use tower_outcome::gateway::{ClientKey, Trust};
///
/// let key = ClientKey::of_secret("team-a", "a long random text")
///     .pools(["chat"])
///     .tenant("team-a")
///     .daily_dollars(20.0)
///     .trust(Trust::NONE.pin());
/// # let _ = key;
/// ```
#[derive(Clone)]
#[must_use]
pub struct ClientKey {
    pub(super) name: String,
    pub(super) digest: Digest,
    pub(super) pools: Option<Vec<String>>,
    pub(super) tenant: Option<String>,
    pub(super) daily_dollars: Option<f64>,
    pub(super) trust: Trust,
}

impl ClientKey {
    /// Names a key by its SHA-256. The name stands in logs; what a key has spent is kept under it.
    ///
    /// The hash is not salted, as one of a password would be: a key should be long and random.
    pub fn new(name: impl Into<String>, sha256: [u8; 32]) -> Self {
        Self {
            name: name.into(),
            digest: Digest(sha256),
            pools: None,
            tenant: None,
            daily_dollars: None,
            trust: Trust::NONE,
        }
    }

    /// Names a key that is at hand. Only its hash is kept.
    pub fn of_secret(name: impl Into<String>, secret: &str) -> Self {
        Self::new(name, sha256(secret.as_bytes()))
    }

    /// Sets the pools that it opens, by name. What is in no pool is closed to it then. Default: all,
    /// and what is in none.
    pub fn pools<I: IntoIterator<Item: Into<String>>>(mut self, pools: I) -> Self {
        self.pools = Some(pools.into_iter().map(Into::into).collect());
        self
    }

    /// Sets whose calls they are, whatever a header says. Default: what the header says.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Sets how many dollars its calls may cost in a day, by UTC. Default: any.
    ///
    /// A call counts when it has ended, where its targets have a [price](crate::Price) and report
    /// what was used; so those that are under way when the sum is reached still end. Streams in the
    /// OpenAI format report it only where their pool [asks](crate::Pool::ask_usage).
    pub fn daily_dollars(mut self, dollars: f64) -> Self {
        self.daily_dollars = Some(dollars);
        self
    }

    /// Sets what is heard from its callers beside what is heard from all. Default: nothing.
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let fits = (1..=LONGEST_NAME).contains(&self.name.len());
        if !fits || self.name.chars().any(char::is_control) {
            return Err(format!(
                "needs a name of 1 to {LONGEST_NAME} bytes without control characters"
            ));
        }
        if self.digest == Digest::of(b"") {
            return Err("is empty".to_owned());
        }
        if self.pools.as_ref().is_some_and(Vec::is_empty) {
            return Err("opens no pool".to_owned());
        }
        let sound = |dollars: f64| dollars.is_finite() && dollars >= 0.0;
        if !self.daily_dollars.is_none_or(sound) {
            return Err("must have dollars to spend that are a number of at least 0".to_owned());
        }
        Ok(())
    }
}

impl From<config::ClientKey> for ClientKey {
    fn from(read: config::ClientKey) -> Self {
        Self {
            pools: read.pools,
            tenant: read.tenant,
            daily_dollars: read.daily_dollars,
            trust: read.trust.into(),
            ..Self::new(read.name, read.sha256)
        }
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey")
            .field("name", &self.name)
            .field("pools", &self.pools)
            .field("tenant", &self.tenant)
            .field("daily_dollars", &self.daily_dollars)
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

/// As long as a hint may be.
const LONGEST_NAME: usize = 256;

/// The hash of a key. Compared in constant time; and where it is looked up, the seed of the map keeps
/// from a caller which of them it is compared with at all.
#[derive(Clone, Copy)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(secret: &[u8]) -> Self {
        Self(sha256(secret))
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

pub(super) fn sha256(secret: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, secret).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_what_other_tools_print() {
        let hex: String = sha256(b"abc")
            .iter()
            .map(|it| format!("{it:02x}"))
            .collect();
        let printed = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex, printed);
    }
}
