//! Secrets, which no error repeats.

use super::assert_mistakes;

#[test]
fn f40_mistakes_about_secrets_are_told_without_them() {
    assert_mistakes(&[
        (
            "OPENAI_API_KEY",
            "OTHER_KEY",
            "5:15: api_key_env: the environment variable OTHER_KEY is not set",
        ),
        (
            "OPENAI_API_KEY",
            "EMPTY_KEY",
            "5:15: api_key_env: environment variable EMPTY_KEY: it is empty",
        ),
        (
            "OPENAI_API_KEY",
            "empty",
            "5:15: api_key_env: environment variable empty: it is empty",
        ),
        (
            "OPENAI_API_KEY",
            "BROKEN_KEY",
            "5:15: api_key_env: environment variable BROKEN_KEY: it holds characters that no \
             header can carry",
        ),
        (
            "OPENAI_API_KEY",
            "sk-canary",
            "5:15: api_key_env: there is no such environment variable; expected the name of the \
             one that holds the secret, such as \"OPENAI_API_KEY\"",
        ),
        (
            "OPENAI_API_KEY",
            "CANARY",
            "5:15: api_key_env: there is no such environment variable; expected the name of the \
             one that holds the secret, such as \"OPENAI_API_KEY\"",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "api_key_env = sk-canary",
            "5:15: string values must be quoted",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "api_key_env = [\"sk-canary\"]",
            "5:15: api_key_env: expected a string, not an array",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "OPENAI_API_KEY=sk-canary",
            "5:16: string values must be quoted",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "api_key_file = \"/no/such/file\"",
            "5:16: api_key_file: /no/such/file does not exist",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "api_key_file = \"./no-such-file\"",
            "5:16: api_key_file: ./no-such-file does not exist",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "api_key_file = \"sk-canary\"",
            "5:16: api_key_file: the file does not exist",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "api_key_file = \"/\"",
            "5:16: api_key_file: / is a folder, and no file",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "api_key_file = \"\"",
            "5:16: api_key_file: expected the path of a file",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "api_key_file = \"/dev/zero\"",
            "5:16: api_key_file: /dev/zero is larger than 64 KiB, and no secret",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "api_key_file = \"/dev/null\"",
            "5:16: api_key_file: /dev/null holds no usable secret: it is empty",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "api_key_env = \"OPENAI_API_KEY\"\napi_key_file = \"/a\"",
            "6:16: api_key_file: the secret is in an environment variable already; expected one \
             of both",
        ),
        (
            "\n[[upstream]]",
            "[admin]\ntoken_env = \"SHORT_TOKEN\"\n[[upstream]]",
            "2:13: token_env: the token is too short; expected 16 characters",
        ),
        (
            "\n[[upstream]]",
            "[admin]\ntoken_file = \"/no/such/token\"\n[[upstream]]",
            "2:14: token_file: /no/such/token does not exist",
        ),
        (
            "\n[[upstream]]",
            "[admin]\ntoken_env = \"NO_TOKEN\"\n[[upstream]]",
            "2:13: token_env: the environment variable NO_TOKEN is not set",
        ),
    ]);
}
