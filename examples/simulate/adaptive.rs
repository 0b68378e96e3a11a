//! Our own policy: the real layers over a service that plays the provider.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tokio::time::sleep;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, timeout::TimeoutLayer};
use tower_outcome::{
    FailoverLayer, OutcomeRouter, OutcomeRoutingLayer, Pool, Price, Routed, Score, Target, Task,
    Upstream,
    store::{Membership, MemoryStore, Sharing},
};

use crate::{
    bodies::{self, Chunks},
    bucket::Room,
    setting::Setting,
    traffic::task_names,
    world::{Reply, What, World},
};

/// What the caller asks for: whichever model is best.
const ALIAS: &str = "auto";

/// How many routers there are, and how often they share what they have learned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fleet {
    pub(crate) instances: usize,
    pub(crate) exchange: Option<Duration>,
}

impl Fleet {
    /// One router with all of the traffic.
    #[cfg(test)]
    pub(crate) const ONE: Self = Self {
        instances: 1,
        exchange: None,
    };
}

/// The instances of a run, each with a router of its own.
pub(crate) struct Instances {
    calls: Vec<Calls>,
    seed: u64,
    _memberships: Vec<Membership>,
}

impl Instances {
    pub(crate) fn start(world: &Arc<World>, fleet: Fleet) -> Result<Self, String> {
        let store = MemoryStore::new();
        let (mut calls, mut memberships) = (Vec::new(), Vec::new());
        for number in 0..fleet.instances {
            let seed = world
                .seed
                .wrapping_add((number as u64).wrapping_mul(GOLDEN));
            let router = router(&world.setting, seed, fleet)?;
            if let Some(exchange) = fleet.exchange {
                let of_all = router.clone();
                let sharing = Sharing::new(store.clone()).interval(exchange);
                let membership = sharing.start(move || of_all.clone());
                memberships.push(membership.map_err(|error| error.to_string())?);
            }
            calls.push(Calls::new(world, router));
        }
        Ok(Self {
            calls,
            seed: world.seed,
            _memberships: memberships,
        })
    }

    /// Returns the instance that a balancer would give a request to.
    pub(crate) fn of(&self, index: usize) -> Calls {
        let drawn = mixed(self.seed ^ (index as u64).wrapping_mul(GOLDEN));
        self.calls[(drawn % self.calls.len() as u64) as usize].clone()
    }
}

/// 2^64 by the golden ratio: its multiples are spread evenly.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The mixing of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The one place where the router is configured.
fn router(setting: &Setting, seed: u64, fleet: Fleet) -> Result<OutcomeRouter, String> {
    // What the user of a scenario knows: when an answer is too late, and what it costs.
    let mut pool = Pool::new(ALIAS)
        .objective(Duration::from_secs_f64(setting.slo_s))
        .cost_weight(setting.usd_weight);
    for (number, model) in setting.models.iter().enumerate() {
        let price = Price::per_million(model.usd_input, model.usd_output);
        let upstream = Upstream::new(&format!("https://provider-{number}.example/v1"));
        let target = Target::new(model.name.as_str())
            .price(price)
            .upstream(upstream.map_err(|error| format!("{}: {error}", setting.name))?);
        pool = pool.target(target);
    }
    let mut builder = OutcomeRouter::builder().pool(pool).seed(seed);
    if fleet.exchange.is_some() {
        builder = builder.shared(GOLDEN.to_le_bytes());
    }
    let router = builder.build();
    router.map_err(|error| format!("{}: {error}", setting.name))
}

/// Makes calls through the layers.
#[derive(Clone)]
pub(crate) struct Calls {
    world: Arc<World>,
    router: OutcomeRouter,
    /// What makes a client of its own for each call.
    client: Client,
    tasks: Arc<[Task]>,
}

type Client = tower::util::BoxCloneSyncService<Request<Chunks>, Response<Answer>, BoxError>;
type Answer = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;

impl Calls {
    fn new(world: &Arc<World>, router: OutcomeRouter) -> Self {
        let setting = &world.setting;
        let client = ServiceBuilder::new()
            // A user who wants an answer within the objective begins no attempt after it.
            .layer(
                FailoverLayer::new(router.clone()).deadline(Duration::from_secs_f64(setting.slo_s)),
            )
            .layer(OutcomeRoutingLayer::new(router.clone()))
            .layer(TimeoutLayer::new(Duration::from_secs_f64(
                setting.timeout_s,
            )))
            .service(Provider {
                world: world.clone(),
            });
        let client = tower::util::MapResponseLayer::new(|response: Response<_>| {
            response.map(|body| BodyExt::boxed_unsync(BodyExt::map_err(body, Into::into)))
        })
        .layer(client);
        Self {
            world: world.clone(),
            router,
            client: Client::new(client),
            tasks: task_names(setting).into_iter().map(Task::new).collect(),
        }
    }

    /// Makes the call of one request, and scores its answer later.
    pub(crate) async fn call(self, index: usize) {
        let Self {
            world,
            router,
            client,
            tasks,
        } = self;
        let request = &world.requests[index];
        quote(&world, &router, request.at_s);
        let body = bodies::chat(ALIAS, request.input_tokens);
        let mut message = Request::new(body);
        *message.method_mut() = http::Method::POST;
        *message.uri_mut() = http::Uri::from_static("https://provider.example/v1/chat/completions");
        message.headers_mut().insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/json"),
        );
        message.extensions_mut().insert(tasks[request.task].clone());
        message.extensions_mut().insert(Asked {
            index,
            attempts: Arc::new(AtomicUsize::new(0)),
        });
        let Ok(response) = client.oneshot(message).await else {
            return;
        };
        let (parts, body) = response.into_parts();
        let read = body.collect().await.is_ok();
        let Some(Answered { model, right }) = parts.extensions.get::<Answered>().copied() else {
            return;
        };
        if !read || parts.status != StatusCode::OK {
            return;
        }
        world.deliver(index, model, right);
        let (Some(routed), Some((score, after))) =
            (parts.extensions.get::<Routed>(), world.score(index, right))
        else {
            return;
        };
        let id = routed.outcome_id();
        tokio::spawn(async move {
            sleep(after).await;
            if let Ok(score) = Score::new(score) {
                // An attempt that the router has forgotten by now is no mistake of ours.
                let _forgotten = router.report(id, score);
            }
        });
    }
}

/// Tells the router the prices of the day, where a scenario changes them: they are published.
fn quote(world: &World, router: &OutcomeRouter, now_s: f64) {
    for model in &world.setting.models {
        if model.script.has_prices() {
            let factor = model.script.at(now_s).price;
            let price = Price::per_million(model.usd_input * factor, model.usd_output * factor);
            let _known = router.set_price(ALIAS, &model.name, price);
        }
    }
}

/// Which request a call belongs to: what the provider's luck depends on.
#[derive(Clone, Debug)]
struct Asked {
    index: usize,
    attempts: Arc<AtomicUsize>,
}

/// What an answer is worth, for the record.
#[derive(Clone, Copy, Debug)]
struct Answered {
    model: usize,
    right: bool,
}

/// Plays the provider as an HTTP client would see it.
#[derive(Clone)]
struct Provider {
    world: Arc<World>,
}

impl<B> Service<Request<B>> for Provider
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<http_body_util::Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let world = self.world.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let asked = parts
                .extensions
                .get::<Asked>()
                .ok_or("whose call is this?")?;
            let name = bodies::model(body).await?;
            let models = &world.setting.models;
            let model = models.iter().position(|model| model.name == name);
            let model = model.ok_or("the model is unknown")?;
            let attempt = asked.attempts.fetch_add(1, Ordering::Relaxed);
            let reply = world.call(asked.index, attempt, model);
            if matches!(reply.what, What::Silence) {
                // The client's own timeout ends it.
                return std::future::pending().await;
            }
            sleep(Duration::from_secs_f64(reply.after_s)).await;
            let request = &world.requests[asked.index];
            let tokens = (request.input_tokens, request.output_tokens);
            Ok(respond(&reply, model, &name, tokens)?)
        })
    }
}

fn respond(
    reply: &Reply,
    model: usize,
    name: &str,
    tokens: (f64, f64),
) -> http::Result<Response<http_body_util::Full<Bytes>>> {
    let (status, body) = match reply.what {
        What::Answer { .. } => (StatusCode::OK, bodies::completion(name, tokens)),
        What::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, bodies::RATE_LIMITED),
        What::ServerError | What::Silence => (StatusCode::SERVICE_UNAVAILABLE, bodies::BROKEN),
    };
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json");
    if let What::RateLimited {
        retry_after_s: Some(wait_s),
    } = reply.what
    {
        response = response.header(header::RETRY_AFTER, wait_s as u64);
    }
    if let Some(room) = &reply.room {
        response = limit_headers(response, room);
    }
    if let What::Answer { right, .. } = reply.what {
        response = response.extension(Answered { model, right });
    }
    response.body(http_body_util::Full::new(body))
}

fn limit_headers(response: http::response::Builder, room: &Room) -> http::response::Builder {
    [
        ("x-ratelimit-limit-requests", room.limit_requests),
        ("x-ratelimit-remaining-requests", room.remaining_requests),
        ("x-ratelimit-limit-tokens", room.limit_tokens),
        ("x-ratelimit-remaining-tokens", room.remaining_tokens),
    ]
    .into_iter()
    .fold(response, |response, (name, value)| {
        response.header(name, value as u64)
    })
}
