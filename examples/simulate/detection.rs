//! How soon a policy leaves a model that fails, and how soon it comes back.

use std::collections::VecDeque;

use crate::{setting::Setting, traffic::Request, world::Record};

/// Seconds and requests until a degraded model was left, and seconds until it was used again.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Detection {
    pub(crate) ttd_s: Option<f64>,
    pub(crate) ttd_requests: Option<f64>,
    pub(crate) ttr_s: Option<f64>,
}

/// First attempts over which a share is taken.
const WINDOW: usize = 50;
/// A model with a lower share is left.
const LEFT: f64 = 0.1;
/// The share before is that of so many seconds before the onset.
const BEFORE_S: f64 = 300.0;
/// It is used again from this part of the share before.
const BACK: f64 = 0.5;

pub(crate) fn detect(setting: &Setting, requests: &[Request], records: &[Record]) -> Detection {
    let Some(degraded) = &setting.degraded else {
        return Detection::default();
    };
    let first = requests
        .iter()
        .zip(records)
        .filter_map(|(request, record)| {
            let first = record.first?;
            Some((request.at_s, first == degraded.model))
        });
    let first: Vec<(f64, bool)> = first.collect();
    find(&first, degraded.onset_s, degraded.recovery_s)
}

/// `first` says when a request came, and whether its first attempt went to the model.
fn find(first: &[(f64, bool)], onset_s: f64, recovery_s: f64) -> Detection {
    let before = first
        .iter()
        .filter(|(at_s, _)| (onset_s - BEFORE_S..onset_s).contains(at_s));
    let (uses, all) = before.fold((0.0, 0.0), |(uses, all), (_, used)| {
        (uses + f64::from(u8::from(*used)), all + 1.0)
    });
    let before = if all > 0.0 { uses / all } else { 0.0 };
    let mut found = Detection::default();
    if before < LEFT {
        return found;
    }
    // What was before the onset says nothing of what was learnt since.
    let mut window = Window::default();
    let degraded = first
        .iter()
        .filter(|(at_s, _)| (onset_s..recovery_s).contains(at_s));
    for (number, (at_s, used)) in degraded.enumerate() {
        window.push(*used);
        if window.uses.len() == WINDOW && window.share() < LEFT {
            found.ttd_s = Some(at_s - onset_s);
            found.ttd_requests = Some(number as f64);
            break;
        }
    }
    let mut window = Window::default();
    for (at_s, used) in first {
        window.push(*used);
        if *at_s >= recovery_s && window.share() >= BACK * before {
            found.ttr_s = Some(at_s - recovery_s);
            break;
        }
    }
    found
}

#[derive(Default)]
struct Window {
    uses: VecDeque<bool>,
    sum: usize,
}

impl Window {
    fn push(&mut self, used: bool) {
        self.uses.push_back(used);
        self.sum += usize::from(used);
        if self.uses.len() > WINDOW {
            self.sum -= usize::from(self.uses.pop_front() == Some(true));
        }
    }

    fn share(&self) -> f64 {
        self.sum as f64 / (self.uses.len() as f64).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One request a second, degraded from 400 to 600; `used` says who used the model.
    fn play(used: impl Fn(usize) -> bool) -> Detection {
        let first: Vec<_> = (0..1000).map(|n| (n as f64, used(n))).collect();
        find(&first, 400.0, 600.0)
    }

    #[test]
    fn who_leaves_at_once_is_seen_after_a_window() {
        let found = play(|n| !(400..600).contains(&n));
        assert_eq!(found.ttd_requests, Some(49.0));
        assert_eq!(found.ttd_s, Some(49.0));
        // 25 of the last 50 are after the recovery.
        assert_eq!(found.ttr_s, Some(24.0));
    }

    #[test]
    fn who_stays_is_never_away() {
        let found = play(|_| true);
        assert_eq!((found.ttd_s, found.ttr_s), (None, Some(0.0)));
    }

    #[test]
    fn who_was_never_there_can_not_leave() {
        assert_eq!(play(|n| n % 20 == 0), Detection::default());
    }

    #[test]
    fn who_never_comes_back_has_no_return() {
        let found = play(|n| n < 450);
        assert_eq!((found.ttd_s, found.ttr_s), (Some(95.0), None));
    }
}
