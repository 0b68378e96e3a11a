//! Whatever happens, and in whatever order of times, waits are finite and shares are shares.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{Capacity, Evidence, Gate, Health, LogLatency, Pace, Reading, Room, pacing::Pacing};

const HOUR: Duration = Duration::from_secs(3600);

/// Numbers as they come and as they should not.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..1e4,
        1 => Just(0.0),
        1 => 0.0..1e300,
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::NAN), Just(-1.0)],
    ]
}

fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0..20_000_u64).prop_map(Duration::from_millis),
        1 => (0..100_000_u64).prop_map(Duration::from_secs),
        1 => Just(Duration::ZERO),
    ]
}

/// Times that mostly go on, and sometimes back.
fn times(count: usize) -> impl Strategy<Value = Vec<Duration>> {
    let start = Duration::from_secs(10_000_000);
    proptest::collection::vec((span(), 0..8_u8), count).prop_map(move |steps| {
        let mut at = start;
        let go = |(by, back): (Duration, u8)| {
            at = if back == 0 {
                at.saturating_sub(by)
            } else {
                at + by
            };
            at
        };
        steps.into_iter().map(go).collect()
    })
}

fn reading() -> impl Strategy<Value = Reading> {
    let maybe = || proptest::option::of(number());
    (maybe(), maybe(), proptest::option::of(span())).prop_map(|(limit, remaining, reset)| Reading {
        limit,
        remaining,
        reset,
    })
}

const STEPS: usize = 60;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_limit_never_holds_anybody_for_longer_than_an_hour(
        steps in proptest::collection::vec((0..6_u8, number(), span(), reading(), reading()), STEPS),
        times in times(STEPS),
    ) {
        let base = Instant::now();
        let mut capacity = Capacity::new(base + Duration::from_secs(10_000_000));
        let mut latest = Duration::ZERO;
        let (mut mark, mut sent, mut probe) = ((0.0, 0.0), base, None);
        for ((kind, tokens, wait, requests, by_tokens), at) in steps.into_iter().zip(times) {
            let now = base + at;
            latest = latest.max(at);
            match kind {
                0 | 1 => {
                    probe = capacity.take(tokens, now).or(probe);
                    (mark, sent) = (capacity.mark(now), now);
                }
                2 => capacity.refused(Some(wait), wait.is_zero(), tokens, now),
                3 => capacity.refused(None, tokens > 5e3, tokens, now),
                4 => {
                    capacity.read(requests, by_tokens, sent, mark, now);
                }
                _ => {
                    capacity.accepted();
                    if let Some(probe) = probe.take() {
                        capacity.release(probe, now);
                    }
                }
            }
            match capacity.room(tokens, now) {
                Room::Expected(until) | Room::Told(until) => {
                    prop_assert!(until > now && until <= base + latest + HOUR);
                }
                Room::Ramp(share) => prop_assert!((0.0..1.0).contains(&share)),
                Room::Free | Room::Probe => {}
            }
        }
    }

    #[test]
    fn a_cap_of_our_own_never_holds_anybody_for_longer_than_a_minute(
        steps in proptest::collection::vec((0..3_u8, number()), STEPS),
        times in times(STEPS),
    ) {
        let base = Instant::now();
        let mut pacing = Pacing::new(base);
        for ((kind, tokens), at) in steps.into_iter().zip(times) {
            let now = base + at;
            if kind == 0 {
                pacing.refused(tokens, now);
            } else {
                pacing.take(1.0, tokens, now);
            }
            if let Some(until) = pacing.free_at(tokens, now) {
                prop_assert!(until > now && until <= now + Duration::from_secs(60));
            }
        }
    }

    #[test]
    fn health_is_a_probability_and_every_breaker_names_an_end(
        steps in proptest::collection::vec((0..6_u8, span(), any::<bool>(), any::<bool>()), STEPS),
        times in times(STEPS),
    ) {
        let base = Instant::now();
        let mut health = Health::new(base);
        let (mut open, mut latest) = (Vec::new(), Duration::ZERO);
        for ((kind, within, probe, suspect), at) in steps.into_iter().zip(times) {
            let now = base + at;
            latest = latest.max(at);
            let evidence = match kind {
                0 => Some(Evidence::Good),
                1 => Some(Evidence::Late),
                2 => Some(Evidence::Slow),
                3 => Some(Evidence::Bad),
                _ => None,
            };
            match (evidence, open.pop()) {
                (Some(evidence), Some((watch, started))) => {
                    health.record(evidence, watch, started, now);
                }
                (None, Some((watch, _))) if probe => health.release(watch, now),
                (_, kept) => {
                    open.extend(kept);
                    open.push((health.begin(probe, Some(within), now), now));
                }
            }
            let condition = health.condition(suspect.then_some(1), now);
            prop_assert!((0.0..=1.0).contains(&condition.health), "{condition:?}");
            prop_assert!((0.0..=1.0).contains(&condition.at_best), "{condition:?}");
            prop_assert!((0.0..=1.0).contains(&condition.usually_in_time), "{condition:?}");
            prop_assert!((0.0..1e4).contains(&condition.mass), "{condition:?}");
            if let Gate::Open(until) = condition.gate {
                prop_assert!(until >= now && until <= base + latest + 4 * HOUR, "{condition:?}");
            }
        }
    }

    #[test]
    fn forecasts_are_probabilities(
        steps in proptest::collection::vec((any::<u64>(), proptest::option::of(any::<u64>()), span()), STEPS),
        times in times(STEPS),
    ) {
        let base = Instant::now();
        let (mut pace, mut latency) = (Pace::new(base), LogLatency::new(base));
        for ((tokens, cap, took), at) in steps.into_iter().zip(times) {
            let tokens = (tokens % 3 > 0).then_some(tokens >> (tokens % 64));
            pace.record(tokens, cap, took, base + at);
            latency.record(took, base + at);
            prop_assert!(pace.length(cap).is_finite());
            for forecast in [pace.forecast(cap), latency.forecast()].into_iter().flatten() {
                prop_assert!((0.0..=1.0).contains(&forecast.within(took)));
                let (late, outlying) = (forecast.late().after(), forecast.outlying().after());
                prop_assert!(late > Duration::ZERO && outlying > Duration::ZERO);
            }
        }
    }
}
