//! What a target refused because it did not fit, and for how long requests like it are kept away.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

/// What requests may ask of a target beyond text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ability {
    Images = 1,
    Tools = 2,
    JsonMode = 4,
}

/// A set of abilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Abilities(u8);

/// What a request asks of the target that is to serve it.
pub(crate) trait Asks {
    /// About how many tokens its prompt has.
    fn prompt(&self) -> u64;
    /// How many it has at least.
    fn least(&self) -> u64;
    /// How many the answer may have, as far as it says.
    fn output(&self) -> u64;
    fn abilities(&self) -> Abilities;
    fn operation(&self) -> Option<&'static str>;
    /// Whether it has a parameter, by the hash of its name.
    fn carries(&self, parameter: u32) -> bool;
}

/// What did not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// Requests with as long a prompt that ask for as long an answer, and those whose prompt alone
    /// is longer than the limit, where one was told.
    Length {
        prompt: u64,
        output: u64,
        limit: Option<u64>,
    },
    /// Requests with this parameter.
    Parameter { hash: u32, name: Arc<str> },
    /// Requests that ask for it.
    Ability(Ability),
    /// All requests to the same kind of endpoint: the model is not known there.
    Model(Option<&'static str>),
}

/// What was refused, as lessons that are forgotten with time.
///
/// A lesson holds for an hour, that of an unknown model for a minute, doubling. Then one request
/// like it may try again, alone for [`TRIAL`]; its success takes the lesson back, and so does that
/// of any attempt that was made in spite of it.
#[derive(Debug, Default)]
pub(crate) struct Fit {
    /// A lesson keeps its place as long as it is known.
    lessons: Vec<Option<Lesson>>,
}

#[derive(Clone, Debug)]
struct Lesson {
    misfit: Misfit,
    taught: Instant,
    until: Instant,
    /// When it was told or heeded last.
    used: Instant,
    strikes: u32,
}

/// The lessons that an attempt was made in spite of, by their places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trial(u32);

/// How long a lesson is believed. Models change by deployment, which takes hours or days.
const BELIEVED: Duration = Duration::from_secs(3600);
/// An unknown model may be one that is just being deployed, or pulled.
const FIRST_OUT: Duration = Duration::from_secs(60);
const LONGEST_OUT: Duration = Duration::from_secs(3600);
/// A refusal comes at once: for so long the first attempt after a pause is alone.
const TRIAL: Duration = Duration::from_secs(10);
/// A lesson that nobody tried for so long after it ended is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// A shorter request than this, in tokens, is not believed to be too long for a model: every one
/// takes as much. Something else about it was wrong.
const BELIEVABLE: u64 = 1_000;
/// Lessons of each kind: lengths differ by prompt and answer, models by endpoint.
const LENGTHS: usize = 4;
const PARAMETERS: usize = 16;
const ABILITIES: usize = 3;
const MODELS: usize = 4;

impl Abilities {
    pub(crate) fn with(self, ability: Ability, asked: bool) -> Self {
        let bit = ability as u8;
        Self(if asked { self.0 | bit } else { self.0 & !bit })
    }

    pub(crate) fn has(self, ability: Ability) -> bool {
        self.0 & ability as u8 != 0
    }

    /// Returns one that both have.
    pub(crate) fn common(self, other: Self) -> Option<Ability> {
        let both = Self(self.0 & other.0);
        let all = [Ability::Images, Ability::Tools, Ability::JsonMode];
        // The most common case.
        if both.0 == 0 {
            return None;
        }
        all.into_iter().find(|ability| both.has(*ability))
    }
}

impl Misfit {
    fn concerns(&self, asked: &impl Asks) -> bool {
        match self {
            Self::Length {
                prompt,
                output,
                limit,
            } => {
                (asked.prompt() >= *prompt && asked.output() >= *output)
                    || limit.is_some_and(|limit| asked.least() > limit)
            }
            Self::Parameter { hash, .. } => asked.carries(*hash),
            Self::Ability(ability) => asked.abilities().has(*ability),
            Self::Model(operation) => asked.operation() == *operation,
        }
    }

    /// Whether two lessons are one and the same. A length that another one covers is no lesson of
    /// its own.
    fn is_told_by(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Length {
                    prompt,
                    output,
                    limit,
                },
                Self::Length {
                    prompt: least_prompt,
                    output: least_output,
                    limit: other_limit,
                },
            ) => prompt >= least_prompt && output >= least_output && limit == other_limit,
            (Self::Parameter { hash, .. }, Self::Parameter { hash: other, .. }) => hash == other,
            (Self::Ability(_), Self::Ability(_)) | (Self::Model(_), Self::Model(_)) => {
                self == other
            }
            _ => false,
        }
    }

    fn is_of_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// How many lessons of its kind are kept.
    fn most(&self) -> usize {
        match self {
            Self::Length { .. } => LENGTHS,
            Self::Parameter { .. } => PARAMETERS,
            Self::Ability(_) => ABILITIES,
            Self::Model(_) => MODELS,
        }
    }

    fn is_believable(&self) -> bool {
        match self {
            Self::Length {
                prompt,
                output,
                limit,
            } => limit.is_some() || prompt.saturating_add(*output) >= BELIEVABLE,
            _ => true,
        }
    }
}

impl Lesson {
    fn is_forgotten(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.until) >= FORGOTTEN
    }
}

impl Fit {
    /// Takes in what an attempt that began at `started` was refused for.
    pub(crate) fn refused(&mut self, misfit: Misfit, started: Instant, now: Instant) {
        if !misfit.is_believable() {
            return;
        }
        self.forget(now);
        let known = self
            .lessons
            .iter_mut()
            .flatten()
            .find(|lesson| misfit.is_told_by(&lesson.misfit));
        if let Some(lesson) = known {
            // The same refusal may be told by another attempt that was under way.
            if started >= lesson.taught {
                lesson.strikes = lesson.strikes.saturating_add(1);
            }
            lesson.taught = now;
            lesson.used = now;
            lesson.until = lesson.until.max(now + lesson.holds());
            return;
        }
        let mut lesson = Lesson {
            misfit,
            taught: now,
            until: now,
            used: now,
            strikes: 0,
        };
        lesson.until = now + lesson.holds();
        self.keep(lesson);
    }

    /// Returns what keeps a request away, and for how long still.
    pub(crate) fn obstacle(
        &mut self,
        asked: &impl Asks,
        now: Instant,
    ) -> Option<(&Misfit, Duration)> {
        let lesson = self
            .lessons
            .iter_mut()
            .flatten()
            .filter(|lesson| lesson.until > now && lesson.misfit.concerns(asked))
            .max_by_key(|lesson| lesson.until)?;
        lesson.used = now;
        Some((&lesson.misfit, lesson.until.saturating_duration_since(now)))
    }

    /// An attempt is about to be made. Where a lesson has ended, it is the one that finds out.
    pub(crate) fn begin(&mut self, asked: &impl Asks, now: Instant) -> Trial {
        let mut trial = Trial::default();
        for (place, lesson) in self.lessons.iter_mut().enumerate() {
            let Some(lesson) = lesson.as_mut().filter(|one| one.misfit.concerns(asked)) else {
                continue;
            };
            if lesson.until <= now && !lesson.is_forgotten(now) {
                lesson.until = now + TRIAL;
            }
            trial.0 |= 1_u32
                .checked_shl(u32::try_from(place).unwrap_or(32))
                .unwrap_or(0);
        }
        trial
    }

    /// An attempt that began at `started` was answered well.
    pub(crate) fn accepted(&mut self, trial: Trial, started: Instant) {
        for (place, lesson) in self.lessons.iter_mut().enumerate() {
            let bit = 1_u32.checked_shl(u32::try_from(place).unwrap_or(32));
            if bit.is_some_and(|bit| trial.0 & bit != 0) {
                lesson.take_if(|lesson| lesson.taught <= started);
            }
        }
    }

    /// Returns from when on nothing is known, or `None` where nothing is.
    pub(crate) fn until(&self) -> Option<Instant> {
        let ends = self.lessons.iter().flatten().map(|lesson| lesson.until);
        ends.max().map(|end| end + FORGOTTEN)
    }

    fn forget(&mut self, now: Instant) {
        for lesson in &mut self.lessons {
            lesson.take_if(|lesson| lesson.is_forgotten(now));
        }
    }

    /// Of each kind the one that was not used for longest makes room.
    fn keep(&mut self, lesson: Lesson) {
        let of_kind = || {
            self.lessons
                .iter()
                .enumerate()
                .filter_map(|(place, known)| {
                    let known = known.as_ref()?;
                    known
                        .misfit
                        .is_of_kind(&lesson.misfit)
                        .then_some((known.used, place))
                })
        };
        let oldest = (of_kind().count() >= lesson.misfit.most()).then(|| of_kind().min());
        let free = || self.lessons.iter().position(Option::is_none);
        let place = match oldest.flatten() {
            Some((_, place)) => Some(place),
            None => free(),
        };
        match place.and_then(|place| self.lessons.get_mut(place)) {
            Some(known) => *known = Some(lesson),
            None => self.lessons.push(Some(lesson)),
        }
    }
}

impl Lesson {
    fn holds(&self) -> Duration {
        match self.misfit {
            Misfit::Model(_) => FIRST_OUT
                .saturating_mul(1 << self.strikes.min(16))
                .min(LONGEST_OUT),
            _ => BELIEVED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Default)]
    struct Asked {
        prompt: u64,
        output: u64,
        parameter: u32,
        abilities: Abilities,
        operation: Option<&'static str>,
    }

    impl Asks for Asked {
        fn prompt(&self) -> u64 {
            self.prompt
        }
        fn least(&self) -> u64 {
            self.prompt * 2 / 3
        }
        fn output(&self) -> u64 {
            self.output
        }
        fn abilities(&self) -> Abilities {
            self.abilities
        }
        fn operation(&self) -> Option<&'static str> {
            self.operation
        }
        fn carries(&self, parameter: u32) -> bool {
            self.parameter == parameter
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    fn long(prompt: u64) -> Asked {
        Asked {
            prompt,
            ..Asked::default()
        }
    }

    fn length(prompt: u64, output: u64, limit: Option<u64>) -> Misfit {
        Misfit::Length {
            prompt,
            output,
            limit,
        }
    }

    fn parameter(hash: u32) -> Misfit {
        Misfit::Parameter {
            hash,
            name: "x".into(),
        }
    }

    #[test]
    fn requests_that_are_no_longer_than_the_one_refused_go_on() {
        let (mut fit, now) = (Fit::default(), Instant::now());
        fit.refused(length(20_000, 500, None), now, now);
        let blocked = |fit: &mut Fit, prompt, output| {
            let asked = Asked {
                output,
                ..long(prompt)
            };
            fit.obstacle(&asked, now).is_some()
        };
        assert!(blocked(&mut fit, 20_000, 500) && blocked(&mut fit, 30_000, 600));
        assert!(!blocked(&mut fit, 19_999, 500) && !blocked(&mut fit, 30_000, 499));
        // With a limit, whatever the answer: but by what the prompt has at least.
        fit.refused(length(10_000, 8_000, Some(8_192)), now, now);
        assert!(blocked(&mut fit, 12_500, 0) && !blocked(&mut fit, 12_000, 0));
    }

    #[test]
    fn a_short_prompt_is_not_believed_to_be_too_long() {
        let (mut fit, now) = (Fit::default(), Instant::now());
        fit.refused(length(900, 50, None), now, now);
        assert_eq!(fit.obstacle(&long(100_000), now), None);
        assert_eq!(fit.until(), None);
        fit.refused(length(900, 50, Some(4_096)), now, now);
        assert!(fit.obstacle(&long(100_000), now).is_some());
    }

    #[test]
    fn after_an_hour_one_tries_again_alone() {
        let (mut fit, now) = (Fit::default(), Instant::now());
        let asked = Asked {
            parameter: 7,
            ..Asked::default()
        };
        fit.refused(parameter(7), now, now);
        let (_, left) = fit.obstacle(&asked, now + HOUR / 2).unwrap();
        assert_eq!(left, HOUR / 2);
        assert_eq!(fit.obstacle(&Asked::default(), now), None);
        let later = now + HOUR;
        assert_eq!(fit.obstacle(&asked, later), None);
        let trial = fit.begin(&asked, later);
        assert!(fit.obstacle(&asked, later).is_some(), "the next one waits");
        // Refused again: for another hour.
        fit.refused(parameter(7), later, later + TRIAL / 2);
        assert!(fit.obstacle(&asked, later + HOUR).is_some());
        // What it has proved was before that.
        fit.accepted(trial, later);
        assert!(fit.obstacle(&asked, later + HOUR).is_some());
        let latest = later + HOUR + TRIAL;
        let trial = fit.begin(&asked, latest);
        fit.accepted(trial, latest);
        assert_eq!(fit.obstacle(&asked, latest), None);
        assert_eq!(fit.until(), None);
    }

    #[test]
    fn a_success_in_spite_of_a_lesson_takes_it_back() {
        let (mut fit, now) = (Fit::default(), Instant::now());
        let tools = Abilities::default().with(Ability::Tools, true);
        let asked = Asked {
            abilities: tools,
            ..Asked::default()
        };
        fit.refused(Misfit::Ability(Ability::Tools), now, now);
        fit.refused(parameter(7), now, now);
        let trial = fit.begin(&asked, now);
        fit.accepted(trial, now);
        assert_eq!(fit.obstacle(&asked, now), None);
        let other = Asked {
            parameter: 7,
            ..Asked::default()
        };
        assert!(
            fit.obstacle(&other, now).is_some(),
            "that is another lesson"
        );
    }

    #[test]
    fn an_unknown_model_is_out_for_a_minute_doubling_to_an_hour() {
        let (mut fit, mut now) = (Fit::default(), Instant::now());
        let chat = Asked {
            operation: Some("/chat/completions"),
            ..Asked::default()
        };
        let embeddings = Asked {
            operation: Some("/embeddings"),
            ..Asked::default()
        };
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            let _ = fit.begin(&chat, now);
            let started = now;
            now += Duration::from_secs(1);
            fit.refused(Misfit::Model(chat.operation), started, now);
            // Told by others that were under way: the same refusal.
            fit.refused(Misfit::Model(chat.operation), started - TRIAL, now);
            let (_, left) = fit.obstacle(&chat, now).unwrap();
            assert_eq!(left, Duration::from_secs(60 * minutes));
            assert_eq!(fit.obstacle(&embeddings, now), None);
            now += left;
        }
        let trial = fit.begin(&chat, now);
        fit.accepted(trial, now);
        fit.refused(Misfit::Model(chat.operation), now, now);
        let (_, left) = fit.obstacle(&chat, now).unwrap();
        assert_eq!(left, FIRST_OUT, "a success is a new beginning");
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_least_used_goes() {
        let (mut fit, mut now) = (Fit::default(), Instant::now());
        let asked = |parameter| Asked {
            parameter,
            ..Asked::default()
        };
        for hash in 0..1000 {
            now += Duration::from_millis(1);
            fit.refused(parameter(hash), now, now);
            assert!(fit.obstacle(&asked(0), now).is_some(), "it is in use");
            fit.refused(
                length(10_000 - u64::from(hash), u64::from(hash), None),
                now,
                now,
            );
            fit.refused(Misfit::Ability(Ability::Images), now, now);
        }
        let known = (0..1000).filter(|hash| fit.obstacle(&asked(*hash), now).is_some());
        assert_eq!(known.count(), PARAMETERS);
        assert!(fit.lessons.len() <= LENGTHS + PARAMETERS + ABILITIES + MODELS);
        assert!(fit.lessons.len() <= 32, "a trial has a bit for each");
        // All of it is forgotten in the end.
        let end = fit.until().unwrap();
        fit.refused(parameter(5), end, end);
        assert_eq!(fit.lessons.iter().flatten().count(), 1);
    }
}
