use std::ops::BitOr;

use http::HeaderName;

use super::{
    assemble::Fault,
    schema::{self, Spanned, Trusted},
};

/// By which headers callers and the gateway speak to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Headers {
    /// What the names of those begin with that an answer has, in small letters.
    pub(crate) prefix: String,
    pub(crate) task: HeaderName,
    pub(crate) tenant: HeaderName,
    pub(crate) session: HeaderName,
    pub(crate) pin: HeaderName,
    pub(crate) exclude: HeaderName,
    pub(crate) deadline_ms: HeaderName,
    pub(crate) risk: HeaderName,
    pub(crate) explain: HeaderName,
    pub(crate) strict: HeaderName,
    /// What is heard from every caller.
    pub(crate) trust: Trust,
}

/// Hints that only some callers may give: they take the choice of a target from the router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trust {
    pub(crate) pin: bool,
    pub(crate) exclude: bool,
}

impl Trust {
    pub(super) fn read(written: &[Trusted]) -> Self {
        Self {
            pin: written.contains(&Trusted::Pin),
            exclude: written.contains(&Trusted::Exclude),
        }
    }
}

impl BitOr for Trust {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self {
            pin: self.pin || other.pin,
            exclude: self.exclude || other.exclude,
        }
    }
}

const PREFIX: &str = "x-outcome-";
/// So that no name that begins with it is longer than servers take.
const LONGEST_PREFIX: usize = 64;

impl Default for Headers {
    fn default() -> Self {
        let name = HeaderName::from_static;
        Self {
            prefix: PREFIX.to_owned(),
            task: name("x-outcome-task"),
            tenant: name("x-outcome-tenant"),
            session: name("x-outcome-session"),
            pin: name("x-outcome-pin"),
            exclude: name("x-outcome-exclude"),
            deadline_ms: name("x-outcome-deadline-ms"),
            risk: name("x-outcome-risk"),
            explain: name("x-outcome-explain"),
            strict: name("x-outcome-strict"),
            trust: Trust::default(),
        }
    }
}

impl Headers {
    pub(super) fn read(written: &schema::Headers) -> Result<Self, Fault> {
        let mut headers = Self::default();
        if let Some(prefix) = &written.prefix {
            headers.set_prefix(prefix)?;
        }
        headers.trust = Trust::read(&written.trust);
        let own = [
            (&mut headers.task, &written.task),
            (&mut headers.tenant, &written.tenant),
            (&mut headers.session, &written.session),
            (&mut headers.pin, &written.pin),
            (&mut headers.exclude, &written.exclude),
            (&mut headers.deadline_ms, &written.deadline_ms),
            (&mut headers.risk, &written.risk),
            (&mut headers.explain, &written.explain),
            (&mut headers.strict, &written.strict),
        ];
        for (name, written) in own {
            if let Some(written) = written {
                *name = header_name(written)?;
            }
        }
        headers.check_doubles(written)?;
        Ok(headers)
    }

    fn set_prefix(&mut self, written: &Spanned<String>) -> Result<(), Fault> {
        let prefix = written.get_ref();
        let fault = || {
            let message = "expected the beginning of header names, such as \"x-outcome-\"";
            Fault::at(written, message)
        };
        if !(3..=LONGEST_PREFIX).contains(&prefix.len()) || !prefix.ends_with('-') {
            return Err(fault());
        }
        let name = |rest: &str| {
            let name = format!("{prefix}{rest}");
            let name = HeaderName::try_from(name).map_err(|_| fault())?;
            unreserved(&name).map_err(|why| Fault::at(written, why))?;
            Ok(name)
        };
        *self = Self {
            prefix: prefix.to_ascii_lowercase(),
            task: name("task")?,
            tenant: name("tenant")?,
            session: name("session")?,
            pin: name("pin")?,
            exclude: name("exclude")?,
            deadline_ms: name("deadline-ms")?,
            risk: name("risk")?,
            explain: name("explain")?,
            strict: name("strict")?,
            trust: self.trust,
        };
        Ok(())
    }

    /// Returns the names of the headers that a caller may send, each with its key.
    pub(super) fn requested(&self) -> [(&'static str, &HeaderName); 9] {
        [
            ("task", &self.task),
            ("tenant", &self.tenant),
            ("session", &self.session),
            ("pin", &self.pin),
            ("exclude", &self.exclude),
            ("deadline_ms", &self.deadline_ms),
            ("risk", &self.risk),
            ("explain", &self.explain),
            ("strict", &self.strict),
        ]
    }

    fn check_doubles(&self, written: &schema::Headers) -> Result<(), Fault> {
        let places = [
            &written.task,
            &written.tenant,
            &written.session,
            &written.pin,
            &written.exclude,
            &written.deadline_ms,
            &written.risk,
            &written.explain,
            &written.strict,
        ];
        let names = self.requested();
        for (index, ((_, name), place)) in names.iter().zip(places).enumerate() {
            let Some(place) = place else { continue };
            let mut others = names.iter().enumerate();
            let other = others.find(|(other, (_, it))| *other != index && it == name);
            if let Some((_, (other, _))) = other {
                let message = format!("{:?} is the header of {other} already", name.as_str());
                return Err(Fault::at(place, message));
            }
        }
        Ok(())
    }
}

fn header_name(written: &Spanned<String>) -> Result<HeaderName, Fault> {
    let text = written.get_ref();
    let name = HeaderName::try_from(text.as_str()).map_err(|_| {
        let message = format!("{text:?} is no header name; expected one such as \"x-team\"");
        Fault::at(written, message)
    })?;
    unreserved(&name).map_err(|why| Fault::at(written, why))?;
    Ok(name)
}

/// What is taken off requests must not be what they live by.
pub(crate) fn unreserved(name: &HeaderName) -> Result<(), String> {
    const RESERVED: [&str; 17] = [
        "accept",
        "api-key",
        "authorization",
        "connection",
        "cookie",
        "date",
        "expect",
        "host",
        "keep-alive",
        "range",
        "te",
        "trailer",
        "upgrade",
        "user-agent",
        "x-api-key",
        "x-goog-api-key",
        "x-should-retry",
    ];
    const BEGINNINGS: [&str; 11] = [
        "accept-",
        "anthropic-",
        "content-",
        "if-",
        "openai-",
        "proxy-",
        "sec-",
        "transfer-",
        "x-amz-",
        "x-api-",
        "x-goog-",
    ];
    let text = name.as_str();
    if RESERVED.contains(&text) || BEGINNINGS.iter().any(|it| text.starts_with(it)) {
        return Err(format!(
            "{text:?} means something else to servers; expected a name of your own, such as \
             \"x-team\""
        ));
    }
    Ok(())
}
