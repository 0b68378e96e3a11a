use std::{fmt, time::Duration};

const DAY: u64 = 86_400;

/// A time of day, in seconds since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock(u64);

impl Clock {
    pub(super) fn at(hour: u32, minute: u32, second: u32) -> Self {
        Self(u64::from(hour) * 3600 + u64::from(minute) * 60 + u64::from(second))
    }

    /// Returns what it reads after a time.
    pub(super) fn after(self, elapsed: Duration) -> Self {
        Self((self.0 + elapsed.as_secs() % DAY) % DAY)
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = (self.0 / 3600, self.0 / 60 % 60, self.0 % 60);
        write!(f, "{hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_past_midnight() {
        let clock = Clock::at(23, 59, 58);
        assert_eq!(clock.to_string(), "23:59:58");
        assert_eq!(clock.after(Duration::from_secs(2)).to_string(), "00:00:00");
        assert_eq!(
            clock.after(Duration::MAX).0,
            (86_398 + u64::MAX % DAY) % DAY
        );
    }
}
