use bytes::Bytes;
use memchr::memmem::Finder;

/// Returns whether the bytes of a word are in a body: most requests are done with it, and need not
/// be read for what the word stands for. Between two chunks the answer is yes where it may be.
pub(super) fn mentions(body: &[Bytes], word: &Finder<'_>) -> bool {
    let inside = body.iter().any(|chunk| word.find(chunk).is_some());
    inside
        || body.windows(2).any(|pair| {
            let [before, after] = pair else { return false };
            (1..word.needle().len()).any(|at| {
                let (start, end) = word.needle().split_at(at);
                // A chunk shorter than its part of the word may be all of it.
                (before.ends_with(start) || start.ends_with(before))
                    && (after.starts_with(end) || end.starts_with(after))
            })
        })
}
