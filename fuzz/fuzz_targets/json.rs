//! Any bytes, in any pieces: the scanner never panics, does not depend on the chunking, and on a
//! valid object a replaced model leaves a valid object.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use tower_outcome::dialect::json;

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, text) = input;
    let whole = [Bytes::copy_from_slice(text)];
    let pieces: Vec<_> = text
        .chunks(usize::from(piece).max(1))
        .map(Bytes::copy_from_slice)
        .collect();
    let sites = |body: &[Bytes]| {
        json::members(body)
            .map(|member| member.map(|(key, value)| (key.into_owned(), value.range())))
            .collect::<Result<Vec<_>, _>>()
    };
    let found = sites(&whole);
    assert_eq!(found, sites(&pieces));
    let ranges: Vec<_> = found
        .iter()
        .flatten()
        .filter(|(key, _)| key == "model")
        .collect();
    let ranges: Vec<_> = ranges.into_iter().map(|(_, range)| range.clone()).collect();
    let spliced = json::splice(&pieces, &ranges, &json::escape("other \"model\"\n"));
    let bytes: Vec<u8> = spliced.chunks.iter().flatten().copied().collect();
    assert_eq!(spliced.len, bytes.len() as u64);
    let valid = serde_json::from_slice::<&RawValue>(text).is_ok();
    if valid && found.is_ok() {
        assert!(serde_json::from_slice::<&RawValue>(&bytes).is_ok());
    }
});
