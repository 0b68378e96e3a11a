//! The last item of an array, found from its end: what comes before it need not be read.

use memchr::memrchr;

use super::cursor::Cursor;

/// Returns where the last item of the array at `array` starts, or `None` where there is no array,
/// or nothing in it.
///
/// Read backwards, brackets and quotes are as plain as forwards: a quote that ends a string stands
/// outside of it, and the one that begins it is the next with an even number of backslashes before
/// it. What is no valid JSON gives some place or none.
pub(super) fn last_item(array: &Cursor<'_>) -> Option<usize> {
    let mut back = Back::default();
    let found = array.pieces_back(|start, piece| back.read(piece).map(|at| start + at))?;
    (back.items || back.commas).then_some(found)
}

#[derive(Debug, Default)]
struct Back {
    depth: u32,
    /// Between the quotes of a string.
    string: bool,
    /// Right before a quote within a string: whether the number of backslashes seen is odd.
    quote: Option<bool>,
    /// Whether there is anything but white space in the array.
    items: bool,
    commas: bool,
}

impl Back {
    /// Reads a piece from its end; returns where in it the last item starts, white space included.
    fn read(&mut self, piece: &[u8]) -> Option<usize> {
        let mut at = piece.len();
        while at > 0 {
            if let Some(odd) = self.quote {
                if piece.get(at - 1) == Some(&b'\\') {
                    self.quote = Some(!odd);
                    at -= 1;
                } else {
                    self.quote = None;
                    self.string = odd;
                }
                continue;
            }
            if self.string {
                at = memrchr(b'"', piece.get(..at).unwrap_or_default())?;
                self.quote = Some(false);
                continue;
            }
            at -= 1;
            match piece.get(at) {
                Some(b']' | b'}') => self.depth += 1,
                Some(b'[' | b'{') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                Some(b',') if self.depth == 1 => {
                    self.commas = true;
                    return Some(at + 1);
                }
                Some(b'"') => {
                    self.string = true;
                    self.items = true;
                }
                Some(b' ' | b'\n' | b'\r' | b'\t') => {}
                _ => self.items = true,
            }
            self.items |= self.depth > 1;
        }
        None
    }
}
