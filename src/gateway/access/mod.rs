//! Who may use the gateway, and what for.
//!
//! Without client keys everybody who can connect may use everything. With them a request must bring
//! one, wherever its SDK puts the API key; the key may be bound to some of the pools, to a tenant, and
//! to what it may spend in a day.

mod credential;
mod key;
mod spending;

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::request::Parts;

pub(super) use self::spending::Account;
use self::{
    credential::{credentials, is_signed},
    key::Digest,
    spending::until_tomorrow,
};
pub use self::{
    key::ClientKey,
    spending::{Spending, Spent},
};
use super::{feedback::Scope, headers::Trust};
use crate::{
    hints::Tenant,
    router::{BuildError, OutcomeRouter},
};

/// The client keys, if there are any.
pub(super) struct Access {
    keys: Vec<Key>,
    by_digest: HashMap<Digest, usize>,
    pub(super) spending: Spending,
}

/// What a client key opens.
struct Key {
    name: Arc<str>,
    pools: Option<Vec<String>>,
    tenant: Option<Tenant>,
    daily_dollars: Option<f64>,
    trust: Trust,
    account: Arc<Account>,
}

/// Who sent a request: the holder of a key, or anybody where there are none.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a>(Option<&'a Key>);

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// It brings no key.
    NoKey,
    /// It is signed for AWS: with a secret that is not sent.
    Signed,
    /// It brings one that is not known.
    UnknownKey,
}

impl Access {
    /// Checks the keys against the pools that there are. What was spent before stands in `spending`.
    pub(super) fn new(
        keys: Vec<ClientKey>,
        router: &OutcomeRouter,
        spending: Spending,
    ) -> Result<Self, BuildError> {
        let mut access = Self {
            keys: Vec::with_capacity(keys.len()),
            by_digest: HashMap::with_capacity(keys.len()),
            spending,
        };
        for key in keys {
            access.add(key, router)?;
        }
        Ok(access)
    }

    /// What has no price is not counted: a cap does not hold there.
    pub(super) fn warn_of_free_targets(&self, router: &OutcomeRouter) {
        if self.keys.iter().all(|key| key.daily_dollars.is_none()) {
            return;
        }
        let pools = router.snapshot().pools;
        for key in self.keys.iter().filter(|key| key.daily_dollars.is_some()) {
            let opened = pools
                .iter()
                .filter(|pool| Caller(Some(key)).opens(&pool.name));
            let mut targets = opened.flat_map(|pool| &pool.targets);
            if let Some(free) = targets.find(|target| target.dollars.is_none()) {
                tracing::warn!(
                    key = %key.name,
                    target = %free.name,
                    "a key may spend so much a day only, but calls of a target without a price are \
                     not counted",
                );
            }
        }
    }

    fn add(&mut self, key: ClientKey, router: &OutcomeRouter) -> Result<(), BuildError> {
        let refuse = |why: &str| BuildError::new(format!("client key {:?} {why}", key.name));
        key.check().map_err(|why| refuse(&why))?;
        if self.keys.iter().any(|other| *other.name == *key.name) {
            return Err(refuse("is declared twice"));
        }
        let unknown = |pool: &&String| router.mode(pool).is_none();
        if let Some(pool) = key.pools.iter().flatten().find(unknown) {
            return Err(refuse(&format!(
                "opens the pool {pool:?}, which there is not"
            )));
        }
        let account = self.spending.account(&key.name);
        if self.by_digest.insert(key.digest, self.keys.len()).is_some() {
            return Err(refuse("is the same key as another"));
        }
        self.keys.push(Key {
            name: key.name.into(),
            pools: key.pools,
            tenant: key.tenant.map(Tenant::new),
            daily_dollars: key.daily_dollars,
            trust: key.trust,
            account,
        });
        Ok(())
    }

    pub(super) fn is_open(&self) -> bool {
        self.keys.is_empty()
    }

    /// Finds out who sent a request.
    pub(super) fn caller(&self, parts: &Parts) -> Result<Caller<'_>, Denied> {
        if self.is_open() {
            return Ok(Caller(None));
        }
        let mut denied = if is_signed(parts) {
            Denied::Signed
        } else {
            Denied::NoKey
        };
        for credential in credentials(parts) {
            denied = Denied::UnknownKey;
            // Nobody has it hashed at length.
            if credential.len() > LONGEST_KEY {
                continue;
            }
            let index = self.by_digest.get(&Digest::of(&credential));
            if let Some(key) = index.and_then(|index| self.keys.get(*index)) {
                return Ok(Caller(Some(key)));
            }
        }
        Err(denied)
    }
}

/// Longer than any key, in bytes.
const LONGEST_KEY: usize = 1024;

impl Caller<'_> {
    /// Whether it may be served by a pool.
    pub(super) fn opens(self, pool: &str) -> bool {
        let pools = self.0.and_then(|key| key.pools.as_ref());
        pools.is_none_or(|pools| pools.iter().any(|open| open == pool))
    }

    /// Whether it may be served by what is in no pool.
    pub(super) fn opens_all(self) -> bool {
        self.0.is_none_or(|key| key.pools.is_none())
    }

    /// Returns what it is trusted with beside what everybody is.
    pub(super) fn trust(self) -> Trust {
        self.0.map_or(Trust::NONE, |key| key.trust)
    }

    /// Puts its tenant in, unless the application has named one.
    pub(super) fn name_tenant(self, parts: &mut Parts) {
        if let Some(tenant) = self.0.and_then(|key| key.tenant.as_ref()) {
            parts.extensions.get_or_insert_with(|| tenant.clone());
        }
    }

    /// Returns within which the answers to its calls are known by the provider's own ids.
    pub(super) fn scope(self) -> Scope {
        self.0
            .map_or(Scope::Common, |key| Scope::Key(key.name.clone()))
    }

    /// Returns where the cost of its calls goes.
    pub(super) fn account(self) -> Option<Arc<Account>> {
        self.0.map(|key| key.account.clone())
    }

    /// Checks that there is something left to spend today. Else returns how much that was, and how
    /// long today goes on.
    pub(super) fn check_spending(self, wall: SystemTime) -> Result<(), (f64, Duration)> {
        let Some((key, cap)) = self.0.and_then(|key| Some((key, key.daily_dollars?))) else {
            return Ok(());
        };
        if key.account.today(wall) < cap {
            return Ok(());
        }
        tracing::debug!(key = %key.name, "a client key has spent what it may in a day");
        Err((cap, until_tomorrow(wall)))
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.keys.iter().map(|key| &key.name);
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::{super::headers::Headers, *};

    fn router() -> OutcomeRouter {
        OutcomeRouter::builder().model("first").build().unwrap()
    }

    fn access(keys: Vec<ClientKey>) -> Result<Access, BuildError> {
        Access::new(keys, &router(), Spending::default())
    }

    #[test]
    fn keys_that_contradict_each_other_or_the_pools_are_refused() {
        let key = |name: &str, secret| ClientKey::of_secret(name, secret);
        for (keys, why) in [
            (vec![key("a", "1"), key("a", "2")], "declared twice"),
            (vec![key("a", "1"), key("b", "1")], "the same key"),
            (vec![key("a", "")], "is empty"),
            (vec![key("", "1")], "name"),
            (vec![key("a", "1").pools(["other"])], "\"other\""),
            // A model is no pool.
            (vec![key("a", "1").pools(["first"])], "\"first\""),
            (vec![key("a", "1").pools([""; 0])], "no pool"),
            (vec![key("a", "1").daily_dollars(f64::NAN)], "dollars"),
            (vec![key("a", "1").daily_dollars(-1.0)], "dollars"),
        ] {
            let error = access(keys).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(access(vec![key("a", "1").pools(["default"])]).is_ok());
    }

    #[test]
    fn f40_keys_are_never_shown() {
        let key = ClientKey::of_secret("team-a", "canary");
        assert!(!format!("{key:?}").contains("canary"));
        let access = access(vec![key]).unwrap();
        assert_eq!(format!("{access:?}"), "[\"team-a\"]");
    }

    #[test]
    fn a_key_is_known_by_its_hash_and_nothing_else() {
        let secret = "sk-gateway-1";
        let named = access(vec![ClientKey::new("a", key::sha256(secret.as_bytes()))]).unwrap();
        let caller = |value: &str| {
            let request = Request::get("/").header("authorization", value);
            let (parts, ()) = request.body(()).unwrap().into_parts();
            named.caller(&parts).map(Caller::scope)
        };
        assert_eq!(caller("Bearer sk-gateway-1"), Ok(Scope::Key("a".into())));
        for unknown in ["Bearer sk-gateway-2", "Bearer a", "Bearer sk-gateway-"] {
            assert_eq!(caller(unknown), Err(Denied::UnknownKey), "{unknown}");
        }
        for none in ["sk-gateway-1", "Basic c2stZ2F0ZXdheS0x", "Bearer", ""] {
            assert_eq!(caller(none), Err(Denied::NoKey), "{none}");
        }
    }

    #[test]
    fn the_tenant_of_a_key_is_not_the_callers_to_choose() {
        let key = ClientKey::of_secret("a", "1").tenant("of the key");
        let access = access(vec![key]).unwrap();
        for (own, tenant) in [
            (None, "of the key"),
            (
                Some(Tenant::new("of the application")),
                "of the application",
            ),
        ] {
            let request = Request::get("/")
                .header("x-api-key", "1")
                .header("x-outcome-tenant", "of the caller");
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            own.map(|own| parts.extensions.insert(own));
            access.caller(&parts).unwrap().name_tenant(&mut parts);
            let names = Headers::new().build().unwrap();
            names.take(&mut parts, Trust::NONE, Duration::ZERO);
            assert_eq!(parts.extensions.get(), Some(&Tenant::new(tenant)));
        }
    }

    #[test]
    fn without_keys_everybody_is_let_in() {
        let open = access(Vec::new()).unwrap();
        let (parts, ()) = Request::get("/").body(()).unwrap().into_parts();
        let caller = open.caller(&parts).unwrap();
        assert!(caller.opens("default") && caller.opens_all());
        assert_eq!(caller.scope(), Scope::Common);
        assert_eq!(caller.check_spending(SystemTime::UNIX_EPOCH), Ok(()));
    }
}
