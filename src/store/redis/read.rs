//! What comes back. Anything may stand in a server: what makes no sense is left out.

use std::time::Duration;

use redis::Value;

use super::ask::is_plain;
use crate::store::{Bucket, StoreError};

/// As `share.lua` has them.
const NAME_MOST: usize = 48;
const COUNT_MOST: u64 = (1 << 53) - 1;
const NOTE_MOST: usize = 128;
/// The field of a bucket that is no counter.
const STAMP: &[u8] = b"";

/// What is answered for one scope.
#[derive(Debug, PartialEq)]
pub(super) struct Shared {
    pub(super) bucket: u64,
    pub(super) added_to: Option<u64>,
    pub(super) cools: Duration,
    pub(super) granted: bool,
    pub(super) leased: Duration,
    /// What was removed or left out as it made no sense.
    pub(super) mended: u64,
    pub(super) buckets: Vec<Bucket>,
}

/// What is answered beside the scopes.
#[derive(Debug, PartialEq)]
pub(super) struct Round {
    pub(super) bucket: u64,
    pub(super) instances: u32,
    pub(super) mended: u64,
    pub(super) notes: Vec<Box<str>>,
}

impl Shared {
    pub(super) fn read(value: &Value) -> Result<Self, StoreError> {
        Self::of(value).ok_or(StoreError::nonsense("what a script returned for a scope"))
    }

    fn of(value: &Value) -> Option<Self> {
        let [bucket, added_to, cools, granted, leased, mended, buckets] = array(value)? else {
            return None;
        };
        let mut left_out = 0;
        let (found, _) = array(buckets)?.as_chunks::<4>();
        let mut buckets = Vec::with_capacity(found.len());
        for found in found {
            if let Some((bucket, of_it)) = bucket_of(found) {
                buckets.push(bucket);
                left_out += of_it;
            } else {
                left_out += 1;
            }
        }
        Some(Self {
            bucket: number(bucket)?,
            added_to: number(added_to),
            cools: Duration::from_millis(number(cools)?),
            granted: number(granted)? == 1,
            leased: Duration::from_millis(number(leased)?),
            mended: number(mended)?.saturating_add(left_out),
            buckets,
        })
    }
}

impl Round {
    pub(super) fn read(value: &Value) -> Result<Self, StoreError> {
        Self::of(value).ok_or(StoreError::nonsense("what a script returned"))
    }

    fn of(value: &Value) -> Option<Self> {
        let [bucket, instances, mended, notes] = array(value)? else {
            return None;
        };
        let notes = array(notes)?.iter().filter_map(text);
        Some(Self {
            bucket: number(bucket)?,
            instances: u32::try_from(number(instances)?).unwrap_or(u32::MAX),
            mended: number(mended)?,
            notes: notes
                .filter(|it| is_plain(it, NOTE_MOST))
                .map(Box::from)
                .collect(),
        })
    }
}

/// Reads the fields of a bucket: names and counts in turn, one a line. Returns also how many make no
/// sense. `None` if a line break in one of them leaves in doubt what is a name.
fn bucket_of([number_of, version, fields, lines]: &[Value; 4]) -> Option<(Bucket, u64)> {
    let lines = bulk(lines)?;
    let fields = usize::try_from(number(fields)?).ok()?;
    let mut left_out = 0;
    let mut counters = Vec::new();
    if fields > 0 {
        if memchr::memchr_iter(b'\n', lines).count() != fields.saturating_mul(2) - 1 {
            return None;
        }
        // Not more than there are lines.
        counters.reserve_exact(fields);
        let mut lines = lines.split(|byte| *byte == b'\n');
        while let (Some(name), Some(count)) = (lines.next(), lines.next()) {
            match counter(name, count) {
                Some(counter) => counters.push(counter),
                None => left_out += u64::from(name != STAMP),
            }
        }
    }
    let bucket = Bucket::new(number(number_of)?, number(version)?, counters);
    Some((bucket, left_out))
}

fn counter(name: &[u8], count: &[u8]) -> Option<(Box<str>, u64)> {
    let name = std::str::from_utf8(name).ok()?;
    let count: u64 = std::str::from_utf8(count).ok()?.parse().ok()?;
    let good = is_plain(name, NAME_MOST) && count <= COUNT_MOST;
    good.then(|| (name.into(), count))
}

fn array(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn text(value: &Value) -> Option<&str> {
    std::str::from_utf8(bulk(value)?).ok()
}

fn bulk(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of_text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn shared(fields: i64, counters: Value) -> Value {
        let bucket = [9, 1, fields].map(Value::Int).into_iter();
        let buckets = Value::Array(bucket.chain([counters]).collect());
        let numbers = [9, 9, 0, 1, 2000, 0].map(Value::Int);
        Value::Array(numbers.into_iter().chain([buckets]).collect())
    }

    #[test]
    fn counters_are_read() {
        let text = "a.ok\n5\n\n123 3\nb\n9007199254740991";
        let read = Shared::read(&shared(3, of_text(text))).unwrap();
        let counters = vec![("a.ok".into(), 5), ("b".into(), COUNT_MOST)];
        assert_eq!(read.buckets, [Bucket::new(9, 1, counters)]);
        assert_eq!(
            (read.added_to, read.granted, read.mended),
            (Some(9), true, 0)
        );
        let none = Shared::read(&shared(0, of_text(""))).unwrap();
        assert_eq!(none.buckets, [Bucket::new(9, 1, Vec::new())]);
    }

    #[test]
    fn counters_that_make_no_sense_are_left_out() {
        let long = "x".repeat(49);
        let text = format!("a\n-1\nb\n1.5\nc\n9007199254740992\n{long}\n1\né\n1\nd\n2\ne\n");
        let read = Shared::read(&shared(7, of_text(&text))).unwrap();
        assert_eq!(read.buckets[0].counters, [("d".into(), 2)]);
        assert_eq!(read.mended, 6);
    }

    #[test]
    fn a_bucket_that_may_be_read_in_two_ways_is_left_out() {
        for (fields, text) in [
            (1, "a\nb\n1"),
            (2, "a\n1"),
            (0x7fff_ffff_ffff_ffff, ""),
            (-1, ""),
        ] {
            let read = Shared::read(&shared(fields, of_text(text))).unwrap();
            assert_eq!((read.buckets.len(), read.mended), (0, 1), "{text:?}");
        }
        let read = Shared::read(&shared(1, Value::Nil)).unwrap();
        assert!(read.buckets.is_empty());
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<i64>().prop_map(Value::Int),
            any::<Vec<u8>>().prop_map(Value::BulkString),
            "[a-c\n0-9]{0,12}".prop_map(|text| of_text(&text)),
        ];
        leaf.prop_recursive(3, 64, 8, |inner| {
            prop::collection::vec(inner, 0..8).prop_map(Value::Array)
        })
    }

    proptest! {
        #[test]
        fn no_answer_panics(value in values()) {
            let _ = Shared::read(&value);
            let _ = Round::read(&value);
        }
    }
}
