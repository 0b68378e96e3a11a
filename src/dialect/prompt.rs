//! How many tokens a request may have, by its bytes alone.

use bytes::Bytes;

/// About how many tokens a request has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prompt {
    /// The estimate: a token for every four bytes of text, and a thousand for each image or
    /// recording that is written into the body.
    ///
    /// English comes within about a fifth of it, source code and tool schemas have up to a third
    /// more, Chinese and Japanese (three bytes and about one token a character) up to half more.
    pub(crate) tokens: u64,
    /// As few as it may have: a token for every six bytes of text, and none for what is no text.
    /// Only runs of spaces, or of one word, come to fewer.
    pub(crate) least: u64,
}

impl Prompt {
    /// Estimates the tokens of a body of `len` bytes.
    ///
    /// Data in base64 would count as a hundred times what it costs, so it is told from text in
    /// bodies that are long enough to hold any: every [`STRIDE`] bytes, a [`WINDOW`] is looked at.
    /// Of text and of JSON it has a space, a quote or a comma, of base64 it has none. An image that
    /// fits between two looks counts as text, less than it costs in tokens; one image too few is
    /// counted where two stand so close that no look falls between them.
    pub(crate) fn of(body: &[Bytes], len: usize) -> Self {
        let (mut data, mut blobs) = (0_usize, 0_u64);
        if len >= LONG {
            let mut within = false;
            let mut chunks = body.iter();
            let mut chunk: &[u8] = chunks.next().map_or(&[], |chunk| chunk);
            'body: loop {
                // What is short of a window at the end of a chunk is as what came before it.
                if let Some(window) = chunk.get(..WINDOW) {
                    let is_data = is_data(window);
                    blobs += u64::from(is_data && !within);
                    within = is_data;
                }
                data += if within { STRIDE } else { 0 };
                let mut step = STRIDE;
                while step >= chunk.len() {
                    step -= chunk.len();
                    let Some(next) = chunks.next() else {
                        break 'body;
                    };
                    chunk = next;
                }
                chunk = chunk.get(step..).unwrap_or_default();
            }
        }
        let text = len.saturating_sub(data) as u64;
        Self {
            tokens: (text / BYTES).saturating_add(blobs.saturating_mul(BLOB)),
            least: text / MOST_BYTES,
        }
    }
}

/// Bytes a token, usually and at most.
const BYTES: u64 = 4;
const MOST_BYTES: u64 = 6;
/// What an image costs at most providers: from 85 for a small one to 1,600 for the largest.
const BLOB: u64 = 1_000;
/// Shorter bodies hold no image worth telling apart, bytes.
const LONG: usize = 8 * 1024;
/// How far apart the looks are, and how long, bytes. An image has several kilobytes; no word and no
/// path has 96 letters.
const STRIDE: usize = 1024;
const WINDOW: usize = 96;

/// Whether a window shows data: letters of both cases and digits without anything between them, or
/// zeros, as in the silence of a recording. A run of one letter is text.
fn is_data(window: &[u8]) -> bool {
    let any = |is: fn(&u8) -> bool| window.iter().any(is);
    window.iter().all(|byte| is_base64(*byte))
        && (any(u8::is_ascii_uppercase) && any(u8::is_ascii_lowercase) && any(u8::is_ascii_digit)
            || window.iter().all(|byte| *byte == b'A'))
}

/// Both alphabets. Some encoders break lines, which JSON writes as `\n`, and escape slashes.
fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(body: &str) -> Prompt {
        let whole = Prompt::of(&[Bytes::copy_from_slice(body.as_bytes())], body.len());
        for len in [1, 7, 100, 1024, 4096, 20_000] {
            let chunks: Vec<_> = body
                .as_bytes()
                .chunks(len)
                .map(Bytes::copy_from_slice)
                .collect();
            let other = Prompt::of(&chunks, body.len());
            let near = other.tokens.abs_diff(whole.tokens) <= 300 + whole.tokens / 10;
            // Chunks about as short as a window show little.
            assert!(len < STRIDE || near, "{len}: {other:?} {whole:?}");
        }
        whole
    }

    fn base64(len: usize) -> String {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut state = 7_u32;
        let mut letter = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            alphabet.as_bytes()[(state >> 26) as usize] as char
        };
        (0..len).map(|_| letter()).collect()
    }

    #[test]
    fn a_run_of_letters_is_text() {
        for text in [
            "x".repeat(40_000),
            "lorem".repeat(8_000),
            "0".repeat(40_000),
        ] {
            assert_eq!(estimate(&text).tokens, 10_000);
        }
        assert_eq!(estimate(&"A".repeat(40_960)).tokens, BLOB);
    }

    #[test]
    fn text_is_a_token_for_every_four_bytes() {
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(1000);
        assert_eq!(
            estimate(&text),
            Prompt {
                tokens: 11_250,
                least: 7_500
            }
        );
        assert_eq!(estimate(""), Prompt::default());
        let chinese = "敏捷的棕色狐狸跳过懒狗。".repeat(1000);
        assert_eq!(estimate(&chinese).tokens, 9_000);
        let path = "/usr/share/dictionaries/english-words_and-more.txt\",\"".repeat(400);
        assert_eq!(estimate(&path).tokens, path.len() as u64 / 4);
    }

    #[test]
    fn an_image_counts_as_an_image_and_not_as_text() {
        let text = "Some words before it, and some after. ".repeat(400);
        for url in [
            format!(r#"{{"url":"data:image/png;base64,{}"}}"#, base64(400_000)),
            format!(r#"{{"inline_data":{{"data":"{}"}}}}"#, base64(400_000)),
        ] {
            let body = format!("[{text}{url}{text}]");
            let tokens = estimate(&body).tokens;
            let expected = 2 * text.len() as u64 / 4 + 1_000;
            assert!(tokens.abs_diff(expected) < 600, "{tokens} {expected}");
            assert!(estimate(&body).least <= 2 * text.len() as u64 / 6 + 400);
        }
        let two = format!(r#"["{}",{text}"{}"]"#, base64(50_000), base64(50_000));
        let expected = text.len() as u64 / 4 + 2_000;
        assert!(estimate(&two).tokens.abs_diff(expected) < 600);
    }

    #[test]
    fn the_estimate_costs_no_more_than_a_look_per_kilobyte() {
        let spaces = " ".repeat(1 << 20);
        assert_eq!(estimate(&spaces).tokens, 1 << 18);
    }
}
