//! Finding the model in a JSON body, which is the same in both dialects.

use std::borrow::Cow;

use bytes::Bytes;

use super::{
    Endpoint, EndpointKind, Fields, Located, Place, Site, Unroutable,
    bound::{Turns, is_bound},
    json::{self, Value},
    path, site,
};
use crate::classify::is_json;

/// Tools that run at the provider, by the beginning of their type. Types are versioned by suffix
/// (`web_search_20250305`, `web_search_preview`).
const SERVER_TOOLS: [&str; 7] = [
    "code_execution",
    "code_interpreter",
    "file_search",
    "image_generation",
    "mcp",
    "web_fetch",
    "web_search",
];

/// Reads a request whose model is a top-level member of a JSON object. The last of several wins,
/// as in the servers; all of them are rewritten.
pub(super) fn locate(content_type: Option<&str>, body: &[Bytes]) -> Result<Located, Unroutable> {
    let located = read(content_type, body)?;
    if located.model.is_empty() {
        return Err(Unroutable::NoModel);
    }
    Ok(located)
}

/// Reads a request whose model may be somewhere else: where none is at the top of the body, it is
/// empty.
pub(super) fn read(content_type: Option<&str>, body: &[Bytes]) -> Result<Located, Unroutable> {
    if !content_type.is_some_and(is_json) {
        return Err(Unroutable::ContentType);
    }
    let mut model = None;
    let mut sites = Vec::new();
    let mut stream = false;
    let mut side_effects = false;
    let mut max_output_tokens = None;
    let mut tools = false;
    let mut json_mode = false;
    let mut messages = None;
    let mut fields = Fields::default();
    let mut bound = false;
    for member in json::members(body) {
        let (key, value) = member?;
        fields.insert(&key);
        match &*key {
            "model" => {
                sites.push(Site::new(Place::Json, value.range()));
                model = value.as_str();
            }
            "stream" => stream = value.as_bool() == Some(true),
            "store" | "background" => side_effects |= value.as_bool() == Some(true),
            "web_search_options" => side_effects |= !value.is_null(),
            "mcp_servers" => side_effects |= value.items().next().is_some_and(|item| item.is_ok()),
            "tools" => {
                tools |= value.items().next().is_some_and(|item| item.is_ok());
                side_effects |= has_server_tool(&value);
            }
            "functions" => tools |= value.items().next().is_some_and(|item| item.is_ok()),
            "response_format" | "output_format" => json_mode |= is_json_format(&value),
            "text" | "output_config" => {
                let format = value.last("format").ok().flatten();
                json_mode |= format.is_some_and(|format| is_json_format(&format));
            }
            "messages" => messages = Some((Turns::Messages, value)),
            "input" => messages = Some((Turns::Input, value)),
            "contents" => messages = Some((Turns::Contents, value)),
            "previous_response_id" | "conversation" => bound |= !value.is_null(),
            "max_tokens" | "max_completion_tokens" | "max_output_tokens" => {
                max_output_tokens = value.as_u64().or(max_output_tokens);
            }
            _ => {}
        }
    }
    Ok(Located {
        model: model.map(Cow::into_owned).unwrap_or_default(),
        sites,
        stream,
        side_effects,
        max_output_tokens,
        tools,
        json_mode,
        // Without tools the loop is over, and this need not be read twice.
        tool_loop: tools
            && messages
                .as_ref()
                .is_some_and(|(_, messages)| ends_in_tool_result(messages)),
        fields,
        bound: bound
            || messages
                .as_ref()
                .is_some_and(|(turns, messages)| is_bound(body, *turns, messages)),
    })
}

/// Reads a request whose path names the model in a segment; what the body names is none.
pub(super) fn in_path(
    target: &str,
    kind: &str,
    operations: &[(&'static str, EndpointKind)],
    content_type: Option<&str>,
    body: &[Bytes],
) -> Result<(Endpoint, Located), Unroutable> {
    let path = target.split('?').next().unwrap_or_default();
    let (endpoint, range) = path::named(path, kind, operations).ok_or(Unroutable::NoModel)?;
    let mut located = read(content_type, body)?;
    located.model = site::of_path(path, &range).ok_or(Unroutable::NoModel)?;
    located.sites = vec![Site::new(Place::Path, range)];
    Ok((endpoint, located))
}

/// `{"type": "json_object"}` and `{"type": "json_schema", …}`, wherever the endpoint has them.
fn is_json_format(format: &Value<'_>) -> bool {
    let kind = format.last("type").ok().flatten();
    let kind = kind.as_ref().and_then(Value::as_str);
    kind.is_some_and(|kind| kind.starts_with("json"))
}

/// Whether the last message brings the result of a tool: by its role in chat completions, by its
/// type in responses, by one of its blocks in Anthropic's messages.
fn ends_in_tool_result(messages: &Value<'_>) -> bool {
    let Some(last) = messages.last_item() else {
        return false;
    };
    let mut content = None;
    for (key, value) in last.members().map_while(Result::ok) {
        let text = || value.as_str();
        match &*key {
            "role" if text().is_some_and(|role| matches!(&*role, "tool" | "function")) => {
                return true;
            }
            "type" if text().is_some_and(|kind| kind.ends_with("_call_output")) => return true,
            "content" => content = Some(value),
            _ => {}
        }
    }
    let blocks = content.iter().flat_map(Value::items);
    blocks.map_while(Result::ok).any(|block| {
        let kind = block.last("type").ok().flatten();
        let kind = kind.as_ref().and_then(Value::as_str);
        kind.is_some_and(|kind| kind == "tool_result")
    })
}

/// Looks for a tool that runs at the provider. What cannot be read is the provider's to refuse.
fn has_server_tool(tools: &Value<'_>) -> bool {
    tools.items().map_while(Result::ok).any(|tool| {
        let kind = tool.last("type").ok().flatten();
        let kind = kind.as_ref().and_then(Value::as_str);
        kind.is_some_and(|kind| SERVER_TOOLS.iter().any(|server| kind.starts_with(server)))
    })
}

impl From<json::Error> for Unroutable {
    fn from(error: json::Error) -> Self {
        if error.is_too_deep() {
            Self::TooDeep
        } else {
            Self::NotJson
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Located, Unroutable> {
        locate(
            Some("application/json"),
            &[Bytes::copy_from_slice(body.as_bytes())],
        )
    }

    #[test]
    fn the_last_model_wins_and_all_are_sites() {
        let located = read(r#"{"model":"a","x":[{"model":"n"}],"model":"b"}"#).unwrap();
        assert_eq!(located.model, "b");
        let sites = [9..12, 41..44].map(|range| Site::new(Place::Json, range));
        assert_eq!(located.sites, sites);
    }

    #[test]
    fn a_model_that_is_no_name_is_none() {
        for body in [
            "{}",
            r#"{"model":null}"#,
            r#"{"model":7}"#,
            r#"{"model":""}"#,
        ] {
            assert_eq!(read(body), Err(Unroutable::NoModel), "{body}");
        }
        for body in [
            "",
            "[]",
            "nonsense",
            r#"{"model":"a""#,
            r#"{"model":"a"} x"#,
        ] {
            assert_eq!(read(body), Err(Unroutable::NotJson), "{body}");
        }
        let deep = format!(
            r#"{{"x":{}1{},"model":"a"}}"#,
            "[".repeat(200),
            "]".repeat(200)
        );
        assert_eq!(read(&deep), Err(Unroutable::TooDeep));
    }

    #[test]
    fn what_reaches_beyond_the_answer_is_noticed() {
        for body in [
            r#"{"model":"m","store":true}"#,
            r#"{"model":"m","background":true}"#,
            r#"{"model":"m","tools":[{"type":"function"},{"type":"web_search_preview"}]}"#,
            r#"{"model":"m","tools":[{"name":"x","type":"code_execution_20250522"}]}"#,
            r#"{"model":"m","tools":[{"type":"mcp","server_url":"x"}]}"#,
            r#"{"model":"m","web_search_options":{}}"#,
            r#"{"model":"m","mcp_servers":[{"url":"x"}]}"#,
        ] {
            assert!(read(body).unwrap().side_effects, "{body}");
        }
        for body in [
            r#"{"model":"m","store":false,"background":null,"tools":[],"mcp_servers":[]}"#,
            r#"{"model":"m","tools":[{"type":"function","function":{"type":"mcp"}}]}"#,
            r#"{"model":"m","tools":[{"name":"bash","type":"bash_20250124"}]}"#,
            r#"{"model":"m","web_search_options":null,"messages":[{"store":true}]}"#,
        ] {
            assert!(!read(body).unwrap().side_effects, "{body}");
        }
    }

    #[test]
    fn the_stream_flag_and_the_cap_are_read() {
        let located = read(r#"{"max_tokens":5,"stream":true,"model":"m"}"#).unwrap();
        assert!(located.stream);
        assert_eq!(located.max_output_tokens, Some(5));
    }

    #[test]
    fn tools_and_json_mode_are_noticed() {
        let of = |body| {
            let located = read(body).unwrap();
            (located.tools, located.json_mode)
        };
        for (body, expected) in [
            (r#"{"model":"m"}"#, (false, false)),
            (
                r#"{"model":"m","tools":[],"functions":null}"#,
                (false, false),
            ),
            (
                r#"{"model":"m","tools":[{"type":"function"}]}"#,
                (true, false),
            ),
            (r#"{"model":"m","functions":[{"name":"f"}]}"#, (true, false)),
            (
                r#"{"model":"m","response_format":{"type":"text"}}"#,
                (false, false),
            ),
            (r#"{"model":"m","response_format":"json"}"#, (false, false)),
            (
                r#"{"model":"m","response_format":{"type":"json_object"}}"#,
                (false, true),
            ),
            (
                r#"{"model":"m","response_format":{"json_schema":{"type":"x"},"type":"json_schema"}}"#,
                (false, true),
            ),
            (
                r#"{"model":"m","text":{"format":{"type":"json_schema"}}}"#,
                (false, true),
            ),
            (
                r#"{"model":"m","text":{"verbosity":"low"}}"#,
                (false, false),
            ),
            (
                r#"{"model":"m","output_format":{"type":"json_schema"}}"#,
                (false, true),
            ),
            (
                r#"{"model":"m","output_config":{"format":{"type":"json_schema"}}}"#,
                (false, true),
            ),
            (
                r#"{"model":"m","output_config":{"effort":"low"}}"#,
                (false, false),
            ),
        ] {
            assert_eq!(of(body), expected, "{body}");
        }
    }

    #[test]
    fn the_names_at_the_top_are_noted() {
        let located = read(r#"{"model":"m","to\u0070_p":1,"x":{"seed":1}}"#).unwrap();
        assert_eq!(
            located.fields,
            ["model", "top_p", "x"].into_iter().collect()
        );
    }

    #[test]
    fn state_of_a_provider_is_noticed() {
        for (body, expected) in [
            (r#"{"model":"m","previous_response_id":"resp_1"}"#, true),
            (r#"{"model":"m","previous_response_id":null}"#, false),
            (r#"{"conversation":{"id":"conv_1"},"model":"m"}"#, true),
            (
                r#"{"model":"m","input":[{"encrypted_content":"x","type":"reasoning"}]}"#,
                true,
            ),
            (r#"{"model":"m","input":"encrypted_content"}"#, false),
        ] {
            assert_eq!(read(body).unwrap().bound, expected, "{body}");
        }
    }

    #[test]
    fn a_tool_loop_is_noticed_by_the_last_message_alone() {
        for messages in [
            r#""messages":[{"role":"user","content":"x"},{"role":"tool","content":"1"}]"#,
            r#""messages":[{"content":"1","role":"function","name":"f"} ]"#,
            r#""messages":[{"role":"user","content":[{"type":"tool_result","content":"]"},{"type":"text"}]}]"#,
            r#""input":[{"role":"user","content":"x"},{"type":"function_call_output","output":"1"}]"#,
            r#""input":[{"output":"{}","type":"custom_tool_call_output"}]"#,
        ] {
            let body = format!(r#"{{"model":"m",{messages},"tools":[{{"type":"function"}}]}}"#);
            assert!(read(&body).unwrap().tool_loop, "{body}");
            let body = format!(r#"{{"model":"m",{messages}}}"#);
            assert!(!read(&body).unwrap().tool_loop, "no tools, no loop: {body}");
        }
        for messages in [
            r#""messages":[{"role":"tool","content":"1"},{"role":"user","content":"thanks"}]"#,
            r#""messages":[{"role":"user","content":"{\"role\":\"tool\"}"}]"#,
            r#""messages":[{"role":"user","content":[{"type":"text","text":"tool_result"}]}]"#,
            r#""messages":[],"input":"tool""#,
            r#""messages":[7]"#,
            r#""input":"function_call_output""#,
        ] {
            let body = format!(r#"{{"functions":[{{}}],"model":"m",{messages}}}"#);
            assert!(!read(&body).unwrap().tool_loop, "{body}");
        }
    }
}
