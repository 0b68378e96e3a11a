use std::{collections::HashSet, net::SocketAddr, ops::Range, time::Duration};

use toml::Spanned;

use super::{Config, Timeouts, schema, suggest::suggest};
use crate::{
    dialect::{self, Dialect},
    router::{BuildError, Credential, Mode, NobodyFree, OutcomeRouter, Pool, Target, Upstream},
};

const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
/// A call that has no answer by then begins no further attempt.
const DEADLINE: Duration = Duration::from_secs(30);
const MAX_BODY: u64 = 32 * 1024 * 1024;
/// A day: nothing here should wait longer.
const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;

/// What is wrong, and where.
pub(super) struct Fault {
    pub(super) span: Range<usize>,
    pub(super) message: String,
}

impl Fault {
    fn at<T>(place: &Spanned<T>, message: impl Into<String>) -> Self {
        Self {
            span: place.span(),
            message: message.into(),
        }
    }

    fn nowhere(message: impl Into<String>) -> Self {
        Self {
            span: 0..0,
            message: message.into(),
        }
    }
}

struct NamedUpstream {
    name: String,
    upstream: Upstream,
    timeouts: Timeouts,
}

pub(super) fn assemble(
    file: schema::File,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Fault> {
    let mut upstreams: Vec<NamedUpstream> = Vec::new();
    for upstream in file.upstream {
        let name = &upstream.name;
        if upstreams.iter().any(|other| other.name == *name.get_ref()) {
            let message = format!("two upstreams are named {:?}", name.get_ref());
            return Err(Fault::at(name, message));
        }
        upstreams.push(named_upstream(upstream, variable)?);
    }
    let default_upstream = file
        .default_upstream
        .map(|name| find(&upstreams, &name).map(|found| (found.upstream.clone(), found.timeouts)))
        .transpose()?;
    let pass_unknown_models = file.pass_unknown_models.as_ref();
    if let Some(pass) = pass_unknown_models.filter(|pass| *pass.get_ref())
        && default_upstream.is_none()
    {
        let message = "pass_unknown_models needs default_upstream: the name of the upstream that \
                       serves them";
        return Err(Fault::at(pass, message));
    }
    if file.pool.is_empty() {
        return Err(Fault::nowhere(
            "there is no [[pool]]; nothing would be served",
        ));
    }
    let max_body = file.limits.max_body_bytes.as_ref();
    let max_body = max_body.map_or(Ok(MAX_BODY), |limit| at_least_one(limit).copied())?;
    let mut builder =
        OutcomeRouter::builder().max_body_bytes(usize::try_from(max_body).unwrap_or(usize::MAX));
    let mut timeouts = Vec::new();
    let mut warnings = Vec::new();
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
            &mut timeouts,
            &mut warnings,
        )?);
    }
    Ok(Config {
        listen: listen(file.listen.as_ref())?,
        router: builder
            .build()
            .map_err(|error| Fault::nowhere(error.to_string()))?,
        deadline: file.deadline_ms.as_ref().map_or(Ok(DEADLINE), millis)?,
        default_upstream,
        pass_unknown_models: pass_unknown_models.is_some_and(|pass| *pass.get_ref()),
        state_endpoint: file.state_endpoint,
        timeouts,
        warnings,
    })
}

fn named_upstream(
    upstream: schema::Upstream,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<NamedUpstream, Fault> {
    let defaults = Timeouts::default();
    let timeout = |written: Option<&Spanned<u64>>, default| written.map_or(Ok(default), millis);
    let timeouts = Timeouts {
        connect: timeout(upstream.connect_timeout_ms.as_ref(), defaults.connect)?,
        attempt: timeout(upstream.attempt_timeout_ms.as_ref(), defaults.attempt)?,
        idle: timeout(upstream.idle_timeout_ms.as_ref(), defaults.idle)?,
    };
    let mut built = base_url(&upstream.base_url)?;
    if let Some(dialect) = upstream.dialect {
        built = built.dialect(match dialect {
            schema::Dialect::OpenAi => &dialect::OpenAi as &'static dyn Dialect,
            schema::Dialect::Anthropic => &dialect::Anthropic,
        });
    }
    if let Some(name) = &upstream.api_key_env {
        built = built.credential(credential(name, variable)?);
    }
    Ok(NamedUpstream {
        name: upstream.name.into_inner(),
        upstream: built,
        timeouts,
    })
}

fn base_url(written: &Spanned<String>) -> Result<Upstream, Fault> {
    let expected = "expected a URL such as \"https://api.openai.com/v1\"";
    let text = written.get_ref();
    // What stands there may be a secret, and is not repeated.
    if text.contains(['@', '?', '#']) {
        let message = format!(
            "base_url must hold no user name, password, query or fragment; {expected}, and \
             api_key_env for the key"
        );
        return Err(Fault::at(written, message));
    }
    Upstream::new(text)
        .map_err(|error| Fault::at(written, format!("base_url: {error}; {expected}")))
}

fn credential(
    name: &Spanned<String>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Credential, Fault> {
    let text = name.get_ref();
    let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let looks_like_a_name = text.contains('_') && text.chars().all(allowed);
    // Somebody may have put the key itself here: repeat nothing that does not look like a name.
    let shown = if looks_like_a_name { text } else { "it names" };
    let Some(secret) = variable(text) else {
        let message = format!(
            "api_key_env: the environment variable {shown} is not set; expected the name of the \
             variable that holds the key, such as \"OPENAI_API_KEY\""
        );
        return Err(Fault::at(name, message));
    };
    Credential::new(secret.trim())
        .map_err(|error| Fault::at(name, format!("api_key_env: variable {shown}: {error}")))
}

fn assemble_pool(
    pool: &schema::Pool,
    upstreams: &[NamedUpstream],
    timeouts: &mut Vec<(String, String, Timeouts)>,
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
    if pool.targets.is_empty() {
        let message = format!(
            "pool {name:?} has no target; expected [[pool.target]] tables, each with a model and the \
             name of an upstream"
        );
        return Err(Fault::at(&pool.name, message));
    }
    for alias in &pool.aliases {
        built = built.alias(alias.get_ref());
    }
    let mut labels: Vec<&str> = Vec::new();
    let mut speakers = [0_usize; dialect::ALL.len()];
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
        for (dialect, count) in dialect::ALL.iter().zip(&mut speakers) {
            *count += usize::from(found.upstream.speaks(dialect.name()));
        }
        timeouts.push((name.clone(), label.get_ref().clone(), found.timeouts));
        built = built.target(assemble_target(target, found.upstream.clone()));
    }
    warn(name, pool.targets.len(), &speakers, warnings);
    check(&built).map_err(|error| Fault::at(&pool.name, error.to_string()))?;
    Ok(built)
}

fn assemble_target(target: &schema::Target, upstream: Upstream) -> Target {
    let mut built = Target::new(target.model.get_ref()).upstream(upstream);
    if let Some(name) = &target.name {
        built = built.named(name.get_ref());
    }
    if let Some(group) = &target.quota_group {
        built = built.quota_group(group);
    }
    built
}

/// Builds the pool alone, so that what is wrong with it is said at its place in the file.
fn check(pool: &Pool) -> Result<(), BuildError> {
    OutcomeRouter::builder()
        .pool(pool.clone())
        .build()
        .map(drop)
}

fn warn(pool: &str, targets: usize, speakers: &[usize], warnings: &mut Vec<String>) {
    if targets == 1 {
        warnings.push(format!(
            "pool {pool:?} has a single target: nothing can take over when it fails"
        ));
        return;
    }
    for (dialect, count) in dialect::ALL.iter().zip(speakers) {
        if *count == 1 {
            let dialect = dialect.name();
            warnings.push(format!(
                "pool {pool:?} has a single target for requests in the {dialect} format: nothing \
                 can take over when it fails"
            ));
        }
    }
}

fn find<'a>(
    upstreams: &'a [NamedUpstream],
    name: &Spanned<String>,
) -> Result<&'a NamedUpstream, Fault> {
    let text = name.get_ref();
    if let Some(found) = upstreams.iter().find(|upstream| upstream.name == *text) {
        return Ok(found);
    }
    let names = upstreams.iter().map(|upstream| upstream.name.as_str());
    let advice = match suggest(text, names.clone()) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None if upstreams.is_empty() => "there is no [[upstream]]".to_owned(),
        None => format!("expected one of {:?}", names.collect::<Vec<_>>()),
    };
    Err(Fault::at(
        name,
        format!("there is no upstream named {text:?}; {advice}"),
    ))
}

fn listen(written: Option<&Spanned<String>>) -> Result<SocketAddr, Fault> {
    let Some(written) = written else {
        return Ok(LISTEN);
    };
    written.get_ref().parse().map_err(|_| {
        let text = written.get_ref();
        let message = format!(
            "listen: {text:?} is no address; expected an IP address and a port, such as \
             \"127.0.0.1:8080\""
        );
        Fault::at(written, message)
    })
}

fn at_least_one(written: &Spanned<u64>) -> Result<&u64, Fault> {
    match written.get_ref() {
        0 => Err(Fault::at(written, "expected a number from 1")),
        number => Ok(number),
    }
}

fn millis(written: &Spanned<u64>) -> Result<Duration, Fault> {
    let number = *at_least_one(written)?;
    if number > LONGEST_MS {
        let message = format!("expected at most {LONGEST_MS} milliseconds, a day");
        return Err(Fault::at(written, message));
    }
    Ok(Duration::from_millis(number))
}
