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
fn state_that_is_named_by_its_id_is_noticed() {
    for (body, expected) in [
        (r#"{"model":"m","previous_response_id":"resp_1"}"#, true),
        (r#"{"model":"m","previous_response_id":null}"#, false),
        (r#"{"conversation":{"id":"conv_1"},"model":"m"}"#, true),
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

#[test]
fn what_other_dialects_keep_in_objects_is_read() {
    let of = |body: &str| {
        let body = [Bytes::copy_from_slice(body.as_bytes())];
        super::read(Some("application/json"), &body).unwrap()
    };
    for body in [
        r#"{"generationConfig":{"maxOutputTokens":9}}"#,
        r#"{"inferenceConfig":{"temperature":0,"maxTokens":9}}"#,
        r#"{"options":{"num_predict":9}}"#,
    ] {
        assert_eq!(of(body).max_output_tokens, Some(9), "{body}");
    }
    assert_eq!(
        of(r#"{"options":{"num_predict":-1}}"#).max_output_tokens,
        None
    );
    for body in [
        r#"{"generationConfig":{"responseMimeType":"application/json"}}"#,
        r#"{"format":"json"}"#,
        r#"{"format":{"type":"object"}}"#,
    ] {
        assert!(of(body).json_mode, "{body}");
    }
    for body in [
        r#"{"generationConfig":{"responseMimeType":"text/plain"}}"#,
        r#"{"format":"mp3"}"#,
        r#"{"format":""}"#,
    ] {
        assert!(!of(body).json_mode, "{body}");
    }
    let called = of(
        r#"{"contents":[{"role":"user","parts":[{"functionResponse":{"name":"f"}}]}],"tools":[{"functionDeclarations":[]}]}"#,
    );
    assert!(called.tools && called.tool_loop && !called.side_effects);
    let called = of(
        r#"{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"1"}}]}],"toolConfig":{"tools":[{"toolSpec":{}}]}}"#,
    );
    assert!(called.tools && called.tool_loop);
    assert!(of(r#"{"tools":[{"googleSearch":{}}]}"#).side_effects);
}
