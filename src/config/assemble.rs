use std::{collections::HashSet, net::SocketAddr, ops::Range};

use super::{
    Admin, Config, Connection, DEADLINE, Fleet, Headers, Limits, Place, Store, Telemetry,
    address::{host, listen},
    key::{read_keys, warn_of_uncounted},
    numbers::{millis, percent},
    schema::{self, Spanned},
    secret::Around,
    settings::{set_pool, set_target, warn_of_idle_settings},
    upstream::{NamedUpstream, find, named_upstream},
};
use crate::{
    router::{BuildError, Mode, NobodyFree, OutcomeRouter, Pool, Target, Upstream, lone},
    tasks::ByShape,
};

const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// What is wrong, and where.
pub(super) struct Fault {
    pub(super) span: Option<Range<usize>>,
    pub(super) message: String,
    /// Not the value of a key is wrong, but the table that it is in.
    pub(super) of_table: bool,
}

impl Fault {
    pub(super) fn at<T>(place: &Spanned<T>, message: impl Into<String>) -> Self {
        Self {
            span: Some(place.span()),
            message: message.into(),
            of_table: false,
        }
    }

    /// Something is wrong with a table. It is told by one of its values, mostly its name.
    pub(super) fn of_table<T>(place: &Spanned<T>, message: impl Into<String>) -> Self {
        Self {
            of_table: true,
            ..Self::at(place, message)
        }
    }

    fn nowhere(message: impl Into<String>) -> Self {
        Self {
            span: None,
            message: message.into(),
            of_table: true,
        }
    }
}

pub(super) fn assemble(file: schema::File, around: &Around<'_>) -> Result<Config, Fault> {
    let mut upstreams: Vec<NamedUpstream> = Vec::new();
    for upstream in file.upstream {
        let name = &upstream.name;
        if name.get_ref().is_empty() {
            return Err(Fault::at(name, "the name is empty"));
        }
        if upstreams.iter().any(|other| other.name == *name.get_ref()) {
            let message = format!("two upstreams are named {:?}", name.get_ref());
            return Err(Fault::at(name, message));
        }
        upstreams.push(named_upstream(upstream, around)?);
    }
    let default_upstream = file
        .default_upstream
        .map(|name| find(&upstreams, &name).map(|found| (found.upstream.clone(), found.connection)))
        .transpose()?;
    let pass_unknown_models = file.pass_unknown_models.as_ref();
    if let Some(pass) = pass_unknown_models.filter(|pass| *pass.get_ref())
        && default_upstream.is_none()
    {
        let message = "needs default_upstream: the name of the upstream that serves them";
        return Err(Fault::at(pass, message));
    }
    if file.pool.is_empty() {
        return Err(Fault::nowhere(
            "there is no [[pool]]; nothing would be served",
        ));
    }
    let limits = Limits::read(&file.limits)?;
    let mut builder = OutcomeRouter::builder().max_body_bytes(limits.max_body);
    // Every target has an upstream here, and no caller's key goes there.
    builder = builder.replace_signatures(true);
    if let schema::Tasks::ByShape = file.tasks {
        builder = builder.tasks(ByShape);
    }
    let shadow_percent = file.shadow_percent.as_ref().map(percent).transpose()?;
    let deadline = file.deadline_ms.as_ref().map_or(Ok(DEADLINE), millis)?;
    let mut connections = Vec::new();
    let mut places = Vec::new();
    let mut warnings = Vec::new();
    for upstream in &upstreams {
        upstream.warn(deadline, &mut warnings);
    }
    let mut answered = HashSet::new();
    for pool in &file.pool {
        for name in std::iter::once(&pool.name).chain(&pool.aliases) {
            if !answered.insert(name.get_ref().clone()) {
                let text = name.get_ref();
                return Err(Fault::at(
                    name,
                    format!("{text:?} is already the name or an alias of a pool"),
                ));
            }
        }
        builder = builder.pool(assemble_pool(
            pool,
            &upstreams,
            &mut connections,
            &mut warnings,
        )?);
        places.extend(
            pool.targets
                .iter()
                .map(|target| Place::of(target, pool, &upstreams)),
        );
    }
    warn_of_shadows(&file.pool, &mut warnings);
    let keys = read_keys(&file.key, &file.pool)?;
    warn_of_uncounted(&keys, &file.pool, &mut warnings);
    let listen = file.listen.as_ref().map_or(Ok(LISTEN), listen)?;
    for upstream in &upstreams {
        upstream.warn_of_circle(listen, &mut warnings);
    }
    let fleet = Fleet::read(&file.store, around, &mut warnings)?;
    if let Some(fleet) = &fleet {
        builder = builder.shared(fleet.secret.expose());
    }
    Ok(Config {
        listen,
        hosts: file.hosts.iter().map(host).collect::<Result<_, _>>()?,
        limits,
        headers: Headers::read(&file.headers)?,
        admin: Admin::read(&file.admin, listen, around)?,
        store: Store::read(&file.store, around)?,
        fleet,
        telemetry: Telemetry::read(&file.telemetry)?,
        keys,
        router: builder
            .clone()
            .build()
            .map_err(|error| Fault::nowhere(error.to_string()))?,
        builder,
        observers: Vec::new(),
        deadline,
        default_upstream,
        pass_unknown_models: pass_unknown_models.is_some_and(|pass| *pass.get_ref()),
        shadow_percent: shadow_percent.unwrap_or(0.0),
        connections,
        places,
        warnings,
        files: around.read.take(),
    })
}

impl Place {
    fn of(target: &schema::Target, pool: &schema::Pool, upstreams: &[NamedUpstream]) -> Self {
        let name = target.upstream.get_ref();
        let found = upstreams.iter().find(|upstream| upstream.name == *name);
        let url = found.map(|found| found.upstream.key()).unwrap_or_default();
        Self {
            pool: pool.name.get_ref().clone(),
            upstream: format!("{name}, {url}"),
        }
    }
}

fn assemble_pool(
    pool: &schema::Pool,
    upstreams: &[NamedUpstream],
    connections: &mut Vec<(String, String, Connection)>,
    warnings: &mut Vec<String>,
) -> Result<Pool, Fault> {
    let name = pool.name.get_ref();
    let mut built = Pool::new(name)
        .mode(match pool.mode {
            schema::Mode::Route => Mode::Route,
            schema::Mode::Observe => Mode::Observe,
            schema::Mode::Off => Mode::Off,
        })
        .nobody_free(match pool.nobody_free {
            schema::NobodyFree::Wait => NobodyFree::Wait,
            schema::NobodyFree::Answer => NobodyFree::Answer,
            schema::NobodyFree::LeastBad => NobodyFree::LeastBad,
        });
    built = set_pool(built, pool)?;
    if pool.targets.is_empty() {
        let message = format!(
            "pool {name:?} has no target; expected [[pool.target]] tables, each with a model and the \
             name of an upstream"
        );
        return Err(Fault::of_table(&pool.name, message));
    }
    let mut labels: Vec<&str> = Vec::new();
    for target in &pool.targets {
        let label = target.name.as_ref().unwrap_or(&target.model);
        if labels.contains(&label.get_ref().as_str()) {
            let text = label.get_ref();
            let message = format!(
                "pool {name:?} has two targets named {text:?}; give one of them another name = \
                 \"...\""
            );
            return Err(Fault::at(label, message));
        }
        labels.push(label.get_ref());
        let found = find(upstreams, &target.upstream)?;
        connections.push((name.clone(), label.get_ref().clone(), found.connection));
        let target_built = assemble_target(target, found.upstream.clone())?;
        check(&Pool::new(name).target(target_built.clone()))
            .map_err(|error| Fault::of_table(&target.model, error.to_string()))?;
        built = built.target(target_built);
    }
    check(&built).map_err(|error| Fault::of_table(&pool.name, error.to_string()))?;
    for alias in &pool.aliases {
        built = built.alias(alias.get_ref());
        check(&built).map_err(|error| Fault::of_table(alias, error.to_string()))?;
    }
    warn_of_idle_settings(pool, warnings);
    if pool.targets.len() == 1 {
        warnings.push(format!(
            "pool {name:?} has a single target: nothing can take over when it fails"
        ));
    }
    warnings.extend(lone(&built).iter().map(ToString::to_string));
    Ok(built)
}

fn assemble_target(target: &schema::Target, upstream: Upstream) -> Result<Target, Fault> {
    let mut built = Target::new(target.model.get_ref()).upstream(upstream);
    if let Some(name) = &target.name {
        built = built.named(name.get_ref());
    }
    if let Some(group) = &target.quota_group {
        built = built.quota_group(group);
    }
    set_target(built, target)
}

/// Builds a pool alone, so that what is wrong with it is said at its place in the file.
fn check(pool: &Pool) -> Result<(), BuildError> {
    OutcomeRouter::builder()
        .pool(pool.clone())
        .quiet()
        .build()
        .map(drop)
}

/// Tells of models that lead to another pool when a caller names them.
fn warn_of_shadows(pools: &[schema::Pool], warnings: &mut Vec<String>) {
    for (index, pool) in pools.iter().enumerate() {
        let mut told = HashSet::new();
        for target in &pool.targets {
            let model = target.model.get_ref();
            let is_name = |other: &schema::Pool| {
                let mut names = std::iter::once(&other.name).chain(&other.aliases);
                names.any(|name| name.get_ref() == model)
            };
            let has_it =
                |other: &schema::Pool| other.targets.iter().any(|it| it.model.get_ref() == model);
            let earlier = pools.get(..index).unwrap_or_default();
            let winner = pools.iter().find(|other| is_name(other));
            let winner = winner.or_else(|| earlier.iter().find(|other| has_it(other)));
            let Some(winner) = winner.map(|winner| winner.name.get_ref()) else {
                continue;
            };
            let name = pool.name.get_ref();
            if winner != name && told.insert(model) {
                warnings.push(format!(
                    "a caller that names the model {model:?} means pool {winner:?}, and not pool \
                     {name:?}, which has it, too"
                ));
            }
        }
    }
}
