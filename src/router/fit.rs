//! What a target is known to take: as it was set up, and as it refused.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use tokio::time::Instant;

use super::{
    Inner, Name, PickRequest, TargetEntry, TargetId, decision::Obstacle, lock::lock,
    parameters::Parameters, posted::nanos, target::Target,
};
use crate::{
    classify::{Class, Unfit, Verdict},
    dialect::field_hash,
    stats::{self, Abilities, Ability, Asks, Misfit, Trial},
};

/// What a target takes.
#[derive(Debug)]
pub(super) struct Fit {
    /// Tokens of prompt and answer together; without a limit the most there can be, here as below.
    context_window: u64,
    max_output_tokens: u64,
    /// What it was set up not to be able to.
    lacks: Abilities,
    /// Targets whose state is each other's, too.
    pub(super) compatibility: u32,
    pub(super) parameters: Option<Arc<Parameters>>,
    learned: Arc<Learned>,
}

/// What a target's refusals taught.
#[derive(Debug, Default)]
struct Learned {
    /// Until when there may be lessons, in nanoseconds since the router's epoch: a decision looks no
    /// further where there are none.
    until: AtomicU64,
    lessons: Mutex<stats::Fit>,
}

impl Fit {
    /// Takes over what was learned of it before.
    pub(super) fn new(target: &Target, compatibility: u32, before: Option<&Self>) -> Self {
        let lacks = |can: Option<bool>| can == Some(false);
        Self {
            context_window: target.context_window.unwrap_or(u64::MAX),
            max_output_tokens: target.max_output_tokens.unwrap_or(u64::MAX),
            lacks: Abilities::default()
                .with(Ability::Images, lacks(target.vision))
                .with(Ability::Tools, lacks(target.tools))
                .with(Ability::JsonMode, lacks(target.json_mode)),
            compatibility,
            parameters: (!target.parameters.is_empty())
                .then(|| Arc::new(target.parameters.clone())),
            learned: before.map_or_else(Arc::default, |before| before.learned.clone()),
        }
    }

    pub(super) fn lacks_images(&self) -> bool {
        self.lacks.has(Ability::Images)
    }

    /// Says what it cannot take of a request, by how it was set up.
    pub(super) fn refuses(&self, request: &PickRequest<'_>) -> Option<Obstacle> {
        if request.least_tokens > self.context_window {
            return Some(Obstacle::ContextWindow {
                window: self.context_window,
                tokens: request.prompt_tokens,
            });
        }
        self.lacks.common(request.abilities).map(lacking)
    }

    /// Returns whether there may be a reason why others should take a request rather than it: all
    /// that most decisions ask.
    #[inline]
    pub(super) fn may_shun(&self, request: &PickRequest<'_>) -> bool {
        let asked = request.max_output_tokens.unwrap_or(0);
        self.learned.until.load(Ordering::Relaxed) != 0 || asked > self.max_output_tokens
    }

    /// Says why others should take a request rather than it, where there are any.
    pub(super) fn shuns(
        &self,
        request: &PickRequest<'_>,
        epoch: Instant,
        now: Instant,
    ) -> Option<Obstacle> {
        let limit = self.max_output_tokens;
        if let Some(asked) = request.max_output_tokens.filter(|asked| *asked > limit) {
            return Some(Obstacle::MaxOutput { limit, asked });
        }
        if !self.knows(epoch, now) {
            return None;
        }
        let mut lessons = lock(&self.learned.lessons);
        let (misfit, left) = lessons.obstacle(&self.asked(request), now)?;
        Some(match misfit {
            Misfit::Length { .. } => Obstacle::TooLong(left),
            Misfit::Parameter { name, .. } => Obstacle::Parameter(Arc::clone(name)),
            Misfit::Ability(ability) => lacking(*ability),
            Misfit::Model(_) => Obstacle::UnknownModel(left),
        })
    }

    /// An attempt is about to be made.
    pub(super) fn begin(&self, request: &PickRequest<'_>, epoch: Instant, now: Instant) -> Trial {
        if !self.knows(epoch, now) {
            return Trial::default();
        }
        lock(&self.learned.lessons).begin(&self.asked(request), now)
    }

    /// Learns from how an attempt ended.
    pub(super) fn learn(
        &self,
        verdict: &Verdict,
        attempt: &Attempted,
        epoch: Instant,
        now: Instant,
    ) {
        if verdict.class == Class::Success && attempt.trial != Trial::default() {
            lock(&self.learned.lessons).accepted(attempt.trial, attempt.started);
            return;
        }
        if verdict.class != Class::ModelError {
            return;
        }
        let misfit = match &verdict.unfit {
            Some(Unfit::Context { limit }) => Misfit::Length {
                prompt: attempt.prompt,
                output: attempt.output,
                limit: *limit,
            },
            Some(Unfit::Parameter(name)) => Misfit::Parameter {
                hash: field_hash(name),
                name: Arc::clone(name),
            },
            Some(Unfit::Images) => Misfit::Ability(Ability::Images),
            Some(Unfit::Tools) => Misfit::Ability(Ability::Tools),
            Some(Unfit::JsonMode) => Misfit::Ability(Ability::JsonMode),
            Some(Unfit::Model) => Misfit::Model(attempt.operation),
            None => return,
        };
        let mut lessons = lock(&self.learned.lessons);
        lessons.refused(misfit, attempt.started, now);
        let until = lessons.until().map_or(0, |until| nanos(epoch, until));
        self.learned.until.fetch_max(until, Ordering::Relaxed);
    }

    fn knows(&self, epoch: Instant, now: Instant) -> bool {
        let until = self.learned.until.load(Ordering::Relaxed);
        until != 0 && nanos(epoch, now) < until
    }

    fn asked<'a>(&'a self, request: &'a PickRequest<'a>) -> Asked<'a> {
        Asked {
            request,
            parameters: self.parameters.as_deref(),
        }
    }
}

/// What is remembered of an attempt, for what may be learned from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempted {
    pub(super) started: Instant,
    pub(super) prompt: u64,
    pub(super) output: u64,
    pub(super) operation: Option<&'static str>,
    pub(super) trial: Trial,
}

struct Asked<'a> {
    request: &'a PickRequest<'a>,
    parameters: Option<&'a Parameters>,
}

impl Asks for Asked<'_> {
    fn prompt(&self) -> u64 {
        self.request.prompt_tokens
    }

    fn least(&self) -> u64 {
        self.request.least_tokens
    }

    fn output(&self) -> u64 {
        self.request.max_output_tokens.unwrap_or(0)
    }

    fn abilities(&self) -> Abilities {
        self.request.abilities
    }

    fn operation(&self) -> Option<&'static str> {
        self.request.operation
    }

    /// What is renamed or dropped on the way counts as what arrives.
    fn carries(&self, parameter: u32) -> bool {
        self.request
            .fields
            .is_some_and(|fields| match self.parameters {
                Some(parameters) => parameters.leave(fields, parameter),
                None => fields.has(parameter),
            })
    }
}

fn lacking(ability: Ability) -> Obstacle {
    match ability {
        Ability::Images => Obstacle::Images,
        Ability::Tools => Obstacle::Tools,
        Ability::JsonMode => Obstacle::JsonMode,
    }
}

impl Inner {
    /// Learns from how an attempt ended.
    pub(super) fn learn_fit(
        &self,
        target: &TargetEntry,
        verdict: &Verdict,
        attempt: &Attempted,
        now: Instant,
    ) {
        if verdict.unfit == Some(Unfit::Images)
            && let Some(pool) = self.pools.get(target.pool)
        {
            pool.images_matter.store(true, Ordering::Relaxed);
        }
        target.fit.learn(verdict, attempt, self.epoch, now);
    }

    /// Returns the compatibility group of the conversation that a request belongs to: of the target
    /// that began it, as far as that is known.
    pub(super) fn home(&self, name: &Name, request: &PickRequest<'_>) -> Option<u32> {
        let session = || {
            let own = self.lasting.sessions.find(request.session_key?)?;
            let targets = self.pools.get(name.pool)?.targets.clone();
            let in_pool = |index: usize| Some((index, self.targets.get(index)?));
            let mut targets = targets.filter_map(in_pool);
            let found = targets.find(|(_, target)| target.key as u32 == own);
            u32::try_from(found?.0).ok().map(TargetId)
        };
        let known = request.follows.or_else(|| request.tried.first().copied());
        let target = known.or_else(session).or_else(|| self.requested_id(name))?;
        let target = self.targets.get(target.0 as usize)?;
        Some(target.fit.compatibility)
    }
}
