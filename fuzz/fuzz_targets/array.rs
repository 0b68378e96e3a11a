//! Anything in place of an array, or behind the start of one: the observer never panics, does not
//! depend on the chunking, and finds in an array what a parser finds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use tower_outcome::dialect::{
    OpenAi,
    stream::{Framing, Observer},
};
use tower_outcome_fuzz::assert_same_in_pieces;

fuzz_target!(|input: (u8, u8, bool, &[u8])| {
    let (dialect, piece, begun, stream) = input;
    let stream = [if begun { &b"["[..] } else { b"" }, stream].concat();
    assert_same_in_pieces(Framing::Array, dialect, piece, &stream);
    if let Ok(items) = serde_json::from_slice::<Vec<&RawValue>>(&stream) {
        let mut observer = Observer::new(&OpenAi, Framing::Array);
        observer.feed(&stream);
        assert_eq!(observer.summary().events, items.len() as u64);
        assert!(!observer.summary().malformed);
    }
});
