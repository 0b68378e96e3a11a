//! Stepping over an object or array, 64 bytes at a time.
//!
//! Each block is reduced to bit masks, one bit a byte: quotes, backslashes, brackets. What is left
//! of them outside of strings is looked at one by one. The comparisons are written so that the
//! compiler turns them into vector instructions on any target.

use std::mem;

use super::{ending_quote, ends_in_escape};

/// Where one stands inside of an object or array, between two pieces of it.
#[derive(Debug)]
pub(super) struct Walk {
    /// How many brackets are open.
    depth: u32,
    /// How many may be.
    limit: u32,
    /// One bit for every open bracket, the innermost lowest: 1 for a brace.
    braces: u128,
    /// All ones inside of a string, otherwise 0.
    in_string: u64,
    /// 1 where the next byte is escaped, otherwise 0.
    escaped: u64,
}

/// How far a piece of a value got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The value goes on behind the piece.
    On,
    /// The value ends with the byte at this offset.
    End(usize),
    /// The byte at this offset cannot stand there.
    Wrong(usize),
    /// The bracket at this offset is one too many.
    TooDeep(usize),
}

impl Walk {
    /// Starts before an opening bracket, of which at most `limit` (up to 128) may be open at once.
    pub(super) const fn new(limit: u32) -> Self {
        Self {
            depth: 0,
            limit,
            braces: 0,
            in_string: 0,
            escaped: 0,
        }
    }

    /// Takes in the next piece of the value, and whatever follows it.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Step {
        let mut rest = piece;
        let mut within = false;
        while !rest.is_empty() {
            let at = piece.len() - rest.len();
            if mem::take(&mut within) {
                rest = self.skip_text(rest);
                continue;
            }
            let padded;
            let (block, len) = if let Some((block, more)) = rest.split_first_chunk() {
                rest = more;
                (block, block.len())
            } else {
                padded = pad(rest);
                (&padded, mem::take(&mut rest).len())
            };
            if !self.concerns(block) {
                self.escaped = 0;
                within = self.in_string != 0;
                continue;
            }
            match self.block(block, len, at) {
                Step::On => within = self.in_string == u64::MAX,
                step => return step,
            }
        }
        Step::On
    }

    /// Steps from within a string to the quote that ends it: there may be much more text.
    fn skip_text<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let escaped = mem::take(&mut self.escaped) as usize;
        let text = rest.get(escaped..).unwrap_or_default();
        let end = ending_quote(text).unwrap_or(text.len());
        let (inner, rest) = text.split_at_checked(end).unwrap_or_default();
        self.escaped = u64::from(rest.is_empty() && ends_in_escape(inner));
        rest
    }

    /// Returns whether anything in the block could change where one stands.
    fn concerns(&self, block: &[u8; 64]) -> bool {
        if self.in_string == 0 {
            any(block, |byte| is_text(byte) | is_bracket(byte))
        } else {
            any(block, is_text)
        }
    }

    /// Takes in a block that starts at this offset, and of which `len` bytes count.
    fn block(&mut self, block: &[u8; 64], len: usize, start: usize) -> Step {
        let backslashes = mask(block, |byte| byte == b'\\');
        let quotes = mask(block, |byte| byte == b'"') & !self.escape(backslashes, len);
        let in_string = prefix_xor(quotes) ^ self.in_string;
        // The padding of a short block continues its last byte's state, so the last bit will do.
        self.in_string = 0_u64.wrapping_sub(in_string >> 63);
        if in_string == u64::MAX {
            return Step::On;
        }
        // A backslash outside of a string would have hidden a quote from us: nothing from there on
        // can be trusted.
        let stray = backslashes & !in_string;
        let trusted = (stray & stray.wrapping_neg()).wrapping_sub(1);
        let mut brackets = mask(block, is_bracket) & !in_string & trusted;
        while brackets != 0 {
            let at = brackets.trailing_zeros() as usize;
            brackets &= brackets - 1;
            let byte = block.get(at).copied().unwrap_or_default();
            match self.bracket(byte, start + at) {
                Step::On => {}
                step => return step,
            }
        }
        if stray != 0 {
            return Step::Wrong(start + stray.trailing_zeros() as usize);
        }
        Step::On
    }

    /// Returns which bytes are escaped, given which are backslashes.
    fn escape(&mut self, backslashes: u64, len: usize) -> u64 {
        let mut escaped = mem::take(&mut self.escaped);
        let mut left = backslashes & !escaped;
        while left != 0 {
            let at = left.trailing_zeros();
            let next = 2_u64 << at;
            escaped |= next;
            left &= (left - 1) & !next;
            self.escaped = u64::from(at as usize + 1 == len);
        }
        escaped
    }

    fn bracket(&mut self, byte: u8, at: usize) -> Step {
        let brace = u128::from(byte & BRACE != 0);
        if byte & OPEN != 0 {
            if self.depth == self.limit {
                return Step::TooDeep(at);
            }
            self.depth += 1;
            self.braces = self.braces << 1 | brace;
            return Step::On;
        }
        if self.depth == 0 || self.braces & 1 != brace {
            return Step::Wrong(at);
        }
        self.depth -= 1;
        self.braces >>= 1;
        if self.depth == 0 {
            Step::End(at)
        } else {
            Step::On
        }
    }
}

/// What sets `{` and `}` apart from `[` and `]`.
const BRACE: u8 = 0x20;

/// What sets `{` and `[` apart from `}` and `]`.
const OPEN: u8 = 0x02;

fn is_bracket(byte: u8) -> bool {
    let curly = byte | BRACE;
    (curly == b'{') | (curly == b'}')
}

fn is_text(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\')
}

/// Fills a short block up with what means nothing, in a string or outside.
fn pad(piece: &[u8]) -> [u8; 64] {
    let mut block = [b' '; 64];
    for (to, from) in block.iter_mut().zip(piece) {
        *to = *from;
    }
    block
}

#[inline]
fn any(block: &[u8; 64], is: impl Fn(u8) -> bool) -> bool {
    block.iter().fold(false, |any, byte| any | is(*byte))
}

/// Returns a bit for every byte, the first the lowest.
#[inline]
fn mask(block: &[u8; 64], is: impl Fn(u8) -> bool) -> u64 {
    // Not `map` of the array, which becomes a call for every byte.
    let mut flags = [0; 64];
    for (flag, byte) in flags.iter_mut().zip(block) {
        *flag = u8::from(is(*byte));
    }
    let (words, _) = flags.as_chunks::<8>();
    let mut mask = 0;
    for (word, shift) in words.iter().zip((0_u32..).step_by(8)) {
        // Eight flags of a byte each move to the topmost byte, flag n by 7 (8 - n) bits.
        let flags = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= flags << shift;
    }
    mask
}

/// Returns a bit for every byte before which, itself included, an odd number of bits is set.
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_with_its_own_bracket() {
        for value in ["[]", "{}", "[[1],[2]]", r#"{"a":[{"b":"]}"}]}"#] {
            for fill in [0, 1, 60, 63, 64, 65, 200] {
                let value = value.replacen(
                    ['[', '{'],
                    &format!("{}{}", &value[..1], " ".repeat(fill)),
                    1,
                );
                assert_eq!(
                    feed(&format!("{value}]}}")),
                    Step::End(value.len() - 1),
                    "{value}"
                );
            }
        }
    }

    #[test]
    fn an_escape_reaches_over_the_edge_of_a_block() {
        // Runs of backslashes of every length, ending around the edge of the first or the second.
        for start in (50..70).chain(115..135) {
            for run in 1..20 {
                let text = format!("[\"{}{}", "a".repeat(start), r"\".repeat(run));
                let expected = if run % 2 == 0 {
                    Step::End(text.len() + 1)
                } else {
                    Step::On
                };
                assert_eq!(feed(&format!("{text}\"]")), expected, "{start} {run}");
            }
        }
    }

    #[test]
    fn brackets_must_match_in_kind() {
        assert_eq!(feed("[}"), Step::Wrong(1));
        assert_eq!(feed(r#"{"a":[1}, "model":1}"#), Step::Wrong(7));
        assert_eq!(feed("[{]}"), Step::Wrong(2));
        assert_eq!(feed("]"), Step::Wrong(0));
    }

    #[test]
    fn a_backslash_outside_of_a_string_is_refused_before_it_can_hide_a_quote() {
        assert_eq!(feed(r#"[\"]"#), Step::Wrong(1));
        assert_eq!(feed(r#"["\\"\"]"#), Step::Wrong(5));
        assert_eq!(feed(r#"[]\"#), Step::End(1));
    }

    #[test]
    fn masks_have_a_bit_for_every_byte() {
        for at in 0..64 {
            let mut block = [b'x'; 64];
            block[at] = b'"';
            assert_eq!(mask(&block, is_text), 1 << at);
        }
        assert_eq!(mask(&[b'"'; 64], is_text), u64::MAX);
        let brackets: Vec<_> = (0..=u8::MAX).filter(|byte| is_bracket(*byte)).collect();
        assert_eq!(brackets, b"[]{}");
    }

    fn feed(piece: &str) -> Step {
        Walk::new(128).feed(piece.as_bytes())
    }
}
