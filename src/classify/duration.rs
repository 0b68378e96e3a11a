//! Spans and points of time as they stand in headers and messages.

use std::time::{Duration, SystemTime};

/// Reads a Go duration: `12ms`, `1s`, `6m0s`, `1h2m3.5s`. Zero is a value here, a sign is not.
pub(super) fn go(text: &str) -> Option<Duration> {
    let (duration, rest) = go_prefix(text.trim())?;
    rest.is_empty().then_some(duration)
}

/// Reads the Go duration that `text` starts with and returns what follows it.
pub(super) fn go_prefix(text: &str) -> Option<(Duration, &str)> {
    let mut rest = text;
    let mut total = None;
    while let Some((seconds, after)) = go_part(rest) {
        total = Some(total.unwrap_or(0.0) + seconds);
        rest = after;
    }
    Some((Duration::try_from_secs_f64(total?).ok()?, rest))
}

fn go_part(text: &str) -> Option<(f64, &str)> {
    let (number, rest) = number_prefix(text)?;
    let letters = rest
        .find(|c: char| !c.is_alphabetic())
        .unwrap_or(rest.len());
    let (unit, after) = rest.split_at_checked(letters)?;
    let scale = match unit {
        "ns" => 1e-9,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Some((number * scale, after))
}

/// Reads the plain decimal number that `text` starts with: digits, with at most one point inside.
pub(super) fn number_prefix(text: &str) -> Option<(f64, &str)> {
    let ends = |byte: u8| !byte.is_ascii_digit() && byte != b'.';
    let end = text.bytes().position(ends).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(end)?;
    // A sentence may end in the number: "in 20." holds no fraction.
    let number = number.trim_end_matches('.');
    Some((number.parse().ok()?, rest))
}

/// Reads a number of seconds that may have a fraction. Not negative, finite and in range.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
}

/// Reads a number of milliseconds that may have a fraction. Not negative, finite and in range.
pub(super) fn millis(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.trim().parse::<f64>().ok()? / 1e3).ok()
}

/// Reads a number since 1970: milliseconds where it is too large to be seconds.
pub(super) fn epoch(number: f64) -> Option<SystemTime> {
    // As seconds, 1e11 is the year 5138; as milliseconds it is 1973.
    let seconds = if number >= 1e11 { number / 1e3 } else { number };
    // Anything before 2001 is a span that pretends to be a date.
    if seconds < 1e9 {
        return None;
    }
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

/// Reads an RFC 3339 instant from 1970 on: `2026-02-25T20:02:37Z`, `…37.5+01:00`.
pub(super) fn rfc3339(text: &str) -> Option<SystemTime> {
    let (date, clock) = text.trim().split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-');
    let year = digits(date.next()?, 4).filter(|year| (1970..=9999).contains(year))?;
    let month = digits(date.next()?, 2)?;
    let day = digits(date.next()?, 2)?;
    if day == 0 || day > days_in(year, month)? {
        return None;
    }

    let zone_at = clock.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = clock.split_at_checked(zone_at)?;
    let (clock, nanos) = match clock.split_once('.') {
        Some((clock, fraction)) => (clock, nanos(fraction)?),
        None => (clock, 0),
    };
    let mut clock = clock.splitn(3, ':');
    let hour = digits(clock.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = digits(clock.next()?, 2).filter(|minute| *minute < 60)?;
    // 60 is a leap second; it counts as the first of the next minute.
    let second = digits(clock.next()?, 2).filter(|second| *second <= 60)?;

    let days =
        days_before_year(year) - days_before_year(1970) + days_before_month(year, month) + day - 1;
    let local = days * 86_400 + hour * 3600 + minute * 60 + second;
    let seconds = u64::try_from(local - offset(zone)?).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

/// Returns the time from `wall` to `when`, none where that is past.
pub(super) fn until(when: SystemTime, wall: SystemTime) -> Duration {
    when.duration_since(wall).unwrap_or_default()
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let all = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if all { text.parse().ok() } else { None }
}

fn nanos(fraction: &str) -> Option<u32> {
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let padded = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    Some(padded.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
}

fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, zone) = match zone.strip_prefix('-') {
        Some(zone) => (-1, zone),
        None => (1, zone.strip_prefix('+')?),
    };
    let (hours, minutes) = zone.split_once(':')?;
    let hours = digits(hours, 2).filter(|hours| *hours < 24)?;
    let minutes = digits(minutes, 2).filter(|minutes| *minutes < 60)?;
    Some(sign * (hours * 3600 + minutes * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> Option<i64> {
    match month {
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if is_leap(year) { 29 } else { 28 }),
        1..=12 => Some(31),
        _ => None,
    }
}

fn days_before_month(year: i64, month: i64) -> i64 {
    (1..month).filter_map(|month| days_in(year, month)).sum()
}

/// Days from the start of year 1 of the Gregorian calendar to the start of `year`.
fn days_before_year(year: i64) -> i64 {
    let past = year - 1;
    past * 365 + past / 4 - past / 100 + past / 400
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(duration: Option<Duration>) -> Option<u128> {
        duration.map(|duration| duration.as_millis())
    }

    fn unix(text: &str) -> Option<u64> {
        let when = rfc3339(text)?;
        Some(
            when.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap()
                .as_secs(),
        )
    }

    #[test]
    fn go_durations_are_read() {
        for (text, expected) in [
            ("12ms", 12),
            ("1s", 1000),
            ("6m0s", 360_000),
            ("59.874s", 59_874),
            ("2m59.56s", 179_560),
            ("1h2m3s", 3_723_000),
            ("1.5h", 5_400_000),
            ("1500\u{b5}s", 1),
            ("0s", 0),
        ] {
            assert_eq!(ms(go(text)), Some(expected), "{text}");
        }
        for text in [
            "", "s", "1", "-1s", "1x", "1s2", "1..5s", ".s", "1s ago", "9e9h", "ms5",
        ] {
            assert_eq!(go(text), None, "{text}");
        }
        assert_eq!(go(&format!("{}h", "9".repeat(400))), None);
    }

    #[test]
    fn instants_are_read() {
        assert_eq!(unix("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix("2026-02-25T20:02:37Z"), Some(1_772_049_757));
        assert_eq!(unix("2026-02-25t20:02:37.25z"), Some(1_772_049_757));
        assert_eq!(unix("2026-02-25 21:02:37+01:00"), Some(1_772_049_757));
        assert_eq!(unix("2026-02-25T18:32:37-01:30"), Some(1_772_049_757));
        assert_eq!(unix("2024-02-29T00:00:00Z"), Some(1_709_164_800));
        assert_eq!(unix("2016-12-31T23:59:60Z"), Some(1_483_228_800));
        for text in [
            "2025-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-32T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+1:00",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "+026-01-01T00:00:00Z",
            "55",
            "",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn epochs_are_seconds_or_milliseconds() {
        let at = |n| epoch(n).map(|t| t.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
        assert_eq!(at(1_772_049_757.0), Some(1_772_049_757));
        assert_eq!(at(1_772_049_757_000.0), Some(1_772_049_757));
        for number in [0.0, 60.0, -1e12, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(at(number), None, "{number}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*", number in any::<f64>()) {
            let _ = (go(&text), seconds(&text), millis(&text), rfc3339(&text), epoch(number));
        }

        #[test]
        fn near_misses_do_not_panic(text in "[0-9TZ:.+\\- hmsn\u{b5}]{0,40}") {
            let _ = (go(&text), seconds(&text), millis(&text), rfc3339(&text));
        }

        #[test]
        fn every_second_is_read_back_by_its_http_date(seconds in 0_u64..253_402_300_799) {
            let when = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let date = httpdate::fmt_http_date(when);
            let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
                .iter().position(|name| date.get(8..11) == Some(*name)).unwrap() + 1;
            let text = format!("{}-{month:02}-{}T{}Z", &date[12..16], &date[5..7], &date[17..25]);
            prop_assert_eq!(rfc3339(&text), Some(when));
        }
    }
}
