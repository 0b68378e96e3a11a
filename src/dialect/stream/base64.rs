/// Appends what `text` stands for, in the standard alphabet with or without padding. Returns
/// whether it was all of that; what it appended otherwise means nothing.
pub(crate) fn decode(text: &[u8], into: &mut Vec<u8>) -> bool {
    let digits = text
        .strip_suffix(b"==")
        .or_else(|| text.strip_suffix(b"="))
        .unwrap_or(text);
    into.reserve(digits.len() / 4 * 3 + 2);
    let (groups, rest) = digits.as_chunks::<4>();
    // Has the top bit where any is no digit.
    let mut seen = 0;
    for group in groups {
        let [a, b, c, d] = group.map(value);
        seen |= a | b | c | d;
        into.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
    }
    match *rest {
        [] => {}
        [a, b] => {
            let [a, b] = [a, b].map(value);
            seen |= a | b;
            into.push(a << 2 | b >> 4);
        }
        [a, b, c] => {
            let [a, b, c] = [a, b, c].map(value);
            seen |= a | b | c;
            into.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2]);
        }
        _ => return false,
    }
    seen < NONE
}

fn value(digit: u8) -> u8 {
    VALUES.get(usize::from(digit)).copied().unwrap_or(NONE)
}

/// What stands for no digit.
const NONE: u8 = 0x80;

static VALUES: [u8; 256] = values();

#[allow(clippy::indexing_slicing, reason = "computed when compiled")]
const fn values() -> [u8; 256] {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < digits.len() {
        values[digits[value] as usize] = value as u8;
        value += 1;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut bytes = vec![];
        decode(text.as_bytes(), &mut bytes).then_some(bytes)
    }

    #[test]
    fn the_examples_of_rfc_4648_are_decoded() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(decoded(text).unwrap(), plain.as_bytes());
            assert_eq!(
                decoded(text.trim_end_matches('=')).unwrap(),
                plain.as_bytes()
            );
        }
        assert_eq!(decoded("+/+/AP8=").unwrap(), [251, 255, 191, 0, 255]);
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in [
            "A", "AAAAA", "Zg=", "Zm9v!", "-_-_", "Zm 9v", "=", "===", "Z===",
        ] {
            let padded_less = text == "Zg=" || text == "=";
            assert_eq!(decoded(text).is_some(), padded_less, "{text}");
        }
    }
}
