use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU16,
    time::Duration,
};

use super::{
    Connection, Timeouts,
    assemble::Fault,
    numbers::millis,
    schema::{self, Spanned},
    secret::Around,
    suggest::advice,
};
use crate::{
    dialect::{self, Dialect},
    router::{Credential, Upstream},
};
use http::uri::Scheme;

/// An upstream as the file names it.
pub(super) struct NamedUpstream {
    pub(super) name: String,
    pub(super) upstream: Upstream,
    pub(super) connection: Connection,
}

pub(super) fn named_upstream(
    upstream: schema::Upstream,
    around: &Around<'_>,
) -> Result<NamedUpstream, Fault> {
    let defaults = Timeouts::default();
    let timeout = |written: Option<&Spanned<u64>>, default| written.map_or(Ok(default), millis);
    let timeouts = Timeouts {
        connect: timeout(upstream.connect_timeout_ms.as_ref(), defaults.connect)?,
        attempt: timeout(upstream.attempt_timeout_ms.as_ref(), defaults.attempt)?,
        idle: timeout(upstream.idle_timeout_ms.as_ref(), defaults.idle)?,
    };
    let mut built = base_url(&upstream.base_url, upstream.allow_link_local)?;
    if let Some(name) = &upstream.dialect {
        built = built.dialect(dialect_of(name)?);
    }
    for (name, value) in &upstream.query {
        built = built.query(name, value);
    }
    let (variable, file) = (&upstream.api_key_env, &upstream.api_key_file);
    if let Some(place) = variable.as_ref().or(file.as_ref())
        && let Some(secret) = around.secret(variable.as_ref(), file.as_ref())?
    {
        let credential = Credential::new(secret.expose());
        built = built.credential(credential.map_err(|why| Fault::at(place, why.to_string()))?);
    }
    Ok(NamedUpstream {
        name: upstream.name.into_inner(),
        upstream: built,
        connection: Connection {
            timeouts,
            http2: upstream.http2,
        },
    })
}

fn dialect_of(written: &Spanned<String>) -> Result<&'static dyn Dialect, Fault> {
    let text = written.get_ref();
    let names = dialect::ALL.iter().map(|dialect| dialect.name());
    dialect::named(text).ok_or_else(|| {
        let advice = advice(text, names);
        Fault::at(written, format!("there is no dialect {text:?}; {advice}"))
    })
}

fn base_url(written: &Spanned<String>, allow_link_local: bool) -> Result<Upstream, Fault> {
    let expected = "expected a URL such as \"https://api.openai.com/v1\"";
    let text = written.get_ref();
    // What stands there may be a secret, and is not repeated.
    if text.contains(['@', '?', '#']) {
        let message = format!(
            "must hold no user name, password, query or fragment; {expected}, and api_key_env for \
             the key"
        );
        return Err(Fault::at(written, message));
    }
    let fault = |what: String| Fault::at(written, format!("{what}; {expected}"));
    if !["http://", "https://"]
        .iter()
        .any(|it| begins_with(text, it))
    {
        return Err(fault("must begin with http:// or https://".to_owned()));
    }
    let upstream = Upstream::new(text).map_err(|error| fault(error.to_string()))?;
    let host = upstream.authority.host();
    let port = upstream.authority.as_str().strip_prefix(host);
    let port = port.and_then(|rest| rest.strip_prefix(':'));
    if port.is_some_and(|port| port.parse::<NonZeroU16>().is_err()) {
        return Err(fault(
            "the port must be a number from 1 to 65535".to_owned(),
        ));
    }
    if let Some((_, endpoint)) = dialect::detect(&upstream.base_path) {
        let path = upstream
            .base_path
            .get(endpoint.suffix..)
            .unwrap_or_default();
        return Err(fault(format!("without {path}, which every call brings")));
    }
    if address(host).is_some_and(is_link_local) && !allow_link_local {
        let message = "a link-local address, where clouds keep the secrets of a machine; \
                       write allow_link_local = true if it is meant";
        return Err(Fault::at(written, message));
    }
    Ok(upstream)
}

fn begins_with(text: &str, start: &str) -> bool {
    text.get(..start.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

/// Reads a host that is a literal address.
pub(super) fn address(host: &str) -> Option<IpAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().map(|address: IpAddr| address.to_canonical());
    address.ok().or_else(|| Some(short(bare)?.into()))
}

/// Reads an address as resolvers still do: `2852039166`, `0xa9fea9fe` and `0251.0376.43518` are
/// 169.254.169.254.
fn short(host: &str) -> Option<Ipv4Addr> {
    let parts: Vec<_> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    let room = 32_u32.checked_sub(8 * u32::try_from(first.len()).ok()?)?;
    if room == 0 || u64::from(*last) >> room > 0 {
        return None;
    }
    let first = first.iter().try_fold(0_u64, |bits, part| {
        let byte = u8::try_from(*part).ok()?;
        Some(bits << 8 | u64::from(byte))
    })?;
    let bits = first << room | u64::from(*last);
    Some(Ipv4Addr::from(u32::try_from(bits).ok()?))
}

/// A number in C: hexadecimal after `0x`, octal after `0`.
fn number(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        _ => (&*lower, 10),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, radix).ok().filter(|_| plain)
}

pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

impl NamedUpstream {
    /// Tells what is allowed but probably not meant.
    pub(super) fn warn(&self, deadline: Duration, warnings: &mut Vec<String>) {
        let name = &self.name;
        let attempt = self.connection.timeouts.attempt;
        if attempt >= deadline {
            warnings.push(format!(
                "upstream {name:?}: attempt_timeout_ms, {}, is not below deadline_ms, {}: when it \
                 hangs, nothing takes over",
                attempt.as_millis(),
                deadline.as_millis()
            ));
        }
        let Upstream {
            scheme, authority, ..
        } = &self.upstream;
        let host = authority.host();
        let here = host.eq_ignore_ascii_case("localhost")
            || address(host).is_some_and(|address| address.is_loopback());
        if *scheme == Scheme::HTTP && self.upstream.credential.is_some() && !here {
            warnings.push(format!(
                "upstream {name:?}: its key goes over the network in the clear; https:// would not"
            ));
        }
    }

    /// Tells where requests would come back to the gateway, and go out again, until it takes no more.
    pub(super) fn warn_of_circle(&self, listen: SocketAddr, warnings: &mut Vec<String>) {
        let Upstream {
            scheme, authority, ..
        } = &self.upstream;
        let host = authority.host();
        let ip = listen.ip();
        // On all addresses, it listens on those of loopback too.
        let is_here = match address(host) {
            Some(address) => address == ip || (ip.is_unspecified() && address.is_loopback()),
            None => {
                let local = ip.is_unspecified() || ip.is_loopback();
                local && host.eq_ignore_ascii_case("localhost")
            }
        };
        let port = authority.port_u16().unwrap_or(80);
        if *scheme == Scheme::HTTP && is_here && port == listen.port() {
            let name = &self.name;
            warnings.push(format!(
                "upstream {name:?}: the gateway itself listens on {listen}: its requests would go \
                 round in a circle"
            ));
        }
    }
}

/// Finds the upstream that is meant by a name.
pub(super) fn find<'a>(
    upstreams: &'a [NamedUpstream],
    name: &Spanned<String>,
) -> Result<&'a NamedUpstream, Fault> {
    let text = name.get_ref();
    if let Some(found) = upstreams.iter().find(|upstream| upstream.name == *text) {
        return Ok(found);
    }
    let names = upstreams.iter().map(|upstream| upstream.name.as_str());
    let advice = if upstreams.is_empty() {
        "there is no [[upstream]]".to_owned()
    } else {
        advice(text, names)
    };
    Err(Fault::at(
        name,
        format!("there is no upstream named {text:?}; {advice}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f22_addresses_are_known_however_they_are_written() {
        let link_local = "169.254.169.254".parse().ok();
        for host in [
            "169.254.169.254",
            "[::ffff:169.254.169.254]",
            "2852039166",
            "0xA9FEA9FE",
            "0xa9.0xfe.0xa9fe",
            "0251.0376.43518",
            "0251.0376.0251.0376",
            "169.16689662",
        ] {
            assert_eq!(address(host), link_local, "{host}");
        }
        assert_eq!(address("127.1"), "127.0.0.1".parse().ok());
        assert_eq!(address("0"), "0.0.0.0".parse().ok());
        for host in [
            "",
            ".",
            "api.openai.com",
            "4294967296",
            "256.1",
            "1.2.3.256",
            "1.2.3.4.5",
            "1..2",
            "0x",
            "08",
            "+1",
            "-1",
            "cafe",
        ] {
            assert_eq!(address(host), None, "{host}");
        }
    }
}
