//! What is shown, in words.

use std::{fmt::Write as _, time::Duration};

use crate::router::{Decision, Obstacle, Reason, State, TargetSnapshot, Weighed};

/// A decision that left the requested model.
pub(super) struct Leaving<'a> {
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    /// Whether it was only noted, as its pool is observed.
    pub(super) observed: bool,
    pub(super) reason: &'a Reason,
    pub(super) decision: &'a Decision,
    /// What is known of the one that was left.
    pub(super) limits: Option<&'a TargetSnapshot>,
    /// In seconds since 1970.
    pub(super) at: f64,
}

/// A decision in words.
pub(super) struct Told {
    pub(super) kind: &'static str,
    pub(super) text: String,
    /// Until when what it says holds, in seconds since 1970.
    pub(super) until: Option<f64>,
}

/// Says why a request left the model that it asked for.
pub(super) fn leaving(leaving: &Leaving<'_>) -> Told {
    let (why, wait) = match leaving.reason {
        Reason::Instead { because, .. } => because_of(leaving, because),
        Reason::Canary => (
            "tried out, so that what is known of it stays fresh".into(),
            None,
        ),
        Reason::LeastBad => ("nobody is free, this is the least bad".into(), None),
        Reason::Preferred => ("it is preferred to the one asked for".into(), None),
        other => (other.to_string(), None),
    };
    let until = wait.map(|wait| leaving.at + wait.as_secs_f64());
    let observed = if leaving.observed {
        " (only observed)"
    } else {
        ""
    };
    let mut text = format!("{} -> {}{observed}: {why}", leaving.from, leaving.to);
    if let Some(until) = until {
        let _ = write!(text, " until {}", clock(until));
    }
    Told {
        kind: kind(leaving.reason),
        text,
        until,
    }
}

/// Says what stands against a target, and for how long.
fn because_of(leaving: &Leaving<'_>, because: &Obstacle) -> (String, Option<Duration>) {
    match because {
        Obstacle::NoRoom(wait) => {
            let left = leaving.limits.and_then(what_is_left);
            (
                left.unwrap_or_else(|| "no room expected".into()),
                Some(*wait),
            )
        }
        Obstacle::RateLimited(wait) => ("rate limited".into(), Some(*wait)),
        Obstacle::Broken(wait) => ("failing, left alone".into(), Some(*wait)),
        Obstacle::Unauthorized(wait) => ("credential refused, out".into(), Some(*wait)),
        Obstacle::UnknownModel(wait) => ("does not know the model, out".into(), Some(*wait)),
        Obstacle::TooLong(wait) => {
            let text = "refused a prompt that was no longer, spared such";
            (text.into(), Some(*wait))
        }
        Obstacle::Tried => ("has just failed this request".into(), None),
        Obstacle::Score => (compared(leaving), None),
        other => (other.to_string(), None),
    }
}

/// From this share on, what is left of a limit is no reason to leave it.
const PLENTY: f64 = 0.5;

/// Says how much is left of a provider's limit, of requests or of tokens, whichever is scarcer; where
/// there is plenty of both, that is not why there is no room.
fn what_is_left(of: &TargetSnapshot) -> Option<String> {
    let kinds = [
        ("requests", of.requests_left, of.requests_limit),
        ("tokens", of.tokens_left, of.tokens_limit),
    ];
    let shares = kinds.into_iter().filter_map(|(what, left, limit)| {
        let share = left? / limit.filter(|limit| *limit > 0.0)?;
        Some((what, share.clamp(0.0, 1.0)))
    });
    let scarcer = shares.min_by(|(_, one), (_, other)| one.total_cmp(other));
    let (what, share) = scarcer.filter(|(_, share)| *share < PLENTY)?;
    Some(format!("{:.0} % of {what} left", (share * 100.0).floor()))
}

/// Says in what the target that is passed over looks worse.
fn compared(leaving: &Leaving<'_>) -> String {
    let terms = |name: &str| {
        let mut candidates = leaving.decision.candidates.iter();
        let one: Option<&Weighed> = candidates.find(|one| *one.target == *name);
        one.and_then(|one| one.terms.as_ref())
    };
    let (Some(from), Some(to)) = (terms(leaving.from), terms(leaving.to)) else {
        return "less likely to succeed".into();
    };
    let differences = [
        ("healthy", from.health, to.health),
        ("in time", from.in_time, to.in_time),
        ("good", from.quality, to.quality),
        ("of the right form", from.validity, to.validity),
    ];
    let by = |(_, from, to): &(&str, f64, f64)| to - from;
    let most = differences
        .into_iter()
        .max_by(|one, other| by(one).total_cmp(&by(other)));
    match most.filter(|most| by(most) >= 0.01) {
        Some((what, from, to)) => {
            format!("{:.0} % {what} against {:.0} %", from * 100.0, to * 100.0)
        }
        None if to.cost < from.cost => "as good, and cheaper".into(),
        None => "less likely to succeed".into(),
    }
}

/// Names what stood against the requested model.
fn kind(reason: &Reason) -> &'static str {
    match reason {
        Reason::Instead { because, .. } => because.kind(),
        Reason::Canary => "canary",
        Reason::LeastBad => "least_bad",
        Reason::Preferred => "upgrade",
        _ => "other",
    }
}

/// Gives every kind a bit, out of 32.
pub(super) fn bit(reason: &Reason) -> u32 {
    match reason {
        Reason::Instead { because, .. } => number(because),
        Reason::Canary => 27,
        Reason::LeastBad => 28,
        Reason::Preferred => 29,
        Reason::Observed => 30,
        Reason::Shadow => 31,
    }
}

/// Numbers an obstacle.
fn number(obstacle: &Obstacle) -> u32 {
    match obstacle {
        Obstacle::Excluded => 0,
        Obstacle::Strict => 1,
        Obstacle::Dialect => 2,
        Obstacle::Operation(_) => 3,
        Obstacle::ContextWindow { .. } => 4,
        Obstacle::MaxOutput { .. } => 5,
        Obstacle::Images => 6,
        Obstacle::Tools => 7,
        Obstacle::JsonMode => 8,
        Obstacle::Bound => 9,
        Obstacle::TooLong(_) => 10,
        Obstacle::Parameter(_) => 11,
        Obstacle::UnknownModel(_) => 12,
        Obstacle::Drained => 13,
        Obstacle::Pinned => 14,
        Obstacle::RateLimited(_) => 15,
        Obstacle::NoRoom(_) => 16,
        Obstacle::Returning => 17,
        Obstacle::Broken(_) => 18,
        Obstacle::Unauthorized(_) => 19,
        Obstacle::Tried => 20,
        Obstacle::Score => 21,
    }
}

/// Says why a target is in its state; `None` where nothing is the matter.
pub(super) fn state(target: &TargetSnapshot, pinned_away: bool) -> Option<String> {
    let why = match target.state {
        State::Out if target.drained => "drained by hand".to_owned(),
        State::Out if target.broken => "failing, left alone until then".to_owned(),
        State::Out => "its credential was refused".to_owned(),
        State::Walled if target.rate_limited_s.is_some() => {
            "rate limited, asked to wait until then".to_owned()
        }
        State::Walled => match what_is_left(target) {
            Some(left) => format!("{left}, until it refills"),
            None => "paused after rate limits".to_owned(),
        },
        State::Probing => "coming back, a share of the traffic at a time".to_owned(),
        State::Degraded => format!("expected to answer {:.0} %", target.health * 100.0),
        State::Healthy if pinned_away => "another is pinned by hand".to_owned(),
        State::Healthy => return None,
    };
    Some(why)
}

/// Writes a time of day, in UTC.
fn clock(at: f64) -> String {
    let second = at.max(0.0).round() as u64 % 86_400;
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{hour:02}:{minute:02}:{:02} UTC", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::{OutcomeRouter, PickRequest};

    /// 14:02:00 on some day.
    const AT: f64 = 86_400.0 * 20_000.0 + 14.0 * 3600.0 + 120.0;

    fn told(because: Obstacle, change: impl FnOnce(&mut Decision, &mut TargetSnapshot)) -> Told {
        let router = OutcomeRouter::builder()
            .model("gpt-4o")
            .model("gpt-4o-mini");
        let router = router.build().unwrap();
        let request = PickRequest::new("gpt-4o");
        let mut decision = router.decide(&request, router.now()).unwrap();
        let mut limits = router.snapshot().pools[0].targets[0].clone();
        change(&mut decision, &mut limits);
        leaving(&Leaving {
            from: "gpt-4o",
            to: "gpt-4o-mini",
            observed: false,
            reason: &Reason::Instead {
                of: "gpt-4o".into(),
                because,
            },
            decision: &decision,
            limits: Some(&limits),
            at: AT,
        })
    }

    #[test]
    fn a_wall_is_told_with_what_is_left_and_until_when() {
        let wait = Duration::from_secs(10);
        let told = told(Obstacle::NoRoom(wait), |_, limits| {
            (limits.requests_left, limits.requests_limit) = (Some(90.0), Some(100.0));
            (limits.tokens_left, limits.tokens_limit) = (Some(399.0), Some(10_000.0));
        });
        assert_eq!(
            told.text,
            "gpt-4o -> gpt-4o-mini: 3 % of tokens left until 14:02:10 UTC"
        );
        assert_eq!((told.kind, told.until), ("no_room", Some(AT + 10.0)));
    }

    #[test]
    fn plenty_of_room_is_no_reason() {
        let told = told(Obstacle::NoRoom(Duration::from_secs(1)), |_, limits| {
            limits.requests_left = Some(400.0);
            limits.requests_limit = Some(400.0);
        });
        assert!(
            told.text
                .starts_with("gpt-4o -> gpt-4o-mini: no room expected until "),
            "{}",
            told.text
        );
    }

    #[test]
    fn a_lower_score_is_told_by_what_makes_most_of_it() {
        let told = told(Obstacle::Score, |decision, _| {
            decision.candidates[0].terms.as_mut().unwrap().health = 0.41;
            decision.candidates[1].terms.as_mut().unwrap().health = 0.99;
        });
        assert_eq!(
            told.text,
            "gpt-4o -> gpt-4o-mini: 41 % healthy against 99 %"
        );
        assert_eq!((told.kind, told.until), ("score", None));
    }

    #[test]
    fn every_obstacle_has_its_own_bit() {
        let wait = Duration::from_secs(1);
        let obstacles = [
            Obstacle::Excluded,
            Obstacle::Strict,
            Obstacle::Dialect,
            Obstacle::Operation("/embeddings"),
            Obstacle::ContextWindow {
                window: 1,
                tokens: 2,
            },
            Obstacle::MaxOutput { limit: 1, asked: 2 },
            Obstacle::Images,
            Obstacle::Tools,
            Obstacle::JsonMode,
            Obstacle::Bound,
            Obstacle::TooLong(wait),
            Obstacle::Parameter("p".into()),
            Obstacle::UnknownModel(wait),
            Obstacle::Drained,
            Obstacle::Pinned,
            Obstacle::RateLimited(wait),
            Obstacle::NoRoom(wait),
            Obstacle::Returning,
            Obstacle::Broken(wait),
            Obstacle::Unauthorized(wait),
            Obstacle::Tried,
            Obstacle::Score,
        ];
        for (bit, one) in obstacles.iter().enumerate() {
            assert_eq!(number(one) as usize, bit);
        }
    }

    #[test]
    fn times_are_of_the_day_in_utc() {
        assert_eq!(clock(0.0), "00:00:00 UTC");
        assert_eq!(clock(86_399.6), "00:00:00 UTC");
        assert_eq!(clock(f64::NAN), "00:00:00 UTC");
        assert_eq!(clock(AT + 3599.0), "15:01:59 UTC");
    }
}
