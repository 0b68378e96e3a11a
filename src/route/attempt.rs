use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, Uri, header, response::Parts};
use http_body::Frame;
use smallvec::SmallVec;
use tokio::time::Instant;
use tracing::Span;

use super::{
    abridge::Abridged,
    checking::{Checking, JUDGED},
    hold::MAX_BYTES,
    inspect::is_encoded,
    shape::{Shape, shape_of},
    span::{self, Ended},
    stall::Stall,
    usage::{UsageFilter, refuses_to_tell},
};
use crate::{
    checks::{Answer, Graded},
    classify::{
        BodySeen, Class, Classify, DefaultClassifier, Limits, Said, Seen, Transport, Usage,
        Verdict, classify_and_read, read,
    },
    dialect::{
        Dialect, EndpointKind,
        stream::{Framing, Observer},
    },
    hints::{AttemptIndex, Call, Mark},
    router::{Outcome, OutcomeId, OutcomeRouter, Routed, Ticket},
};

/// One open attempt: what was seen of its answer, and the ticket it will settle.
pub(super) struct Attempt {
    router: OutcomeRouter,
    /// Present until the attempt is settled.
    ticket: Option<Ticket>,
    /// Ends with the attempt.
    span: Span,
    call: Option<(Call, AttemptIndex)>,
    asked: Asked,
    head: Option<Head>,
    watch: Watch,
    /// A stream was asked for, and what comes does not say that it is one.
    may_stream: bool,
    /// Present where good answers are checked.
    checking: Option<Box<Checking>>,
    first_content: Option<Duration>,
    /// Present once a stream has begun to say something.
    stall: Option<Stall>,
    /// The request asks for the usage of its stream, though its caller did not.
    asks_usage: bool,
    /// The head is with the caller, whose pace decides from here on.
    released: bool,
}

/// What was asked, as far as the reading of the answer depends on it.
pub(super) struct Asked {
    pub(super) uri: Uri,
    pub(super) dialect: &'static dyn Dialect,
    pub(super) kind: EndpointKind,
    /// Whether the answer was asked for as a stream.
    pub(super) stream: bool,
}

struct Head {
    status: StatusCode,
    wall: SystemTime,
    limits: Limits,
    /// What the headers say of it; the body knows better.
    usage: Option<Usage>,
    verdict: Verdict,
    /// Kept once the head has been released.
    headers: HeaderMap,
}

/// How the body is watched.
enum Watch {
    /// Not at all: too long, or compressed.
    Opaque,
    /// Kept whole, up to the limit.
    Whole {
        chunks: SmallVec<[Bytes; 1]>,
        len: usize,
    },
    /// Kept without what is long in it.
    Abridged(Abridged),
    /// Event by event.
    Stream(Box<Observer>),
}

impl Attempt {
    pub(super) fn begin(
        router: &OutcomeRouter,
        ticket: Ticket,
        call: Option<(Call, Option<Mark>)>,
        task: Option<Cow<'static, str>>,
        asked: Asked,
        checking: Option<Box<Checking>>,
    ) -> Box<Self> {
        let call = call.map(|(call, mark)| {
            call.note_decision(ticket.told().cloned());
            let index = call.begin(ticket.target_id(), task, ticket.routed().clone());
            if let Some(mark) = mark {
                mark.set(index);
            }
            (call, index)
        });
        // It is large, and handed on from state to state.
        Box::new(Self {
            router: router.clone(),
            span: span::open(ticket.routed(), &asked),
            ticket: Some(ticket),
            call,
            asked,
            head: None,
            watch: Watch::Opaque,
            may_stream: false,
            checking,
            first_content: None,
            stall: None,
            asks_usage: false,
            released: false,
        })
    }

    /// Notes that the request asks for the usage of its stream, though its caller did not.
    pub(super) fn ask_usage(&mut self) {
        self.asks_usage = true;
    }

    /// Returns what takes out of the stream what only we asked for, once its head is known.
    pub(super) fn usage_filter(&self) -> Option<Box<UsageFilter>> {
        let asked = self.asks_usage && self.observer().is_some();
        asked.then(|| Box::new(UsageFilter::new(self.asked.dialect)))
    }

    /// Returns the span, for what is polled on its behalf.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Tells the caller who serves.
    pub(super) fn announce<R>(&self, response: &mut Response<R>) {
        if let Some(ticket) = &self.ticket {
            let extensions = response.extensions_mut();
            extensions.insert(ticket.routed().clone());
            if let Some(decision) = ticket.told() {
                extensions.insert(decision.clone());
            }
        }
    }

    /// Takes in the head of the answer, which came at `now`.
    pub(super) fn head(&mut self, parts: &Parts, now: Instant) -> Shape {
        span::answered(&self.span, parts.status);
        let wall = self.router.wall();
        let seen = Seen::head(self.asked.uri.path(), parts.status, &parts.headers, wall);
        let (verdict, _) = self.classify(&seen);
        let limits = Limits::from_headers(&parts.headers, wall);
        if let Some(ticket) = &mut self.ticket {
            ticket.head_at(Outcome::new(verdict.clone()).limits(limits), now);
        }
        let (shape, framing) = self.shape(parts);
        self.watch = match (shape, framing) {
            _ if is_encoded(&parts.headers) => Watch::Opaque,
            (_, Some(framing)) => {
                Watch::Stream(Box::new(Observer::new(self.asked.dialect, framing)))
            }
            (Shape::Failure | Shape::Whole, None) => Watch::Whole {
                chunks: SmallVec::new(),
                len: 0,
            },
            (Shape::Stream | Shape::Flow, None) => Watch::Opaque,
        };
        let is_whole = shape == Shape::Whole && matches!(self.watch, Watch::Whole { .. });
        self.may_stream = self.asked.stream && is_whole;
        if framing.is_some_and(|framing| framing != Framing::Sse) {
            // What is said in these is not read.
            self.checking = None;
        }
        self.head = Some(Head {
            status: parts.status,
            wall,
            limits,
            usage: Usage::of_headers(&parts.headers),
            verdict,
            headers: HeaderMap::new(),
        });
        match self.watch {
            Watch::Opaque => Shape::Flow,
            _ => shape,
        }
    }

    /// Tells how the answer is to be treated, and how its events are framed if it is a stream.
    fn shape(&self, parts: &Parts) -> (Shape, Option<Framing>) {
        if !parts.status.is_success() {
            return (Shape::Failure, None);
        }
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        match Framing::of_answer(self.asked.dialect, content_type, self.asked.stream) {
            Some(framing) => (Shape::Stream, Some(framing)),
            None => (shape_of(content_type), None),
        }
    }

    /// Takes in one frame of the body.
    pub(super) fn frame(&mut self, frame: &Frame<Bytes>) {
        let Some(data) = frame.data_ref() else { return };
        self.look_for_events(data);
        self.abridge(data.len());
        match &mut self.watch {
            Watch::Opaque => {}
            Watch::Abridged(text) => {
                text.feed(data);
                if text.text().len() > JUDGED {
                    self.watch = Watch::Opaque;
                }
            }
            Watch::Whole { chunks, len } => {
                *len = len.saturating_add(data.len());
                if *len > JUDGED {
                    if let Some(checking) = &mut self.checking {
                        for chunk in chunks.iter().chain([data]) {
                            checking.keep(chunk);
                        }
                    }
                    self.watch = Watch::Opaque;
                } else {
                    chunks.push(data.clone());
                }
            }
            Watch::Stream(observer) => {
                let silent = observer.summary().first_content.is_none();
                let unnamed = observer.summary().response_id.is_none();
                observer.feed(data);
                if let Some(id) = observer.summary().response_id.as_ref().filter(|_| unnamed)
                    && let Some((call, index)) = &self.call
                {
                    call.note_response_id(*index, id.clone());
                }
                if let Some(checking) = &mut self.checking {
                    checking.keep(data);
                }
                if silent && observer.summary().first_content.is_some() {
                    let now = self.router.now();
                    if let Some(ticket) = &mut self.ticket {
                        ticket.content_at(now);
                        self.first_content = Some(now.saturating_duration_since(ticket.started()));
                        self.stall = Some(Stall::new(&self.router));
                    }
                }
            }
        }
    }

    /// Goes over to watching events where the answer turns out to be made of them.
    fn look_for_events(&mut self, data: &Bytes) {
        if !self.may_stream {
            return;
        }
        let Watch::Whole { chunks, .. } = &self.watch else {
            return;
        };
        let text = chunks.iter().chain([data]).map(AsRef::as_ref);
        let Some(begins) = Framing::begins_sse(text) else {
            return;
        };
        self.may_stream = false;
        if begins {
            // What came before is less than one line.
            let mut observer = Observer::new(self.asked.dialect, Framing::Sse);
            for chunk in chunks {
                observer.feed(chunk);
                if let Some(checking) = &mut self.checking {
                    checking.keep(chunk);
                }
            }
            self.watch = Watch::Stream(Box::new(observer));
        }
    }

    /// Goes over to what is enough for the rules that ship, once `more` bytes make an answer longer
    /// than what is held. Whoever else judges answers gets them as they are.
    fn abridge(&mut self, more: usize) {
        let Watch::Whole { chunks, len } = &self.watch else {
            return;
        };
        let good = self
            .head
            .as_ref()
            .is_some_and(|head| head.status.is_success());
        let ours = self.checking.is_none() && self.router.classifier().is_none();
        if len.saturating_add(more) > MAX_BYTES && good && ours {
            let mut text = Abridged::default();
            for chunk in chunks {
                text.feed(chunk);
            }
            self.watch = Watch::Abridged(text);
        }
    }

    /// Returns what times the silences of a stream that has begun to say something.
    pub(super) fn stall(&mut self) -> Option<&mut Stall> {
        self.stall.as_mut()
    }

    /// Returns the observer of a stream.
    pub(super) fn observer(&self) -> Option<&Observer> {
        match &self.watch {
            Watch::Stream(observer) => Some(observer),
            _ => None,
        }
    }

    /// The head is about to be released while the attempt is open: what is known of a failure is
    /// told to the call now, since it decides on the head.
    pub(super) fn release(&mut self, headers: &HeaderMap) {
        self.released = true;
        let Some(head) = &mut self.head else { return };
        head.headers = headers.clone();
        if head.verdict.class != Class::Success
            && let Some((call, index)) = &self.call
        {
            call.settle(*index, head.verdict.clone());
        }
    }

    /// The call failed before a head came.
    pub(super) fn fail(mut self: Box<Self>, transport: Transport) {
        let headers = HeaderMap::new();
        let seen = Seen {
            path: self.asked.uri.path(),
            status: None,
            headers: &headers,
            body: BodySeen::Unread,
            transport: Some(transport),
            wall: self.router.wall(),
        };
        let (verdict, _) = self.classify(&seen);
        self.settle(verdict, None, self.router.now());
    }

    /// The body has ended, or the transport has.
    pub(super) fn conclude(
        mut self: Box<Self>,
        headers: Option<&HeaderMap>,
        transport: Option<Transport>,
    ) {
        self.judge(headers, transport);
    }

    fn judge(&mut self, headers: Option<&HeaderMap>, transport: Option<Transport>) {
        let Some(head) = &self.head else { return };
        let now = self.router.now();
        if let Watch::Stream(observer) = &mut self.watch {
            observer.finish();
        }
        let body = match &self.watch {
            Watch::Opaque => BodySeen::Opaque,
            Watch::Whole { chunks, .. } => BodySeen::Whole(join(chunks)),
            Watch::Abridged(text) => BodySeen::Whole(Cow::Borrowed(text.text())),
            Watch::Stream(observer) => BodySeen::Stream(observer.summary()),
        };
        let headers = headers.unwrap_or(&head.headers);
        let seen = Seen::head(self.asked.uri.path(), head.status, headers, head.wall)
            .with_body(body)
            .with_transport(transport);
        let (verdict, said) = self.classify(&seen);
        let usage = said.usage;
        if let (Some((call, index)), Some(id)) = (&self.call, said.response_id) {
            call.note_response_id(*index, id);
        }
        if self.asks_usage
            && let (BodySeen::Whole(body), Some(ticket)) = (&seen.body, &self.ticket)
            && refuses_to_tell(head.status, body)
        {
            self.router.usage_refused(ticket.target_id(), now);
        }
        let graded = match (&self.checking, &seen.body) {
            _ if verdict.class != Class::Success => None,
            (Some(checking), BodySeen::Whole(body)) => self.grade(checking, body),
            // Also what was too long to be kept whole.
            (Some(checking), _) if !checking.copy.is_empty() => {
                self.grade(checking, &checking.copy)
            }
            _ => None,
        };
        let id = self.ticket.as_ref().map(Ticket::outcome_id);
        // Nobody has seen it yet, and it is here to its end.
        let is_held = !self.released && matches!(self.watch, Watch::Whole { .. });
        let least = self.checking.as_ref().and_then(|checking| checking.cascade);
        if let (Some((call, index)), Some(least)) = (&self.call, least.filter(|_| is_held))
            && graded.is_some_and(|graded| graded.fails(least))
        {
            call.ask_again(*index);
        }
        self.settle(verdict, usage, now);
        if let (Some(graded), Some(id)) = (graded, id) {
            self.report(graded, id, now);
        }
    }

    /// Asks the checks what they say of a good answer.
    fn grade(&self, checking: &Checking, body: &[u8]) -> Option<Graded> {
        let ticket = self.ticket.as_ref()?;
        let mut answer = Answer::new(checking.endpoint, body);
        answer.dialect = self.asked.dialect.name();
        answer.model = ticket.model();
        answer.target = ticket.target();
        answer.task = checking.task.as_deref();
        answer.json_mode = checking.json_mode;
        answer.stream = matches!(self.watch, Watch::Stream(_));
        answer.complete = checking.complete;
        let counters = self.router.counters();
        let graded = checking.checks.grade(&answer, || counters.check_panicked());
        Some(graded)
    }

    /// Reports what the checks said. An outcome that is forgotten already is too late to learn from.
    fn report(&self, graded: Graded, id: OutcomeId, now: Instant) {
        let Graded { form, quality } = graded;
        let form = form.map(|valid| self.router.report_form_at(id, valid, now));
        let quality = quality.map(|score| self.router.report_at(id, score, now));
        for error in [form, quality]
            .into_iter()
            .flatten()
            .filter_map(Result::err)
        {
            tracing::debug!(outcome = %id, %error, "a check was not taken in");
        }
    }

    fn settle(&mut self, verdict: Verdict, usage: Option<Usage>, now: Instant) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        if let Some((call, index)) = &self.call {
            call.settle(*index, verdict.clone());
        }
        let limits = self.head.as_ref().map(|head| head.limits);
        let limits = limits.unwrap_or_default();
        let usage = self.credible(usage);
        let class = verdict.class;
        let mut outcome = Outcome::new(verdict)
            .limits(limits)
            .usage(usage)
            .first_content(self.first_content)
            .largest_gap(self.stall.as_mut().and_then(Stall::largest));
        if self.released {
            outcome = outcome.untimed();
        }
        let routed = (!self.span.is_disabled()).then(|| ticket.routed().clone());
        let cost = ticket.settle_at(outcome, now);
        self.note_cost(usage, cost);
        self.tell(routed.as_ref(), class, usage, cost);
    }

    /// Returns what the body reported, or else the head, where that can be so.
    fn credible(&self, usage: Option<Usage>) -> Option<Usage> {
        let usage = usage.or_else(|| self.head.as_ref()?.usage);
        usage.filter(Usage::is_credible)
    }

    /// Tells the span how it ended.
    fn tell(&self, routed: Option<&Routed>, class: Class, usage: Option<Usage>, cost: Option<f64>) {
        if let Some(routed) = routed {
            let ended = Ended {
                class,
                model: routed.model(),
                usage,
                first_content: self.first_content,
                cost,
            };
            span::ended(&self.span, &ended);
        }
    }

    /// Tells the call what the attempt used and cost.
    fn note_cost(&self, usage: Option<Usage>, cost: Option<f64>) {
        if let Some((call, index)) = &self.call
            && usage.is_some()
        {
            call.note_cost(*index, usage, cost);
        }
    }

    /// Asks the classifier. Its panic is its own: the shipped rules then judge.
    fn classify(&self, seen: &Seen<'_>) -> (Verdict, Said) {
        let Some(classifier) = self.router.classifier() else {
            return classify_and_read(seen);
        };
        let verdict = catch_unwind(AssertUnwindSafe(|| classifier.classify(seen)));
        let verdict = verdict.unwrap_or_else(|_| {
            self.router.counters().classifier_panicked();
            DefaultClassifier.classify(seen)
        });
        (verdict, read(&seen.body))
    }
}

impl Drop for Attempt {
    /// Dropped while open: a stream that has said how it ends is judged by that, a failed head
    /// settles as what it said, and everything else is abandoned.
    fn drop(&mut self) {
        let Some(ticket) = &self.ticket else { return };
        if self.observer().is_some_and(|o| o.summary().is_decided()) {
            self.judge(None, None);
            return;
        }
        let failed = self.head.as_ref().map(|head| &head.verdict);
        let failed = failed.filter(|verdict| verdict.class != Class::Success);
        if let Some((call, index)) = &self.call {
            let verdict = failed
                .cloned()
                .unwrap_or_else(|| Verdict::new(Class::Abandoned));
            call.settle(*index, verdict);
        }
        tracing::debug!(target = %ticket.target(), "attempt dropped while open");
        let has_failed = failed.is_some();
        let class = failed.map_or(Class::Abandoned, |verdict| verdict.class);
        // What came of the answer was paid for.
        let usage = self.credible(self.observer().and_then(|o| o.summary().usage));
        if let Some(ticket) = self.ticket.take() {
            let routed = (!self.span.is_disabled()).then(|| ticket.routed().clone());
            let gap = self.stall.as_mut().and_then(Stall::largest);
            let cost = match gap.filter(|_| !has_failed) {
                Some(gap) => {
                    let outcome = Outcome::new(Verdict::new(Class::Abandoned));
                    let outcome = outcome.usage(usage).largest_gap(Some(gap));
                    ticket.settle_at(outcome, self.router.now())
                }
                None => ticket.drop_used(usage),
            };
            self.note_cost(usage, cost);
            self.tell(routed.as_ref(), class, usage, cost);
        }
    }
}

fn join(chunks: &[Bytes]) -> Cow<'_, [u8]> {
    match chunks {
        [] => Cow::Borrowed(&[]),
        [chunk] => Cow::Borrowed(chunk),
        _ => Cow::Owned(chunks.concat()),
    }
}
