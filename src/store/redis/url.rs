use std::fmt;

use super::RedisConfigError;

const PORT: u16 = 6379;

/// Where a server listens, and what its URL said beside that.
#[derive(Clone, PartialEq)]
pub(super) struct Url {
    pub(super) tls: bool,
    pub(super) host: Box<str>,
    pub(super) port: u16,
    pub(super) database: u16,
    pub(super) user: Option<Box<str>>,
    pub(super) password: Option<Box<str>>,
}

impl Url {
    /// Reads `redis[s]://[[user]:password@]host[:port][/database]`. What is wrong is named by its part,
    /// never by its text: a password may be anywhere in what is no URL.
    pub(super) fn parse(url: &str) -> Result<Self, RedisConfigError> {
        let wrong = |what: &str| RedisConfigError::new(format!("the URL of a store: {what}"));
        let (tls, rest) = if let Some(rest) = url.strip_prefix("rediss://") {
            (true, rest)
        } else if let Some(rest) = url.strip_prefix("redis://") {
            (false, rest)
        } else {
            return Err(wrong("it begins with redis:// or rediss:// (TLS)"));
        };
        if rest.contains(['?', '#']) {
            return Err(wrong(
                "it takes no `?` and no `#`; a password has them as %3F and %23",
            ));
        }
        // The last: whoever leaves an `@` or `/` of a password as it is should get what was meant.
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, rest),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = split_port(authority).ok_or_else(|| wrong("the port is no number"))?;
        let named = |b: u8| b.is_ascii_alphanumeric() || b"-._:%".contains(&b);
        if host.is_empty() || !host.bytes().all(named) {
            return Err(wrong("it names no host"));
        }
        let database = match path {
            "" => 0,
            path => (path.parse())
                .map_err(|_| wrong("after the host, it has the number of a database"))?,
        };
        let (user, password) = match login {
            Some(login) => login_of(login)
                .ok_or_else(|| wrong("user and password have %XX for what is not plain"))?,
            None => (None, None),
        };
        Ok(Self {
            tls,
            host: host.into(),
            port,
            database,
            user,
            password,
        })
    }
}

/// Shows where, and not as whom.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let (host, port, database) = (&self.host, self.port, self.database);
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}/{database}")
        } else {
            write!(f, "{scheme}://{host}:{port}/{database}")
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn split_port(authority: &str) -> Option<(&str, u16)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let port = match rest {
            "" => PORT,
            rest => rest.strip_prefix(':')?.parse().ok()?,
        };
        return Some((host, port));
    }
    match authority.split_once(':') {
        None => Some((authority, PORT)),
        Some((host, port)) => Some((host, port.parse().ok()?)),
    }
}

type Login = (Option<Box<str>>, Option<Box<str>>);

fn login_of(login: &str) -> Option<Login> {
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    let plain = |text: &str| decoded(text).map(|text| Some(text).filter(|text| !text.is_empty()));
    Some((plain(user)?, plain(password.unwrap_or_default())?))
}

/// Undoes percent-encoding; `None` if that gives no text.
fn decoded(text: &str) -> Option<Box<str>> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(plain).ok().map(String::into_boxed_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Url {
        Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn a_host_is_enough() {
        let url = parsed("redis://cache");
        assert_eq!((&*url.host, url.port, url.database), ("cache", 6379, 0));
        assert!(!url.tls && url.user.is_none() && url.password.is_none());
    }

    #[test]
    fn every_part_is_read() {
        let url = parsed("rediss://me:p%40ss%3a%20word@[::1]:7000/15");
        assert_eq!((&*url.host, url.port, url.database), ("::1", 7000, 15));
        assert!(url.tls);
        assert_eq!(url.user.as_deref(), Some("me"));
        assert_eq!(url.password.as_deref(), Some("p@ss: word"));
        let url = parsed("redis://:secret@10.0.0.1:1/");
        assert_eq!((url.user, url.password.as_deref()), (None, Some("secret")));
        assert_eq!(
            parsed("redis://:a@b/c@h").password.as_deref(),
            Some("a@b/c")
        );
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        let url = parsed("redis://hidden-user:hidden-word@h:1/2");
        assert_eq!(format!("{url} {url:?}"), "redis://h:1/2 redis://h:1/2");
        assert_eq!(
            parsed("rediss://[fe80::1]/").to_string(),
            "rediss://[fe80::1]:6379/0"
        );
    }

    #[test]
    fn what_is_wrong_is_named_without_its_text() {
        for url in [
            "",
            "hidden",
            "http://:hidden@h",
            "redis://",
            "redis://:hidden@",
            "redis://:hidden@h:port",
            "redis://:hidden@h:99999",
            "redis://:hidden@h/x",
            "redis://:hidden@h/99999",
            "redis://:hidden@h/0?a=b",
            "redis://:hidden%@h",
            "redis://:hidden%zz@h",
            "redis://:hidden%ff@h",
            "redis://:hidden@[::1",
            "redis://:hidden@h h",
            "redis+unix:///hidden",
        ] {
            let error = Url::parse(url).expect_err(url).to_string();
            assert!(error.starts_with("the URL of a store: "), "{error}");
            assert!(!error.contains("hidden"), "{error}");
        }
    }
}
