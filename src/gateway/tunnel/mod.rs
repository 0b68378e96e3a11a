//! Websockets, as realtime APIs use them: bytes are copied both ways once the upstream has agreed.
//!
//! The model is named in the query, so that the upstream is chosen as for any request; but what is
//! said cannot be repeated, so there is one attempt. Its outcome is settled when the tunnel ends.

mod asked;
mod copy;
mod open;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts, response};
use tokio::time::Instant;

pub(super) use self::asked::Asked;
use self::copy::Ended;
use super::{
    access::Caller,
    admit::is_plain,
    ending::{Ending, EndingBody},
    headers,
    refuse::{closed, dialect_of, failed, refuse, unknown_model, unknown_path},
    server::Draining,
    service::Live,
    shed::Place,
};
use crate::{
    classify::{Class, Classify as _, DefaultClassifier, Limits, Seen, Transport, Verdict},
    dialect::Dialect,
    hints::{AttemptIndex, Call},
    route,
    router::{Outcome, OutcomeRouter, Ticket},
};

impl Live {
    /// Answers a request for a websocket.
    pub(super) async fn tunnel(
        &self,
        mut parts: Parts,
        asked: Asked,
        caller: Caller<'_>,
        place: Place,
    ) -> Response<Body> {
        let rules = &self.rules;
        let dialect = dialect_of(&parts.headers);
        let draining = parts.extensions.remove::<Draining>();
        let ticket = match self.address(&mut parts, dialect, caller) {
            Ok(ticket) => ticket,
            Err(refusal) => return *refusal,
        };
        let call = Call::new();
        let mut ending = Ending::new(rules, &call, caller, place);
        let routed = ticket.as_ref().map(|ticket| ticket.routed().clone());
        let attempt = ticket.map(|ticket| Attempt::begin(ticket, &call, &rules.router, &parts));
        let answered = self.upstreams.upgrade(parts, routed.as_ref()).await;
        let (mut answer, idle) = match answered {
            Ok(answered) => answered,
            Err(error) => {
                tracing::debug!(%error, "a websocket could not be opened");
                if let Some(attempt) = attempt {
                    attempt.fail(Transport::of(&error));
                }
                return failed(dialect, &call, &rules.headers);
            }
        };
        let switches = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        let theirs = switches.then(|| hyper::upgrade::on(&mut answer));
        let (mut parts, body) = answer.into_parts();
        let protocol = parts.headers.remove(header::UPGRADE);
        headers::leave(&mut parts, &rules.headers, false);
        ending.deliver(routed.map(|routed| routed.outcome_id()));
        let attempt = attempt.map(|attempt| attempt.answered(&parts));
        rules.headers.tell(&mut parts, &call);
        let Some(theirs) = theirs else {
            // No tunnel, but an answer as any other.
            if let Some(attempt) = attempt {
                attempt.end();
            }
            return Response::from_parts(parts, Body::new(EndingBody::new(body, ending)));
        };
        if !protocol.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket")) {
            tracing::debug!("an upstream switches to something else than a websocket");
            return failed(dialect, &call, &rules.headers);
        }
        let headers = &mut parts.headers;
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        tokio::spawn(async move {
            let ended = copy::run(asked.ours, theirs, idle).await;
            tracing::debug!(?ended, "a websocket has ended");
            if let Some(attempt) = attempt {
                attempt.settle(ended);
            }
            // Whoever waits for the end is told only now.
            drop((ending, draining));
        });
        Response::from_parts(parts, Body::empty())
    }

    /// Chooses the upstream, and makes the request one to it.
    fn address(
        &self,
        parts: &mut Parts,
        dialect: &dyn Dialect,
        caller: Caller<'_>,
    ) -> Result<Option<Ticket>, Box<Response<Body>>> {
        let rules = &self.rules;
        let path = parts.uri.path();
        if !is_plain(path) {
            let message = "The path can be read in more than one way.";
            return Err(refuse(dialect, StatusCode::BAD_REQUEST, message).into());
        }
        let model = asked::model(&parts.uri);
        let pool = model.as_deref().and_then(|it| rules.router.pool_of(it));
        let served = || rules.catalog.names(caller);
        match (model, pool) {
            (Some(model), Some(pool)) if caller.opens(pool) => {
                let opened = open::route(&rules.router, pool, parts, &model);
                opened.map_err(|why| Box::new(route::refuse(dialect, &why).map(Body::from)))
            }
            (Some(model), Some(_)) => Err(unknown_model(dialect, &model, served()).into()),
            (Some(model), None) if !rules.fallback => {
                Err(unknown_model(dialect, &model, served()).into())
            }
            _ if !rules.fallback => Err(unknown_path(&parts.headers, &parts.method, path).into()),
            _ if !caller.opens_all() => Err(closed(dialect, &parts.method, path).into()),
            _ => Ok(None),
        }
    }
}

/// The attempt that a routed tunnel is.
struct Attempt {
    router: OutcomeRouter,
    ticket: Ticket,
    call: Call,
    index: AttemptIndex,
    path: String,
    /// What the head said.
    verdict: Verdict,
}

impl Attempt {
    fn begin(ticket: Ticket, call: &Call, router: &OutcomeRouter, parts: &Parts) -> Self {
        Self {
            router: router.clone(),
            index: call.begin(ticket.target_id(), None, ticket.routed().clone()),
            ticket,
            call: call.clone(),
            path: parts.uri.path().to_owned(),
            verdict: Verdict::new(Class::Abandoned),
        }
    }

    /// No answer came.
    fn fail(self, transport: Transport) {
        let verdict = self.judge(None, &HeaderMap::new(), Some(transport));
        self.conclude(verdict);
    }

    /// Takes in the head of the answer: with it, the wait is over.
    fn answered(mut self, parts: &response::Parts) -> Self {
        let now = self.router.now();
        self.verdict = self.judge(Some(parts.status), &parts.headers, None);
        let limits = Limits::from_headers(&parts.headers, self.router.wall());
        let head = Outcome::new(self.verdict.clone()).limits(limits);
        self.ticket.head_at(head, now);
        if self.verdict.class == Class::Success {
            self.ticket.content_at(now);
        }
        self
    }

    /// The head is all there is to it.
    fn end(self) {
        let verdict = self.verdict.clone();
        self.conclude(verdict);
    }

    /// The tunnel has ended.
    fn settle(self, ended: Ended) {
        let verdict = match ended {
            Ended::Well => Verdict::new(Class::Success),
            // Who left first is not known, nor why.
            Ended::Unsaid => Verdict::new(Class::Abandoned),
            Ended::Broken => {
                let status = Some(StatusCode::SWITCHING_PROTOCOLS);
                self.judge(status, &HeaderMap::new(), Some(Transport::Incomplete))
            }
        };
        self.conclude(verdict);
    }

    fn judge(
        &self,
        status: Option<StatusCode>,
        headers: &HeaderMap,
        transport: Option<Transport>,
    ) -> Verdict {
        let wall = self.router.wall();
        let mut seen = Seen::head(&self.path, StatusCode::OK, headers, wall);
        seen.status = status;
        let seen = seen.with_transport(transport);
        DefaultClassifier.classify(&seen)
    }

    fn conclude(self, verdict: Verdict) {
        let now: Instant = self.router.now();
        self.call.settle(self.index, verdict.clone());
        self.ticket.settle_at(Outcome::new(verdict).untimed(), now);
    }
}
