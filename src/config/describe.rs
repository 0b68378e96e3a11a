//! What a configuration means, in words.

use std::{
    fmt::{self, Display, Formatter},
    net::SocketAddr,
};

use super::{ClientKey, Config};
use crate::router::{Mode, PoolSnapshot};

/// See [`Config::describe`].
pub(super) struct Description<'a>(pub(super) &'a Config);

impl Display for Description<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let config = self.0;
        writeln!(f, "gateway    {}", at(config.listen))?;
        match &config.admin {
            Some(admin) => {
                let token = match &admin.token {
                    Some(_) => ", with a token",
                    None => "",
                };
                writeln!(f, "dashboard  {}{token}", at(admin.listen))?;
            }
            None => writeln!(f, "dashboard  none: [admin] is not enabled")?,
        }
        match &config.store {
            Some(store) => writeln!(
                f,
                "learning   kept in {}, every {} s",
                store.path.display(),
                store.interval.as_secs_f64()
            )?,
            None => writeln!(f, "learning   not kept over restarts")?,
        }
        if let Some(fleet) = &config.fleet {
            writeln!(f, "sharing    {fleet}")?;
        }
        if let Some(endpoint) = &config.telemetry.otlp_endpoint {
            writeln!(f, "telemetry  to {endpoint}")?;
        }
        keys(f, config)?;
        match &config.default_upstream {
            Some((upstream, _)) => {
                let what = match config.pass_unknown_models {
                    true => "models of no pool, and what names none, go",
                    false => "what names no model goes",
                };
                writeln!(f, "else       {what} to {}", upstream.key())?;
            }
            None => writeln!(f, "else       what is for no pool is answered 404")?,
        }
        let pools = config.router.snapshot().pools;
        pools.iter().try_for_each(|pool| self.pool(f, pool))
    }
}

fn at(address: SocketAddr) -> String {
    let who = match address.ip().to_canonical().is_loopback() {
        true => "for this machine alone",
        false => "for whoever can connect",
    };
    format!("http://{address}, {who}")
}

fn keys(f: &mut Formatter<'_>, config: &Config) -> fmt::Result {
    if config.keys.is_empty() {
        let here = config.listen.ip().to_canonical().is_loopback();
        let open = match here {
            true => "need no key",
            false => "need no key: whoever can connect can spend yours",
        };
        return writeln!(f, "callers    {open}");
    }
    for (index, key) in config.keys.iter().enumerate() {
        let head = if index == 0 { "callers" } else { "" };
        writeln!(f, "{head:<10} {}", opens(key))?;
    }
    Ok(())
}

fn opens(key: &ClientKey) -> String {
    let pools = match &key.pools {
        Some(pools) => pools.join(", "),
        None => "all pools".to_owned(),
    };
    let mut text = format!("the key {} opens {pools}", key.name);
    if let Some(tenant) = &key.tenant {
        text += &format!(", for tenant {tenant}");
    }
    if let Some(dollars) = key.daily_dollars {
        text += &format!(", up to ${dollars} a day");
    }
    text
}

impl Description<'_> {
    fn pool(&self, f: &mut Formatter<'_>, pool: &PoolSnapshot) -> fmt::Result {
        let mode = match pool.mode {
            Mode::Route => "",
            Mode::Observe => ", observed only",
            Mode::Off => ", not routed",
        };
        write!(f, "\npool {}", pool.name)?;
        if !pool.aliases.is_empty() {
            write!(f, " (also {})", pool.aliases.join(", "))?;
        }
        writeln!(f, ", {}{mode}", pool.policy)?;
        let shown = |name: &str, model: &str| match name == model {
            true => name.to_owned(),
            false => format!("{name} ({model})"),
        };
        let names: Vec<_> = pool
            .targets
            .iter()
            .map(|it| shown(&it.name, &it.model))
            .collect();
        let width = names.iter().map(|name| name.chars().count()).max();
        let width = width.unwrap_or_default();
        let places = self
            .0
            .places
            .iter()
            .filter(|place| *pool.name == *place.pool);
        let targets = names.iter().zip(&pool.targets).zip(places);
        for (index, ((name, target), place)) in targets.enumerate() {
            let rank = index + 1;
            write!(f, "  {rank}. {name:<width$}  at {}", place.upstream)?;
            if target.dollars.is_none() {
                write!(f, ", no price")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
