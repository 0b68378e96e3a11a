use std::{fmt, time::Duration};

use super::{
    transport::{Processed, Transport},
    unfit::Unfit,
};

/// How an attempt ended.
///
/// Which evidence a class feeds: [`RateLimited`](Self::RateLimited) and
/// [`QuotaExhausted`](Self::QuotaExhausted) the capacity of the quota group;
/// [`ServerError`](Self::ServerError), [`Overloaded`](Self::Overloaded),
/// [`Timeout`](Self::Timeout), [`Truncated`](Self::Truncated) and [`Success`](Self::Success) the
/// target's health; [`Degraded`](Self::Degraded) and [`ContentFilter`](Self::ContentFilter) its
/// validity; [`ModelError`](Self::ModelError) the fit filter; [`AuthError`](Self::AuthError) takes
/// the credential out of rotation; [`ClientError`](Self::ClientError) and
/// [`Abandoned`](Self::Abandoned) teach nothing by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Answered whole.
    Success,
    /// Refused for now: too many requests or tokens per minute.
    RateLimited,
    /// Refused until somebody pays or a day has passed: waiting a minute does not help.
    QuotaExhausted,
    /// The provider has no room for anybody.
    Overloaded,
    /// The provider failed.
    ServerError,
    /// No answer in time, by the provider's own word or by a timeout on our side.
    Timeout,
    /// The request itself is wrong and would be wrong anywhere.
    ClientError,
    /// This model cannot take this request: unknown model, context too long, parameter not
    /// supported. Another one may.
    ModelError,
    /// The credential was refused.
    AuthError,
    /// Blocked by a content policy, on the way in or out.
    ContentFilter,
    /// Answered, but not usefully: cut at the token limit, empty, malformed by the model.
    Degraded,
    /// The answer ended before its end.
    Truncated,
    /// Nobody waited for the answer: dropped without a class. A censored observation.
    Abandoned,
}

impl Class {
    /// Every class, in declaration order.
    pub const ALL: [Self; 13] = [
        Self::Success,
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::Overloaded,
        Self::ServerError,
        Self::Timeout,
        Self::ClientError,
        Self::ModelError,
        Self::AuthError,
        Self::ContentFilter,
        Self::Degraded,
        Self::Truncated,
        Self::Abandoned,
    ];

    /// Returns the stable snake-case name, as used in metrics, logs and test vectors.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::ClientError => "client_error",
            Self::ModelError => "model_error",
            Self::AuthError => "auth_error",
            Self::ContentFilter => "content_filter",
            Self::Degraded => "degraded",
            Self::Truncated => "truncated",
            Self::Abandoned => "abandoned",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// The request rate.
    Requests,
    /// The token rate, or a request with too many tokens.
    Tokens,
    /// Money, or a daily or monthly cap.
    Quota,
    /// The credential.
    Credential,
}

impl Scope {
    /// Returns the stable snake-case name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Quota => "quota",
            Self::Credential => "credential",
        }
    }
}

/// How an attempt ended, with what follows from it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// The class.
    pub class: Class,
    /// How long the provider asked us to wait; `None` where it did not say. Not capped.
    pub retry_after: Option<Duration>,
    /// What a refusal is about, where it is known.
    pub scope: Option<Scope>,
    /// Whether the end was the caller's or the credential's doing, so that nothing is learned
    /// about the target.
    pub neutral: bool,
    /// Whether another target could plausibly do better.
    pub failover: bool,
    /// Whether the provider may have worked for it, so that repeating could be paid twice.
    pub processed: Processed,
    /// What went wrong below HTTP, if that is where it went wrong.
    pub transport: Option<Transport>,
    /// What about the request did not fit, where the model could not take it and that is known.
    pub unfit: Option<Unfit>,
    /// Whether time alone lifts an exhausted quota (a cap per day), so that a wait means something.
    pub(super) resets: bool,
}

impl Verdict {
    /// Creates a verdict with the usual consequences of its class.
    #[must_use]
    pub fn new(class: Class) -> Self {
        let neutral = matches!(
            class,
            Class::ClientError | Class::AuthError | Class::Abandoned
        );
        let failover = !matches!(
            class,
            Class::Success | Class::ClientError | Class::ContentFilter
        );
        let scope = match class {
            Class::QuotaExhausted => Some(Scope::Quota),
            Class::AuthError => Some(Scope::Credential),
            _ => None,
        };
        let processed = match class {
            Class::RateLimited
            | Class::QuotaExhausted
            | Class::ClientError
            | Class::ModelError
            | Class::AuthError => Processed::No,
            Class::Overloaded | Class::ServerError | Class::Timeout | Class::Abandoned => {
                Processed::Maybe
            }
            Class::Success | Class::ContentFilter | Class::Degraded | Class::Truncated => {
                Processed::Yes
            }
        };
        Self {
            class,
            retry_after: None,
            scope,
            neutral,
            failover,
            processed,
            transport: None,
            unfit: None,
            resets: false,
        }
    }

    /// Sets how long the provider asked us to wait.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// Sets what a refusal is about.
    #[must_use]
    pub fn with_scope(mut self, scope: Option<Scope>) -> Self {
        self.scope = scope;
        self
    }

    /// Sets whether nothing about the target is learned from this.
    #[must_use]
    pub fn with_neutral(mut self, neutral: bool) -> Self {
        self.neutral = neutral;
        self
    }

    /// Sets whether another target could plausibly do better.
    #[must_use]
    pub fn with_failover(mut self, failover: bool) -> Self {
        self.failover = failover;
        self
    }

    /// Sets whether the provider may have worked for it.
    #[must_use]
    pub fn with_processed(mut self, processed: Processed) -> Self {
        self.processed = processed;
        self
    }

    /// Sets what about the request did not fit.
    #[must_use]
    pub fn with_unfit(mut self, unfit: Option<Unfit>) -> Self {
        self.unfit = unfit;
        self
    }

    /// Marks an exhausted quota as one that time lifts.
    pub(super) fn with_reset(mut self) -> Self {
        self.resets = true;
        self
    }

    /// Whether a wait, where one is asked for, means anything: not where waiting never helps.
    pub(super) fn waits(&self) -> bool {
        match self.class {
            Class::RateLimited | Class::Overloaded | Class::ServerError | Class::Timeout => true,
            Class::QuotaExhausted => self.resets,
            _ => false,
        }
    }
}
