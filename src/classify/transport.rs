use std::{error::Error, fmt};

use super::{class::Class, endings::Ending, inspect};

/// What went wrong below HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// No connection: refused, unreachable, name or TLS failure.
    Connect,
    /// The connection was reset, or closed between two messages.
    Reset,
    /// The connection ended before the message did.
    Incomplete,
    /// What came is not HTTP.
    Malformed,
    /// A timeout on our side.
    Timeout,
    /// HTTP/2 `REFUSED_STREAM`: provably not processed.
    Refused,
    /// HTTP/2 `ENHANCE_YOUR_CALM`.
    Calm,
    /// The local stack gave up before sending: load shed, closed buffer.
    Local,
    /// The caller's own body failed while it was sent.
    Upload,
    /// Anything else.
    Other,
}

impl Transport {
    /// Every ending, in declaration order.
    pub const ALL: [Self; 10] = [
        Self::Connect,
        Self::Reset,
        Self::Incomplete,
        Self::Malformed,
        Self::Timeout,
        Self::Refused,
        Self::Calm,
        Self::Local,
        Self::Upload,
        Self::Other,
    ];

    /// Looks at an error, whatever its type, through `Any` and `source()`.
    ///
    /// Boxed and shared errors, those of the standard library, tower's timeout and load shedding
    /// and tokio's timeout are always recognised; those of hyper and hyper-util, reqwest and h2
    /// with the features of these names. The chain of sources is followed to a depth of 32.
    #[must_use]
    pub fn of<E: 'static>(error: &E) -> Self {
        inspect::any(error).map_or(Self::Other, Self::of_error)
    }

    /// Looks at an error as [`of`](Self::of) does.
    #[must_use]
    pub fn of_error(error: &(dyn Error + 'static)) -> Self {
        inspect::chain(error)
    }

    /// Returns the class of an attempt that ended so before the head of an answer came.
    #[must_use]
    pub fn class(self) -> Class {
        Ending::Transport(self).verdict().class
    }

    /// Returns whether the provider may have worked for an attempt that ended so before the head
    /// of an answer came.
    #[must_use]
    pub fn processed(self) -> Processed {
        Ending::Transport(self).verdict().processed
    }

    /// Returns the stable snake-case name, as used in metrics, logs and test vectors.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Incomplete => "incomplete",
            Self::Malformed => "malformed",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Calm => "calm",
            Self::Local => "local",
            Self::Upload => "upload",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the provider may have worked (and charged) for an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Processed {
    /// Provably not: repeating is safe.
    No,
    /// Unknown.
    Maybe,
    /// It answered.
    Yes,
}

impl Processed {
    /// Returns the stable snake-case name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Maybe => "maybe",
            Self::Yes => "yes",
        }
    }
}
