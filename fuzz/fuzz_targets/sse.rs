//! Any server-sent events, in any pieces: the observer never panics and does not depend on the
//! chunking.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_outcome::dialect::stream::Framing;
use tower_outcome_fuzz::assert_same_in_pieces;

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (dialect, piece, stream) = input;
    assert_same_in_pieces(Framing::Sse, dialect, piece, stream);
});
