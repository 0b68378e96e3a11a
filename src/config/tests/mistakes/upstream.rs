//! Where requests go.

use super::assert_mistakes;

#[test]
fn mistakes_about_upstreams_are_told() {
    assert_mistakes(&[
        (
            "name = \"openai\"\n",
            "",
            "2:1: the key \"name\" is missing here",
        ),
        (
            "base_url = \"http://127.0.0.1:8000/v1\"\n",
            "",
            "7:1: the key \"base_url\" is missing here",
        ),
        (
            "name = \"local\"",
            "name = \"openai\"",
            "8:8: name: two upstreams are named \"openai\"",
        ),
        (
            "name = \"openai\"\n",
            "name = 5\n",
            "3:8: name: expected a string, not a whole number",
        ),
        (
            "name = \"openai\"\n",
            "name = \"\"\n",
            "3:8: name: the name is empty",
        ),
        (
            "https://",
            "ftp://",
            "4:12: base_url: must begin with http:// or https://; expected a URL such as \
             \"https://api.openai.com/v1\"",
        ),
        (
            "https://api.openai.com/v1",
            "api.openai.com",
            "4:12: base_url: must begin with http:// or https://; expected a URL such as \
             \"https://api.openai.com/v1\"",
        ),
        (
            "https://",
            "https://user:canary@",
            "4:12: base_url: must hold no user name, password, query or fragment; expected a URL \
             such as \"https://api.openai.com/v1\", and api_key_env for the key",
        ),
        (
            "openai.com/v1",
            "openai.com/v1?key=canary",
            "4:12: base_url: must hold no user name, password, query or fragment; expected a URL \
             such as \"https://api.openai.com/v1\", and api_key_env for the key",
        ),
        (
            "com/v1",
            "com/v1/chat/completions",
            "4:12: base_url: without /chat/completions, which every call brings; expected a URL \
             such as \"https://api.openai.com/v1\"",
        ),
        (
            "com/v1",
            "com:99999/v1",
            "4:12: base_url: the port must be a number from 1 to 65535; expected a URL such as \
             \"https://api.openai.com/v1\"",
        ),
        (
            "com/v1",
            "com:/v1",
            "4:12: base_url: the port must be a number from 1 to 65535; expected a URL such as \
             \"https://api.openai.com/v1\"",
        ),
        (
            "com/v1",
            "com:0/v1",
            "4:12: base_url: the port must be a number from 1 to 65535; expected a URL such as \
             \"https://api.openai.com/v1\"",
        ),
        (
            "127.0.0.1:8000",
            "169.254.169.254",
            "9:12: base_url: a link-local address, where clouds keep the secrets of a machine; \
             write allow_link_local = true if it is meant",
        ),
        (
            "127.0.0.1:8000",
            "[fe80::1]:80",
            "9:12: base_url: a link-local address, where clouds keep the secrets of a machine; \
             write allow_link_local = true if it is meant",
        ),
        (
            "127.0.0.1:8000",
            "[::ffff:169.254.1.1]",
            "9:12: base_url: a link-local address, where clouds keep the secrets of a machine; \
             write allow_link_local = true if it is meant",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "api_key_env = \"OPENAI_API_KEY\"\ndialect = \"opnai\"",
            "6:11: dialect: there is no dialect \"opnai\"; did you mean \"openai\"?",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "query = \"a=5\"",
            "5:9: query: expected a table, such as { a = \"b\" }, not a string",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "query = { a = 5 }",
            "5:15: a: expected a string, not a whole number",
        ),
        (
            "1500",
            "0",
            "10:22: attempt_timeout_ms: expected a number from 1",
        ),
        (
            "1500",
            "\"1s\"",
            "10:22: attempt_timeout_ms: expected a whole number from 1, not a string",
        ),
        (
            "1500",
            "1.5",
            "10:22: attempt_timeout_ms: expected a whole number from 1, not a number with a point",
        ),
        (
            "1500",
            "-1",
            "10:22: attempt_timeout_ms: expected a whole number from 1, not a negative one",
        ),
        (
            "1500",
            "true",
            "10:22: attempt_timeout_ms: expected a whole number from 1, not true or false",
        ),
        (
            "1500",
            "99999999999999999999999",
            "10:22: attempt_timeout_ms: expected a whole number from 1, not one so large",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "http2 = \"canary\"",
            "5:9: http2: expected true or false, not a string",
        ),
    ]);
}
