use std::borrow::Cow;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;

use super::{Handle, Prepared, Sending, Upload};
use crate::{
    dialect::{self, stable_hash},
    hints::{Session, Task, Tenant},
    route::collect::{Collected, Collector},
    router::{OutcomeRouter, Pool},
    tasks::{ByShape, ClassifyTask, RequestFacts},
};

fn prepared(router: &OutcomeRouter, request: Request<serde_json::Value>) -> Prepared<()> {
    let (parts, body) = request.into_parts();
    let (dialect, endpoint) = dialect::detect(parts.uri.path()).unwrap();
    let body = Bytes::from(body.to_string());
    let upload = Upload {
        handle: Handle {
            service: (),
            ready: true,
        },
        parts,
        body: Collector::new(Full::<Bytes>::default(), 0),
        dialect,
        endpoint,
    };
    let collected = Collected::Whole {
        len: body.len(),
        chunks: [body].into(),
        trailers: None,
    };
    match upload.finish(Some(collected), router) {
        Sending::Routed(prepared) => *prepared,
        Sending::Untouched { request, .. } => panic!("{request:?}"),
    }
}

fn request(body: serde_json::Value) -> Request<serde_json::Value> {
    let request = Request::post("/v1/chat/completions");
    let request = request.header("content-type", "application/json");
    request.body(body).unwrap()
}

#[derive(Debug)]
struct Panics;

impl ClassifyTask for Panics {
    fn classify(&self, _: &RequestFacts<'_>) -> Option<Cow<'static, str>> {
        panic!("scripted")
    }
}

#[test]
fn the_classifier_sees_the_facts_and_a_task_of_the_caller_wins() {
    let router = OutcomeRouter::builder().model("a").tasks(ByShape);
    let router = router.build().unwrap();
    let mut asked = request(json!({
        "model": "a",
        "tools": [{"type": "function"}],
        "response_format": {"type": "json_object"},
        "messages": [{"role": "user", "content": [{"type": "image_url"}]}],
    }));
    let prepared_by_shape = prepared(&router, asked.clone());
    assert_eq!(prepared_by_shape.task(), Some("chat+tools+images+json"));
    asked.extensions_mut().insert(Task::new("mine"));
    asked.extensions_mut().insert(Tenant::new("acme"));
    let prepared = prepared(&router, asked);
    let picked = prepared.request(&[]);
    assert_eq!((picked.task, picked.tenant), (Some("mine"), Some("acme")));
}

#[test]
fn without_a_classifier_there_is_no_task() {
    let router = OutcomeRouter::builder().model("a").build().unwrap();
    let prepared = prepared(&router, request(json!({"model": "a"})));
    assert_eq!(prepared.request(&[]).task, None);
    assert_eq!(prepared.request(&[]).tenant, None);
}

#[test]
fn a_panic_of_the_classifier_is_caught_and_counted() {
    let router = OutcomeRouter::builder().model("a").tasks(Panics);
    let router = router.build().unwrap();
    let prepared = prepared(&router, request(json!({"model": "a"})));
    assert_eq!(prepared.task(), None);
    assert_eq!(router.snapshot().counts.task_panics, 1);
}

#[test]
fn a_session_is_named_or_derived_where_that_is_wanted() {
    let router = OutcomeRouter::builder()
        .model("a")
        .pool(Pool::new("sticky").model("b").derive_sessions(true))
        .build()
        .unwrap();
    let body = |model| json!({"model": model, "prompt_cache_key": "k"});
    let key = |request| prepared(&router, request).request(&[]).session_key;
    assert_eq!(key(request(body("a"))), None);
    assert_eq!(key(request(body("b"))), Some(stable_hash(b"k")));
    for model in ["a", "b"] {
        let mut named = request(body(model));
        named.extensions_mut().insert(Session::new("s"));
        assert_eq!(key(named), Some(stable_hash(b"s")));
    }
}

#[test]
fn a_tool_loop_is_passed_on() {
    let router = OutcomeRouter::builder().model("a").build().unwrap();
    let asked = |role| {
        let messages = json!([{"role": role, "content": "1"}]);
        json!({"model": "a", "messages": messages, "tools": [{"type": "function"}]})
    };
    let tool_loop = |role| {
        prepared(&router, request(asked(role)))
            .request(&[])
            .tool_loop
    };
    assert!(tool_loop("tool"));
    assert!(!tool_loop("user"));
}
