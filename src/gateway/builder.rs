use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use tower::ServiceBuilder;

use super::{
    access::{Access, ClientKey, Spending},
    admit::Rules,
    budget::Budget,
    feedback::ResponseIds,
    headers::Headers,
    models::Catalog,
    service::{Gateway, Live},
    shed::Places,
    upstreams::{Clients, Upstreams},
};
use crate::{
    config::{Config, Connection, DEADLINE, Limits, Timeouts},
    failover::FailoverLayer,
    route::OutcomeRoutingLayer,
    router::{BuildError, OutcomeRouter, Upstream},
    shadow::ShadowLayer,
};

/// Builds a [`Gateway`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    router: OutcomeRouter,
    deadline: Duration,
    timeouts: Timeouts,
    http2: bool,
    targets: Vec<(String, String, Timeouts, Option<bool>)>,
    default_upstream: Option<Upstream>,
    pass_unknown_models: bool,
    shadow_percent: f64,
    max_buffered: usize,
    max_requests: usize,
    body_idle_timeout: Duration,
    headers: Headers,
    keys: Vec<ClientKey>,
    spending: Spending,
    responses: ResponseIds,
}

impl Builder {
    pub(super) fn new(router: OutcomeRouter) -> Self {
        Self {
            router,
            deadline: DEADLINE,
            timeouts: Timeouts::default(),
            http2: false,
            targets: Vec::new(),
            default_upstream: None,
            pass_unknown_models: false,
            shadow_percent: 0.0,
            max_buffered: Limits::default().max_buffered,
            max_requests: Limits::default().max_requests,
            body_idle_timeout: Limits::default().body_idle_timeout,
            headers: Headers::new(),
            keys: Vec::new(),
            spending: Spending::default(),
            responses: ResponseIds::default(),
        }
    }

    pub(super) fn from_config(config: Config) -> Self {
        let mut builder = Self::new(config.router)
            .deadline(config.deadline)
            .pass_unknown_models(config.pass_unknown_models)
            .shadow_percent(config.shadow_percent)
            .max_buffered_bytes(config.limits.max_buffered)
            .headers(config.headers.into())
            .client_keys(config.keys.into_iter().map(ClientKey::from))
            .max_requests(config.limits.max_requests)
            .body_idle_timeout(config.limits.body_idle_timeout);
        if let Some((upstream, connection)) = config.default_upstream {
            builder = builder
                .default_upstream(upstream)
                .timeouts(connection.timeouts)
                .http2(connection.http2);
        }
        let targets = config.connections.into_iter();
        builder.targets = targets
            .map(|(pool, target, of_it)| (pool, target, of_it.timeouts, Some(of_it.http2)))
            .collect();
        builder
    }

    pub(super) fn router(mut self, router: OutcomeRouter) -> Self {
        self.router = router;
        self
    }

    /// Sets the time after which a call begins no further attempt and waits for no target.
    /// Default: 5 min.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets how long upstreams are waited for, where a target has no timeouts of its own.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets whether upstreams over TLS may choose HTTP/2. Default: they may not, as with the official
    /// SDKs: calls beyond the streams that a provider allows on a connection would wait, unseen, for
    /// others to end, where HTTP/1 opens another connection.
    pub fn http2(mut self, http2: bool) -> Self {
        self.http2 = http2;
        self
    }

    /// Sets how long one target of a pool is waited for.
    pub fn target_timeouts(
        mut self,
        pool: impl Into<String>,
        target: impl Into<String>,
        timeouts: Timeouts,
    ) -> Self {
        self.targets
            .push((pool.into(), target.into(), timeouts, None));
        self
    }

    /// Sets the upstream of targets that have none of their own, and of requests that are no
    /// routable inference. Default: none; the latter are answered 404.
    pub fn default_upstream(mut self, upstream: Upstream) -> Self {
        self.default_upstream = Some(upstream);
        self
    }

    /// Sets whether a request for a model that no pool serves goes to the default upstream.
    /// Default: it is answered 404.
    pub fn pass_unknown_models(mut self, pass: bool) -> Self {
        self.pass_unknown_models = pass;
        self
    }

    /// Sets how many of a hundred calls, from 0 to 100, are copied to a second target, whose answer
    /// is judged and dropped; see [`shadow`](crate::shadow). Default: none. The bodies of copies
    /// under way are not counted in [`max_buffered_bytes`](Self::max_buffered_bytes): they take 64
    /// MiB at most.
    pub fn shadow_percent(mut self, percent: f64) -> Self {
        self.shadow_percent = percent;
        self
    }

    /// Sets how much memory the bodies of all requests may take that wait for the head of their
    /// answer; a request that finds none left is answered 503. Default: 512 MiB.
    pub fn max_buffered_bytes(mut self, bytes: usize) -> Self {
        self.max_buffered = bytes;
        self
    }

    /// Sets how the headers are called by which it and its callers speak to each other, and what is
    /// heard from everybody. Default: `x-outcome-...`, and neither pins nor exclusions.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the keys that open it. A request must bring one as its API key, wherever its SDK puts
    /// that: as `authorization: Bearer`, `x-api-key`, `api-key`, `x-goog-api-key` or `?key=`. Without
    /// one it is answered 401; `/healthz` and `/readyz` alone need none. Default: no keys; everybody
    /// who can connect may use everything.
    pub fn client_keys<I: IntoIterator<Item = ClientKey>>(mut self, keys: I) -> Self {
        self.keys = keys.into_iter().collect();
        self
    }

    /// Goes on with what a gateway before it has counted and remembers for its callers: what their
    /// keys have spent, and the providers' ids of answers. For a configuration that is read anew.
    pub fn take_over(mut self, running: &Gateway) -> Self {
        self.spending = running.spending();
        self.responses = running.responses();
        self
    }

    /// Sets how many requests may be under way at a time, each until the last byte of its answer;
    /// others are answered 503 at once. Default: 4096, at least 1.
    pub fn max_requests(mut self, requests: usize) -> Self {
        self.max_requests = requests;
        self
    }

    /// Sets how long a caller may send nothing of a body that it has begun. Default: 15 s.
    pub fn body_idle_timeout(mut self, timeout: Duration) -> Self {
        self.body_idle_timeout = timeout;
        self
    }

    /// Builds the gateway.
    ///
    /// # Errors
    ///
    /// If a target, or the passing of unknown models, needs a default upstream and there is none, if
    /// the share of copies is not from 0 to 100, if a header's name is none or not free, or if client
    /// keys contradict each other or name pools that there are not.
    pub fn build(self) -> Result<Gateway, BuildError> {
        let live = self.live(None)?;
        // A configuration has told it already, with the line.
        live.rules.access.warn_of_free_targets(&live.rules.router);
        Ok(Gateway::new(live, Vec::new()))
    }

    /// Finds what cannot be built.
    pub(super) fn check(&self) -> Result<ShadowLayer, BuildError> {
        if self.default_upstream.is_none() {
            if let Some(target) = self.router.without_upstream() {
                return Err(BuildError::new(format!(
                    "target {target:?} has no upstream, and the gateway no default upstream"
                )));
            }
            if self.pass_unknown_models {
                return Err(BuildError::new(
                    "unknown models can only be passed to a default upstream, and there is none",
                ));
            }
        }
        self.headers.build()?;
        Access::new(self.keys.clone(), &self.router, Spending::default())?;
        ShadowLayer::new(self.router.clone())
            .percent(self.shadow_percent)
            .map_err(|error| BuildError::new(error.to_string()))
    }

    /// Builds what serves. Memory, decoders and connections are those of what served before.
    pub(super) fn live(self, before: Option<&Live>) -> Result<Live, BuildError> {
        let shadows = self.check()?;
        let budget = before.map(|before| &before.rules.budget);
        let budget = budget.filter(|budget| budget.is_of(self.max_buffered));
        let places = before.map(|before| &before.rules.places);
        let places = places.filter(|places| places.is_of(self.max_requests));
        let spending = before.map_or(self.spending, |it| it.rules.access.spending.clone());
        let access = Access::new(self.keys, &self.router, spending)?;
        let rules = Arc::new(Rules {
            router: self.router.clone(),
            fallback: self.default_upstream.is_some(),
            pass_unknown_models: self.pass_unknown_models,
            headers: self.headers.build()?,
            access,
            catalog: Catalog::new(&self.router, self.pass_unknown_models),
            responses: before.map_or(self.responses, |it| it.rules.responses.clone()),
            deadline: self.deadline,
            places: places.map_or_else(|| Places::new(self.max_requests), Places::clone),
            body_idle_timeout: self.body_idle_timeout,
            budget: budget.map_or_else(|| Budget::new(self.max_buffered), Budget::clone),
            decoders: before.map_or_else(decoders, |before| before.rules.decoders.clone()),
        });
        let connection = |timeouts, http2: Option<bool>| Connection {
            timeouts,
            http2: http2.unwrap_or(self.http2),
        };
        let targets = self.targets.into_iter();
        let targets = targets
            .map(|(pool, target, timeouts, http2)| (pool, target, connection(timeouts, http2)))
            .collect();
        let connection = connection(self.timeouts, None);
        let clients = before.map_or_else(Clients::default, |it| it.upstreams.clients());
        let upstreams = Upstreams::new(self.default_upstream, connection, targets, clients);
        let stack = ServiceBuilder::new()
            .layer(FailoverLayer::new(self.router.clone()).deadline(self.deadline))
            .layer(shadows)
            .layer(OutcomeRoutingLayer::new(self.router))
            .service(upstreams.clone());
        Ok(Live {
            rules,
            stack,
            upstreams,
        })
    }
}

/// One for each processor.
fn decoders() -> Arc<Semaphore> {
    let processors = std::thread::available_parallelism();
    Arc::new(Semaphore::new(processors.map_or(1, std::num::NonZero::get)))
}
