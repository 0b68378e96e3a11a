//! Finding the model in a JSON body, which is the same in both dialects.

use std::borrow::Cow;

use bytes::Bytes;

use super::{
    Endpoint, EndpointKind, Fields, Located, Place, Site, Unroutable,
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

/// The same at Gemini, where they are told by their names.
const GEMINI_TOOLS: [&str; 9] = [
    "codeExecution",
    "code_execution",
    "fileSearch",
    "googleMaps",
    "googleSearch",
    "googleSearchRetrieval",
    "google_search",
    "urlContext",
    "url_context",
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
            "messages" | "input" | "contents" => messages = Some(value),
            "previous_response_id" | "conversation" => bound |= !value.is_null(),
            "max_tokens" | "max_completion_tokens" | "max_output_tokens" => {
                max_output_tokens = value.as_u64().or(max_output_tokens);
            }
            // Gemini, Bedrock and Ollama keep settings in objects of their own.
            "generationConfig" | "generation_config" | "inferenceConfig" | "options" => {
                let settings = Settings::of(&value);
                max_output_tokens = settings.max_output_tokens.or(max_output_tokens);
                json_mode |= settings.json_mode;
            }
            "toolConfig" => {
                let offered = value.last("tools").ok().flatten();
                tools |= offered.is_some_and(|offered| offered.items().next().is_some());
            }
            "format" => {
                let is_json = value.as_str().is_some_and(|format| format == "json");
                json_mode |= is_json || value.members().next().is_some_and(|it| it.is_ok());
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
        tool_loop: tools && messages.as_ref().is_some_and(ends_in_tool_result),
        fields,
        bound,
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

/// What an object of settings says.
#[derive(Default)]
struct Settings {
    max_output_tokens: Option<u64>,
    json_mode: bool,
}

impl Settings {
    fn of(settings: &Value<'_>) -> Self {
        let mut said = Self::default();
        for (key, value) in settings.members().map_while(Result::ok) {
            match &*key {
                "maxOutputTokens" | "max_output_tokens" | "maxTokens" | "num_predict" => {
                    said.max_output_tokens = value.as_u64().or(said.max_output_tokens);
                }
                "responseMimeType" | "response_mime_type" => {
                    said.json_mode |= value.as_str().is_some_and(|kind| is_json(&kind));
                }
                _ => {}
            }
        }
        said
    }
}

/// Whether the last message brings the result of a tool: by its role in chat completions, by its
/// type in responses, by one of its blocks or parts in Anthropic's, Bedrock's and Gemini's messages.
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
            "content" | "parts" => content = Some(value),
            _ => {}
        }
    }
    let blocks = content.iter().flat_map(Value::items);
    blocks.map_while(Result::ok).any(|block| {
        let mut members = block.members().map_while(Result::ok);
        members.any(|(key, value)| match &*key {
            "type" => value.as_str().is_some_and(|kind| kind == "tool_result"),
            "toolResult" | "functionResponse" | "function_response" => true,
            _ => false,
        })
    })
}

/// Looks for a tool that runs at the provider. What cannot be read is the provider's to refuse.
fn has_server_tool(tools: &Value<'_>) -> bool {
    tools.items().map_while(Result::ok).any(|tool| {
        let mut members = tool.members().map_while(Result::ok);
        members.any(|(key, value)| {
            let is_kind = |kind: &str| SERVER_TOOLS.iter().any(|server| kind.starts_with(server));
            let by_type = key == "type" && value.as_str().is_some_and(|kind| is_kind(&kind));
            by_type || GEMINI_TOOLS.contains(&&*key)
        })
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
mod tests;
