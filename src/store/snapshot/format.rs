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
    let mut bytes = first_line(&body).into_bytes();
    bytes.push(b'\n');
    bytes.extend(body);
    Ok(bytes)
}

/// Writes what stands before a body, but for the line's end.
fn first_line(body: &[u8]) -> String {
    let (length, checksum) = (body.len(), crc32fast::hash(body));
    format!("{MAGIC} {VERSION} {length} {checksum:08x}")
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
    // Numbers can be written in several ways, and we write them in one: another one, such as a
    // capital in the checksum, means that the file is no longer what was written.
    if line != first_line(body) {
        return Err(Fault::Foreign);
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
    fn f47_every_flipped_bit_is_noticed() {
        let bytes = encode(&sections()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn f47_a_first_line_that_we_would_write_otherwise_is_refused() {
        let bytes = encode(&sections()).unwrap();
        let whole = String::from_utf8(bytes).unwrap();
        let (line, body) = whole.split_once('\n').unwrap();
        let checksum = line.rsplit(' ').next().unwrap();
        assert!(checksum.contains(|digit: char| digit.is_ascii_lowercase()));
        for other in [
            line.replace(checksum, &checksum.to_uppercase()),
            line.replace(checksum, &format!("0{checksum}")),
            line.replace(checksum, &format!("+{checksum}")),
            line.replace(" 47 ", " +47 "),
            line.replace(" 47 ", " 047 "),
            line.replace(" 1 ", " +1 "),
        ] {
            let read = decode(format!("{other}\n{body}").as_bytes());
            assert!(matches!(read, Err(Fault::Foreign)), "{other}");
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
