//! What a caller may say about a request, and what it is told about the answer.
//!
//! Hints are request extensions. A missing one means its default, never an error. [`Routed`] is a
//! response extension; [`Call`] is shared by all attempts of one logical call.

pub use crate::router::Routed;

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

#[cfg(feature = "gateway")]
use crate::router::OutcomeId;
use crate::{
    classify::{Usage, Verdict},
    router::{Decision, Needs, TargetId},
};

/// What kind of work a request is: `"synthesis"`, `"extraction"`. It wins over what a
/// [classifier](crate::tasks::ClassifyTask) says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Task(Arc<str>);

impl Task {
    /// Names the kind of work.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who a request is for: a customer, a team, a key. What is learned about a task is learned for
/// each tenant apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// Names the tenant.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The session that a request belongs to. Policies see it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session(Arc<str>);

impl Session {
    /// Names the session.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Restricts the targets of one request, by target name or model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidates {
    kind: CandidatesKind,
    names: Arc<[String]>,
    /// A target that is ruled out beside, by its name alone.
    but: Option<Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CandidatesKind {
    Only,
    Except,
}

impl Candidates {
    /// Allows only these.
    #[must_use]
    pub fn only<I: IntoIterator<Item: Into<String>>>(names: I) -> Self {
        Self::new(CandidatesKind::Only, names)
    }

    /// Allows all but these.
    #[must_use]
    pub fn except<I: IntoIterator<Item: Into<String>>>(names: I) -> Self {
        Self::new(CandidatesKind::Except, names)
    }

    /// Allows one.
    #[must_use]
    pub fn one(name: impl Into<String>) -> Self {
        Self::only([name])
    }

    fn new<I: IntoIterator<Item: Into<String>>>(kind: CandidatesKind, names: I) -> Self {
        Self {
            kind,
            names: names.into_iter().map(Into::into).collect(),
            but: None,
        }
    }

    pub(crate) fn all() -> Self {
        Self::except::<[String; 0]>([])
    }

    /// Rules out one target more.
    pub(crate) fn but(mut self, target: &str) -> Self {
        self.but = Some(target.into());
        self
    }

    pub(crate) fn allows(&self, target: &str, model: &str) -> bool {
        if self.but.as_deref() == Some(target) {
            return false;
        }
        let named = self
            .names
            .iter()
            .any(|name| name == target || name == model);
        match self.kind {
            CandidatesKind::Only => named,
            CandidatesKind::Except => !named,
        }
    }
}

/// Rules out any other model than the requested one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strict;

/// How long the caller is willing to wait for a target to become free, from now; for
/// [`FailoverLayer`](crate::FailoverLayer) also the time after which nothing is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub Duration);

/// Rules out exploration for this request: nothing is tried out on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Risk;

/// Asks for the whole decision behind the answer: every target of the pool, what stands against it,
/// and how the rest compare.
///
/// It comes as an `Arc<`[`Decision`]`>` beside [`Routed`] in the extensions of the response, that of
/// a refusal of ours, too, and as [`Call::decision`]. Not meant for every request: the
/// [propensity](Decision::propensity) alone draws the decision's randomness anew many times.
///
/// ```
/// use std::{convert::Infallible, sync::Arc};
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_outcome::{Decision, Explain, OutcomeRouter, OutcomeRoutingLayer, RequestBody};
/// # type Body = http_body_util::Full<bytes::Bytes>;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let router = OutcomeRouter::builder().model("gpt-4o").model("gpt-4o-mini").build()?;
/// let client = OutcomeRoutingLayer::new(router).layer(service_fn(
///     |_: Request<RequestBody<Body>>| async {
///         Ok::<_, Infallible>(Response::new(Body::default()))
///     },
/// ));
///
/// let request = Request::post("https://api.openai.com/v1/chat/completions")
///     .header("content-type", "application/json")
///     .extension(Explain)
///     .body(Body::from(r#"{"model":"gpt-4o","messages":[]}"#))?;
/// let response = client.oneshot(request).await?;
///
/// let decision = response.extensions().get::<Arc<Decision>>().expect("it was asked for");
/// assert_eq!(decision.target(), Some("gpt-4o"));
/// assert!(decision.to_string().starts_with("default, adaptive: gpt-4o is picked (preferred)"));
/// # Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explain;

/// Marks the copy of a call, whose answer nobody reads, and says who serves the call itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shadowing(pub(crate) TargetId);

/// Switches hold-back for one request: whether a streamed answer is held until its first content,
/// so that an error before it can still fail over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldBack(pub bool);

/// What the attempts of one logical call share: the targets that were tried, and how that ended.
///
/// [`FailoverLayer`](crate::FailoverLayer) and [`CallLayer`](crate::CallLayer) insert it; clones
/// share. It tells on `Err`, too, which target failed.
#[derive(Clone, Default)]
pub struct Call {
    state: Arc<Mutex<CallState>>,
}

#[derive(Debug, Default)]
struct CallState {
    /// When routing saw it first.
    began: Option<Instant>,
    attempts: Vec<Attempted>,
    /// Behind the last attempt or refusal, where it was asked for.
    decision: Option<Arc<Decision>>,
    /// What its request asks of a target, once routing has read it.
    needs: Option<Needs>,
    side_effects: bool,
    tool_loop: bool,
}

#[derive(Clone, Debug)]
struct Attempted {
    target: TargetId,
    routed: Routed,
    verdict: Option<Verdict>,
    usage: Option<Usage>,
    cost: Option<f64>,
    /// What the provider calls the answer.
    response_id: Option<Arc<str>>,
    /// The answer is good as answers go, but failed its checks and is to be asked for again.
    unsatisfactory: bool,
    task: Option<Cow<'static, str>>,
}

/// Names an attempt within its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttemptIndex(usize);

/// Where routing notes which attempt it made of a request: under a hedge, attempts of one call run
/// side by side, and the last one need not be one's own. Clones share.
#[derive(Clone, Debug)]
pub(crate) struct Mark(Arc<AtomicUsize>);

impl Mark {
    const NONE: usize = usize::MAX;

    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(Self::NONE)))
    }

    pub(crate) fn set(&self, index: AttemptIndex) {
        self.0.store(index.0, Ordering::Release);
    }

    pub(crate) fn get(&self) -> Option<AttemptIndex> {
        let index = self.0.load(Ordering::Acquire);
        (index != Self::NONE).then_some(AttemptIndex(index))
    }
}

impl Call {
    /// Creates the state of a call that has made no attempt.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of attempts so far.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.with(|state| state.attempts.len())
    }

    /// Returns who served the last attempt.
    #[must_use]
    pub fn last(&self) -> Option<Routed> {
        self.with(|state| state.attempts.last().map(|last| last.routed.clone()))
    }

    /// Returns how the last attempt ended, as far as that is known.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.with(|state| state.attempts.last().and_then(|last| last.verdict.clone()))
    }

    /// Returns the tokens that the last attempt used, once it has ended, where the provider reported
    /// them. A stream ends with its body.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.with(|state| state.attempts.last()?.usage)
    }

    /// Returns what all attempts together cost so far, in dollars: each is known once it has ended,
    /// where the provider reported its usage and the target has a [price](crate::Price). `None`
    /// where none is known.
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use http::{Request, Response};
    /// use http_body_util::BodyExt;
    /// use tower::{Layer, ServiceExt, service_fn};
    /// use tower_outcome::{
    ///     Call, OutcomeRouter, OutcomeRoutingLayer, Pool, Price, RequestBody, Target,
    /// };
    /// # type Body = http_body_util::Full<bytes::Bytes>;
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let target = Target::new("gpt-4o").price(Price::per_million(2.5, 10.0));
    /// let router = OutcomeRouter::builder().pool(Pool::new("chat").target(target)).build()?;
    /// let client = OutcomeRoutingLayer::new(router).layer(service_fn(
    ///     |_: Request<RequestBody<Body>>| async {
    ///         let answer = r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],
    ///             "usage":{"prompt_tokens":1000,"completion_tokens":100}}"#;
    ///         let response = Response::builder().header("content-type", "application/json");
    ///         Ok::<_, Infallible>(response.body(Body::from(answer)).unwrap())
    ///     },
    /// ));
    ///
    /// let call = Call::new();
    /// let request = Request::post("https://api.openai.com/v1/chat/completions")
    ///     .header("content-type", "application/json")
    ///     .extension(call.clone())
    ///     .body(Body::from(r#"{"model":"chat","messages":[]}"#))?;
    /// client.oneshot(request).await?.into_body().collect().await?;
    ///
    /// assert_eq!(call.usage().map(|usage| usage.output), Some(100));
    /// assert!((call.cost().unwrap() - 0.0035).abs() < 1e-12);
    /// # Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    #[must_use]
    pub fn cost(&self) -> Option<f64> {
        self.with(|state| {
            let known = state.attempts.iter().filter_map(|attempt| attempt.cost);
            known.reduce(|sum, more| (sum + more).min(f64::MAX))
        })
    }

    /// Returns what the provider calls the answer to the last attempt (`chatcmpl-...`, `msg_...`), once
    /// it has said so: in JSON with the end of the body, in a stream with its first events. At most 256
    /// bytes; what is longer is none.
    #[must_use]
    pub fn response_id(&self) -> Option<Arc<str>> {
        self.with(|state| state.attempts.last()?.response_id.clone())
    }

    /// Returns the decision behind the last attempt, or behind our refusal where that came last;
    /// only for requests with [`Explain`].
    #[must_use]
    pub fn decision(&self) -> Option<Arc<Decision>> {
        self.with(|state| state.decision.clone())
    }

    pub(crate) fn note_decision(&self, decision: Option<Arc<Decision>>) {
        self.with(|state| state.decision = decision);
    }

    pub(crate) fn tried(&self) -> smallvec::SmallVec<[TargetId; 4]> {
        self.with(|state| {
            state
                .attempts
                .iter()
                .map(|attempt| attempt.target)
                .collect()
        })
    }

    /// Returns how long the call has been going on, from the first time that this was asked.
    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        let began = self.with(|state| *state.began.get_or_insert(now));
        now.saturating_duration_since(began)
    }

    pub(crate) fn begin(
        &self,
        target: TargetId,
        task: Option<Cow<'static, str>>,
        routed: Routed,
    ) -> AttemptIndex {
        self.with(|state| {
            state.attempts.push(Attempted {
                target,
                routed,
                verdict: None,
                usage: None,
                cost: None,
                response_id: None,
                unsatisfactory: false,
                task,
            });
            AttemptIndex(state.attempts.len() - 1)
        })
    }

    pub(crate) fn settle(&self, index: AttemptIndex, verdict: Verdict) {
        self.with(|state| {
            if let Some(attempt) = state.attempts.get_mut(index.0) {
                attempt.verdict = Some(verdict);
            }
        });
    }

    /// Notes what a settled attempt used and cost.
    pub(crate) fn note_cost(&self, index: AttemptIndex, usage: Option<Usage>, cost: Option<f64>) {
        self.with(|state| {
            if let Some(attempt) = state.attempts.get_mut(index.0) {
                (attempt.usage, attempt.cost) = (usage, cost);
            }
        });
    }

    /// Notes what the provider calls the answer to an attempt.
    pub(crate) fn note_response_id(&self, index: AttemptIndex, id: Arc<str>) {
        self.with(|state| {
            if let Some(attempt) = state.attempts.get_mut(index.0) {
                attempt.response_id = Some(id);
            }
        });
    }

    /// Returns what the provider calls the answer of an outcome.
    #[cfg(feature = "gateway")]
    pub(crate) fn response_id_of(&self, outcome: OutcomeId) -> Option<Arc<str>> {
        self.with(|state| {
            let mut attempts = state.attempts.iter();
            let attempt = attempts.find(|it| it.routed.outcome_id() == outcome)?;
            attempt.response_id.clone()
        })
    }

    /// Notes that the good answer of an attempt is to be asked for again.
    pub(crate) fn ask_again(&self, index: AttemptIndex) {
        self.with(|state| {
            if let Some(attempt) = state.attempts.get_mut(index.0) {
                attempt.unsatisfactory = true;
            }
        });
    }

    pub(crate) fn is_to_be_asked_again(&self, index: AttemptIndex) -> bool {
        self.with(|state| {
            let attempt = state.attempts.get(index.0);
            attempt.is_some_and(|attempt| attempt.unsatisfactory)
        })
    }

    /// Returns what a classifier said of the call's work.
    pub(crate) fn task(&self) -> Option<Cow<'static, str>> {
        self.with(|state| state.attempts.last()?.task.clone())
    }

    /// Returns what became of an attempt.
    pub(crate) fn attempt(
        &self,
        index: AttemptIndex,
    ) -> Option<(TargetId, Routed, Option<Verdict>)> {
        self.with(|state| {
            let attempt = state.attempts.get(index.0)?;
            Some((
                attempt.target,
                attempt.routed.clone(),
                attempt.verdict.clone(),
            ))
        })
    }

    /// Returns what its request asks of a target.
    pub(crate) fn needs(&self) -> Needs {
        self.with(|state| state.needs.clone()).unwrap_or_default()
    }

    pub(crate) fn note_needs(&self, needs: &Needs) {
        self.with(|state| {
            state.needs.get_or_insert_with(|| needs.clone());
        });
    }

    pub(crate) fn last_attempt(&self) -> Option<AttemptIndex> {
        self.attempts().checked_sub(1).map(AttemptIndex)
    }

    pub(crate) fn note_side_effects(&self) {
        self.with(|state| state.side_effects = true);
    }

    pub(crate) fn has_side_effects(&self) -> bool {
        self.with(|state| state.side_effects)
    }

    pub(crate) fn note_tool_loop(&self) {
        self.with(|state| state.tool_loop = true);
    }

    pub(crate) fn is_tool_loop(&self) -> bool {
        self.with(|state| state.tool_loop)
    }

    fn with<T>(&self, f: impl FnOnce(&mut CallState) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|state| state.fmt(f))
    }
}
