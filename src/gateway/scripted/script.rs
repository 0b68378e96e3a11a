use std::{ops::Range, time::Duration};

/// What a [`Scripted`](super::Scripted) provider does. Times are counted from its start.
#[derive(Clone, Debug)]
pub struct Script {
    latency: Duration,
    writing: Duration,
    spread: f64,
    slow: Option<(Range<Duration>, Duration)>,
    failing: Option<(Range<Duration>, f64)>,
    wall: Option<(Range<Duration>, Duration)>,
    pub(super) limit: Option<(f64, f64)>,
    pub(super) usage: (u64, u64),
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    /// It is answered after this long, and this much later completely.
    Answered(Duration, Duration),
    /// It is told after this long that something broke.
    Failed(Duration),
    /// It is told to come back.
    Refused(Duration),
}

impl Script {
    /// Answers everything at once.
    #[must_use]
    pub fn new() -> Self {
        Self {
            latency: Duration::ZERO,
            writing: Duration::ZERO,
            spread: 0.0,
            slow: None,
            failing: None,
            wall: None,
            limit: None,
            usage: (9, 4),
        }
    }

    /// Sets how long it takes until an answer begins.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Sets how long it takes to write an answer that has begun: a streamed one comes word by word
    /// meanwhile, another one at the end.
    #[must_use]
    pub fn writing(mut self, writing: Duration) -> Self {
        self.writing = writing;
        self
    }

    /// Lets times differ from call to call, by up to this share of them to either side.
    #[must_use]
    pub fn spread(mut self, share: f64) -> Self {
        self.spread = share.clamp(0.0, 1.0);
        self
    }

    /// Lets answers take longer and longer during a time, up to `worst` more at its end.
    #[must_use]
    pub fn slow(mut self, during: Range<Duration>, worst: Duration) -> Self {
        self.slow = Some((during, worst));
        self
    }

    /// Lets this share of the calls fail with a 503 during a time.
    #[must_use]
    pub fn failing(mut self, during: Range<Duration>, share: f64) -> Self {
        self.failing = Some((during, share));
        self
    }

    /// Limits the rate by a token bucket, and tells in `x-ratelimit` headers what is left of it.
    #[must_use]
    pub fn limit(mut self, per_second: f64, burst: u32) -> Self {
        self.limit = Some((per_second.max(f64::MIN_POSITIVE), f64::from(burst)));
        self
    }

    /// Answers everything with a 429 and this `Retry-After`, in whole seconds.
    #[must_use]
    pub fn wall(self, retry_after: Duration) -> Self {
        self.wall_during(Duration::ZERO..Duration::MAX, retry_after)
    }

    /// Does so during a time, without any warning before it. Nobody is asked to wait for longer than
    /// that.
    #[must_use]
    pub fn wall_during(mut self, during: Range<Duration>, retry_after: Duration) -> Self {
        self.wall = Some((during, retry_after));
        self
    }

    /// Sets how many tokens a call has and its answer. Default: 9 and 4.
    #[must_use]
    pub fn usage(mut self, prompt: u64, answer: u64) -> Self {
        self.usage = (prompt, answer);
        self
    }

    /// Returns what becomes of the call with this number, its limit aside.
    pub(super) fn fate(&self, elapsed: Duration, number: u64) -> Fate {
        if let Some((during, retry_after)) = &self.wall
            && during.contains(&elapsed)
        {
            return Fate::Refused((during.end - elapsed).min(*retry_after));
        }
        let [first, second, third] = chances(number);
        let latency = self.latency.mul_f64(self.vary(first)) + self.delay(elapsed);
        match &self.failing {
            Some((during, share)) if during.contains(&elapsed) && second < *share => {
                Fate::Failed(latency)
            }
            _ => Fate::Answered(latency, self.writing.mul_f64(self.vary(third))),
        }
    }

    fn vary(&self, chance: f64) -> f64 {
        1.0 + self.spread * (2.0 * chance - 1.0)
    }

    /// Returns how much longer an answer takes than usual.
    fn delay(&self, elapsed: Duration) -> Duration {
        match &self.slow {
            Some((during, worst)) if during.contains(&elapsed) => {
                let length = (during.end - during.start).as_secs_f64();
                let share = (elapsed - during.start).as_secs_f64() / length.max(f64::MIN_POSITIVE);
                worst.mul_f64(share)
            }
            _ => Duration::ZERO,
        }
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns numbers from 0 to 1 that look like chance, and are the same in every run.
fn chances(number: u64) -> [f64; 3] {
    [1, 2, 3].map(|draw: u64| {
        let mut mixed = number.wrapping_mul(3).wrapping_add(draw);
        mixed = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        (mixed >> 40) as f64 / (1_u64 << 24) as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn answers_get_slower_up_to_the_worst() {
        let script = Script::new()
            .latency(SECOND)
            .slow(10 * SECOND..20 * SECOND, 4 * SECOND);
        let latency = |at: u32| match script.fate(at * SECOND, 7) {
            Fate::Answered(latency, _) => latency,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            [9, 10, 15, 20].map(latency),
            [1, 1, 3, 1].map(|s| s * SECOND)
        );
    }

    #[test]
    fn about_the_share_that_was_asked_for_fails() {
        let script = Script::new().failing(SECOND..2 * SECOND, 0.3);
        let failed = |at| {
            let fates = (0..10_000).map(|number| script.fate(at, number));
            fates
                .filter(|fate| *fate == Fate::Failed(Duration::ZERO))
                .count()
        };
        assert_eq!(failed(Duration::ZERO), 0);
        let failed = failed(SECOND);
        assert!((2_800..3_200).contains(&failed), "{failed}");
    }

    #[test]
    fn times_differ_within_the_spread() {
        let script = Script::new().latency(SECOND).writing(SECOND).spread(0.4);
        let mut seen = Vec::new();
        for number in 0..1_000 {
            let Fate::Answered(latency, writing) = script.fate(Duration::ZERO, number) else {
                panic!("{number}");
            };
            seen.extend([latency, writing]);
        }
        let (least, most) = (seen.iter().min().unwrap(), seen.iter().max().unwrap());
        assert!((0.6..0.65).contains(&least.as_secs_f64()), "{least:?}");
        assert!((1.35..1.4).contains(&most.as_secs_f64()), "{most:?}");
    }
}
