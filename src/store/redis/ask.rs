//! What is sent: of a batch, one call for each scope and one beside them.

use std::{collections::HashMap, fmt::Write as _, time::Duration};

use redis::Cmd;

use super::{connection::Loaded, keys::Keys, scripts::call};
use crate::store::{Batch, Note, Scope, Seen};

/// What a counter may be called.
const NAME_MOST: usize = 48;
/// By how much a counter may grow in a batch, and how many of a scope may.
const STEP_MOST: u64 = 1_000_000_000;
const ADDED_MOST: usize = 4_096;
const COOLDOWN_MOST: Duration = Duration::from_secs(3_600);
const NOTE_MOST: usize = 128;
const NOTES_MOST: usize = 1_024;
/// Counters that an exchange is answered with, divided between its scopes: a newcomer gets the rest with
/// the next ones.
const ANSWERED_MOST: usize = 500_000;
const ANSWERED_OF_SCOPE: (usize, usize) = (4_096, 65_536);

/// What is asked of one scope.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Whether its counters are wanted.
    pub(super) counters: bool,
    /// Names and steps in turn, one a line.
    added: String,
    steps: usize,
    seen: Option<Seen>,
    cooldown: Duration,
    pub(super) probe: bool,
}

/// Gathers what a batch asks of each scope, in the order in which it names them.
pub(super) fn gather(batch: &Batch) -> Vec<(Scope, Asked)> {
    let mut gathered = Gathered::default();
    for share in &batch.shares {
        let asked = gathered.of(share.scope);
        asked.counters = true;
        asked.seen = asked.seen.or(share.seen);
        for (name, step) in &share.added {
            asked.add(name, *step);
        }
    }
    for cooldown in &batch.cooldowns {
        let asked = gathered.of(cooldown.group);
        asked.cooldown = asked.cooldown.max(cooldown.lasts.min(COOLDOWN_MOST));
    }
    for group in &batch.probes {
        gathered.of(*group).probe = true;
    }
    gathered.asked
}

#[derive(Default)]
struct Gathered {
    asked: Vec<(Scope, Asked)>,
    places: HashMap<Scope, usize>,
}

impl Gathered {
    #[allow(
        clippy::indexing_slicing,
        reason = "a place is the index of what was pushed"
    )]
    fn of(&mut self, scope: Scope) -> &mut Asked {
        let place = *self.places.entry(scope).or_insert(self.asked.len());
        if place == self.asked.len() {
            self.asked.push((scope, Asked::default()));
        }
        &mut self.asked[place].1
    }
}

impl Asked {
    fn add(&mut self, name: &str, step: u64) {
        if step == 0 || self.steps == ADDED_MOST || !is_plain(name, NAME_MOST) {
            return;
        }
        self.steps += 1;
        let line = if self.added.is_empty() { "" } else { "\n" };
        let step = step.min(STEP_MOST);
        // Writing to a string does not fail.
        let _ = write!(self.added, "{line}{name}\n{step}");
    }
}

/// Returns whether it is printable ASCII of some length.
pub(super) fn is_plain(text: &str, most: usize) -> bool {
    !text.is_empty() && text.len() <= most && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

/// How many counters each of so many scopes may answer.
pub(super) fn budget(scopes: usize) -> usize {
    let (least, most) = ANSWERED_OF_SCOPE;
    (ANSWERED_MOST / scopes.max(1)).clamp(least, most)
}

/// Asks for one scope.
pub(super) fn share(
    batch: &Batch,
    scope: Scope,
    asked: &Asked,
    budget: usize,
    keys: &Keys,
    scripts: &Loaded,
) -> Cmd {
    let mut call = call(&scripts.share, &keys.scope(scope));
    call.arg(hex(batch.instance));
    // As long as any other, so that texts are in the order of numbers, which Lua could not hold.
    call.arg(format!("{:020}", batch.sequence));
    match asked.seen {
        Some(seen) => call.arg(seen.bucket).arg(seen.version),
        None => call.arg("").arg(""),
    };
    // A part of a millisecond is a whole one: nobody may come back too early.
    call.arg(asked.cooldown.as_nanos().div_ceil(1_000_000) as u64);
    call.arg(if asked.probe { "1" } else { "" });
    call.arg(if asked.counters { budget } else { 0 });
    call.arg(&asked.added);
    call
}

/// Asks for what is no scope's.
pub(super) fn round(batch: &Batch, keys: &Keys, scripts: &Loaded) -> Cmd {
    let mut call = call(&scripts.round, &keys.round());
    call.arg(hex(batch.instance));
    // The low half names whom a note is for.
    call.arg(half(batch.instance as u32));
    let notes = batch
        .notes
        .iter()
        .filter(|it| is_plain(&it.text, NOTE_MOST));
    let notes: Vec<_> = notes.take(NOTES_MOST).collect();
    if notes.is_empty() {
        call.arg("");
        return call;
    }
    call.arg(format!("{} {:08x}", batch.sequence, digest(&notes)));
    for note in notes {
        call.arg(half(note.to)).arg(&*note.text);
    }
    call
}

/// Tells the notes of a batch from those of another with the same number: one that only brings notes need
/// not have a number of its own.
fn digest(notes: &[&Note]) -> u32 {
    let mut digest = crc32fast::Hasher::new();
    for note in notes {
        digest.update(&note.to.to_be_bytes());
        digest.update(note.text.as_bytes());
        digest.update(b"\n");
    }
    digest.finalize()
}

pub(super) fn hex(instance: u64) -> String {
    format!("{instance:016x}")
}

fn half(instance: u32) -> String {
    format!("{instance:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Cooldown, Share};

    const SCOPE: Scope = Scope::new(1);

    fn batch(shares: Vec<Share>) -> Batch {
        let mut batch = Batch::new(7, 3);
        batch.shares = shares;
        batch
    }

    fn share_of(added: &[(&str, u64)]) -> Share {
        let added = added.iter().map(|(name, step)| (Box::from(*name), *step));
        Share::new(SCOPE, added.collect(), None)
    }

    #[test]
    fn what_is_asked_of_one_scope_is_asked_at_once() {
        let mut batch = batch(vec![share_of(&[("a", 1)]), share_of(&[("b", 2)])]);
        for millis in [5, 9, 7] {
            let lasts = Duration::from_millis(millis);
            batch.cooldowns.push(Cooldown::new(SCOPE, lasts));
        }
        batch.probes = vec![SCOPE, Scope::new(2)];
        let gathered = gather(&batch);
        let [(first, asked), (second, other)] = &gathered[..] else {
            panic!("{gathered:?}")
        };
        assert_eq!((*first, *second), (SCOPE, Scope::new(2)));
        assert_eq!(asked.added, "a\n1\nb\n2");
        assert_eq!(asked.cooldown, Duration::from_millis(9));
        assert!(asked.counters && asked.probe && !other.counters && other.probe);
    }

    #[test]
    fn what_no_counter_could_be_is_left_out() {
        let long = "x".repeat(49);
        let added = [
            ("", 1),
            ("a\nb", 1),
            ("é", 1),
            (&*long, 1),
            ("zero", 0),
            ("most", u64::MAX),
        ];
        let gathered = gather(&batch(vec![share_of(&added)]));
        assert_eq!(gathered[0].1.added, "most\n1000000000");
    }

    #[test]
    fn a_share_is_bounded() {
        let names: Vec<_> = (0..5000).map(|i| format!("n{i}")).collect();
        let added: Vec<_> = names.iter().map(|name| (&**name, 1)).collect();
        let gathered = gather(&batch(vec![share_of(&added)]));
        assert_eq!(gathered[0].1.added.lines().count(), 2 * ADDED_MOST);
        let mut endless = batch(Vec::new());
        endless.cooldowns = vec![Cooldown::new(SCOPE, Duration::MAX)];
        assert_eq!(gather(&endless)[0].1.cooldown, COOLDOWN_MOST);
    }

    #[test]
    fn notes_of_one_number_are_told_apart_by_what_they_say() {
        let notes = [Note::new(1, "a"), Note::new(1, "b"), Note::new(2, "a")];
        let digests = notes.each_ref().map(|note| digest(&[note]));
        assert!(digests[0] != digests[1] && digests[0] != digests[2]);
        assert_eq!(digests[0], digest(&[&Note::new(1, "a")]));
    }

    #[test]
    fn the_answer_is_divided_between_scopes() {
        assert_eq!((budget(0), budget(1)), (65_536, 65_536));
        assert_eq!(budget(50), 10_000);
        assert_eq!(budget(100_000), 4_096);
    }
}
