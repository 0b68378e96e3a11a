use std::{
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use super::{
    assemble::Fault,
    schema::{self, Spanned},
    secret::{Around, Secret},
};
use crate::store::{RedisStore, RedisStoreBuilder, Sharing};

/// Through what instances share what they learn.
#[derive(Clone)]
pub(crate) struct Fleet {
    pub(crate) sharing: Sharing,
    /// What all instances have in common. The password will not do for it: with another one, which is
    /// a matter of the server's, instances would no longer know each other's names.
    pub(super) secret: Secret,
    /// The server, without what opens it.
    place: String,
    prefix: String,
    exchange: Duration,
    timeout: Duration,
    /// Changes where something does that cannot be shown.
    stamp: u64,
}

const PREFIX: &str = "outcome";
const EXCHANGE: Duration = Duration::from_millis(250);
/// More often is of no use; less often, and others learn of a refusal when it is over.
const EXCHANGE_MS: (u64, u64) = (10, 60_000);
const TIMEOUT: Duration = Duration::from_millis(100);
/// What a process that ends may be held up for.
const TIMEOUT_MS: (u64, u64) = (1, 10_000);
/// Enough that nobody who can read the store finds out names by trying.
const SHORTEST_SECRET: usize = 16;
const EXPECTED_URL: &str = "expected one such as \"redis://cache.internal:6379/0\"";
const PASSWORD_IN_URL: &str = "must hold no user name and no password; expected one such as \
                               \"redis://cache.internal:6379/0\", and user and password_env or \
                               password_file, or all of it in a variable that url_env names";
const NO_SECRET: &str = "needs secret_env or secret_file: a text that all instances have, and nobody \
                         else; `openssl rand -hex 32` makes one";

impl Fleet {
    /// Reads what is said of it; without a server there is none.
    pub(super) fn read(
        written: &schema::Store,
        around: &Around<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Self>, Fault> {
        let Some((url, place)) = url(written, around)? else {
            warn_of_idle_keys(written, warnings);
            return Ok(None);
        };
        let secret = secret(written, place, around)?;
        let exchange = ranged(written.exchange_ms.as_ref(), EXCHANGE, EXCHANGE_MS)?;
        let timeout = ranged(written.answer_timeout_ms.as_ref(), TIMEOUT, TIMEOUT_MS)?;
        let prefix = prefix(written)?;
        let (variable, file) = (&written.password_env, &written.password_file);
        let password = around.secret(variable.as_ref(), file.as_ref())?;
        let server = |url: &str| {
            let builder = RedisStore::builder(url);
            let builder = builder.prefix(&prefix).answer_timeout(timeout);
            match &password {
                Some(password) => builder.password(password.expose()),
                None => builder,
            }
        };
        let mut builder = server(url.expose());
        // What is wrong is told where it stands: first without TLS, which has roots of its own to read.
        let plain = server(&url.expose().replacen("rediss://", "redis://", 1));
        build(plain.clone(), place, EXPECTED_URL)?;
        if let Some(user) = &written.user {
            let name = user.get_ref().as_str();
            if name.is_empty() {
                return Err(Fault::at(user, "expected the name of a user"));
            }
            let expected = "expected password_env or password_file";
            build(plain.user(name), user, expected)?;
            builder = builder.user(name);
        }
        let (mut of_tls, mut expected) = (place, "ca_file names certificates of your own to trust");
        let mut roots = None;
        if let Some(file) = &written.ca_file {
            let read = around.certificates(file)?;
            builder = builder.root_certificates(read.as_bytes());
            (of_tls, expected) = (file, "expected certificates in PEM");
            if !url.expose().starts_with("rediss://") {
                warnings.push("[store]: ca_file does nothing without rediss://".to_owned());
            }
            roots = Some(read);
        }
        let store = build(builder, of_tls, expected)?;
        let mut hasher = DefaultHasher::new();
        let user = written.user.as_ref().map(Spanned::get_ref);
        let password = password.as_ref().map(Secret::expose);
        (url.expose(), secret.expose(), user, password, roots).hash(&mut hasher);
        Ok(Some(Self {
            place: store.to_string(),
            sharing: Sharing::new(store).interval(exchange).timeout(timeout),
            secret,
            prefix,
            exchange,
            timeout,
            stamp: hasher.finish(),
        }))
    }

    /// Returns the server, without what opens it.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Returns what changes with its secrets.
    pub(super) fn stamp(&self) -> u64 {
        self.stamp
    }
}

/// Says in words what it means.
impl fmt::Display for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, prefix) = (&self.place, &self.prefix);
        let every = self.exchange.as_millis();
        write!(f, "through {place}, as {prefix}, every {every} ms")
    }
}

/// Shows what is no secret.
impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("place", &self.place)
            .field("prefix", &self.prefix)
            .field("exchange", &self.exchange)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Where the server is, and where in the file that stands. What stands there may hold a password, and
/// is never repeated.
fn url<'a>(
    written: &'a schema::Store,
    around: &Around<'_>,
) -> Result<Option<(Secret, &'a Spanned<String>)>, Fault> {
    match (&written.url, &written.url_env) {
        (None, None) => Ok(None),
        (Some(_), Some(variable)) => {
            let message = "the server stands under url already; expected one of both";
            Err(Fault::at(variable, message))
        }
        (Some(url), None) if url.get_ref().contains('@') => Err(Fault::at(url, PASSWORD_IN_URL)),
        (Some(url), None) => Ok(Some((Secret::new(url.get_ref()), url))),
        (None, Some(variable)) => {
            let url = around.secret(Some(variable), None)?;
            Ok(url.map(|url| (url, variable)))
        }
    }
}

fn secret(
    written: &schema::Store,
    server: &Spanned<String>,
    around: &Around<'_>,
) -> Result<Secret, Fault> {
    let (variable, file) = (written.secret_env.as_ref(), written.secret_file.as_ref());
    let place = variable.or(file);
    let secret = around.secret(variable, file)?;
    let (Some(secret), Some(place)) = (secret, place) else {
        return Err(Fault::at(server, NO_SECRET));
    };
    if secret.expose().len() < SHORTEST_SECRET {
        let message = format!(
            "the secret is too short; expected {SHORTEST_SECRET} characters: `openssl rand -hex 32` \
             makes a good one"
        );
        return Err(Fault::at(place, message));
    }
    Ok(secret)
}

fn prefix(written: &schema::Store) -> Result<String, Fault> {
    let Some(prefix) = &written.prefix else {
        return Ok(PREFIX.to_owned());
    };
    let text = prefix.get_ref();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !(1..=32).contains(&text.len()) || !text.chars().all(plain) {
        return Err(Fault::at(prefix, "expected 1 to 32 of a-z, 0-9 and -"));
    }
    Ok(text.clone())
}

fn ranged(
    written: Option<&Spanned<u64>>,
    usual: Duration,
    (least, most): (u64, u64),
) -> Result<Duration, Fault> {
    match written {
        None => Ok(usual),
        Some(written) if (least..=most).contains(written.get_ref()) => {
            Ok(Duration::from_millis(*written.get_ref()))
        }
        Some(written) => {
            let message = format!("expected a number from {least} to {most}");
            Err(Fault::at(written, message))
        }
    }
}

fn build(
    builder: RedisStoreBuilder,
    place: &Spanned<String>,
    expected: &str,
) -> Result<RedisStore, Fault> {
    let store = builder.build();
    store.map_err(|error| Fault::at(place, format!("{error}; {expected}")))
}

/// Tells of keys that do nothing without a server.
fn warn_of_idle_keys(written: &schema::Store, warnings: &mut Vec<String>) {
    let said = [
        ("user", written.user.is_some()),
        ("password_env", written.password_env.is_some()),
        ("password_file", written.password_file.is_some()),
        ("ca_file", written.ca_file.is_some()),
        ("secret_env", written.secret_env.is_some()),
        ("secret_file", written.secret_file.is_some()),
        ("prefix", written.prefix.is_some()),
        ("exchange_ms", written.exchange_ms.is_some()),
        ("answer_timeout_ms", written.answer_timeout_ms.is_some()),
    ];
    if let Some((key, _)) = said.iter().find(|(_, said)| *said) {
        warnings.push(format!(
            "[store]: {key} does nothing without url or url_env"
        ));
    }
}
