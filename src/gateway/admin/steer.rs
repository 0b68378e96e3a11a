//! What is done by hand.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    Shared,
    answer::{Failure, json_response, read_json, shorten},
};
use crate::router::{Mode, OutcomeRouter};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetMode {
    mode: Named,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Named {
    Route,
    Observe,
    Off,
}

impl From<Named> for Mode {
    fn from(mode: Named) -> Self {
        match mode {
            Named::Route => Self::Route,
            Named::Observe => Self::Observe,
            Named::Off => Self::Off,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    target: String,
}

pub(super) async fn mode(
    State(shared): State<Arc<Shared>>,
    Path(pool): Path<String>,
    body: Body,
) -> Result<Response, Failure> {
    let router = shared.router()?;
    let SetMode { mode } = read_json(body).await?;
    if !router.set_mode(&pool, mode.into()) {
        return Err(no_pool(&pool));
    }
    tracing::info!(pool, mode = ?Mode::from(mode), "a pool was switched by hand");
    now(&router, &pool)
}

pub(super) async fn pin(
    State(shared): State<Arc<Shared>>,
    Path(pool): Path<String>,
    body: Body,
) -> Result<Response, Failure> {
    let router = shared.router()?;
    let Pin { target } = read_json(body).await?;
    if is_drained(&router, &pool, &target)? {
        let message = format!("{} is drained: put it back first", shorten(&target));
        return Err(Failure::new(StatusCode::CONFLICT, message));
    }
    if !router.set_pinned(&pool, Some(&target)) {
        return Err(no_target(&pool, &target));
    }
    tracing::info!(pool, target, "a pool was pinned by hand");
    now(&router, &pool)
}

pub(super) async fn unpin(
    State(shared): State<Arc<Shared>>,
    Path(pool): Path<String>,
) -> Result<Response, Failure> {
    let router = shared.router()?;
    if !router.set_pinned(&pool, None) {
        return Err(no_pool(&pool));
    }
    tracing::info!(pool, "a pool was released by hand");
    now(&router, &pool)
}

pub(super) async fn drain(
    State(shared): State<Arc<Shared>>,
    Path((pool, target)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let router = shared.router()?;
    if router
        .pinned(&pool)
        .is_some_and(|pinned| *pinned == *target)
    {
        let message = format!(
            "the pool is pinned to {}: release it first",
            shorten(&target)
        );
        return Err(Failure::new(StatusCode::CONFLICT, message));
    }
    set_drained(&router, &pool, &target, true)
}

pub(super) async fn restore(
    State(shared): State<Arc<Shared>>,
    Path((pool, target)): Path<(String, String)>,
) -> Result<Response, Failure> {
    set_drained(&shared.router()?, &pool, &target, false)
}

pub(super) async fn replay(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    let replay = shared.replay.as_ref();
    let replay = replay.ok_or_else(|| Failure::not_found("there is nothing to replay"))?;
    replay();
    Ok(json_response(&json!({ "replayed": true })))
}

fn set_drained(
    router: &OutcomeRouter,
    pool: &str,
    target: &str,
    drained: bool,
) -> Result<Response, Failure> {
    if !router.set_drained(pool, target, drained) {
        return Err(no_target(pool, target));
    }
    tracing::info!(
        pool,
        target,
        drained,
        "a target was taken out or put back by hand"
    );
    now(router, pool)
}

fn is_drained(router: &OutcomeRouter, pool: &str, target: &str) -> Result<bool, Failure> {
    let pools = router.snapshot().pools;
    let found = pools.iter().find(|it| *it.name == *pool);
    let mut targets = found.ok_or_else(|| no_pool(pool))?.targets.iter();
    let found = targets.find(|it| *it.name == *target);
    Ok(found.ok_or_else(|| no_target(pool, target))?.drained)
}

/// Answers what is set by hand in a pool.
fn now(router: &OutcomeRouter, name: &str) -> Result<Response, Failure> {
    let pools = router.snapshot().pools;
    let pool = pools.iter().find(|it| *it.name == *name);
    let pool = pool.ok_or_else(|| no_pool(name))?;
    let drained = pool.targets.iter().filter(|target| target.drained);
    let drained: Vec<_> = drained.map(|target| &target.name).collect();
    Ok(json_response(&json!({
        "pool": pool.name,
        "mode": pool.mode,
        "pinned": pool.pinned,
        "drained": drained,
    })))
}

fn no_pool(pool: &str) -> Failure {
    Failure::not_found(format!("there is no pool {:?}", shorten(pool)))
}

fn no_target(pool: &str, target: &str) -> Failure {
    let (pool, target) = (shorten(pool), shorten(target));
    Failure::not_found(format!("there is no target {target:?} in a pool {pool:?}"))
}
