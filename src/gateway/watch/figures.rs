//! Small arithmetic for what is shown.

/// Of a normal distribution, 95 % lie within so many standard deviations.
const Z: f64 = 1.96;

/// Returns a share with the band that holds it with 95 % confidence, by Wilson's interval: it makes
/// sense for a handful of trials, too, and near 0 and 1. `None` without any.
pub(super) fn band(good: u64, all: u64) -> Option<[f64; 3]> {
    if all == 0 {
        return None;
    }
    let n = all as f64;
    let p = (good as f64 / n).min(1.0);
    let z2 = Z * Z;
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    Some([
        p,
        (middle - half).clamp(0.0, p),
        (middle + half).clamp(p, 1.0),
    ])
}

/// Returns a part of a whole; `None` of nothing.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Returns how much a sum over so many seconds makes in one; `None` over no time.
pub(super) fn per_second(sum: f64, seconds: f64) -> Option<f64> {
    (seconds > 0.0).then(|| sum / seconds)
}

/// Rounds to what can be seen of a number, so that it takes few characters; what is no number is
/// unknown.
pub(super) fn short(number: f64) -> Option<f64> {
    number.is_finite().then(|| (number * 1e6).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_is_wide_for_few_trials_and_holds_its_share() {
        assert_eq!(band(0, 0), None);
        let [one, low, high] = band(1, 1).unwrap();
        assert_eq!((one, high), (1.0, 1.0));
        assert!((low - 0.2065).abs() < 1e-3, "{low}");
        let [_, low, high] = band(0, 10).unwrap();
        assert_eq!(low, 0.0);
        assert!((high - 0.2775).abs() < 1e-3, "{high}");
        let [p, low, high] = band(950, 1000).unwrap();
        assert_eq!(p, 0.95);
        assert!(low > 0.93 && high < 0.965, "{low} {high}");
    }

    #[test]
    fn numbers_are_shortened_and_junk_is_unknown() {
        assert_eq!(short(0.123_456_789), Some(0.123_457));
        assert_eq!(short(f64::NAN), None);
        assert_eq!(short(f64::INFINITY), None);
    }
}
