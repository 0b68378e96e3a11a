use std::time::Duration;

use http::{HeaderMap, HeaderName, request};
use smallvec::SmallVec;

use super::names::{Hint, Names};
use crate::{
    config,
    hints::{Candidates, Deadline, Explain, Risk, Session, Strict, Task, Tenant},
};

/// As long as a name may be elsewhere.
const LONGEST_HINT: usize = 256;
/// No pool has more targets that are worth their names.
const MOST_EXCLUDED: usize = 64;

/// Hints that are heard only from callers who are trusted with them: they take the choice of a target
/// from the router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Trust {
    pub(in crate::gateway) pin: bool,
    pub(in crate::gateway) exclude: bool,
}

impl Trust {
    /// Hears neither.
    pub const NONE: Self = Self {
        pin: false,
        exclude: false,
    };

    /// Hears [`Hint::Pin`], too.
    pub fn pin(self) -> Self {
        Self { pin: true, ..self }
    }

    /// Hears [`Hint::Exclude`], too.
    pub fn exclude(self) -> Self {
        Self {
            exclude: true,
            ..self
        }
    }

    fn and(self, more: Self) -> Self {
        Self {
            pin: self.pin || more.pin,
            exclude: self.exclude || more.exclude,
        }
    }
}

impl From<config::Trust> for Trust {
    fn from(read: config::Trust) -> Self {
        let config::Trust { pin, exclude } = read;
        Self { pin, exclude }
    }
}

impl Names {
    /// Makes hints of the headers that are meant for us, and leaves none of them to an upstream: all
    /// that begin with the prefix go. Returns the name of the target that was pinned.
    ///
    /// A hint that is there already is the application's own, and wins: a caller does not choose its
    /// tenant where somebody knows better. One that cannot be read is none. `longest` bounds the
    /// deadline: a caller cannot have its request wait for longer than any other.
    pub(in crate::gateway) fn take(
        &self,
        parts: &mut request::Parts,
        trust: Trust,
        longest: Duration,
    ) -> Option<String> {
        let headers = &mut parts.headers;
        let mut ours: SmallVec<[HeaderName; 4]> = SmallVec::new();
        ours.extend(headers.keys().filter(|name| self.is_ours(name)).cloned());
        ours.extend(self.others().cloned());
        if ours.is_empty() {
            return None;
        }
        let pin = self.read(parts, self.trust.and(trust), longest);
        for name in &ours {
            parts.headers.remove(name);
        }
        pin
    }

    fn read(&self, parts: &mut request::Parts, trust: Trust, longest: Duration) -> Option<String> {
        let request::Parts {
            headers,
            extensions,
            ..
        } = parts;
        let text = |hint| text(headers, self.hint(hint));
        let flag = |hint| text(hint).is_some_and(|it| it == "1" || it.eq_ignore_ascii_case("true"));
        if let Some(task) = text(Hint::Task) {
            extensions.get_or_insert_with(|| Task::new(task));
        }
        if let Some(tenant) = text(Hint::Tenant) {
            extensions.get_or_insert_with(|| Tenant::new(tenant));
        }
        if let Some(session) = text(Hint::Session) {
            extensions.get_or_insert_with(|| Session::new(session));
        }
        if let Some(deadline) = text(Hint::DeadlineMs).and_then(|it| it.parse().ok()) {
            let deadline = Duration::from_millis(deadline).min(longest);
            extensions.get_or_insert_with(|| Deadline(deadline));
        }
        if flag(Hint::Risk) {
            extensions.insert(Risk);
        }
        if flag(Hint::Explain) {
            extensions.insert(Explain);
        }
        if flag(Hint::Strict) {
            extensions.insert(Strict);
        }
        let may = |hint, trusted: bool| {
            let is_there = headers.contains_key(self.hint(hint));
            if is_there && !trusted {
                tracing::debug!(header = %self.hint(hint), "a hint that is not trusted is ignored");
            }
            is_there && trusted && extensions.get::<Candidates>().is_none()
        };
        let pin = may(Hint::Pin, trust.pin).then(|| text(Hint::Pin)).flatten();
        if let Some(pin) = pin {
            extensions.insert(Candidates::one(pin));
            return Some(pin.to_owned());
        }
        if may(Hint::Exclude, trust.exclude) {
            let excluded: Vec<_> = list(headers, self.hint(Hint::Exclude)).collect();
            extensions.insert(Candidates::except(excluded));
        }
        None
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get(name)?;
    let text = value.to_str().ok().map(str::trim);
    let text = text.filter(|text| (1..=LONGEST_HINT).contains(&text.len()));
    if text.is_none() {
        tracing::debug!(header = %name, "a hint that cannot be read is ignored");
    }
    text
}

/// A list may be given in one header, or in several.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let names = lines.flat_map(|line| line.split(',')).map(str::trim);
    let names = names.filter(|name| (1..=LONGEST_HINT).contains(&name.len()));
    names.take(MOST_EXCLUDED)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::{
        super::names::{Headers, tests::plain},
        *,
    };

    const HOUR: Duration = Duration::from_secs(3600);

    fn take(
        names: &Names,
        headers: &[(&str, &str)],
        trust: Trust,
    ) -> (request::Parts, Option<String>) {
        let mut request = Request::post("/v1/chat/completions");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let pin = names.take(&mut parts, trust, HOUR);
        (parts, pin)
    }

    #[test]
    fn hints_are_taken_out_of_the_headers() {
        let request = Request::post("/v1/chat/completions")
            .header("x-outcome-task", " synthesis ")
            .header("x-outcome-task", "second")
            .header("x-outcome-tenant", "spoofed")
            .header("x-outcome-session", "s".repeat(257))
            .header("x-outcome-risk", "True")
            .header("x-outcome-explain", "0")
            .header("x-outcome-strict", "1")
            .header("x-outcome-deadline-ms", "1500")
            .header("x-outcome-of-tomorrow", "1")
            .extension(Tenant::new("known"));
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(plain().take(&mut parts, Trust::NONE, HOUR), None);
        assert!(parts.headers.is_empty());
        let hints = &parts.extensions;
        assert_eq!(hints.get::<Task>(), Some(&Task::new("synthesis")));
        assert_eq!(hints.get::<Tenant>(), Some(&Tenant::new("known")));
        assert_eq!(hints.get::<Session>(), None);
        assert_eq!(hints.get::<Risk>(), Some(&Risk));
        assert_eq!(hints.get::<Explain>(), None);
        assert_eq!(hints.get::<Strict>(), Some(&Strict));
        assert_eq!(
            hints.get::<Deadline>(),
            Some(&Deadline(Duration::from_millis(1500)))
        );
        for bad in ["", " ", "\u{e9}"] {
            let (parts, _) = take(&plain(), &[("x-outcome-task", bad)], Trust::NONE);
            assert!(
                parts.headers.is_empty() && parts.extensions.is_empty(),
                "{bad}"
            );
        }
    }

    #[test]
    fn no_deadline_is_longer_than_the_gateways_own() {
        for (given, taken) in [
            ("99999999999", Some(HOUR)),
            ("0", Some(Duration::ZERO)),
            ("18446744073709551616", None),
            ("-1", None),
            ("1.5", None),
            ("1 s", None),
        ] {
            let (parts, _) = take(&plain(), &[("x-outcome-deadline-ms", given)], Trust::NONE);
            let deadline = parts.extensions.get::<Deadline>();
            assert_eq!(deadline.copied(), taken.map(Deadline), "{given}");
        }
    }

    #[test]
    fn targets_are_chosen_only_by_those_who_are_trusted_with_that() {
        let headers = [
            ("x-outcome-exclude", "a, b"),
            ("x-outcome-exclude", ",c"),
            ("x-outcome-pin", "d"),
        ];
        let chosen = |names: &Names, trust| {
            let (parts, pin) = take(names, &headers, trust);
            assert!(parts.headers.is_empty());
            (parts.extensions.get::<Candidates>().cloned(), pin)
        };
        assert_eq!(chosen(&plain(), Trust::NONE), (None, None));
        let except = Candidates::except(["a", "b", "c"]);
        assert_eq!(
            chosen(&plain(), Trust::NONE.exclude()),
            (Some(except), None)
        );
        let one = (Some(Candidates::one("d")), Some("d".to_owned()));
        assert_eq!(chosen(&plain(), Trust::NONE.pin().exclude()), one);
        let all = Headers::new().trust(Trust::NONE.pin()).build().unwrap();
        assert_eq!(chosen(&all, Trust::NONE), one);
    }

    #[test]
    fn the_names_of_others_are_left_alone() {
        let names = Headers::new().prefix("x-acme-").name(Hint::Task, "x-team");
        let headers = [
            ("x-team", "blue"),
            ("x-acme-tenant", "acme"),
            ("x-outcome-task", "other"),
            ("x-acm", "1"),
        ];
        let (parts, _) = take(&names.build().unwrap(), &headers, Trust::NONE);
        let left: Vec<_> = parts.headers.keys().collect();
        assert_eq!(left, ["x-outcome-task", "x-acm"]);
        assert_eq!(parts.extensions.get::<Task>(), Some(&Task::new("blue")));
        assert_eq!(parts.extensions.get::<Tenant>(), Some(&Tenant::new("acme")));
    }
}
