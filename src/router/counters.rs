use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// What happens to requests beside attempts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    passed: [AtomicU64; Passed::ALL.len()],
    policy_panics: AtomicU64,
    classifier_panics: AtomicU64,
    task_panics: AtomicU64,
    check_panics: AtomicU64,
    observer_panics: AtomicU64,
    waiting: AtomicU64,
    repeats: AtomicU64,
    paid_twice: AtomicU64,
    cascades: AtomicU64,
    shadows: AtomicU64,
    refused: AtomicU64,
    reports: AtomicU64,
    forms: AtomicU64,
    usage_refused: AtomicU64,
}

/// Why a request passed through the layer unrouted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Passed {
    /// It is no POST to an inference endpoint.
    NotInference,
    /// Its body is of a type that the dialect cannot look into.
    ContentType,
    /// Its body is compressed.
    Encoded,
    /// Its body is covered by a digest or signature.
    Signed,
    /// Its body is larger than the limit.
    TooLarge,
    /// Its body failed while it was collected.
    UploadFailed,
    /// Its body is no JSON object.
    NotJson,
    /// Its body is no form, as its type says it is.
    NotForm,
    /// Its body is nested too deeply.
    TooDeep,
    /// It names no model.
    NoModel,
    /// It names a model that no pool serves.
    UnknownModel,
    /// Its pool is switched off.
    Off,
}

impl Passed {
    /// Every reason, in declaration order.
    pub const ALL: [Self; 12] = [
        Self::NotInference,
        Self::ContentType,
        Self::Encoded,
        Self::Signed,
        Self::TooLarge,
        Self::UploadFailed,
        Self::NotJson,
        Self::NotForm,
        Self::TooDeep,
        Self::NoModel,
        Self::UnknownModel,
        Self::Off,
    ];

    /// Returns the stable snake-case name, as used in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotInference => "not_inference",
            Self::ContentType => "content_type",
            Self::Encoded => "encoded",
            Self::Signed => "signed",
            Self::TooLarge => "too_large",
            Self::UploadFailed => "upload_failed",
            Self::NotJson => "not_json",
            Self::NotForm => "not_form",
            Self::TooDeep => "too_deep",
            Self::NoModel => "no_model",
            Self::UnknownModel => "unknown_model",
            Self::Off => "off",
        }
    }
}

/// Counts beside attempts, since the router was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Requests that passed through unrouted, by reason; reasons that did not occur are left out.
    pub passed_through: Vec<(Passed, u64)>,
    /// Panics of a policy, which were caught.
    pub policy_panics: u64,
    /// Panics of a classifier, which were caught.
    pub classifier_panics: u64,
    /// Panics of a task classifier, which were caught.
    pub task_panics: u64,
    /// Panics of a check, which were caught.
    pub check_panics: u64,
    /// Panics of an observer, which were caught.
    pub observer_panics: u64,
    /// Requests that wait for a target now.
    pub waiting: u64,
    /// Attempts beyond the first of their call.
    pub repeats: u64,
    /// Repeats after an attempt that the provider may have worked on, and charged for.
    pub paid_twice: u64,
    /// Good answers that failed their checks and were asked for again, of another target.
    pub cascades: u64,
    /// Copies of calls that were sent to another target, their answers dropped.
    pub shadows: u64,
    /// Answers of our own: nobody was free.
    pub refused: u64,
    /// Scores taken in.
    pub reports: u64,
    /// Grades of form taken in.
    pub forms: u64,
    /// Times that a target refused to be asked what its streams use, and was not for an hour.
    pub usage_refused: u64,
}

impl Counters {
    pub(crate) fn passed(&self, why: Passed) {
        if let Some(counter) = self.passed.get(why as usize) {
            add(counter);
        }
    }

    pub(crate) fn policy_panicked(&self) {
        add(&self.policy_panics);
    }

    pub(crate) fn classifier_panicked(&self) {
        add(&self.classifier_panics);
    }

    pub(crate) fn task_panicked(&self) {
        add(&self.task_panics);
    }

    pub(crate) fn check_panicked(&self) {
        add(&self.check_panics);
    }

    pub(super) fn observer_panicked(&self) {
        add(&self.observer_panics);
    }

    /// Counts a request that begins to wait.
    pub(crate) fn wait(&self) {
        add(&self.waiting);
    }

    /// Counts a request that waits no longer.
    pub(crate) fn end_wait(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn repeated(&self, maybe_paid: bool) {
        add(&self.repeats);
        if maybe_paid {
            add(&self.paid_twice);
        }
    }

    pub(crate) fn cascaded(&self) {
        add(&self.cascades);
    }

    pub(crate) fn shadowed(&self) {
        add(&self.shadows);
    }

    pub(crate) fn refused(&self) {
        add(&self.refused);
    }

    pub(crate) fn reported(&self) {
        add(&self.reports);
    }

    pub(crate) fn formed(&self) {
        add(&self.forms);
    }

    pub(crate) fn usage_refused(&self) {
        add(&self.usage_refused);
    }

    pub(super) fn snapshot(&self) -> Counts {
        let passed_through = Passed::ALL
            .iter()
            .zip(&self.passed)
            .map(|(why, counter)| (*why, counter.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            passed_through,
            policy_panics: load(&self.policy_panics),
            classifier_panics: load(&self.classifier_panics),
            task_panics: load(&self.task_panics),
            check_panics: load(&self.check_panics),
            observer_panics: load(&self.observer_panics),
            waiting: load(&self.waiting),
            repeats: load(&self.repeats),
            paid_twice: load(&self.paid_twice),
            cascades: load(&self.cascades),
            shadows: load(&self.shadows),
            refused: load(&self.refused),
            reports: load(&self.reports),
            forms: load(&self.forms),
            usage_refused: load(&self.usage_refused),
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
