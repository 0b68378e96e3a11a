//! Every attempt is a span, with the names of OpenTelemetry and without anybody's words.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Mutex, Once, OnceLock, PoisonError},
    time::Duration,
};

use http::Request;
use support::*;
use tower::{Layer as _, ServiceBuilder, ServiceExt, service_fn};
use tower_outcome::{
    FailoverLayer, OutcomeRouter, OutcomeRoutingLayer, Pool, Price, RequestBody, Target, Upstream,
};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer, Registry, layer::Context, layer::SubscriberExt as _, registry::LookupSpan,
};

/// A span that has ended or not, with its fields as text.
#[derive(Clone, Debug, Default)]
struct Seen {
    name: &'static str,
    parent: Option<u64>,
    fields: BTreeMap<&'static str, String>,
    ended: bool,
}

static SPANS: OnceLock<Mutex<HashMap<u64, Seen>>> = OnceLock::new();

fn spans() -> std::sync::MutexGuard<'static, HashMap<u64, Seen>> {
    let spans = SPANS.get_or_init(Mutex::default);
    spans.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes all spans down, for all threads: what a callsite is worth is remembered.
struct Notes;

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Notes {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut seen = Seen {
            name: attributes.metadata().name(),
            parent: context.current_span().id().map(Id::into_u64),
            ..Seen::default()
        };
        attributes.record(&mut seen);
        spans().insert(id.into_u64(), seen);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some(seen) = spans().get_mut(&id.into_u64()) {
            values.record(seen);
        }
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        // Ids are used again.
        let number = id.into_u64();
        let mut spans = spans();
        if let Some(mut seen) = spans.remove(&number) {
            seen.ended = true;
            let free = (1_u64 << 63..).find(|free| !spans.contains_key(free));
            for other in spans.values_mut() {
                if other.parent == Some(number) {
                    other.parent = free;
                }
            }
            spans.insert(free.unwrap(), seen);
        }
    }
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = Registry::default().with(Notes);
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// The attempts of a pool, in order.
fn attempts(pool: &str) -> Vec<(u64, Seen)> {
    let spans = spans();
    let of_pool = |seen: &Seen| seen.fields.get("outcome.pool").is_some_and(|it| it == pool);
    let mut attempts: Vec<_> = spans
        .iter()
        .filter(|(_, seen)| seen.name == "attempt" && of_pool(seen))
        .map(|(id, seen)| (*id, seen.clone()))
        .collect();
    attempts.sort_by_key(|(_, seen)| seen.fields["outcome.attempt"].clone());
    attempts
}

fn router(pool: &str) -> OutcomeRouter {
    let upstream = |host: &str| Upstream::new(&format!("https://{host}/v1")).unwrap();
    let pool = Pool::new(pool)
        .target(Target::new("gpt-4o").upstream(upstream("api.openai.com")))
        .target(
            Target::new("llama")
                .upstream(upstream("api.groq.com:8443"))
                .price(Price::per_million(10.0, 100.0)),
        );
    OutcomeRouter::builder().pool(pool).seed(1).build().unwrap()
}

fn canary(model: &str) -> Request<Frames> {
    let body = format!(
        "{{\"model\":\"{model}\",\"stream\":true,\"user\":\"canary-user\",\
         \"messages\":[{{\"role\":\"user\",\"content\":\"canary-prompt\"}}]}}"
    );
    let mut request = post(CHAT, &body);
    let key = "Bearer canary-key".parse().unwrap();
    request.headers_mut().insert("authorization", key);
    request
}

const SAID: &str = r#"{"choices":[{"index":0,"delta":{"content":"canary-answer"}}]}"#;
const USED: &str = r#"{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":60}}}"#;

#[tokio::test(start_paused = true)]
async fn every_attempt_is_a_span_with_both_models() {
    listen();
    let provider = Provider::new(|_, number| match number {
        0 => status(503, &[]),
        _ => stream([SAID, STOP, USED, "[DONE]"].map(event)),
    });
    let router = router("both");
    let client = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    let answer = client.oneshot(canary("both")).await.unwrap();
    let under_way = attempts("both");
    assert_eq!(under_way.len(), 2);
    assert!(!under_way[1].1.ended, "its body is still to come");
    let body = text(answer.into_body()).await;
    assert!(body.contains("canary-answer"));

    let ended = attempts("both");
    let expected = [
        [
            ("otel.name", "chat gpt-4o"),
            ("gen_ai.provider.name", "openai"),
            ("gen_ai.request.model", "gpt-4o"),
            ("gen_ai.response.model", ""),
            ("server.address", "api.openai.com"),
            ("server.port", "443"),
            ("http.response.status_code", "503"),
            ("error.type", "overloaded"),
            ("otel.status_code", "ERROR"),
            ("gen_ai.usage.input_tokens", ""),
            ("gen_ai.usage.cache_read.input_tokens", ""),
            ("outcome.target", "gpt-4o"),
            ("outcome.reason", "preferred"),
            ("outcome.attempt", "1"),
            ("outcome.class", "overloaded"),
            ("outcome.cost_dollars", ""),
        ],
        [
            ("otel.name", "chat llama"),
            ("gen_ai.provider.name", "groq"),
            ("gen_ai.request.model", "llama"),
            ("gen_ai.response.model", "llama"),
            ("server.address", "api.groq.com"),
            ("server.port", "8443"),
            ("http.response.status_code", "200"),
            ("error.type", ""),
            ("otel.status_code", ""),
            ("gen_ai.usage.input_tokens", "100"),
            ("gen_ai.usage.cache_read.input_tokens", "60"),
            ("outcome.target", "llama"),
            ("outcome.reason", "tried"),
            ("outcome.attempt", "2"),
            ("outcome.class", "success"),
            ("outcome.cost_dollars", "0.002"),
        ],
    ];
    assert_eq!(ended.len(), 2);
    for ((_, seen), expected) in ended.iter().zip(expected) {
        assert!(seen.ended);
        for (name, value) in expected {
            let is = seen.fields.get(name).map_or("", String::as_str);
            assert_eq!(is, value, "{name} of {seen:#?}");
        }
        for (name, value) in [
            ("otel.kind", "client"),
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.request.stream", "true"),
            ("outcome.requested_model", "both"),
        ] {
            assert_eq!(seen.fields[name], value);
        }
        assert!(!seen.fields["outcome.id"].is_empty());
        // Nobody's words, and no key.
        assert!(!format!("{seen:?}").contains("canary"), "{seen:#?}");
    }
    let first = &ended[1].1.fields["gen_ai.response.time_to_first_chunk"];
    assert!(first.parse::<f64>().unwrap() < 0.1, "{first}");
}

#[tokio::test(start_paused = true)]
async fn the_spans_of_the_client_are_inside() {
    listen();
    let client = OutcomeRoutingLayer::new(router("inside")).layer(service_fn(
        |_: Request<RequestBody<Frames>>| {
            let in_call = tracing::info_span!("in call");
            async move {
                drop(in_call);
                tokio::time::sleep(Duration::from_millis(5)).await;
                tracing::info_span!("in future").in_scope(|| ());
                let pause = Step::Wait(Duration::from_millis(5));
                let steps = [event(SAID), pause, event(STOP), event("[DONE]")];
                Ok::<_, BoxError>(stream(steps))
            }
        },
    ));
    let outside = tracing::info_span!("outside");
    let asking = tracing::Instrument::instrument(client.oneshot(canary("gpt-4o")), outside);
    // The request names a model that several pools of this file have.
    let answer = asking.await.unwrap();
    text(answer.into_body()).await;
    let (attempt, seen) = attempts("inside").pop().unwrap();
    let spans = spans();
    let parent = |name: &str| {
        let mut found = spans.values().filter(|seen| seen.name == name);
        found.next().unwrap().parent
    };
    assert_eq!(parent("in call"), Some(attempt));
    assert_eq!(parent("in future"), Some(attempt));
    let outside = seen.parent.and_then(|id| spans.get(&id)).unwrap();
    assert_eq!(outside.name, "outside");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_dropped_ends_its_span() {
    listen();
    let provider = Provider::new(|_, _| Reply::Hang);
    let client = OutcomeRoutingLayer::new(router("dropped")).layer(provider);
    let call = client.oneshot(canary("gpt-4o"));
    assert!(
        tokio::time::timeout(Duration::from_secs(1), call)
            .await
            .is_err()
    );
    let (_, seen) = attempts("dropped").pop().unwrap();
    assert!(seen.ended);
    assert_eq!(seen.fields["outcome.class"], "abandoned");
    assert!(!seen.fields.contains_key("error.type"), "nobody failed");
}
