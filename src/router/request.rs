use std::time::Duration;

use crate::{
    dialect::{Fields, Prompt},
    stats::{Abilities, Ability},
};

/// What the router needs to know of a request in order to pick a target.
#[derive(Clone, Debug)]
pub struct PickRequest<'a> {
    pub(crate) model: &'a str,
    pub(crate) task: Option<&'a str>,
    pub(crate) tenant: Option<&'a str>,
    pub(crate) session: Option<&'a str>,
    pub(crate) session_key: Option<u64>,
    pub(crate) tool_loop: bool,
    pub(crate) candidates: Option<&'a crate::hints::Candidates>,
    pub(crate) strict: bool,
    pub(crate) risk_averse: bool,
    pub(crate) stream: bool,
    pub(crate) prompt_tokens: u64,
    /// As few as the prompt may have.
    pub(crate) least_tokens: u64,
    pub(crate) max_output_tokens: Option<u64>,
    pub(super) abilities: Abilities,
    pub(super) fields: Option<&'a Fields>,
    pub(super) bound: bool,
    /// The target that the conversation is with, where somebody knows it.
    pub(super) follows: Option<TargetId>,
    pub(super) operation: Option<&'static str>,
    pub(crate) elapsed: Duration,
    pub(crate) explain: bool,
    pub(crate) dialect: Option<&'a str>,
    pub(crate) tried: &'a [TargetId],
    pub(crate) attempts: u32,
    pub(crate) shadow: bool,
}

/// A target of one router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TargetId(pub(crate) u32);

impl<'a> PickRequest<'a> {
    /// Creates a request for a model, a pool or an alias.
    #[must_use]
    pub fn new(model: &'a str) -> Self {
        Self {
            model,
            task: None,
            tenant: None,
            session: None,
            session_key: None,
            tool_loop: false,
            candidates: None,
            strict: false,
            risk_averse: false,
            stream: false,
            prompt_tokens: 0,
            least_tokens: 0,
            max_output_tokens: None,
            abilities: Abilities::default(),
            fields: None,
            bound: false,
            follows: None,
            operation: None,
            elapsed: Duration::ZERO,
            explain: false,
            dialect: None,
            tried: &[],
            attempts: 0,
            shadow: false,
        }
    }

    /// Says what kind of work it is.
    #[must_use]
    pub fn task(mut self, task: &'a str) -> Self {
        self.task = Some(task);
        self
    }

    /// Says who it is for: what is learned about a task is learned for each tenant apart.
    #[must_use]
    pub fn tenant(mut self, tenant: &'a str) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Says which session it belongs to.
    #[must_use]
    pub fn session(mut self, session: &'a str) -> Self {
        self.session = Some(session);
        self
    }

    /// Says which session it belongs to by a number that is the same on every instance. All 64
    /// bits should differ between sessions: give a hash, not a count.
    #[must_use]
    pub fn session_key(mut self, key: u64) -> Self {
        self.session_key = Some(key);
        self
    }

    /// Says that it brings the results of tools that the model called: a step in a chain of calls
    /// that build on each other.
    #[must_use]
    pub fn tool_loop(mut self, tool_loop: bool) -> Self {
        self.tool_loop = tool_loop;
        self
    }

    /// Restricts the targets.
    #[must_use]
    pub fn candidates(mut self, candidates: &'a crate::hints::Candidates) -> Self {
        self.candidates = Some(candidates);
        self
    }

    /// Rules out any other model than the requested one.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Rules out exploration.
    #[must_use]
    pub fn risk_averse(mut self, risk_averse: bool) -> Self {
        self.risk_averse = risk_averse;
        self
    }

    /// Says whether the answer will be streamed: its latency is then that of the first content.
    #[must_use]
    pub fn stream(mut self, stream: bool) -> Self {
        self.stream = stream;
        self
    }

    /// Estimates the tokens of the prompt: they count against limits and cost. It is taken to be up
    /// to a third too high where it decides who can take the request at all.
    #[must_use]
    pub fn prompt_tokens(mut self, tokens: u64) -> Self {
        self.prompt_tokens = tokens;
        // Multiplied last: it must not overflow.
        self.least_tokens = tokens / 3 * 2;
        self
    }

    /// Says how many tokens the answer may have at most: with it, the time and the cost of the
    /// answer are forecast.
    #[must_use]
    pub fn max_output_tokens(mut self, tokens: u64) -> Self {
        self.max_output_tokens = Some(tokens);
        self
    }

    /// Says whether it holds images.
    #[must_use]
    pub fn images(mut self, images: bool) -> Self {
        self.abilities = self.abilities.with(Ability::Images, images);
        self
    }

    /// Says whether it offers the model tools.
    #[must_use]
    pub fn tools(mut self, tools: bool) -> Self {
        self.abilities = self.abilities.with(Ability::Tools, tools);
        self
    }

    /// Says whether it asks for an answer in JSON.
    #[must_use]
    pub fn json_mode(mut self, json_mode: bool) -> Self {
        self.abilities = self.abilities.with(Ability::JsonMode, json_mode);
        self
    }

    /// Names its parameters.
    #[must_use]
    pub fn fields(mut self, fields: &'a Fields) -> Self {
        self.fields = Some(fields);
        self
    }

    /// Says whether it carries state that only the provider of its conversation can read. It then
    /// stays within the [group](super::Target::compatibility_group) of the target that its session
    /// was with, or else the one that it names, or else the first of the pool.
    #[must_use]
    pub fn bound(mut self, bound: bool) -> Self {
        self.bound = bound;
        self
    }

    /// Names the [operation](crate::dialect::Endpoint::operation): `/embeddings`.
    #[must_use]
    pub fn operation(mut self, operation: &'static str) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Says all of that at once.
    pub(crate) fn needs(mut self, needs: &'a Needs) -> Self {
        self.prompt_tokens = needs.prompt.tokens;
        self.least_tokens = needs.prompt.least;
        self.max_output_tokens = needs.max_output_tokens;
        self.fields = Some(&needs.fields);
        self.operation = Some(needs.operation);
        self.images(needs.images)
            .tools(needs.tools)
            .json_mode(needs.json_mode)
            .bound(needs.bound)
    }

    /// Names the target that the conversation is with.
    pub(crate) fn follows(mut self, target: TargetId) -> Self {
        self.follows = Some(target);
        self
    }

    /// Says how long the call has been going on: so much of the objective is spent.
    #[must_use]
    pub fn elapsed(mut self, elapsed: Duration) -> Self {
        self.elapsed = elapsed;
        self
    }

    /// Asks for the whole decision; see [`Ticket::decision`](super::Ticket::decision).
    #[must_use]
    pub fn explain(mut self, explain: bool) -> Self {
        self.explain = explain;
        self
    }

    /// Names the dialect the request is written in; targets that do not speak it are left out.
    #[must_use]
    pub fn dialect(mut self, dialect: &'a str) -> Self {
        self.dialect = Some(dialect);
        self
    }

    /// Says that it is a copy, whose answer nobody reads: only a target that is free will do.
    pub(crate) fn shadow(mut self, shadow: bool) -> Self {
        self.shadow = shadow;
        self
    }

    /// Names the targets that this logical call has tried before. They come last.
    #[must_use]
    pub fn tried(mut self, tried: &'a [TargetId]) -> Self {
        self.tried = tried;
        self.attempts = u32::try_from(tried.len()).unwrap_or(u32::MAX);
        self
    }
}

/// What a request asks of the target that is to serve it, whichever that is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) prompt: Prompt,
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) images: bool,
    pub(crate) tools: bool,
    pub(crate) json_mode: bool,
    pub(crate) bound: bool,
    pub(crate) fields: Fields,
    pub(crate) operation: &'static str,
}
