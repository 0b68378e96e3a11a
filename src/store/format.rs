use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::fault::Fault;

/// What a file starts with.
const MAGIC: &str = "tower-outcome-state";
/// The form of the file; its sections have versions of their own.
const VERSION: u32 = 1;
/// The first line is not longer.
const LONGEST_LINE: usize = 96;

/// What is kept, by name.
pub(super) type Sections = BTreeMap<String, Box<RawValue>>;

/// Writes a file's bytes: a line such as `tower-outcome-state 1 1234 89abcdef`, with the length and
/// the checksum of what follows, which is JSON.
pub(super) fn encode(sections: &Sections) -> Result<Vec<u8>, Fault> {
    let body = serde_json::to_vec(sections).map_err(Fault::Json)?;
    let checksum = crc32fast::hash(&body);
    let mut bytes = format!("{MAGIC} {VERSION} {} {checksum:08x}\n", body.len()).into_bytes();
    bytes.extend(body);
    Ok(bytes)
}

/// Reads a file's bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<Sections, Fault> {
    let head = bytes.get(..LONGEST_LINE.min(bytes.len()));
    let end = head.and_then(|head| head.iter().position(|byte| *byte == b'\n'));
    let (line, body) = end
        .and_then(|end| bytes.split_at_checked(end))
        .ok_or(Fault::Foreign)?;
    let body = body.get(1..).unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| Fault::Foreign)?;
    let mut words = line.split(' ');
    if words.next() != Some(MAGIC) {
        return Err(Fault::Foreign);
    }
    // A later version may say other things behind its number.
    let version = words.next().and_then(|word| word.parse().ok());
    match version {
        Some(VERSION) => {}
        Some(version) => return Err(Fault::Version(version)),
        None => return Err(Fault::Foreign),
    }
    let told = words.next().and_then(|word| word.parse().ok());
    let checksum = words
        .next()
        .and_then(|word| u32::from_str_radix(word, 16).ok());
    let (Some(told), Some(checksum), None) = (told, checksum, words.next()) else {
        return Err(Fault::Foreign);
    };
    let found = body.len() as u64;
    if told != found {
        return Err(Fault::Length { told, found });
    }
    if crc32fast::hash(body) != checksum {
        return Err(Fault::Checksum);
    }
    serde_json::from_slice(body).map_err(Fault::Json)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sections() -> Sections {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        [("learned", r#"{"a":[0.1,1e9,"x"]}"#), ("spending", "null")]
            .map(|(name, text)| (name.to_owned(), raw(text)))
            .into()
    }

    fn text(sections: &Sections) -> String {
        serde_json::to_string(sections).unwrap()
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let bytes = encode(&sections()).unwrap();
        assert!(bytes.starts_with(b"tower-outcome-state 1 47 "), "{bytes:?}");
        assert_eq!(text(&decode(&bytes).unwrap()), text(&sections()));
    }

    #[test]
    fn f47_every_cut_is_noticed() {
        let bytes = encode(&sections()).unwrap();
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end}");
        }
        let longer = [&bytes[..], b" "].concat();
        assert!(matches!(decode(&longer), Err(Fault::Length { .. })));
    }

    #[test]
    fn f47_every_flipped_bit_is_noticed_or_changes_nothing() {
        let bytes = encode(&sections()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Such as a digit of the checksum that became a capital.
            if let Ok(read) = decode(&flipped) {
                assert_eq!(text(&read), text(&sections()), "bit {bit}");
            }
        }
    }

    #[test]
    fn another_version_is_named() {
        let bytes = b"tower-outcome-state 7 what then came\n{}";
        assert!(matches!(decode(bytes), Err(Fault::Version(7))));
    }

    proptest! {
        #[test]
        fn f47_any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
            let _ = decode(&[b"tower-outcome-state 1 ", &bytes[..]].concat());
        }
    }
}
