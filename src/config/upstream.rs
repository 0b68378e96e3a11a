use toml::Spanned;

use super::{
    Timeouts,
    assemble::{Fault, millis},
    schema,
    suggest::suggest,
};
use crate::{
    dialect::{self, Dialect},
    router::{Credential, Upstream},
};

/// An upstream as the file names it.
pub(super) struct NamedUpstream {
    pub(super) name: String,
    pub(super) upstream: Upstream,
    pub(super) timeouts: Timeouts,
}

pub(super) fn named_upstream(
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
    let shown = if looks_like_a_name { text } else { "" };
    let Some(secret) = variable(text) else {
        let message = if looks_like_a_name {
            format!("api_key_env: the environment variable {shown} is not set")
        } else {
            "api_key_env: there is no such environment variable; expected the name of the one that \
             holds the key, such as \"OPENAI_API_KEY\""
                .to_owned()
        };
        return Err(Fault::at(name, message));
    };
    Credential::new(secret.trim()).map_err(|error| {
        Fault::at(
            name,
            format!("api_key_env: environment variable {shown}: {error}"),
        )
    })
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
