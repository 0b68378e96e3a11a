//! The file as it is written. The comments here are what `outcome-gateway schema` says of the keys.

mod around;
mod json;
mod pool;
mod spanned;
mod target;
mod upstream;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use self::{
    around::{Admin, Headers, Key, Limits, Store, Telemetry, Trusted},
    json::{json_schema, tables},
    pool::{Check, Mode, NobodyFree, Policy, Pool},
    spanned::Spanned,
    target::{Price, Target},
    upstream::Upstream,
};

/// What an outcome-gateway serves, and how.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "outcome-gateway")]
pub(super) struct File {
    /// The address that the gateway listens on: an IP address and a port.
    #[schemars(extend("default" = "127.0.0.1:8080"))]
    pub(super) listen: Option<Spanned<String>>,
    /// Names to answer to, without a port; on loopback, beside those of loopback. Elsewhere, any
    /// unless given.
    #[serde(default)]
    #[schemars(extend("default" = []))]
    pub(super) hosts: Vec<Spanned<String>>,
    /// A call that has no answer by then begins no further attempt. In milliseconds.
    #[schemars(range(min = 1, max = 86_400_000), extend("default" = 540_000))]
    pub(super) deadline_ms: Option<Spanned<u64>>,
    /// Whether models that no pool serves are sent to the default upstream; else they are
    /// answered 404.
    #[schemars(extend("default" = false))]
    pub(super) pass_unknown_models: Option<Spanned<bool>>,
    /// The name of the upstream for what is no routable inference; without it, that is answered 404.
    pub(super) default_upstream: Option<Spanned<String>>,
    /// Whether kinds of work are told apart where callers do not name them.
    #[serde(default)]
    #[schemars(extend("default" = "none"))]
    pub(super) tasks: Tasks,
    /// How many of a hundred calls are copied to a second target, whose answer is judged and
    /// dropped.
    #[schemars(range(min = 0, max = 100), extend("default" = 0.0))]
    pub(super) shadow_percent: Option<Spanned<f64>>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) headers: Headers,
    #[serde(default)]
    pub(super) admin: Admin,
    #[serde(default)]
    pub(super) store: Store,
    #[serde(default)]
    pub(super) telemetry: Telemetry,
    /// The keys of clients. With none, whoever can connect may call.
    #[serde(default)]
    pub(super) key: Vec<Key>,
    /// Where requests go.
    #[serde(default)]
    pub(super) upstream: Vec<Upstream>,
    /// The models that callers may ask for, and who serves them. At least one.
    #[serde(default)]
    pub(super) pool: Vec<Pool>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tasks {
    /// By what a request looks like: its size, tools, images, the form of its answer.
    ByShape,
    #[default]
    None,
}
