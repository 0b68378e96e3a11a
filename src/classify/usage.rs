use super::peek::{Json, Object};

/// Tokens of one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Usage {
    /// Prompt tokens, those read from or written to a cache included.
    pub input: u64,
    /// Generated tokens, reasoning included.
    pub output: u64,
}

impl Usage {
    /// Creates a usage record.
    #[must_use]
    pub fn new(input: u64, output: u64) -> Self {
        Self { input, output }
    }

    /// Reads the usage that the JSON body of a whole answer reports, under any provider's names.
    #[must_use]
    pub fn of_body(body: &[u8]) -> Option<Self> {
        if body.len() > MAX_BODY {
            return None;
        }
        Self::within(&Object::parse(body).ok()?)
    }

    /// Reads the usage that a JSON object reports, be it an answer or one event of a stream.
    pub(crate) fn within(object: &Object<'_>) -> Option<Self> {
        let [usage, gemini, groq] = object.fields(["usage", "usageMetadata", "x_groq"]);
        let groq = || groq?.field("usage");
        Self::read(usage.or(gemini).or_else(groq)?)
    }

    /// Takes in a later report. Reports of one answer are cumulative and may leave out a side.
    pub(crate) fn merge(&mut self, later: Self) {
        self.input = self.input.max(later.input);
        self.output = self.output.max(later.output);
    }

    fn read(usage: Json<'_>) -> Option<Self> {
        let [
            prompt,
            input,
            gemini_input,
            aws_input,
            completion,
            output,
            gemini_output,
            aws_output,
            written,
            read,
            aws_read,
            aws_written,
            thoughts,
        ] = usage.fields([
            "prompt_tokens",
            "input_tokens",
            "promptTokenCount",
            "inputTokens",
            "completion_tokens",
            "output_tokens",
            "candidatesTokenCount",
            "outputTokens",
            // These are reported beside the others, not within them.
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
            "cacheReadInputTokens",
            "cacheWriteInputTokens",
            "thoughtsTokenCount",
        ])?;
        let first =
            |counts: [Option<Json<'_>>; 4]| counts.into_iter().flatten().find_map(Json::count);
        let input = first([prompt, input, gemini_input, aws_input]);
        let output = first([completion, output, gemini_output, aws_output]);
        let cached = [written, read, aws_read, aws_written];
        let thoughts = thoughts.and_then(Json::count);
        if input.is_none() && output.is_none() {
            return None;
        }
        let cached = cached.into_iter().flatten().filter_map(Json::count);
        Some(Self {
            input: cached.fold(input.unwrap_or(0), u64::saturating_add),
            output: output.unwrap_or(0).saturating_add(thoughts.unwrap_or(0)),
        })
    }
}

/// As for error bodies: answers are held up to 64 KiB, so this only bounds what others pass in.
const MAX_BODY: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(body: &str) -> Option<(u64, u64)> {
        Usage::of_body(body.as_bytes()).map(|usage| (usage.input, usage.output))
    }

    #[test]
    fn usage_is_read_under_every_name() {
        for (body, expected) in [
            (
                r#"{"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#,
                (9, 2),
            ),
            (r#"{"usage":{"input_tokens":9,"output_tokens":2}}"#, (9, 2)),
            (r#"{"usage":{"inputTokens":9,"outputTokens":2}}"#, (9, 2)),
            (r#"{"usage":{"prompt_tokens":5,"total_tokens":5}}"#, (5, 0)),
            (
                r#"{"x_groq":{"usage":{"prompt_tokens":5,"completion_tokens":1}}}"#,
                (5, 1),
            ),
            (
                r#"{"usage":null,"x_groq":{"usage":{"prompt_tokens":5}}}"#,
                (5, 0),
            ),
            (
                r#"{"usageMetadata":{"promptTokenCount":6,"candidatesTokenCount":4,"thoughtsTokenCount":20}}"#,
                (6, 24),
            ),
            (
                r#"{"usage":{"input_tokens":1,"cache_read_input_tokens":7,"cache_creation_input_tokens":2,"output_tokens":3}}"#,
                (10, 3),
            ),
        ] {
            assert_eq!(usage(body), Some(expected), "{body}");
        }
        for body in [
            "",
            "[]",
            "{}",
            r#"{"usage":{}}"#,
            r#"{"usage":7}"#,
            r#"{"usage":{"input_tokens":-1}}"#,
        ] {
            assert_eq!(usage(body), None, "{body}");
        }
    }

    #[test]
    fn counts_saturate() {
        let body =
            r#"{"usage":{"input_tokens":1e300,"cache_read_input_tokens":5,"output_tokens":1}}"#;
        assert_eq!(usage(body), Some((u64::MAX, 1)));
    }
}
