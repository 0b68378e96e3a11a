use std::{fmt, sync::Arc, time::Duration};

use http::{
    HeaderName, HeaderValue, Uri,
    uri::{Authority, Scheme},
};

use super::{Score, error::BuildError};
use crate::{
    checks::Check,
    dialect::{self, Dialect},
    policy::RoutingPolicy,
};

/// One way to answer: a model, at the caller's own upstream or at one of its own.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) name: Option<String>,
    pub(crate) model: String,
    pub(crate) upstream: Option<Upstream>,
    pub(crate) quota_group: Option<String>,
    pub(crate) expected_quality: Option<f64>,
    pub(crate) price: Option<Price>,
    pub(crate) objective: Option<Duration>,
    pub(crate) preference: Option<f64>,
    pub(crate) weight: f64,
}

/// What a model costs, in dollars per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Price {
    /// Prompt tokens.
    pub input: f64,
    /// Generated tokens.
    pub output: f64,
}

impl Price {
    /// Creates a price from dollars per million prompt and generated tokens.
    #[must_use]
    pub fn per_million(input: f64, output: f64) -> Self {
        Self { input, output }
    }

    pub(crate) fn is_sound(self) -> bool {
        let sound = |price: f64| price.is_finite() && price >= 0.0;
        sound(self.input) && sound(self.output)
    }

    /// Returns the cost of so many tokens, in dollars.
    pub(crate) fn of(self, input: f64, output: f64) -> f64 {
        (self.input * input + self.output * output) / 1e6
    }
}

impl Target {
    /// Creates a target that serves `model` wherever the caller's request was addressed to.
    #[must_use]
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            name: None,
            model: model.into(),
            upstream: None,
            quota_group: None,
            expected_quality: None,
            price: None,
            objective: None,
            preference: None,
            weight: 1.0,
        }
    }

    /// Sets the score, 0 to 1, that its answers are expected to have as long as few are reported.
    /// Default: as good as the rest of the pool, in declared order.
    #[must_use]
    pub fn expected_quality(mut self, score: f64) -> Self {
        self.expected_quality = Some(score);
        self
    }

    /// Sets what it costs. Matters where the pool has a [`cost_weight`](Pool::cost_weight).
    #[must_use]
    pub fn price(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }

    /// Sets the objective for this target; see [`Pool::objective`].
    #[must_use]
    pub fn objective(mut self, objective: Duration) -> Self {
        self.objective = Some(objective);
        self
    }

    /// Sets what is subtracted from its score, at least 0: a handicap in expected score. Replaces
    /// what [`Pool::preference`] says for its rank.
    #[must_use]
    pub fn preference(mut self, handicap: f64) -> Self {
        self.preference = Some(handicap);
        self
    }

    /// Sets its weight, at least 0, under the policy [`Weighted`](crate::policy::Weighted).
    /// Default: 1.
    #[must_use]
    pub fn weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Sets the name by which decisions, hints and metrics speak of this target. Default: the
    /// model. Needed where one pool has a model twice.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sends requests for this target to an upstream of its own.
    #[must_use]
    pub fn upstream(mut self, upstream: Upstream) -> Self {
        self.upstream = Some(upstream);
        self
    }

    /// Names the provider's limit that this target shares with others. Default: one per upstream,
    /// credential and model.
    #[must_use]
    pub fn quota_group(mut self, group: impl Into<String>) -> Self {
        self.quota_group = Some(group.into());
        self
    }

    pub(crate) fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.model)
    }
}

/// Where a target's requests go: scheme, authority and base path.
#[derive(Clone)]
pub struct Upstream {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    pub(crate) base_path: String,
    pub(crate) credential: Option<Credential>,
    pub(crate) dialect: Option<&'static dyn Dialect>,
    /// The headers that carry the credentials of any target of the router.
    pub(crate) secrets: Arc<[HeaderName]>,
}

impl Upstream {
    /// Creates an upstream from its base URL, as an SDK takes it: `https://api.openai.com/v1`,
    /// `https://api.anthropic.com`.
    ///
    /// The part of a request's path that all providers of a dialect share (`/chat/completions`,
    /// `/v1/messages`) is appended to the base path.
    ///
    /// # Errors
    ///
    /// If the URL does not parse, is not `http` or `https`, or has a query or user information.
    pub fn new(base_url: &str) -> Result<Self, BuildError> {
        let uri: Uri = base_url.parse().map_err(|error| {
            BuildError::new(format!("upstream: the base URL is no URL: {error}"))
        })?;
        let parts = uri.into_parts();
        let scheme = parts
            .scheme
            .filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS)
            .ok_or_else(|| {
                BuildError::new("upstream: the base URL must begin with http:// or https://")
            })?;
        let authority = parts
            .authority
            .ok_or_else(|| BuildError::new("upstream: the base URL has no host"))?;
        if authority.as_str().contains('@') {
            return Err(BuildError::new(
                "upstream: a base URL must not hold a user name or password; use a credential",
            ));
        }
        let path = parts.path_and_query.as_ref();
        if path.is_some_and(|path| path.query().is_some()) {
            return Err(BuildError::new(format!(
                "upstream {:?}: a base URL has no query",
                authority.host()
            )));
        }
        let base_path = path
            .map_or("", |path| path.path())
            .trim_end_matches('/')
            .to_owned();
        let dialect = match authority.host() {
            "api.anthropic.com" => Some(&dialect::Anthropic as &'static dyn Dialect),
            "api.openai.com" => Some(&dialect::OpenAi as &'static dyn Dialect),
            _ => None,
        };
        Ok(Self {
            scheme,
            authority,
            base_path,
            credential: None,
            dialect,
            secrets: Arc::new([]),
        })
    }

    /// Attaches a credential. Those that came with the request are removed in any case: they
    /// belong to somebody else.
    #[must_use]
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Restricts the upstream to requests in one dialect; others are kept away from its targets.
    /// Default: any dialect, but for `api.openai.com` and `api.anthropic.com`.
    #[must_use]
    pub fn dialect(mut self, dialect: &'static dyn Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }

    /// Returns whether it takes requests in this dialect.
    pub(crate) fn speaks(&self, dialect: &str) -> bool {
        self.dialect.is_none_or(|own| own.name() == dialect)
    }

    pub(crate) fn key(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.base_path)
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("url", &self.key())
            .field("credential", &self.credential)
            .field("dialect", &self.dialect.map(Dialect::name))
            .finish()
    }
}

/// A secret that opens an upstream. Never shown, not even in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// By dialect; an empty name stands for every dialect.
    headers: Arc<[(&'static str, HeaderName, HeaderValue)]>,
}

impl Credential {
    /// Creates a credential that goes out as each dialect's SDK sends it: `authorization: Bearer`
    /// or `x-api-key`.
    ///
    /// # Errors
    ///
    /// If the secret is empty or no header can carry it.
    pub fn new(secret: &str) -> Result<Self, BuildError> {
        if secret.trim().is_empty() {
            return Err(BuildError::new("credential: the secret is empty"));
        }
        let headers: Option<Vec<_>> = dialect::ALL
            .iter()
            .map(|dialect| {
                let (name, mut value) = dialect.credential(secret)?;
                value.set_sensitive(true);
                Some((dialect.name(), name, value))
            })
            .collect();
        let headers = headers.ok_or_else(|| {
            BuildError::new("credential: the secret holds characters that no header can carry")
        })?;
        Ok(Self {
            headers: headers.into(),
        })
    }

    /// Creates a credential that goes out in a header of your choice, as it is.
    ///
    /// # Errors
    ///
    /// If the name is no header name or the value cannot stand in a header.
    pub fn header(name: &str, value: &str) -> Result<Self, BuildError> {
        let name: HeaderName = name
            .parse()
            .map_err(|_| BuildError::new(format!("credential: {name:?} is no header name")))?;
        let mut value: HeaderValue = value.parse().map_err(|_| {
            BuildError::new("credential: the value holds characters that no header can carry")
        })?;
        value.set_sensitive(true);
        Ok(Self {
            headers: Arc::new([("", name, value)]),
        })
    }

    pub(crate) fn header_names(&self) -> impl Iterator<Item = &HeaderName> {
        self.headers.iter().map(|(_, name, _)| name)
    }

    pub(crate) fn for_dialect(&self, dialect: &str) -> Option<(&HeaderName, &HeaderValue)> {
        self.headers
            .iter()
            .find(|(of, ..)| of.is_empty() || *of == dialect)
            .map(|(_, name, value)| (name, value))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// The targets that may serve a requested model, in order of preference.
#[derive(Clone)]
pub struct Pool {
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) targets: Vec<Target>,
    pub(crate) policy: Option<Arc<dyn RoutingPolicy>>,
    pub(crate) mode: Mode,
    pub(crate) nobody_free: NobodyFree,
    pub(crate) upgrade: bool,
    pub(crate) hold_back: bool,
    pub(crate) derive_sessions: bool,
    pub(crate) cost_weight: f64,
    pub(crate) objective: Option<Duration>,
    pub(crate) preference: Option<f64>,
    pub(crate) checks: Vec<Arc<dyn Check>>,
    pub(crate) cascade: bool,
    pub(crate) cascade_below: Score,
}

impl Pool {
    /// Creates an empty pool. A request may name the pool itself as its model, an alias of it, or
    /// the model of one of its targets.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            aliases: Vec::new(),
            targets: Vec::new(),
            policy: None,
            mode: Mode::Route,
            nobody_free: NobodyFree::Wait,
            upgrade: false,
            hold_back: true,
            derive_sessions: false,
            cost_weight: 0.0,
            objective: None,
            preference: None,
            checks: Vec::new(),
            cascade: false,
            cascade_below: Score::MIDDLE,
        }
    }

    /// Sets what a dollar is worth, in expected score of one answer: with 10, an answer that costs a
    /// cent more has to be better by 0.1. Default: 0, cost does not matter.
    #[must_use]
    pub fn cost_weight(mut self, score_per_dollar: f64) -> Self {
        self.cost_weight = score_per_dollar;
        self
    }

    /// Sets the time within which an answer is worth something, from the beginning of the call: to
    /// the first content of a stream, else to the end. Targets that are not likely to make it are
    /// passed over. Default: none; then an answer is late that takes longer than the target's
    /// answers ever do.
    #[must_use]
    pub fn objective(mut self, objective: Duration) -> Self {
        self.objective = Some(objective);
        self
    }

    /// Sets how much expected score, at least 0, is given up to stay one rank higher in the declared
    /// order. 0 means that the order does not matter. Default: 0.05 while nobody reports scores,
    /// falling to 0.005 as many do.
    #[must_use]
    pub fn preference(mut self, per_rank: f64) -> Self {
        self.preference = Some(per_rank);
        self
    }

    /// Adds another name for the pool.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }

    /// Adds a target, less preferred than those before it.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Adds a target that serves `model` at the caller's own upstream.
    #[must_use]
    pub fn model(self, model: impl Into<String>) -> Self {
        self.target(Target::new(model))
    }

    /// Sets the policy. Default: [`Adaptive`](crate::policy::Adaptive).
    #[must_use]
    pub fn policy(mut self, policy: impl RoutingPolicy + 'static) -> Self {
        self.policy = Some(Arc::new(policy));
        self
    }

    /// Sets the mode it starts in. Default: [`Mode::Route`].
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets what happens when no target is free. Default: [`NobodyFree::Wait`].
    #[must_use]
    pub fn nobody_free(mut self, rule: NobodyFree) -> Self {
        self.nobody_free = rule;
        self
    }

    /// Lets a request that names the model of one target be served by targets that are declared
    /// before it, too. Default: only by it and those after it.
    #[must_use]
    pub fn upgrade(mut self, upgrade: bool) -> Self {
        self.upgrade = upgrade;
        self
    }

    /// Sets whether streamed answers are held until their first content. Default: they are.
    #[must_use]
    pub fn hold_back(mut self, hold_back: bool) -> Self {
        self.hold_back = hold_back;
        self
    }

    /// Sets whether a request without a [`Session`](crate::Session) gets one from what it says
    /// itself: `prompt_cache_key`, `metadata.user_id`, else its first system and first user
    /// message. Default: it does not, since that reads the body once more, and callers that share
    /// one cache key would all be one session.
    #[must_use]
    pub fn derive_sessions(mut self, derive: bool) -> Self {
        self.derive_sessions = derive;
        self
    }

    /// Adds a check of good answers, which reports by itself; see [`checks`](crate::checks).
    /// Default: those of [`Builder::success_when`](super::Builder::success_when).
    #[must_use]
    pub fn success_when(mut self, check: impl Check + 'static) -> Self {
        self.checks.push(Arc::new(check));
        self
    }

    /// Sets whether an answer that fails its [checks](Self::success_when) is asked for again, of a
    /// better target. Default: it is not, and checks only report.
    ///
    /// For answers that are not streamed and are still held back when they end (64 KiB at most),
    /// below a [`FailoverLayer`](crate::FailoverLayer) and within its attempts, deadline and
    /// budget. Where nobody better is free, or the next attempt comes to nothing, the answer that
    /// failed its checks is delivered after all. The provider has been paid for it either way.
    #[must_use]
    pub fn cascade(mut self, cascade: bool) -> Self {
        self.cascade = cascade;
        self
    }

    /// Sets below which quality an answer fails its checks. One of the wrong form always does.
    /// Default: 0.5.
    #[must_use]
    pub fn cascade_below(mut self, quality: Score) -> Self {
        self.cascade_below = quality;
        self
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.name)
            .field("aliases", &self.aliases)
            .field("targets", &self.targets)
            .field("policy", &self.policy)
            .field("mode", &self.mode)
            .field("checks", &self.checks.len())
            .finish_non_exhaustive()
    }
}

/// What the router does with a pool's requests. Switchable while running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Choose, rewrite, record.
    Route,
    /// Serve the requested model, record, and note what would have been chosen.
    Observe,
    /// Serve the requested model and look no further.
    Off,
}

/// What happens to a request when no target is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NobodyFree {
    /// Wait for the first to become free if that is expected within the deadline (10 seconds
    /// unless [`Deadline`](crate::Deadline) says otherwise), else answer 429 at once.
    Wait,
    /// Answer 429 with `Retry-After` at once.
    Answer,
    /// Use the target that is expected to be free first, all the same. Only a wait that the
    /// provider itself asked for is kept.
    LeastBad,
}
