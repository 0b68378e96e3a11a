use smallvec::SmallVec;

/// The names of the top-level members of a request, as hashes: enough to say whether it carries a
/// parameter that a target refused before.
///
/// Bounded: of more than 128 names the rest is not remembered. Two names may, rarely, look the same.
///
/// ```
/// use tower_outcome::dialect::Fields;
///
/// let fields: Fields = ["model", "messages", "logprobs"].into_iter().collect();
/// assert!(fields.contains("logprobs"));
/// assert!(!fields.contains("seed"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(SmallVec<[u32; INLINE]>);

/// More than most requests have.
const INLINE: usize = 16;
/// More than any endpoint takes. Whoever sends more does it to be remembered.
const MOST: usize = 128;

impl Fields {
    /// Adds a name.
    pub fn insert(&mut self, name: &str) {
        if self.0.len() < MOST {
            self.0.push(field_hash(name));
        }
    }

    /// Returns whether a name is among them.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.has(field_hash(name))
    }

    pub(crate) fn has(&self, hash: u32) -> bool {
        self.0.contains(&hash)
    }
}

impl<'a> FromIterator<&'a str> for Fields {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut fields = Self::default();
        for name in names {
            fields.insert(name);
        }
        fields
    }
}

/// FNV-1a for 32 bits. Names are short, and to make two collide gains nobody anything.
pub(crate) fn field_hash(name: &str) -> u32 {
    let step = |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    name.bytes().fold(0x811c_9dc5, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_requests_have_are_told_apart() {
        let names = [
            "model",
            "messages",
            "input",
            "stream",
            "store",
            "tools",
            "tool_choice",
            "temperature",
            "top_p",
            "top_k",
            "n",
            "seed",
            "stop",
            "stop_sequences",
            "max_tokens",
            "logprobs",
            "max_completion_tokens",
            "max_output_tokens",
            "top_logprobs",
            "logit_bias",
            "user",
            "presence_penalty",
            "frequency_penalty",
            "response_format",
            "reasoning_effort",
            "reasoning",
            "thinking",
            "parallel_tool_calls",
            "service_tier",
            "metadata",
            "system",
            "stream_options",
            "prediction",
            "modalities",
            "audio",
            "verbosity",
            "text",
            "include",
        ];
        let fields: Fields = names.into_iter().collect();
        assert!(names.iter().all(|name| fields.contains(name)));
        let mut hashes: Vec<_> = names.iter().map(|name| field_hash(name)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), names.len());
        assert!(!fields.contains("min_p"));
    }

    #[test]
    fn a_flood_of_names_is_not_remembered() {
        let names: Vec<_> = (0..10_000).map(|n| n.to_string()).collect();
        let fields: Fields = names.iter().map(String::as_str).collect();
        assert_eq!(fields.0.len(), MOST);
    }
}
