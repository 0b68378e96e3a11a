use super::Usage;
use crate::classify::peek::Json;

/// What one usage object says. Providers differ in names, and in which counts lie within others and
/// which beside them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Report {
    /// The prompt and the answer, by the names of chat completions.
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    /// By any other.
    input: Option<u64>,
    output: Option<u64>,
    /// Within the prompt, and within the answer.
    cached: Option<u64>,
    written: Option<u64>,
    reasoning: Option<u64>,
    /// Beside the prompt, and beside the answer.
    read_beside: Option<u64>,
    written_beside: Option<u64>,
    tool_prompt: Option<u64>,
    thoughts: Option<u64>,
    /// What Cohere charges for, rather than what it counted.
    billed: Option<Usage>,
    counted: Option<Usage>,
}

impl Report {
    /// Reports the prompt and the answer, and beside the prompt what was read from a cache and what
    /// was written to it.
    pub(super) fn beside([input, output, read_beside, written_beside]: [Option<u64>; 4]) -> Self {
        Self {
            input,
            output,
            read_beside,
            written_beside,
            ..Self::default()
        }
    }

    pub(super) fn read(usage: Json<'_>) -> Self {
        let mut report = Self::default();
        usage.each(|name, value| report.add(name, value));
        report
    }

    fn add(&mut self, name: &str, value: Json<'_>) {
        let slot = match name {
            "prompt_tokens" => &mut self.prompt,
            "completion_tokens" => &mut self.completion,
            "total_tokens" => &mut self.total,
            // OpenAI's responses and Anthropic; Gemini; Bedrock; Gemini's interactions.
            "input_tokens" | "promptTokenCount" | "inputTokens" | "inputTokenCount"
            | "total_input_tokens" | "totalInputTokens" => &mut self.input,
            "output_tokens"
            | "candidatesTokenCount"
            | "outputTokens"
            | "outputTokenCount"
            | "total_output_tokens"
            | "totalOutputTokens" => &mut self.output,
            // DeepSeek; Moonshot and Cohere; Gemini.
            "prompt_cache_hit_tokens"
            | "cached_tokens"
            | "cachedContentTokenCount"
            | "total_cached_tokens"
            | "totalCachedTokens" => &mut self.cached,
            "reasoning_tokens" => &mut self.reasoning,
            "cache_read_input_tokens" | "cacheReadInputTokens" | "cacheReadInputTokenCount" => {
                &mut self.read_beside
            }
            "cache_creation_input_tokens"
            | "cacheWriteInputTokens"
            | "cacheWriteInputTokenCount" => &mut self.written_beside,
            "thoughtsTokenCount" | "total_thought_tokens" | "totalThoughtTokens" => {
                &mut self.thoughts
            }
            "toolUsePromptTokenCount" | "total_tool_use_tokens" | "totalToolUseTokens" => {
                &mut self.tool_prompt
            }
            "prompt_tokens_details" | "input_tokens_details" => {
                return value.each(|name, value| match name {
                    "cached_tokens" => set(&mut self.cached, value),
                    "cache_write_tokens" | "cache_creation_tokens" => {
                        set(&mut self.written, value);
                    }
                    _ => {}
                });
            }
            "completion_tokens_details" | "output_tokens_details" => {
                if let Some(reasoning) = value.field("reasoning_tokens") {
                    set(&mut self.reasoning, reasoning);
                }
                return;
            }
            // Objects of the common names; they hold none of their own kind.
            "billed_units" if value.is_object() => {
                self.billed = Self::flat(value);
                return;
            }
            "tokens" if value.is_object() => {
                self.counted = Self::flat(value);
                return;
            }
            _ => return,
        };
        set(slot, value);
    }

    /// Takes in a member of an answer of Ollama's or llama.cpp's own, which count beside the answer
    /// itself.
    pub(super) fn add_native(&mut self, name: &str, value: Json<'_>) {
        match name {
            "prompt_eval_count" | "tokens_evaluated" => set(&mut self.input, value),
            "eval_count" | "tokens_predicted" => set(&mut self.output, value),
            _ => {}
        }
    }

    fn flat(usage: Json<'_>) -> Option<Usage> {
        let [input, output] = usage.fields(["input_tokens", "output_tokens"])?;
        let [input, output] = [input, output].map(|count| count.and_then(Json::count));
        let any = input.is_some() || output.is_some();
        any.then(|| Usage::new(input.unwrap_or(0), output.unwrap_or(0)))
    }

    /// Adds up what was said, if the prompt or the answer was.
    pub(super) fn usage(mut self) -> Option<Usage> {
        if let Some(nested) = self.billed.or(self.counted) {
            self.input = Some(nested.input);
            self.output = Some(nested.output);
        }
        let (input, output) = (self.prompt.or(self.input), self.completion.or(self.output));
        if input.is_none() && output.is_none() {
            return None;
        }
        let (mut input, mut output) = (input.unwrap_or(0), output.unwrap_or(0));
        // Those that translate Anthropic's answers leave its names beside theirs, as parts of the
        // prompt.
        if self.prompt.is_none() {
            for beside in [self.read_beside, self.written_beside, self.tool_prompt] {
                input = input.saturating_add(beside.unwrap_or(0));
            }
        }
        let unnamed = self.unnamed();
        for beside in [self.thoughts, unnamed] {
            output = output.saturating_add(beside.unwrap_or(0));
        }
        let cached = self.cached.or(self.read_beside).unwrap_or(0).min(input);
        let written = self.written.or(self.written_beside).unwrap_or(0);
        let reasoning = self.thoughts.or(unnamed).or(self.reasoning).unwrap_or(0);
        Some(Usage {
            input,
            output,
            cached,
            written: written.min(input - cached),
            reasoning: reasoning.min(output),
        })
    }

    /// xAI and Gemini count reasoning beside the completion, though the names are OpenAI's. The total
    /// gives them away.
    fn unnamed(&self) -> Option<u64> {
        let named = self.prompt?.checked_add(self.completion?)?;
        let rest = self.total?.checked_sub(named)?;
        let is_reasoning = self.reasoning.is_none_or(|reasoning| reasoning == rest);
        (rest > 0 && is_reasoning).then_some(rest)
    }
}

/// Sets a count, if the value is one.
fn set(slot: &mut Option<u64>, value: Json<'_>) {
    if let Some(count) = value.count() {
        *slot = Some(count);
    }
}
