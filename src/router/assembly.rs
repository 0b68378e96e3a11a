use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8},
};

use http::HeaderName;
use tokio::time::Instant;

use super::{
    Inner,
    entries::{
        CredentialEntry, GroupEntry, GroupKey, Name, PoolEntry, ProviderEntry, TargetEntry,
        mode_to_u8,
    },
    error::BuildError,
    fit::Fit,
    fleet::{Fleet, GroupNews, Names, target_name},
    group::{Group, Member},
    lock::lock,
    pinned::Pinned,
    pool::Pool,
    price::Tariff,
    soundness::{check_name, check_settings},
    succession::{key_of, ranked},
    target::Target,
    upstream::{Credential, Upstream},
};
use crate::{
    checks::{Check, Checks},
    policy::RoutingPolicy,
};

/// What a build puts together.
pub(super) struct Assembly<'a> {
    /// The router whose state is taken over.
    predecessor: Option<&'a Inner>,
    names: Names,
    fleet: Option<Arc<Fleet>>,
    now: Instant,
    pub(super) pools: Vec<PoolEntry>,
    pub(super) targets: Vec<TargetEntry>,
    pub(super) groups: Vec<GroupEntry>,
    pub(super) credentials: Vec<CredentialEntry>,
    pub(super) providers: Vec<ProviderEntry>,
    compatibility: Vec<String>,
    /// The limits per minute that are set for each group, of requests and of tokens.
    limits: Vec<(Option<u64>, Option<u64>)>,
}

impl<'a> Assembly<'a> {
    pub(super) fn new(
        predecessor: Option<&'a Inner>,
        names: Names,
        fleet: Option<Arc<Fleet>>,
        now: Instant,
    ) -> Self {
        Self {
            predecessor,
            names,
            fleet,
            now,
            pools: Vec::new(),
            targets: Vec::new(),
            groups: Vec::new(),
            credentials: Vec::new(),
            providers: Vec::new(),
            compatibility: Vec::new(),
            limits: Vec::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        pool: Pool,
        policy: &Arc<dyn RoutingPolicy>,
        checks: &[Arc<dyn Check>],
    ) -> Result<(), BuildError> {
        let what = format!("pool {:?}", pool.name);
        check_name("pool", &pool.name)?;
        if pool.targets.is_empty() {
            return Err(BuildError::new(format!("{what} has no target")));
        }
        check_settings(&what, &pool)?;
        let index = self.pools.len();
        let first = self.targets.len();
        for (rank, target) in pool.targets.iter().enumerate() {
            check_name(&format!("{what}: model"), &target.model)?;
            check_name(&format!("{what}: target"), target.label())?;
            let twin = self
                .targets
                .iter()
                .skip(first)
                .any(|other| *other.name == *target.label());
            if twin {
                return Err(BuildError::new(format!(
                    "{what} has two targets named {:?}; name one of them otherwise",
                    target.label()
                )));
            }
            self.add_target(&pool, index, rank, target);
        }
        let added = self.targets.get(first..).unwrap_or_default();
        let mut groups = added.iter().map(|target| target.fit.compatibility);
        let group = groups.next();
        let groups_differ = groups.any(|other| Some(other) != group);
        let blind = added.iter().any(|target| target.fit.lacks_images());
        let pinned = Pinned::after(self.predecessor, &pool);
        let (beliefs, mode) = match self.predecessor {
            Some(before) => before.beliefs_and_mode(&pool, self.now),
            None => {
                let beliefs = ranked(&pool, self.fleet.is_some(), self.now);
                (Arc::new(beliefs), pool.mode)
            }
        };
        self.pools.push(PoolEntry {
            scope: self.names.pool(&pool.name),
            beliefs,
            expected: pool.targets.iter().map(|it| it.expected_quality).collect(),
            name: pool.name.into(),
            aliases: pool.aliases,
            targets: first..self.targets.len(),
            policy: pool.policy.unwrap_or_else(|| policy.clone()),
            configured_mode: pool.mode,
            mode: AtomicU8::new(mode_to_u8(mode)),
            pinned,
            nobody_free: pool.nobody_free,
            upgrade: pool.upgrade,
            hold_back: pool.hold_back,
            compressed: pool.compressed,
            cost_weight: pool.cost_weight,
            objective: pool.objective,
            preference: pool.preference,
            derive_sessions: pool.derive_sessions,
            ask_usage: pool.ask_usage,
            cascade: pool.cascade.then_some(pool.cascade_below),
            checks: Checks::new(&pool.checks).or_else(|| Checks::new(checks)),
            groups_differ,
            images_matter: AtomicBool::new(blind),
        });
        Ok(())
    }

    fn add_target(&mut self, in_pool: &Pool, pool: usize, rank: usize, target: &Target) {
        let own = target.upstream.as_ref();
        let credential = own.and_then(|upstream| upstream.credential.clone());
        let provider = self.provider(own.map(Upstream::key));
        let group = self.group(target, credential.clone());
        if let Some((requests, tokens)) = self.limits.get_mut(group) {
            *requests = least(*requests, target.requests_per_minute);
            *tokens = least(*tokens, target.tokens_per_minute);
        }
        let before = self
            .predecessor
            .and_then(|before| before.same_target(&in_pool.name, target));
        let slot = self.slot(group, target, before);
        let credential = credential.map(|credential| self.credential(credential));
        let compatibility = self.compatibility(target);
        let index = self.targets.len();
        if let Some(entry) = self.groups.get_mut(group) {
            entry.targets.push(index);
        }
        self.targets.push(TargetEntry {
            key: key_of(&in_pool.name, target),
            shared_name: target_name(self.names.target(&in_pool.name, target)),
            name: target.label().into(),
            model: target.model.as_str().into(),
            pool,
            rank,
            upstream: target.upstream.clone().map(Arc::new),
            group,
            slot,
            credential,
            provider,
            price: Tariff::new(target.price),
            objective: target.objective,
            preference: target.preference,
            weight: target.weight,
            drained: AtomicBool::new(before.is_some_and(TargetEntry::is_drained)),
            asking: before.map_or_else(Arc::default, |it| it.asking.clone()),
            fit: Fit::new(target, compatibility, before.map(|it| &it.fit)),
            posted: before.map_or_else(Arc::default, |it| it.posted.clone()),
        });
    }

    /// Returns the place of a target in its group: the one that it has already, or a new one.
    fn slot(&self, group: usize, target: &Target, before: Option<&TargetEntry>) -> usize {
        let Some(entry) = self.groups.get(group) else {
            return 0;
        };
        let mut members = lock(&entry.shared.group);
        if let Some(before) = before
            && let Some(of_it) = self.predecessor.and_then(|it| it.groups.get(before.group))
            && Arc::ptr_eq(&of_it.shared, &entry.shared)
            && let Some(member) = members.members.get_mut(before.slot)
        {
            member.spent.reprice(target.price);
            // What was posted of it may rest on another objective.
            before.posted.withdraw();
            return before.slot;
        }
        members.members.push(Member::new(target.price, self.now));
        members.members.len() - 1
    }

    fn group(&mut self, target: &Target, credential: Option<Credential>) -> usize {
        let key = match &target.quota_group {
            Some(name) => GroupKey::Named(name.clone()),
            None => GroupKey::Own {
                upstream: target.upstream.as_ref().map(Upstream::key),
                credential,
                model: target.model.clone(),
            },
        };
        if let Some(known) = self.groups.iter().position(|known| known.key == key) {
            return known;
        }
        let before = self.predecessor.and_then(|before| {
            let mut groups = before.groups.iter();
            groups.find(|known| known.key == key)
        });
        let twin = |known: &&GroupEntry| known.key.is_twin(&key);
        let twins = self.groups.iter().filter(twin).count();
        let scope = self.names.group(&key, twins);
        self.groups.push(match before {
            Some(before) => GroupEntry {
                scope,
                key,
                targets: Vec::new(),
                shared: before.shared.clone(),
            },
            None => {
                let news = self.fleet.clone().map(GroupNews::new);
                GroupEntry::new(scope, key, Group::new(news, self.now))
            }
        });
        self.limits.push((None, None));
        self.groups.len() - 1
    }

    fn credential(&mut self, credential: Credential) -> usize {
        let same = |known: &&CredentialEntry| known.credential == credential;
        if let Some(known) = self.credentials.iter().position(|known| same(&known)) {
            return known;
        }
        let before = self.predecessor;
        let before = before.and_then(|before| before.credentials.iter().find(same));
        self.credentials.push(match before {
            Some(before) => before.clone(),
            None => CredentialEntry::new(credential),
        });
        self.credentials.len() - 1
    }

    fn provider(&mut self, key: Option<String>) -> usize {
        let same = |known: &&ProviderEntry| known.key == key;
        if let Some(known) = self.providers.iter().position(|known| same(&known)) {
            return known;
        }
        let before = self.predecessor;
        let before = before.and_then(|before| before.providers.iter().find(same));
        self.providers.push(match before {
            Some(before) => before.clone(),
            None => ProviderEntry::new(key),
        });
        self.providers.len() - 1
    }

    /// Returns the number of the target's compatibility group.
    fn compatibility(&mut self, target: &Target) -> u32 {
        let key = match &target.compatibility_group {
            Some(group) => format!("named {group}"),
            None => format!("auto {:?}", target.upstream.as_ref().map(Upstream::key)),
        };
        let known = self.compatibility.iter().position(|known| *known == key);
        let index = known.unwrap_or_else(|| {
            self.compatibility.push(key);
            self.compatibility.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// Lets every upstream know the headers in which any target's credential may come.
    pub(super) fn share_secrets(&mut self) {
        let known = self.credentials.iter();
        let names = known.flat_map(|known| known.credential.header_names());
        let mut secrets: Vec<HeaderName> = Vec::new();
        for name in names {
            if !secrets.contains(name) {
                secrets.push(name.clone());
            }
        }
        let secrets: Arc<[HeaderName]> = secrets.into();
        for target in &mut self.targets {
            if let Some(upstream) = &mut target.upstream {
                Arc::make_mut(upstream).secrets = secrets.clone();
            }
        }
    }

    /// Lets the groups know their limits. What an earlier router posted of their room no longer holds.
    pub(super) fn set_limits(&self) {
        for (entry, (requests, tokens)) in self.groups.iter().zip(&self.limits) {
            let per_minute = |limit: Option<u64>| limit.map(|limit| limit as f64);
            let mut group = lock(&entry.shared.group);
            let (requests, tokens) = (per_minute(*requests), per_minute(*tokens));
            group.capacity.allow(requests, tokens, self.now);
            entry.shared.room.set(0.0);
        }
    }

    /// Says what a requested model may mean. A pool's own name and aliases win over models; of two
    /// pools with the same model, the first wins.
    pub(super) fn names(&self, unnamed: bool) -> Result<Vec<Name>, BuildError> {
        let mut names: Vec<Name> = Vec::new();
        let mut add = |text: Arc<str>, pool, rank, alias| {
            let index = u32::try_from(names.len()).unwrap_or(u32::MAX);
            let new = names.iter().all(|name| name.text != text);
            if new {
                names.push(Name {
                    index,
                    text,
                    pool,
                    rank,
                    alias,
                });
            }
            new
        };
        for (index, pool) in self.pools.iter().enumerate() {
            let own = (index > 0 || !unnamed).then_some(&*pool.name);
            for name in own
                .into_iter()
                .chain(pool.aliases.iter().map(String::as_str))
            {
                check_name("alias", name)?;
                if !add(name.into(), index, 0, true) {
                    return Err(BuildError::new(format!("two pools answer to {name:?}")));
                }
            }
        }
        for target in &self.targets {
            add(target.model.clone(), target.pool, target.rank, false);
        }
        Ok(names)
    }
}

fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}
