//! What is not about routing.

use super::assert_mistakes;

#[test]
fn mistakes_about_what_is_around_are_told() {
    assert_mistakes(&[
        (
            "\n[[upstream]]",
            "[limits]\nmax_requests = 0\n[[upstream]]",
            "2:16: max_requests: expected a number from 1",
        ),
        (
            "\n[[upstream]]",
            "[limits]\nmax_connections = 1000001\n[[upstream]]",
            "2:19: max_connections: expected a number up to 1000000",
        ),
        (
            "\n[[upstream]]",
            "[limits]\nmax_body_bytes = 2000000000000\n[[upstream]]",
            "2:18: max_body_bytes: expected a number up to 1099511627776",
        ),
        (
            "\n[[upstream]]",
            "limits = { max_buffered_bytes = 5 }\n[[upstream]]",
            "1:33: max_buffered_bytes: expected at least twice max_body_bytes, 67108864",
        ),
        (
            "\n[[upstream]]",
            "[limits]\ndrain_ms = \"30s\"\n[[upstream]]",
            "2:12: drain_ms: expected a whole number from 1, not a string",
        ),
        (
            "\n[[upstream]]",
            "[headers]\nprefix = \"\"\n[[upstream]]",
            "2:10: prefix: expected the beginning of header names, such as \"x-outcome-\"",
        ),
        (
            "\n[[upstream]]",
            "[headers]\nprefix = \"x outcome\"\n[[upstream]]",
            "2:10: prefix: expected the beginning of header names, such as \"x-outcome-\"",
        ),
        (
            "\n[[upstream]]",
            "[headers]\nprefix = \"openai-\"\n[[upstream]]",
            "2:10: prefix: \"openai-task\" means something else to servers; expected a name of \
             your own, such as \"x-team\"",
        ),
        (
            "\n[[upstream]]",
            "[headers]\ntask = \"x team\"\n[[upstream]]",
            "2:8: task: \"x team\" is no header name; expected one such as \"x-team\"",
        ),
        (
            "\n[[upstream]]",
            "[headers]\nsession = \"Authorization\"\n[[upstream]]",
            "2:11: session: \"authorization\" means something else to servers; expected a name of \
             your own, such as \"x-team\"",
        ),
        (
            "\n[[upstream]]",
            "[headers]\ntask = \"x-outcome-session\"\n[[upstream]]",
            "2:8: task: \"x-outcome-session\" is the header of session already",
        ),
        (
            "\n[[upstream]]",
            "[headers]\ntrust = \"pin\"\n[[upstream]]",
            "2:9: trust: expected an array, such as [\"a\", \"b\"], not a string",
        ),
        (
            "\n[[upstream]]",
            "[headers]\ntrust = [\"pins\"]\n[[upstream]]",
            "2:10: trust: there is no \"pins\"; did you mean \"pin\"?",
        ),
        (
            "\n[[upstream]]",
            "[headers]\ntrust = [\"task\"]\n[[upstream]]",
            "2:10: trust: expected one of \"pin\", \"exclude\"",
        ),
        (
            "\n[[upstream]]",
            "[admin]\nlisten = \"0.0.0.0:8081\"\n[[upstream]]",
            "2:10: listen: other machines can connect there: it needs token_env or token_file, or \
             an address of loopback, such as \"127.0.0.1:8081\"",
        ),
        (
            "\n[[upstream]]",
            "[admin]\nlisten = \"[::]:8081\"\n[[upstream]]",
            "2:10: listen: other machines can connect there: it needs token_env or token_file, or \
             an address of loopback, such as \"127.0.0.1:8081\"",
        ),
        (
            "\n[[upstream]]",
            "[admin]\nlisten = \"127.0.0.1:8080\"\n[[upstream]]",
            "2:10: listen: the gateway itself listens there; expected another port",
        ),
        (
            "\n[[upstream]]",
            "[admin]\nlisten = \":8081\"\n[[upstream]]",
            "2:10: listen: \":8081\" is no address; expected an IP address and a port, such as \
             \"127.0.0.1:8080\"",
        ),
        (
            "\n[[upstream]]",
            "[admin]\nenabled = \"no\"\n[[upstream]]",
            "2:11: enabled: expected true or false, not a string",
        ),
        (
            "\n[[upstream]]",
            "[admin]\nhosts = [\"http://a\"]\n[[upstream]]",
            "2:10: hosts: expected names or addresses alone, such as \"llm.example.com\" or \
             \"[::1]\"",
        ),
        (
            "\n[[upstream]]",
            "[store]\npath = \"\"\n[[upstream]]",
            "2:8: path: expected the path of a file",
        ),
        (
            "\n[[upstream]]",
            "[store]\nenabled = true\n[[upstream]]",
            "2:11: enabled: there is no HOME directory to keep it in; expected the path of a \
             file, as path = \"...\" under [store]",
        ),
        (
            "\n[[upstream]]",
            "[store]\ninterval_ms = 0\n[[upstream]]",
            "2:15: interval_ms: expected a number from 1",
        ),
        (
            "\n[[upstream]]",
            "[telemetry]\notlp_endpoint = \"127.0.0.1:4318\"\n[[upstream]]",
            "2:17: otlp_endpoint: expected a URL without user name, query or fragment, such as \
             \"http://127.0.0.1:4318\"",
        ),
        (
            "\n[[upstream]]",
            "[telemetry]\notlp_endpoint = \"http://user:canary@a\"\n[[upstream]]",
            "2:17: otlp_endpoint: expected a URL without user name, query or fragment, such as \
             \"http://127.0.0.1:4318\"",
        ),
        (
            "\n[[upstream]]",
            "[telemetry]\nservice_name = \" \"\n[[upstream]]",
            "2:16: service_name: expected a name of at most 256 bytes",
        ),
    ]);
}
