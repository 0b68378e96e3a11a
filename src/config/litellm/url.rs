use std::num::NonZeroU16;

use crate::{
    config::upstream::{address as literal, is_link_local},
    dialect,
    router::Upstream,
};

/// Returns what is said of the host's dialect without being told.
pub(super) fn host_dialect(url: &str) -> Option<&'static str> {
    let upstream = Upstream::new(url).ok()?;
    upstream.dialect.map(dialect::Dialect::name)
}

pub(super) fn host_of(url: &str) -> Option<String> {
    let upstream = Upstream::new(url).ok()?;
    Some(upstream.authority.host().to_ascii_lowercase())
}

/// Parts a URL before its path.
pub(super) fn parted(url: &str) -> Option<(&str, &str)> {
    let begin = url.find("://")? + "://".len();
    let path = url
        .get(begin..)?
        .find('/')
        .map_or(url.len(), |at| begin + at);
    url.split_at_checked(path)
}

/// Says why an upstream cannot have a base URL. The URL is not repeated: a password may stand in it.
pub(super) fn usable(url: &str) -> Result<(), &'static str> {
    if url.contains('@') {
        return Err("a user name or password stands in the URL");
    }
    let upstream = Upstream::new(url).map_err(|_| "it is not a URL")?;
    let host = upstream.authority.host();
    let port = upstream.authority.as_str().strip_prefix(host);
    let port = port.and_then(|rest| rest.strip_prefix(':'));
    if port.is_some_and(|port| port.parse::<NonZeroU16>().is_err()) {
        return Err("it has no port from 1 to 65535");
    }
    if literal(host).is_some_and(is_link_local) {
        return Err("a link-local address, which needs allow_link_local = true");
    }
    Ok(())
}

pub(super) fn invalid_host(variable: &str) -> String {
    let name = variable.to_ascii_lowercase().replace('_', "-");
    format!("{}.invalid", name.trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_urls_are_told_without_repeating_them() {
        for url in [
            "https://user:hunter2@host",
            "ftp://host",
            "host",
            "http://169.254.1.2",
            "http://host:0",
            "http://host:99999",
            "",
        ] {
            let why = usable(url).unwrap_err();
            assert!(!why.contains("hunter2") && !why.contains("host:"), "{why}");
        }
        usable("http://[::1]:8000/v1").unwrap();
    }
}
