//! What an attempt used: the counts, whatever names a provider reports them under.

mod report;
#[cfg(test)]
mod tests;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use self::report::Report;
use super::peek::{Json, Object};

/// Tokens of one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// Prompt tokens, those read from or written to a cache included.
    pub input: u64,
    /// Generated tokens, reasoning included.
    pub output: u64,
    /// Those of the prompt that were read from the provider's cache.
    pub cached: u64,
    /// Those of the prompt that were written to the provider's cache, by providers that charge for
    /// it.
    pub written: u64,
    /// Those generated that were reasoning, by providers that tell them apart.
    pub reasoning: u64,
}

impl Usage {
    /// Creates a usage record.
    #[must_use]
    pub fn new(input: u64, output: u64) -> Self {
        Self {
            input,
            output,
            ..Self::default()
        }
    }

    /// Sets how many of the prompt's tokens were read from a cache.
    #[must_use]
    pub fn cached(mut self, tokens: u64) -> Self {
        self.cached = tokens;
        self
    }

    /// Sets how many of the prompt's tokens were written to a cache.
    #[must_use]
    pub fn written(mut self, tokens: u64) -> Self {
        self.written = tokens;
        self
    }

    /// Sets how many of the generated tokens were reasoning.
    #[must_use]
    pub fn reasoning(mut self, tokens: u64) -> Self {
        self.reasoning = tokens;
        self
    }

    /// Reads the usage that the JSON body of a whole answer reports, under any provider's names.
    #[must_use]
    pub fn of_body(body: &[u8]) -> Option<Self> {
        if body.len() > MAX_BODY {
            return None;
        }
        Self::within(&Object::parse(body).ok()?)
    }

    /// Reads the usage that the headers of an answer report: Amazon Bedrock's, for models whose
    /// bodies say none.
    #[must_use]
    pub fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let read = |value: &HeaderValue| value.to_str().ok()?.trim().parse().ok();
        let count = |name| read(headers.get(name)?);
        let report = Report::beside([
            // Always there where any is: most answers are done with it.
            Some(read(headers.get(&BEDROCK_INPUT)?)?),
            count("x-amzn-bedrock-output-token-count"),
            count("x-amzn-bedrock-cache-read-input-token-count"),
            count("x-amzn-bedrock-cache-write-input-token-count"),
        ]);
        report.usage()
    }

    /// Reads the usage that a JSON object reports, be it an answer or one event of a stream.
    pub(crate) fn within(object: &Object<'_>) -> Option<Self> {
        let [mut usage, mut elsewhere] = [None; 2];
        let mut top = Report::default();
        object.each(|name, value| match name {
            "usage" | "usageMetadata" if value.is_object() => usage = Some(value),
            // Groq's, and what ends a stream of Cohere's.
            "x_groq" | "delta" => elsewhere = value.field("usage").or(elsewhere),
            // Cohere's first version; what Bedrock adds to the last event of any model.
            "meta" | "amazon-bedrock-invocationMetrics" => elsewhere = Some(value),
            _ => top.add_native(name, value),
        });
        let of = |usage: Option<Json<'_>>| Report::read(usage?).usage();
        of(usage).or_else(|| of(elsewhere)).or_else(|| top.usage())
    }

    /// Whether an answer can have used so much. Counts beyond are a provider's mistake: believed,
    /// one of them would spend what a caller may in years.
    pub(crate) fn is_credible(&self) -> bool {
        self.input.max(self.output) <= MOST_TOKENS
    }

    /// Takes in a later report. Reports of one answer are cumulative and may leave out a side.
    pub(crate) fn merge(&mut self, later: Self) {
        self.input = self.input.max(later.input);
        self.output = self.output.max(later.output);
        self.cached = self.cached.max(later.cached);
        self.written = self.written.max(later.written);
        self.reasoning = self.reasoning.max(later.reasoning);
    }
}

const BEDROCK_INPUT: HeaderName = HeaderName::from_static("x-amzn-bedrock-input-token-count");

/// A hundred times the longest context window that any model has, tokens.
const MOST_TOKENS: u64 = 1_000_000_000;

/// As for error bodies: answers are held up to 64 KiB, so this only bounds what others pass in.
const MAX_BODY: usize = 1 << 20;
