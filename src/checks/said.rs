//! What a model said: the text of an answer, by its shape, which is the same under many providers'
//! paths.

use crate::{
    classify::{Finish, Json, Object, response_finish, says},
    dialect::stream,
};

#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) finish: Option<Finish>,
    pub(super) calls_tools: bool,
}

impl Said {
    /// Reads an answer that is one JSON document.
    pub(super) fn in_whole(body: &[u8]) -> Self {
        let mut said = Self::default();
        let Ok(answer) = Object::parse(body) else {
            return said;
        };
        let [choices, output, content, completion, reason] =
            answer.fields(["choices", "output", "content", "completion", "stop_reason"]);
        if let Some(choices) = choices {
            if let Some(choice) = choices.items().next() {
                said.add_choice(choice, "message");
            }
        } else if output.is_some() {
            said.add_response(&answer);
        } else {
            said.add_text(completion);
            said.add_content(content);
            said.add_reason(reason);
        }
        said
    }

    /// Reads a stream of events.
    pub(super) fn in_stream(body: &[u8]) -> Self {
        let mut said = Self::default();
        stream::each_data(body, |data| {
            if let Ok(data) = Object::parse(data) {
                said.add_event(&data);
            }
        });
        said
    }

    fn add_event(&mut self, data: &Object<'_>) {
        let [kind, choices] = data.fields(["type", "choices"]);
        for choice in choices.into_iter().flat_map(Json::items) {
            if choice.field("index").and_then(Json::count).unwrap_or(0) == 0 {
                self.add_choice(choice, "delta");
            }
        }
        let kind = kind.and_then(Json::text);
        let [delta, block, item, response, completion] =
            data.fields(["delta", "content_block", "item", "response", "completion"]);
        match kind.as_deref().unwrap_or_default() {
            "response.output_text.delta" => self.add_text(delta),
            "response.output_item.added" => self.note_call(item),
            "response.completed" | "response.incomplete" => {
                if let Some(response) = response.map(Json::object) {
                    // Some send no deltas before it.
                    let deltas = std::mem::take(&mut self.text);
                    self.add_response(&response);
                    if !deltas.is_empty() {
                        self.text = deltas;
                    }
                }
            }
            "content_block_start" => self.add_block(block),
            "content_block_delta" => self.add_block(delta),
            "message_delta" => self.add_reason(delta.and_then(|delta| delta.field("stop_reason"))),
            "completion" => {
                self.add_text(completion);
                self.add_reason(data.field("stop_reason"));
            }
            _ => {}
        }
    }

    /// A choice of a chat or legacy completion, or what an event adds to one.
    fn add_choice(&mut self, choice: Json<'_>, message: &str) {
        let fields = choice.fields([message, "text", "finish_reason"]);
        let [message, text, reason] = fields.unwrap_or_default();
        self.add_text(text);
        if let Some(message) = message {
            let fields = message.fields(["content", "tool_calls", "function_call"]);
            let [content, calls, call] = fields.unwrap_or_default();
            self.add_content(content);
            self.calls_tools |= says(calls) || says(call);
        }
        self.add_reason(reason);
    }

    /// A whole response object.
    fn add_response(&mut self, response: &Object<'_>) {
        for item in response.field("output").into_iter().flat_map(Json::items) {
            self.note_call(Some(item));
            self.add_content(item.field("content"));
        }
        let status = response.field("status").and_then(Json::text);
        let completed = status.as_deref() == Some("completed");
        self.finish = response_finish(response).or(completed.then_some(Finish::Done));
    }

    /// Content: a string, or a list of typed blocks.
    fn add_content(&mut self, content: Option<Json<'_>>) {
        self.add_text(content);
        for block in content.into_iter().flat_map(Json::items) {
            self.add_block(Some(block));
        }
    }

    fn add_block(&mut self, block: Option<Json<'_>>) {
        let fields = block.and_then(|block| block.fields(["type", "text"]));
        let [kind, text] = fields.unwrap_or_default();
        match kind.and_then(Json::text).as_deref() {
            Some("text" | "output_text" | "text_delta") => self.add_text(text),
            Some("tool_use") => self.calls_tools = true,
            _ => {}
        }
    }

    fn note_call(&mut self, item: Option<Json<'_>>) {
        let kind = item.and_then(|item| item.field("type"));
        let kind = kind.and_then(Json::text);
        self.calls_tools |= kind.is_some_and(|kind| kind.ends_with("_call"));
    }

    fn add_text(&mut self, text: Option<Json<'_>>) {
        if let Some(text) = text.and_then(Json::text) {
            self.text.push_str(&text);
        }
    }

    fn add_reason(&mut self, reason: Option<Json<'_>>) {
        if let Some(reason) = reason.and_then(Json::text) {
            self.finish = Some(Finish::from_reason(&reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_said(said: &Said, text: &str, finish: Option<Finish>, calls_tools: bool) {
        assert_eq!(said.text, text);
        assert_eq!(said.finish, finish);
        assert_eq!(said.calls_tools, calls_tools);
    }

    #[test]
    fn the_text_of_every_shape_is_found() {
        let done = Some(Finish::Done);
        for (body, text, finish, calls) in [
            (
                r#"{"choices":[{"message":{"content":"a\n\"b\""},"finish_reason":"stop"},{"message":{"content":"c"}}]}"#,
                "a\n\"b\"",
                done,
                false,
            ),
            (
                r#"{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"thinking","text":"t"},{"type":"text","text":"b"}]}}]}"#,
                "ab",
                None,
                false,
            ),
            (
                r#"{"choices":[{"message":{"content":null,"tool_calls":[{"id":"1"}]},"finish_reason":"tool_calls"}]}"#,
                "",
                done,
                true,
            ),
            (
                r#"{"object":"text_completion","choices":[{"text":"a","finish_reason":"length"}]}"#,
                "a",
                Some(Finish::Length),
                false,
            ),
            (
                r#"{"object":"response","status":"completed","output":[{"type":"reasoning","summary":[]},{"type":"message","content":[{"type":"output_text","text":"a"}]},{"type":"function_call"}]}"#,
                "a",
                done,
                true,
            ),
            (
                r#"{"type":"message","content":[{"type":"thinking","thinking":"t"},{"type":"text","text":"a"},{"type":"tool_use"}],"stop_reason":"tool_use"}"#,
                "a",
                done,
                true,
            ),
            (
                r#"{"completion":"a","stop_reason":"stop_sequence"}"#,
                "a",
                done,
                false,
            ),
            (r#"{"data":[{"embedding":[1]}]}"#, "", None, false),
            ("nonsense", "", None, false),
            ("", "", None, false),
        ] {
            let said = Said::in_whole(body.as_bytes());
            assert_said(&said, text, finish, calls);
        }
    }

    #[test]
    fn the_deltas_of_every_stream_are_joined() {
        let done = Some(Finish::Done);
        for (events, text, calls) in [
            (
                vec![
                    r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
                    r#"{"choices":[{"index":1,"delta":{"content":"x"}}]}"#,
                    r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#,
                    r#"{"choices":[{"delta":{"content":"b","reasoning_content":"r"}}]}"#,
                    r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
                    "[DONE]",
                ],
                "ab",
                false,
            ),
            (
                vec![
                    r#"{"type":"response.output_item.added","item":{"type":"function_call"}}"#,
                    r#"{"type":"response.reasoning_text.delta","delta":"r"}"#,
                    r#"{"type":"response.output_text.delta","delta":"a"}"#,
                    r#"{"type":"response.output_text.delta","delta":"b"}"#,
                    r#"{"type":"response.completed","response":{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"ab"}]}]}}"#,
                ],
                "ab",
                true,
            ),
            (
                vec![
                    r#"{"type":"response.completed","response":{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"ab"}]}]}}"#,
                ],
                "ab",
                false,
            ),
            (
                vec![
                    r#"{"type":"content_block_start","content_block":{"type":"text","text":""}}"#,
                    r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#,
                    r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"t"}}"#,
                    r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"b"}}"#,
                    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
                ],
                "ab",
                false,
            ),
        ] {
            for end in ["\n\n", "\r\n\r\n", "\r\r"] {
                let body: String = events
                    .iter()
                    .map(|data| format!("data: {data}{end}"))
                    .collect();
                assert_said(&Said::in_stream(body.as_bytes()), text, done, calls);
            }
        }
    }
}
