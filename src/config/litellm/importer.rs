use std::collections::HashMap;

use super::{
    keys::{Keys, Written, written},
    notes::Notes,
    params::{Environment, Params},
    provider,
    result::{Gateway, Upstream},
    yaml::Node,
};
use crate::config::{DEADLINE, Timeouts};

/// What is known while a file is read.
pub(super) struct Importer<'a> {
    pub(super) notes: Notes,
    pub(super) keys: Keys,
    pub(super) gateway: Gateway,
    pub(super) environment: &'a Environment<'a>,
    credentials: HashMap<&'a str, &'a Node>,
    /// Of deployments that say nothing of their own.
    attempt_timeout_ms: Option<u64>,
    idle_timeout_ms: Option<u64>,
}

impl<'a> Importer<'a> {
    pub(super) fn new(root: &'a Node, environment: &'a Environment<'a>) -> Self {
        let mut keys = Keys::default();
        keys.reserve_all(root);
        for variable in implied(root) {
            keys.reserve(variable);
        }
        let mut credentials = HashMap::new();
        let list = root.get("credential_list").map_or(&[][..], Node::items);
        for entry in list {
            let name = entry.get("credential_name").and_then(Node::text);
            if let (Some(name), Some(values)) = (name, entry.get("credential_values")) {
                credentials.insert(name, values);
            }
        }
        Self {
            notes: Notes::default(),
            keys,
            gateway: Gateway::default(),
            environment,
            credentials,
            attempt_timeout_ms: None,
            idle_timeout_ms: None,
        }
    }

    /// Reads the timeouts that hold for all deployments.
    pub(super) fn read_timeouts(&mut self, router: Option<&Node>, litellm: Option<&Node>) {
        let of_router = router.and_then(|it| it.get("timeout"));
        let of_all = litellm.and_then(|it| it.get("request_timeout"));
        self.attempt_timeout_ms = match of_router {
            Some(node) => self.timeout(Some(node), "router_settings.timeout"),
            None => self.timeout(of_all, "litellm_settings.request_timeout"),
        };
        let idle = router.and_then(|it| it.get("stream_timeout"));
        self.idle_timeout_ms = self.idle(idle, "router_settings.stream_timeout");
    }

    pub(super) fn params(&mut self, own: &'a Node) -> Params<'a> {
        let named = own.get("litellm_credential_name");
        let credential = named.and_then(Node::text);
        let credential = credential.and_then(|name| self.credentials.get(name).copied());
        if let (Some(named), None) = (named, credential) {
            let text = "litellm_credential_name: credential_list has no such credential";
            self.notes.lost(named.place, text);
        }
        Params {
            own,
            credential,
            environment: self.environment,
        }
    }

    /// Returns how long an attempt may take, in milliseconds.
    pub(super) fn timeout(&mut self, written: Option<&Node>, name: &str) -> Option<u64> {
        let Some(node) = written else {
            return self.attempt_timeout_ms;
        };
        let millis = self.millis(node, name)?;
        let (deadline, default) = (DEADLINE.as_millis(), Timeouts::default().attempt.as_secs());
        if u128::from(millis) >= deadline {
            let text = format!(
                "{name}: a call has {} s in all here, and an attempt the usual {default} s, so that \
                 another can follow; see deadline_ms and attempt_timeout_ms",
                DEADLINE.as_secs()
            );
            self.notes.replaced(node.place, text);
            return None;
        }
        Some(millis)
    }

    /// Returns how long a stream may be silent, in milliseconds.
    pub(super) fn idle(&mut self, written: Option<&Node>, name: &str) -> Option<u64> {
        match written {
            Some(node) => self.millis(node, name),
            None => self.idle_timeout_ms,
        }
    }

    fn millis(&mut self, node: &Node, name: &str) -> Option<u64> {
        let seconds = node.number().filter(|it| (0.001..=86_400.0).contains(it));
        let Some(seconds) = seconds else {
            self.notes.unreadable(node, name, "seconds, at most a day");
            return None;
        };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within a day"
        )]
        Some((seconds * 1000.0).round() as u64)
    }

    /// Finds or adds an upstream, and returns its index. Until all are known it has the name of its
    /// provider.
    pub(super) fn upstream(&mut self, provider: &str, mut found: Upstream) -> usize {
        let upstreams = &mut self.gateway.upstreams;
        if let Some(at) = upstreams.iter().position(|it| it.is_like(&found)) {
            return at;
        }
        if let Some(name) = &found.api_key_env {
            self.keys.reserve(name);
        }
        found.name = provider.to_owned();
        upstreams.push(found);
        upstreams.len() - 1
    }

    /// Gives each upstream a name of its own: that of its provider, and where a provider is at
    /// several addresses, that of the host.
    pub(super) fn name_upstreams(&mut self) {
        let upstreams = &mut self.gateway.upstreams;
        let hosts: Vec<(String, Option<String>)> = upstreams
            .iter()
            .map(|it| (it.name.clone(), part_of_host(&it.to.base_url)))
            .collect();
        let mut used: Vec<String> = Vec::new();
        for (upstream, (provider, part)) in upstreams.iter_mut().zip(&hosts) {
            let is_elsewhere = hosts
                .iter()
                .any(|(other, host)| other == provider && host != part);
            let name = match part {
                Some(part) if is_elsewhere && part != provider => format!("{provider}-{part}"),
                _ => provider.clone(),
            };
            upstream.name = unused(&name, |it| used.iter().any(|other| other == it));
            used.push(upstream.name.clone());
        }
    }

    /// Tells which variables the file itself sets: the gateway reads those of its own environment.
    pub(super) fn note_variables(&mut self, root: &Node) {
        let Some(section) = root.get("environment_variables") else {
            return;
        };
        let mut names = Vec::new();
        for (key, _) in section.entries() {
            let reference = format!("${}", key.text);
            if let Written::Variable(name) = written(&reference) {
                names.push(name.to_owned());
            }
        }
        if !names.is_empty() {
            let text = format!(
                "environment_variables: set what is needed of {} where the gateway is started",
                names.join(", ")
            );
            self.notes.todo(section.place, text);
        }
    }
}

/// Returns the variables that deployments without a key take theirs from.
fn implied(root: &Node) -> impl Iterator<Item = &'static str> {
    let list = root.get("model_list").map_or(&[][..], Node::items);
    let params = list.iter().filter_map(|entry| entry.get("litellm_params"));
    let keyless = params.filter(|params| params.get("api_key").is_none());
    keyless.filter_map(|params| {
        let model = params.get("model").and_then(Node::text)?;
        let first = model.split('/').next().unwrap_or_default();
        let found =
            provider::named(first).or_else(|| provider::of_model(model).and_then(provider::named));
        found?.key
    })
}

/// Returns a name, with a number behind it where it is taken.
pub(super) fn unused(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut found = name.to_owned();
    let mut number = 2_u32;
    while is_taken(&found) {
        found = format!("{name}-{number}");
        number += 1;
    }
    found
}

/// Returns what tells a host from others of its provider.
fn part_of_host(url: &str) -> Option<String> {
    let host = url.split_once("://")?.1.split('/').next()?;
    let labels: Vec<&str> = host.split('.').collect();
    let part = match labels.as_slice() {
        ["bedrock-runtime", region, ..] => region,
        [first, "googleapis", "com"] => first.trim_end_matches("-aiplatform"),
        ["api" | "www", second, ..] => second,
        [first, ..] if first.parse::<u8>().is_err() => first,
        _ => host,
    };
    let part: String = part
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    (!part.is_empty()).then_some(part)
}
