use http::HeaderName;

use super::take::Trust;
use crate::{
    config::{self, unreserved},
    router::BuildError,
};

/// A header by which a caller says something about its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hint {
    /// `task`: the [kind of work](crate::Task).
    Task,
    /// `tenant`: [who it is for](crate::Tenant).
    Tenant,
    /// `session`: the [conversation](crate::Session) it belongs to.
    Session,
    /// `pin`: the one target, by name or by model, that may serve it. Heard where it is
    /// [trusted](Headers::trust) only.
    Pin,
    /// `exclude`: targets, by name or by model, that may not; with commas between them. Heard where
    /// it is [trusted](Headers::trust) only.
    Exclude,
    /// `deadline-ms`: the [`Deadline`](crate::Deadline), in milliseconds.
    DeadlineMs,
    /// `risk`: nothing is [tried out](crate::Risk) on it.
    Risk,
    /// `explain`: the answer says [why](crate::Explain).
    Explain,
    /// `strict`: no [other model](crate::Strict) than the requested one will do.
    Strict,
}

impl Hint {
    /// With what their names end, in the order of the variants.
    const ALL: [(Self, &'static str); 9] = [
        (Self::Task, "task"),
        (Self::Tenant, "tenant"),
        (Self::Session, "session"),
        (Self::Pin, "pin"),
        (Self::Exclude, "exclude"),
        (Self::DeadlineMs, "deadline-ms"),
        (Self::Risk, "risk"),
        (Self::Explain, "explain"),
        (Self::Strict, "strict"),
    ];
}

/// How the headers are called by which the gateway and its callers speak to each other, and what is
/// heard from every caller.
///
/// Whatever begins with the prefix stays between the two: no upstream sees it, and what an upstream
/// says under such a name does not reach the caller.
///
/// ```
/// use tower_outcome::gateway::{Headers, Hint, Trust};
///
/// let headers = Headers::new()
///     .prefix("x-acme-")
///     .name(Hint::Task, "x-team")
///     .trust(Trust::NONE.pin());
/// # let _ = headers;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Headers {
    prefix: String,
    named: Vec<(Hint, String)>,
    trust: Trust,
}

impl Headers {
    /// Starts with the defaults: the prefix `x-outcome-`, and trust in nobody.
    pub fn new() -> Self {
        Self {
            prefix: PREFIX.to_owned(),
            named: Vec::new(),
            trust: Trust::NONE,
        }
    }

    /// Sets what all names begin with that have not been given otherwise. Default: `x-outcome-`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Names the header of one hint. It is taken off requests, too.
    pub fn name(mut self, hint: Hint, name: impl Into<String>) -> Self {
        self.named.push((hint, name.into()));
        self
    }

    /// Sets which hints are heard from every caller that could do harm with them. Default: none.
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    pub(in crate::gateway) fn build(&self) -> Result<Names, BuildError> {
        let prefix = self.prefix.to_ascii_lowercase();
        if !(MIN_PREFIX..=MAX_PREFIX).contains(&prefix.len()) || !prefix.ends_with('-') {
            return Err(BuildError::new(format!(
                "{prefix:?} is no prefix for headers: expected one such as \"x-outcome-\""
            )));
        }
        let of = |rest: &str| parse(&format!("{prefix}{rest}"));
        // What begins with the prefix is taken off all requests and answers.
        of("any")?;
        let told = if prefix == PREFIX {
            TOLD
        } else {
            let names = TOLD.map(|name| of(name.as_str().trim_start_matches(PREFIX)));
            let mut told = TOLD;
            for (slot, name) in told.iter_mut().zip(names) {
                *slot = name?;
            }
            told
        };
        let [
            model,
            requested,
            target,
            reason,
            attempts,
            id,
            overhead,
            explanation,
        ] = told;
        let mut hints = [const { HeaderName::from_static("x") }; Hint::ALL.len()];
        for (name, (_, rest)) in hints.iter_mut().zip(Hint::ALL) {
            *name = of(rest)?;
        }
        let mut has_others = false;
        for (hint, name) in &self.named {
            if let Some(slot) = hints.get_mut(*hint as usize) {
                *slot = parse(name)?;
                has_others |= !slot.as_str().starts_with(&prefix);
            }
        }
        for (index, name) in hints.iter().enumerate() {
            if hints.iter().skip(index + 1).any(|other| other == name) {
                let message = format!("two hints have the same header {:?}", name.as_str());
                return Err(BuildError::new(message));
            }
        }
        Ok(Names {
            model,
            requested,
            target,
            reason,
            attempts,
            id,
            overhead,
            explanation,
            hints,
            has_others,
            trust: self.trust,
            prefix: prefix.into(),
        })
    }
}

impl From<config::Headers> for Headers {
    fn from(read: config::Headers) -> Self {
        let names = [
            (Hint::Task, read.task),
            (Hint::Tenant, read.tenant),
            (Hint::Session, read.session),
            (Hint::Pin, read.pin),
            (Hint::Exclude, read.exclude),
            (Hint::DeadlineMs, read.deadline_ms),
            (Hint::Risk, read.risk),
            (Hint::Explain, read.explain),
            (Hint::Strict, read.strict),
        ];
        let headers = Self::new().prefix(read.prefix).trust(read.trust.into());
        names.into_iter().fold(headers, |headers, (hint, name)| {
            headers.name(hint, name.as_str())
        })
    }
}

impl Default for Headers {
    fn default() -> Self {
        Self::new()
    }
}

/// The names, made once.
#[derive(Debug)]
pub(in crate::gateway) struct Names {
    pub(super) prefix: Box<str>,
    pub(super) model: HeaderName,
    pub(super) requested: HeaderName,
    pub(super) target: HeaderName,
    pub(super) reason: HeaderName,
    pub(super) attempts: HeaderName,
    pub(super) id: HeaderName,
    pub(super) overhead: HeaderName,
    pub(super) explanation: HeaderName,
    hints: [HeaderName; Hint::ALL.len()],
    /// Whether a hint's name does not begin with the prefix.
    pub(super) has_others: bool,
    pub(super) trust: Trust,
}

impl Names {
    #[allow(clippy::indexing_slicing, reason = "there is one of each variant")]
    pub(in crate::gateway) fn hint(&self, hint: Hint) -> &HeaderName {
        &self.hints[hint as usize]
    }

    pub(super) fn is_ours(&self, name: &HeaderName) -> bool {
        name.as_str().starts_with(&*self.prefix)
    }

    /// Returns the names of hints that do not begin with the prefix.
    pub(super) fn others(&self) -> impl Iterator<Item = &HeaderName> {
        let hints = self.hints.iter().filter(|_| self.has_others);
        hints.filter(|name| !self.is_ours(name))
    }
}

fn parse(name: &str) -> Result<HeaderName, BuildError> {
    let parsed = HeaderName::try_from(name)
        .map_err(|_| BuildError::new(format!("{name:?} is no name of a header")))?;
    unreserved(&parsed).map_err(BuildError::new)?;
    Ok(parsed)
}

const PREFIX: &str = "x-outcome-";
/// What answers have, as it is called by default: names that are static cost nothing to clone, where
/// others count their clones, in memory that all threads share.
const TOLD: [HeaderName; 8] = [
    HeaderName::from_static("x-outcome-model"),
    HeaderName::from_static("x-outcome-requested-model"),
    HeaderName::from_static("x-outcome-target"),
    HeaderName::from_static("x-outcome-reason"),
    HeaderName::from_static("x-outcome-attempts"),
    HeaderName::from_static("x-outcome-id"),
    HeaderName::from_static("x-outcome-overhead-us"),
    HeaderName::from_static("x-outcome-explanation"),
];
/// A shorter one would take away what is not ours.
const MIN_PREFIX: usize = 3;
/// As long as a name may be elsewhere, less what follows it.
const MAX_PREFIX: usize = 64;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::gateway::headers) fn plain() -> Names {
        Headers::new().build().unwrap()
    }

    #[test]
    fn names_begin_with_the_prefix_unless_they_are_given() {
        let headers = Headers::new()
            .prefix("X-Acme-")
            .name(Hint::Task, "X-Team")
            .build()
            .unwrap();
        assert_eq!(headers.model, "x-acme-model");
        assert_eq!(headers.hint(Hint::Task), "x-team");
        for (hint, rest) in Hint::ALL.into_iter().skip(1) {
            assert_eq!(headers.hint(hint).as_str(), format!("x-acme-{rest}"));
        }
        let others: Vec<_> = headers.others().collect();
        assert_eq!(others, ["x-team"]);
        assert_eq!(plain().others().count(), 0);
    }

    #[test]
    fn what_would_take_away_more_than_hints_is_refused() {
        for prefix in [
            "", "x", "x-", "outcome", "x-api-", "content-", "a b-", "\u{e9}--",
        ] {
            let built = Headers::new().prefix(prefix).build();
            assert!(built.is_err(), "{prefix}");
        }
        for name in ["authorization", "Content-Type", "x y", "", "x-outcome-task"] {
            let built = Headers::new().name(Hint::Session, name).build();
            assert!(built.is_err(), "{name}");
        }
    }
}
