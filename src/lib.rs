#![doc = include_str!("../README.md")]

pub mod checks;
pub mod classify;
#[cfg(feature = "gateway")]
pub mod config;
pub mod dialect;
pub mod failover;
#[cfg(feature = "gateway")]
pub mod gateway;
pub mod guide;
pub mod hints;
pub mod policy;
pub mod route;
pub mod router;
pub mod shadow;
mod stats;
pub mod store;
pub mod tasks;
#[cfg(feature = "metrics")]
pub mod telemetry;

pub use crate::{
    classify::{Class, Classify, Verdict},
    failover::{CallLayer, FailoverLayer, Replay, RetryPolicy},
    hints::{
        Call, Candidates, Deadline, Explain, HoldBack, Risk, Routed, Session, Strict, Task, Tenant,
    },
    route::{OutcomeRouting, OutcomeRoutingLayer, RequestBody, ResponseBody, ResponseFuture},
    router::{
        BuildError, Credential, Decision, Mode, NobodyFree, Outcome, OutcomeId, OutcomeRouter,
        PickRequest, Pool, Price, Reason, Score, Snapshot, Target, Ticket, Unavailable, Upstream,
    },
    shadow::ShadowLayer,
};
