use std::{fmt, str, time::Duration};

/// Digits of the numbers that name targets and tasks in counters.
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz-";
/// Digits of a target's name: 48 bits tell the targets of a fleet apart.
const TARGET: usize = 8;
const TARGET_BITS: u64 = (1 << 48) - 1;
/// Digits of a task's name, which is a whole number of 64 bits.
const TASK: usize = 11;
/// Steps of times and of numbers of tokens, per doubling: 19 % and 41 %.
const TIME_STEPS: f64 = 4.0;
const TOKEN_STEPS: f64 = 2.0;
/// Scores are told apart by hundredths.
const SCORE_STEPS: f64 = 100.0;

/// What one counter of a scope counts. Written as a name of at most 48 characters; what has none is not
/// one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Counter {
    /// Requests sent to a quota group.
    Requests,
    /// Tokens booked for them.
    Tokens,
    /// Requests refused for a limit.
    Refused,
    /// Tokens booked for those.
    RefusedTokens,
    /// Those of them that named no wait.
    Bare,
    /// Requests refused for a quota that is used up.
    Exhausted,
    /// Probes that found room again after a wait.
    Reopened,
    /// Answers that said how many requests are left, the sum of what was, and the sum of what was owed.
    RequestReadings,
    RequestsLeft,
    RequestsOwed,
    /// The same of tokens.
    TokenReadings,
    TokensLeft,
    TokensOwed,
    /// Attempts on a target, by how they went.
    Attempts(u64, Went),
    /// Times to the first content of its streams, in steps.
    FirstContent(u64, u8),
    /// Whole answers: the tokens that were expected, those that came, if it is known, and the time.
    Answers(u64, u8, Option<u8>, u8),
    /// Scores of its answers to a task, in hundredths.
    Scores(u64, u64, u8),
    /// Scores that were replaced by others.
    Unscored(u64, u64, u8),
    /// Checks of the form of its answers to a task.
    Forms(u64, u64, bool),
    /// Checks that were replaced by their opposite.
    Unformed(u64, u64, bool),
}

/// How an attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Went {
    Good,
    Outdated,
    Late,
    Slow,
    Bad,
    /// Beside the above: it was a probe.
    FailedProbe,
}

impl Went {
    /// In the order of their numbers.
    pub(super) const ALL: [(Self, u8); 6] = [
        (Self::Good, b'g'),
        (Self::Outdated, b'o'),
        (Self::Late, b'l'),
        (Self::Slow, b's'),
        (Self::Bad, b'b'),
        (Self::FailedProbe, b'n'),
    ];
}

/// Returns the name of a target in counters, of its hash.
pub(crate) fn target_name(hash: u64) -> u64 {
    hash & TARGET_BITS
}

pub(crate) fn time_step(time: Duration) -> u8 {
    step(time.as_secs_f64() * 1e3, TIME_STEPS)
}

pub(crate) fn time_of(step: u8) -> Duration {
    Duration::try_from_secs_f64(of_step(step, TIME_STEPS) / 1e3).unwrap_or(Duration::MAX)
}

pub(crate) fn token_step(tokens: f64) -> u8 {
    step(tokens, TOKEN_STEPS)
}

pub(crate) fn tokens_of(step: u8) -> f64 {
    of_step(step, TOKEN_STEPS)
}

pub(crate) fn score_step(score: f64) -> u8 {
    (score * SCORE_STEPS).round().clamp(0.0, SCORE_STEPS) as u8
}

pub(crate) fn score_of(step: u8) -> f64 {
    (f64::from(step) / SCORE_STEPS).min(1.0)
}

/// The step of what is at most 1 is 0, and the last one has no end.
fn step(value: f64, per_doubling: f64) -> u8 {
    (value.max(1.0).log2() * per_doubling).round().min(255.0) as u8
}

fn of_step(step: u8, per_doubling: f64) -> f64 {
    (f64::from(step) / per_doubling).exp2()
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = |target: u64| Number::<TARGET>(target);
        let task = |task: u64| Number::<TASK>(task);
        match *self {
            Self::Requests => f.write_str("r"),
            Self::Tokens => f.write_str("t"),
            Self::Refused => f.write_str("x"),
            Self::RefusedTokens => f.write_str("y"),
            Self::Bare => f.write_str("w"),
            Self::Exhausted => f.write_str("q"),
            Self::Reopened => f.write_str("o"),
            Self::RequestReadings => f.write_str("i"),
            Self::RequestsLeft => f.write_str("j"),
            Self::TokenReadings => f.write_str("k"),
            Self::TokensLeft => f.write_str("l"),
            Self::RequestsOwed => f.write_str("m"),
            Self::TokensOwed => f.write_str("n"),
            Self::Attempts(of, went) => {
                let mut all = Went::ALL.into_iter();
                let letter = all.find(|(one, _)| *one == went).map_or(b'g', |(_, it)| it);
                write!(f, "{}{}", target(of), char::from(letter))
            }
            Self::FirstContent(of, time) => write!(f, "{}f{time}", target(of)),
            Self::Answers(of, expected, Some(tokens), time) => {
                write!(f, "{}a{expected}.{tokens}.{time}", target(of))
            }
            Self::Answers(of, expected, None, time) => {
                write!(f, "{}a{expected}..{time}", target(of))
            }
            Self::Scores(of, on, score) => write!(f, "{}{}p{score}", target(of), task(on)),
            Self::Unscored(of, on, score) => write!(f, "{}{}m{score}", target(of), task(on)),
            Self::Forms(of, on, valid) => {
                write!(f, "{}{}v{}", target(of), task(on), u8::from(valid))
            }
            Self::Unformed(of, on, valid) => {
                write!(f, "{}{}u{}", target(of), task(on), u8::from(valid))
            }
        }
    }
}

impl Counter {
    /// Reads a name; `None` where it is none of ours.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let of_group = match name {
            "r" => Some(Self::Requests),
            "t" => Some(Self::Tokens),
            "x" => Some(Self::Refused),
            "y" => Some(Self::RefusedTokens),
            "w" => Some(Self::Bare),
            "q" => Some(Self::Exhausted),
            "o" => Some(Self::Reopened),
            "i" => Some(Self::RequestReadings),
            "j" => Some(Self::RequestsLeft),
            "k" => Some(Self::TokenReadings),
            "l" => Some(Self::TokensLeft),
            "m" => Some(Self::RequestsOwed),
            "n" => Some(Self::TokensOwed),
            _ => None,
        };
        if of_group.is_some() {
            return of_group;
        }
        let (target, rest) = number::<TARGET>(name.as_bytes())?;
        if let Some((task, rest)) = number::<TASK>(rest) {
            return Self::parse_of_task(target, task, rest);
        }
        let (kind, rest) = rest.split_first()?;
        let went = Went::ALL.into_iter().find(|(_, letter)| letter == kind);
        if let Some((went, _)) = went {
            return rest.is_empty().then_some(Self::Attempts(target, went));
        }
        let mut steps = rest.split(|byte| *byte == b'.');
        let counter = match kind {
            b'f' => Self::FirstContent(target, decimal(steps.next()?)?),
            b'a' => {
                let expected = decimal(steps.next()?)?;
                let tokens = match steps.next()? {
                    [] => None,
                    tokens => Some(decimal(tokens)?),
                };
                Self::Answers(target, expected, tokens, decimal(steps.next()?)?)
            }
            _ => return None,
        };
        steps.next().is_none().then_some(counter)
    }

    fn parse_of_task(target: u64, task: u64, rest: &[u8]) -> Option<Self> {
        let (kind, value) = rest.split_first()?;
        let value = decimal(value)?;
        let score = || (f64::from(value) <= SCORE_STEPS).then_some(value);
        let valid = || (value <= 1).then_some(value == 1);
        match kind {
            b'p' => Some(Self::Scores(target, task, score()?)),
            b'm' => Some(Self::Unscored(target, task, score()?)),
            b'v' => Some(Self::Forms(target, task, valid()?)),
            b'u' => Some(Self::Unformed(target, task, valid()?)),
            _ => None,
        }
    }
}

/// A number in so many of our digits.
struct Number<const DIGITS: usize>(u64);

impl<const LENGTH: usize> fmt::Display for Number<LENGTH> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; LENGTH];
        for (at, digit) in text.iter_mut().rev().enumerate() {
            let value = self.0.checked_shr(6 * at as u32).unwrap_or(0) % 64;
            *digit = DIGITS.get(value as usize).copied().unwrap_or(b'0');
        }
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

/// Reads so many of our digits, and returns what is left.
fn number<const LENGTH: usize>(text: &[u8]) -> Option<(u64, &[u8])> {
    let (digits, rest) = text.split_at_checked(LENGTH)?;
    let mut number: u64 = 0;
    for digit in digits {
        let value = DIGITS.iter().position(|known| known == digit)?;
        number = number.checked_mul(64)?.checked_add(value as u64)?;
    }
    Some((number, rest))
}

fn decimal(text: &[u8]) -> Option<u8> {
    // As we write it: no sign, no zeros before it.
    let plain = matches!(text, [b'0'] | [b'1'..=b'9', ..]);
    str::from_utf8(text).ok().filter(|_| plain)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_counter() -> impl Strategy<Value = Counter> {
        let target = || 0..=TARGET_BITS;
        let went = (0..Went::ALL.len()).prop_map(|at| Went::ALL[at].0);
        prop_oneof![
            Just(Counter::Requests),
            Just(Counter::Tokens),
            Just(Counter::Refused),
            Just(Counter::RefusedTokens),
            Just(Counter::Bare),
            Just(Counter::Exhausted),
            Just(Counter::Reopened),
            Just(Counter::RequestReadings),
            Just(Counter::RequestsLeft),
            Just(Counter::TokenReadings),
            Just(Counter::TokensLeft),
            Just(Counter::RequestsOwed),
            Just(Counter::TokensOwed),
            (target(), went).prop_map(|(of, went)| Counter::Attempts(of, went)),
            (target(), any::<u8>()).prop_map(|(of, time)| Counter::FirstContent(of, time)),
            (target(), any::<u8>(), any::<Option<u8>>(), any::<u8>()).prop_map(
                |(of, expected, tokens, time)| Counter::Answers(of, expected, tokens, time)
            ),
            (target(), any::<u64>(), 0..=100_u8)
                .prop_map(|(of, on, it)| Counter::Scores(of, on, it)),
            (target(), any::<u64>(), 0..=100_u8)
                .prop_map(|(of, on, it)| Counter::Unscored(of, on, it)),
            (target(), any::<u64>(), any::<bool>())
                .prop_map(|(of, on, it)| Counter::Forms(of, on, it)),
            (target(), any::<u64>(), any::<bool>())
                .prop_map(|(of, on, it)| Counter::Unformed(of, on, it)),
        ]
    }

    proptest! {
        #[test]
        fn every_counter_has_a_short_name_that_is_read_back(counter in any_counter()) {
            let name = counter.to_string();
            prop_assert!(name.len() <= 48 && name.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(Counter::parse(&name), Some(counter));
        }

        #[test]
        fn junk_has_no_meaning_or_the_one_that_it_spells(name in "[0-9A-Za-z_.-]{0,24}|.{0,40}") {
            if let Some(counter) = Counter::parse(&name) {
                prop_assert_eq!(counter.to_string(), name);
            }
        }
    }

    #[test]
    fn steps_are_right_to_a_tenth_for_times_and_a_fifth_for_tokens() {
        for ms in [1.0, 7.0, 250.0, 31_000.0, 3.6e6] {
            let back = time_of(time_step(Duration::from_secs_f64(ms / 1e3))).as_secs_f64() * 1e3;
            assert!((back / ms - 1.0).abs() < 0.1, "{ms} {back}");
        }
        for tokens in [1.0, 20.0, 700.0, 128_000.0] {
            let back = tokens_of(token_step(tokens));
            assert!((back / tokens - 1.0).abs() < 0.2, "{tokens} {back}");
        }
        assert_eq!(time_step(Duration::ZERO), 0);
        assert!(time_of(u8::MAX) > Duration::from_secs(86_400));
    }

    #[test]
    fn scores_are_right_to_a_hundredth() {
        for score in [0.0, 0.2, 0.75, 1.0] {
            assert_eq!(score_of(score_step(score)), score);
        }
        assert!((score_of(score_step(1.0 / 3.0)) - 1.0 / 3.0).abs() < 0.005);
    }
}
