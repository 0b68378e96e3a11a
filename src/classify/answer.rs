//! Whole answers in JSON, judged by their shape: they look the same under many providers' paths.

use super::{
    class::{Class, Verdict},
    error_view::ErrorView,
    finish::Finish,
    judge,
    peek::{Json, Object, says},
};

/// Judges the JSON of an answer with a good status. A shape that is unknown is a success.
pub(super) fn judge(answer: &Object<'_>) -> Verdict {
    if let Some(view) = ErrorView::within_answer(answer) {
        return judge::in_answer(&view);
    }
    let shapes = [
        chat, message, responses, candidates, converse, completion, list,
    ];
    let verdict = shapes.into_iter().find_map(|shape| shape(answer));
    verdict.unwrap_or_else(|| Verdict::new(Class::Success))
}

/// What parts of a message are there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Parts {
    /// Any of the answer itself: text, a tool call, media.
    pub(crate) answer: bool,
    /// Reasoning.
    pub(crate) reasoning: bool,
    /// A refusal in the model's own words.
    pub(crate) refusal: bool,
}

impl Parts {
    /// Some of the answer.
    pub(crate) const ANSWER: Self = Self {
        answer: true,
        reasoning: false,
        refusal: false,
    };

    /// Looks into the parts of Gemini's content.
    pub(crate) fn of_gemini(list: Json<'_>) -> Self {
        let mut parts = Self::default();
        for part in list.items() {
            let [text, thought, signature] = part
                .fields(["text", "thought", "thoughtSignature"])
                .unwrap_or_default();
            let is_there = match text {
                Some(text) => !text.is_empty(),
                // A signature or a mark alone says nothing yet.
                None => {
                    let marks = [thought, signature].into_iter().flatten().count();
                    part.len() > marks
                }
            };
            parts.reasoning |= is_there && says(thought);
            parts.answer |= is_there && !says(thought);
        }
        parts
    }

    /// Looks into a chat message, or the delta of one.
    pub(crate) fn of_message(message: Json<'_>) -> Self {
        let [
            content,
            refusal,
            tool_calls,
            function_call,
            audio,
            images,
            reasoning_content,
            reasoning,
            reasoning_details,
            thinking,
            tool_plan,
        ] = message
            .fields([
                "content",
                "refusal",
                "tool_calls",
                "function_call",
                "audio",
                "images",
                "reasoning_content",
                "reasoning",
                "reasoning_details",
                // Ollama's and Cohere's own words for it.
                "thinking",
                "tool_plan",
            ])
            .unwrap_or_default();
        let mut parts = content.map(Self::of_content).unwrap_or_default();
        parts.refusal |= says(refusal);
        parts.answer |= parts.refusal
            || [tool_calls, function_call, audio, images]
                .map(says)
                .contains(&true);
        let reasoning = [
            reasoning_content,
            reasoning,
            reasoning_details,
            thinking,
            tool_plan,
        ];
        parts.reasoning |= reasoning.map(says).contains(&true);
        parts
    }

    /// Looks into content: a string, a typed block, or a list of such.
    pub(crate) fn of_content(content: Json<'_>) -> Self {
        if content.is_object() {
            return Self::of_block(content);
        }
        let mut parts = Self {
            answer: content.is_string() && !content.is_empty(),
            ..Self::default()
        };
        for block in content.items() {
            let block = Self::of_block(block);
            parts.answer |= block.answer;
            parts.reasoning |= block.reasoning;
            parts.refusal |= block.refusal;
        }
        parts
    }

    /// Looks into one typed block, or the delta of one.
    pub(crate) fn of_block(block: Json<'_>) -> Self {
        let Some([kind, text, thinking, refusal, partial_json]) =
            block.fields(["type", "text", "thinking", "refusal", "partial_json"])
        else {
            return Self {
                answer: !block.is_empty(),
                ..Self::default()
            };
        };
        let kind = kind.and_then(Json::text).unwrap_or_default();
        if kind == "refusal" || refusal.is_some() {
            let refusal = says(refusal);
            Self {
                answer: refusal,
                refusal,
                reasoning: false,
            }
        } else if kind.contains("thinking") || kind.contains("reasoning") {
            // Redacted and encrypted thinking has no text, and is thinking all the same.
            let reasoning = says(thinking.or(text)) || kind.starts_with("redacted");
            Self {
                reasoning,
                ..Self::default()
            }
        } else if kind == "signature_delta" {
            Self::default()
        } else if let Some(text) = text.or(thinking).or(partial_json) {
            let reasoning = thinking.is_some();
            Self {
                answer: !text.is_empty() && !reasoning,
                reasoning: !text.is_empty() && reasoning,
                refusal: false,
            }
        } else {
            // A tool call, an image, …: a block that has no text is there by being there.
            Self {
                answer: !block.is_empty(),
                ..Self::default()
            }
        }
    }
}

/// OpenAI chat and legacy completions, and everybody's copies of them.
fn chat(answer: &Object<'_>) -> Option<Verdict> {
    // "choices": null has been seen in place of an answer; absent, this is some other shape.
    let [object, choices] = answer.fields(["object", "choices"]);
    let object = object.and_then(Json::text);
    if choices.is_none() && object.as_deref() != Some("chat.completion") {
        return None;
    }
    let (mut finish, mut answered, mut refused) = (None, false, false);
    for choice in choices.into_iter().flat_map(Json::items) {
        let Some([reason, message, text]) = choice.fields(["finish_reason", "message", "text"])
        else {
            continue;
        };
        let parts = message.map(Parts::of_message).unwrap_or_default();
        answered |= parts.answer || says(text);
        refused |= parts.refusal;
        finish = reason_of(reason)
            .map(|reason| reason.of_choices(finish))
            .or(finish);
    }
    Some(finished(finish, answered, refused))
}

/// Anthropic messages.
fn message(answer: &Object<'_>) -> Option<Verdict> {
    let [kind, content, reason] = answer.fields(["type", "content", "stop_reason"]);
    let is_message = kind.and_then(Json::text).as_deref() == Some("message");
    let looks_so = content.is_some_and(Json::is_array) && reason.is_some();
    if !is_message && !looks_so {
        return None;
    }
    let parts = content.map(Parts::of_content).unwrap_or_default();
    Some(finished(reason_of(reason), parts.answer, parts.refusal))
}

/// OpenAI responses.
fn responses(answer: &Object<'_>) -> Option<Verdict> {
    let [object, output, status] = answer.fields(["object", "output", "status"]);
    let is_response = object.and_then(Json::text).as_deref() == Some("response");
    let looks_so = output.is_some_and(Json::is_array) && status.is_some();
    if !is_response && !looks_so {
        return None;
    }
    Some(response(answer))
}

/// Judges a response object, whole or from the last event of its stream.
pub(crate) fn response(response: &Object<'_>) -> Verdict {
    let status = response
        .field("status")
        .and_then(Json::text)
        .unwrap_or_default();
    match &*status {
        // In the background: the answer is that it was accepted.
        "queued" | "in_progress" => Verdict::new(Class::Success),
        "cancelled" => Verdict::new(Class::Abandoned),
        "failed" => Verdict::new(Class::ServerError),
        _ => {
            let parts = response_parts(response);
            finished(response_finish(response), parts.answer, parts.refusal)
        }
    }
}

/// Why a response object says it ended.
pub(crate) fn response_finish(response: &Object<'_>) -> Option<Finish> {
    let reason = response
        .field("incomplete_details")
        .and_then(|details| details.field("reason"));
    reason_of(reason)
}

/// What parts the output of a response object has.
pub(crate) fn response_parts(response: &Object<'_>) -> Parts {
    let mut parts = Parts::default();
    for item in response.field("output").into_iter().flat_map(Json::items) {
        let Some([kind, content]) = item.fields(["type", "content"]) else {
            continue;
        };
        match kind.and_then(Json::text).as_deref() {
            Some("message") => {
                let message = content.map(Parts::of_content).unwrap_or_default();
                parts.answer |= message.answer;
                parts.refusal |= message.refusal;
            }
            Some("reasoning") => parts.reasoning = true,
            // Calls of tools, compacted items, ….
            _ => parts.answer = true,
        }
    }
    parts
}

/// Gemini.
fn candidates(answer: &Object<'_>) -> Option<Verdict> {
    let [candidates, feedback, usage] =
        answer.fields(["candidates", "promptFeedback", "usageMetadata"]);
    if says(feedback.and_then(|feedback| feedback.field("blockReason"))) {
        return Some(Verdict::new(Class::ContentFilter).with_neutral(true));
    }
    candidates.or(feedback).or(usage)?;
    let (mut finish, mut answered) = (None, false);
    for candidate in candidates.into_iter().flat_map(Json::items) {
        let [reason, content] = candidate
            .fields(["finishReason", "content"])
            .unwrap_or_default();
        let parts = content.and_then(|content| content.field("parts"));
        answered |= parts.is_some_and(|parts| Parts::of_gemini(parts).answer);
        finish = reason_of(reason)
            .map(|reason| reason.of_choices(finish))
            .or(finish);
    }
    Some(finished(finish, answered, false))
}

/// Bedrock Converse.
fn converse(answer: &Object<'_>) -> Option<Verdict> {
    let [output, reason] = answer.fields(["output", "stopReason"]);
    reason?;
    let content = output?
        .field("message")
        .and_then(|message| message.field("content"));
    let parts = content.map(Parts::of_content).unwrap_or_default();
    Some(finished(reason_of(reason), parts.answer, parts.refusal))
}

/// Anthropic's legacy completion, Ollama's own and Cohere's shapes: one text or message at the top.
fn completion(answer: &Object<'_>) -> Option<Verdict> {
    let [text, response, message] = answer.fields(["completion", "response", "message"]);
    let [stop_reason, done_reason, finish_reason] =
        answer.fields(["stop_reason", "done_reason", "finish_reason"]);
    let reason = stop_reason.or(done_reason).or(finish_reason);
    reason?;
    let parts = message.map(Parts::of_message).unwrap_or_default();
    let answered = parts.answer || says(text) || says(response);
    Some(finished(reason_of(reason), answered, parts.refusal))
}

/// Embeddings, images, moderations: a list that must not be empty.
fn list(answer: &Object<'_>) -> Option<Verdict> {
    let [data, results, embeddings] = answer.fields(["data", "results", "embeddings"]);
    let list = data
        .or(results)
        .or(embeddings)
        .filter(|list| list.is_array())?;
    Some(Finish::Done.judge(!list.is_empty()))
}

fn reason_of(reason: Option<Json<'_>>) -> Option<Finish> {
    Some(Finish::from_reason(&reason?.text()?))
}

/// A refusal in words ends with an ordinary "stop".
fn finished(finish: Option<Finish>, answered: bool, refused: bool) -> Verdict {
    match finish.unwrap_or(Finish::Done) {
        Finish::Done if refused => Finish::Filtered.judge(answered),
        finish => finish.judge(answered),
    }
}
