use std::time::Duration;

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
    pub(crate) max_output_tokens: Option<u64>,
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
            max_output_tokens: None,
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

    /// Estimates the tokens of the prompt: they count against limits and cost.
    #[must_use]
    pub fn prompt_tokens(mut self, tokens: u64) -> Self {
        self.prompt_tokens = tokens;
        self
    }

    /// Says how many tokens the answer may have at most: with it, the time and the cost of the
    /// answer are forecast.
    #[must_use]
    pub fn max_output_tokens(mut self, tokens: u64) -> Self {
        self.max_output_tokens = Some(tokens);
        self
    }

    /// Says about how many tokens the prompt has, and how many the answer may have.
    pub(crate) fn lengths(mut self, (prompt, max_output): (u64, Option<u64>)) -> Self {
        self.prompt_tokens = prompt;
        self.max_output_tokens = max_output;
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
