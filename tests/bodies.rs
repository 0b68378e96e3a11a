//! The laws of bodies: frames as they came, hints that hold at every step, one end.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::{future::poll_fn, ops::Range, pin::Pin, sync::Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, SizeHint};
use proptest::{prelude::*, test_runner::TestCaseError};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_outcome::{FailoverLayer, OutcomeRouter, OutcomeRoutingLayer, RequestBody};

use self::support::*;

/// What came out of a body, and what it said of itself before each frame.
#[derive(Debug, Default)]
struct Walk {
    data: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    error: Option<String>,
    before: Vec<(SizeHint, bool)>,
    lengths: Vec<u64>,
}

/// Reads a body to its end and beyond.
async fn walk<B: Body<Data = Bytes, Error = BoxError> + Unpin>(mut body: B) -> Walk {
    let mut walk = Walk::default();
    loop {
        walk.before.push((body.size_hint(), body.is_end_stream()));
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            None => break,
            Some(Err(error)) => {
                assert!(walk.error.replace(error.to_string()).is_none(), "twice");
                walk.lengths.push(0);
            }
            Some(Ok(frame)) => {
                assert!(
                    walk.trailers.is_none() && walk.error.is_none(),
                    "after its end"
                );
                walk.lengths
                    .push(frame.data_ref().map_or(0, |data| data.len() as u64));
                match frame.into_data() {
                    Ok(data) => walk.data.push(data),
                    Err(frame) => walk.trailers = frame.into_trailers().ok(),
                }
            }
        }
    }
    for _ in 0..3 {
        let next = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        assert!(next.is_none(), "it has ended");
        assert_eq!(body.size_hint().exact(), Some(0));
    }
    walk
}

impl Walk {
    fn check(&self) -> Result<(), TestCaseError> {
        let mut left: u64 = self.lengths.iter().sum();
        for (step, (hint, is_end)) in self.before.iter().enumerate() {
            if self.error.is_none() {
                prop_assert!(hint.lower() <= left, "{hint:?}, {left} at {step}: {self:?}");
            }
            let upper = hint.upper().unwrap_or(u64::MAX);
            prop_assert!(left <= upper, "{hint:?}, {left} at {step}: {self:?}");
            let last = step == self.lengths.len();
            prop_assert!(!is_end || last, "ended early at {step}: {self:?}");
            left -= self.lengths.get(step).copied().unwrap_or(0);
        }
        Ok(())
    }
}

/// A text in chunks, and what follows it.
#[derive(Clone, Debug)]
struct Script {
    chunks: Vec<Bytes>,
    end: End,
    sized: bool,
    pauses: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Plain,
    Trailers,
    Error,
}

impl Script {
    fn body(&self) -> Frames {
        let mut steps = Vec::new();
        for chunk in &self.chunks {
            steps.extend(self.pauses.then(|| Step::Wait(seconds(0.01))));
            steps.push(Step::Data(chunk.clone()));
        }
        match self.end {
            End::Plain => {}
            End::Trailers => steps.push(Step::trailer("x-end", "1")),
            End::Error => steps.push(Step::Error("scripted")),
        }
        let body = Frames::new(steps);
        if self.sized { body } else { body.unsized_() }
    }

    fn check_end(&self, walk: &Walk) -> Result<(), TestCaseError> {
        prop_assert_eq!(walk.trailers.is_some(), self.end == End::Trailers);
        let error = (self.end == End::Error).then_some("scripted");
        prop_assert_eq!(walk.error.as_deref(), error);
        Ok(())
    }
}

/// Cuts a text anywhere, also into nothing.
fn script(texts: &'static [&'static str]) -> impl Strategy<Value = (&'static str, Script)> {
    let end = prop_oneof![Just(End::Plain), Just(End::Trailers), Just(End::Error)];
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..8);
    let text = prop::sample::select(texts);
    (text, cuts, end, any::<bool>(), any::<bool>()).prop_map(|(text, cuts, end, sized, pauses)| {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let chunks = at
            .windows(2)
            .map(|pair| Bytes::from(&text[pair[0]..pair[1]]));
        let chunks = chunks.collect();
        (
            text,
            Script {
                chunks,
                end,
                sized,
                pauses,
            },
        )
    })
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

/// Sends a body through failover and routing and reads it as the inner service gets it.
async fn sent(router: OutcomeRouter, request: Request<Frames>) -> Walk {
    let walked = std::sync::Arc::new(Mutex::new(None));
    let keep = walked.clone();
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router))
        .service(service_fn(
            move |request: Request<RequestBody<RequestBody<Frames>>>| {
                let keep = keep.clone();
                async move {
                    *keep.lock().unwrap() = Some(walk(request.into_body()).await);
                    Ok::<_, BoxError>(good())
                }
            },
        ));
    stack.oneshot(request).await.unwrap();
    walked.lock().unwrap().take().unwrap()
}

const UPLOADS: &[&str] = &[
    "",
    "{}",
    "nonsense",
    r#"{"model":"auto","x":[1,2]}"#,
    r#" {"messages":[{"role":"user","content":"auto"}] , "model" : "\u0061" , "model":"auto"} "#,
    r#"{"model":"unknown"}"#,
    r#"{"model":"auto","padding":"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"}"#,
];

const ANSWERS: &[&str] = &[
    "",
    GOOD,
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n",
    ": ping\n\ndata: {\"error\":{\"message\":\"x\",\"type\":\"server_error\",\"code\":null}}\n\n",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_body_keeps_the_laws((text, script) in script(UPLOADS), json in any::<bool>()) {
        let pool = tower_outcome::Pool::new("auto").model("a-long-name").model("b");
        let router = OutcomeRouter::builder().pool(pool).max_body_bytes(100).build().unwrap();
        let mut request = upload(CHAT, script.body());
        if !json {
            request.headers_mut().insert("content-type", "text/plain".parse().unwrap());
        }
        let walk = run(sent(router, request));
        walk.check()?;
        script.check_end(&walk)?;
        let whole = walk.data.concat();
        let routed = json && script.end != End::Error && text.len() <= 100 && text.contains("\"auto\"");
        if routed {
            let body: serde_json::Value = serde_json::from_slice(&whole).unwrap();
            prop_assert_eq!(&body["model"], "a-long-name");
        } else {
            prop_assert_eq!(String::from_utf8_lossy(&whole), text);
        }
    }

    #[test]
    fn a_response_body_keeps_the_laws(
        (_, script) in script(ANSWERS),
        code in prop::sample::select(&[200_u16, 206, 400, 503][..]),
        kind in prop::sample::select(&["application/json", "text/event-stream", "audio/mpeg"][..]),
        model in prop::sample::select(&["a", "unknown"][..]),
    ) {
        let router = models(&["a"]);
        let reply = script.clone();
        let service = OutcomeRoutingLayer::new(router.clone()).layer(service_fn(move |_: Request<RequestBody<Frames>>| {
            let answer = Response::builder().status(code).header("content-type", kind);
            std::future::ready(Ok::<_, BoxError>(answer.body(reply.body()).unwrap()))
        }));
        let walk = run(async {
            let answer = service.oneshot(chat(model)).await.unwrap();
            let body = Box::pin(answer.into_body());
            if model == "a" { Some(walk(body).await) } else { None }
        });
        if let Some(walk) = walk {
            walk.check()?;
            script.check_end(&walk)?;
            prop_assert_eq!(&walk.data, &script.chunks);
            prop_assert_eq!(account(&router).values().sum::<u64>(), 1);
        }
    }
}

/// Where a part of a buffer lies in it, if it does.
fn place(whole: &Bytes, part: &Bytes) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    (start + part.len() <= whole.len()).then_some(start..start + part.len())
}

#[tokio::test]
async fn nothing_is_copied_but_the_model() {
    let chunks = [
        r#"{"messages":[],"#,
        r#""x":1,"model":"auto","y":2,"#,
        r#""z":3}"#,
    ];
    let chunks = chunks.map(|chunk| Bytes::from(chunk.to_owned()));
    let pool = tower_outcome::Pool::new("auto").model("served");
    let router = OutcomeRouter::builder().pool(pool).build().unwrap();
    let body = Frames::new(chunks.clone().map(Step::Data));
    let walk = sent(router, upload(CHAT, body)).await;
    let whole = String::from_utf8(walk.data.concat()).unwrap();
    assert_eq!(
        whole,
        r#"{"messages":[],"x":1,"model":"served","y":2,"z":3}"#
    );
    let [first, before, model, after, last] = &walk.data[..] else {
        panic!("{:?}", walk.data);
    };
    assert_eq!(place(&chunks[0], first), Some(0..chunks[0].len()));
    assert_eq!(place(&chunks[1], before), Some(0..14));
    assert_eq!(model, "\"served\"");
    assert_eq!(place(&chunks[1], after), Some(20..chunks[1].len()));
    assert_eq!(place(&chunks[2], last), Some(0..chunks[2].len()));
}

#[tokio::test]
async fn the_length_is_that_of_the_rewritten_body() {
    for (served, length) in [("m", 13), ("a-much-longer-name", 30), ("\u{e9}\"", 16)] {
        let pool = tower_outcome::Pool::new("auto").model(served);
        let router = OutcomeRouter::builder().pool(pool).build().unwrap();
        let provider = Provider::good();
        let service = OutcomeRoutingLayer::new(router).layer(provider.clone());
        let mut request = post(CHAT, r#"{"model":"auto"}"#);
        request
            .headers_mut()
            .insert("content-length", "16".parse().unwrap());
        service.oneshot(request).await.unwrap();
        let seen = provider.only();
        assert_eq!(seen.header("content-length"), Some(&*length.to_string()));
        assert_eq!(seen.exact, Some(length));
        assert_eq!(seen.body().len() as u64, length);
        assert_eq!(seen.model(), served);
    }
}

#[tokio::test]
async fn f18_a_chunked_body_gets_a_length_unless_it_has_trailers() {
    for trailers in [false, true] {
        let provider = Provider::good();
        let service = OutcomeRoutingLayer::new(three()).layer(provider.clone());
        let mut steps = vec![Step::data(r#"{"model":"#), Step::data("\"a\"}")];
        if trailers {
            steps.push(Step::trailer("x-sum", "1"));
        }
        let mut request = upload(CHAT, Frames::new(steps).unsized_());
        let chunked = "chunked".parse().unwrap();
        request.headers_mut().insert("transfer-encoding", chunked);
        service.oneshot(request).await.unwrap();
        let seen = provider.only();
        assert_eq!(seen.body(), r#"{"model":"a"}"#);
        assert_eq!(seen.trailers.is_some(), trailers);
        assert_eq!(seen.exact, (!trailers).then_some(13));
        assert_eq!(seen.header("content-length"), (!trailers).then_some("13"));
        assert_eq!(
            seen.header("transfer-encoding"),
            trailers.then_some("chunked")
        );
    }
}
