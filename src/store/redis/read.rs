//! What comes back. Anything may stand in a server: what makes no sense is left out.

use std::time::Duration;

use redis::Value;

use super::ask::is_plain;
use crate::store::{Bucket, StoreError};

/// As `share.lua` has them.
const NAME_MOST: usize = 48;
const COUNT_MOST: u64 = (1 << 53) - 1;
const NOTE_MOST: usize = 128;

/// What is answered for one scope.
#[derive(Debug, PartialEq)]
pub(super) struct Shared {
    pub(super) bucket: u64,
    pub(super) added_to: Option<u64>,
    pub(super) cools: Duration,
    pub(super) granted: bool,
    pub(super) leased: Duration,
    /// What was removed as it made no sense.
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
        let (buckets, _) = array(buckets)?.as_chunks::<3>();
        Some(Self {
            bucket: number(bucket)?,
            added_to: number(added_to),
            cools: Duration::from_millis(number(cools)?),
            granted: number(granted)? == 1,
            leased: Duration::from_millis(number(leased)?),
            mended: number(mended)?,
            buckets: buckets.iter().map(bucket_of).collect::<Option<_>>()?,
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

fn bucket_of([bucket, version, counters]: &[Value; 3]) -> Option<Bucket> {
    let mut lines = text(counters)?.split('\n');
    let mut read = Vec::with_capacity(lines.clone().count() / 2);
    while let (Some(name), Some(count)) = (lines.next(), lines.next()) {
        match count.parse() {
            Ok(count) if count <= COUNT_MOST && is_plain(name, NAME_MOST) => {
                read.push((Box::from(name), count));
            }
            _ => {}
        }
    }
    Some(Bucket::new(number(bucket)?, number(version)?, read))
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
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn shared(counters: Value) -> Value {
        let buckets = Value::Array(vec![Value::Int(9), Value::Int(1), counters]);
        let numbers = [9, 9, 0, 1, 2000, 0].map(Value::Int);
        Value::Array(numbers.into_iter().chain([buckets]).collect())
    }

    #[test]
    fn counters_are_read() {
        let read = Shared::read(&shared(bulk("a.ok\n5\nb\n9007199254740991"))).unwrap();
        let counters = vec![("a.ok".into(), 5), ("b".into(), COUNT_MOST)];
        assert_eq!(read.buckets, [Bucket::new(9, 1, counters)]);
        assert_eq!((read.added_to, read.granted), (Some(9), true));
        let none = Shared::read(&shared(bulk(""))).unwrap();
        assert_eq!(none.buckets, [Bucket::new(9, 1, Vec::new())]);
    }

    #[test]
    fn counters_that_make_no_sense_are_left_out() {
        let long = "x".repeat(49);
        let text = format!("a\n-1\nb\n1.5\nc\n9007199254740992\n\n1\n{long}\n1\né\n1\nd\n2\ne");
        let read = Shared::read(&shared(bulk(&text))).unwrap();
        assert_eq!(read.buckets[0].counters, [("d".into(), 2)]);
        Shared::read(&shared(Value::BulkString(vec![255]))).unwrap_err();
        Shared::read(&shared(Value::Nil)).unwrap_err();
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<i64>().prop_map(Value::Int),
            any::<Vec<u8>>().prop_map(Value::BulkString),
            "[a-c\n0-9]{0,12}".prop_map(|text| bulk(&text)),
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
