use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::request::Parts;
use http_body::{Body, Frame, SizeHint};

use super::{
    Handle, Prepared, Sending,
    upload::{Upload, locate},
};
use crate::{
    route::{
        collect::{Collected, Collector},
        inspect::inspect,
    },
    router::{Decision, Mode, OutcomeRouter, Passed, Unavailable},
};

/// What would become of a request.
#[derive(Debug)]
pub(crate) struct DryRun {
    pub(crate) dialect: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) mode: Mode,
    pub(crate) decision: Result<Decision, Unavailable>,
}

impl DryRun {
    /// Prepares a request as the layer does, and decides on it; picks nobody, and counts nothing. The
    /// error says why it would not be routed.
    pub(crate) fn new(router: &OutcomeRouter, parts: Parts, body: Bytes) -> Result<Self, Passed> {
        let size = SizeHint::with_exact(body.len() as u64);
        let (dialect, endpoint) = inspect(&parts, &size, router)?;
        let len = body.len();
        let located = locate(dialect, endpoint, &parts, std::slice::from_ref(&body))?;
        if !router.knows(&located.model) {
            return Err(Passed::UnknownModel);
        }
        let handle = Handle {
            service: (),
            ready: false,
        };
        let upload = Upload {
            handle,
            parts,
            body: Collector::new(Nothing, 0),
            dialect,
            endpoint,
        };
        let whole = Collected::Whole {
            chunks: VecDeque::from([body]),
            len,
            trailers: None,
        };
        match upload.finish(Some(whole), router) {
            Sending::Routed(prepared) => Ok(prepared.decided(router)),
            // What can be located is prepared.
            Sending::Untouched { .. } => Err(Passed::NotInference),
        }
    }
}

impl Prepared<()> {
    fn decided(self, router: &OutcomeRouter) -> DryRun {
        DryRun {
            dialect: self.dialect.name(),
            operation: self.endpoint.operation,
            stream: self.located.stream,
            mode: self.rules.mode,
            decision: router.decide(&self.request(&[]), router.now()),
            model: self.located.model.clone(),
        }
    }
}

/// The body of a request whose body is already here.
struct Nothing;

impl Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}
