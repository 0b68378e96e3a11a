//! Through what instances share.

use super::assert_mistakes;

/// A file with more under `[store]`.
macro_rules! store {
    ($more:literal) => {
        concat!("[store]\n", $more, "\n[[upstream]]")
    };
}

const FROM: &str = "\n[[upstream]]";

#[test]
fn mistakes_about_the_server_are_told() {
    assert_mistakes(&[
        (
            FROM,
            store!("url = \"redis://h\""),
            "2:7: url: needs secret_env or secret_file: a text that all instances have, and nobody \
             else; `openssl rand -hex 32` makes one",
        ),
        (
            FROM,
            store!("url = \"redis://h\"\nsecret_env = \"SHORT_TOKEN\""),
            "3:14: secret_env: the secret is too short; expected 16 characters: `openssl rand \
             -hex 32` makes a good one",
        ),
        (
            FROM,
            store!("url = \"http://h\"\nsecret_env = \"LONG_SECRET\""),
            "2:7: url: the URL of a store: it begins with redis:// or rediss:// (TLS); expected \
             one such as \"redis://cache.internal:6379/0\"",
        ),
        (
            FROM,
            store!("url = \"redis://h\"\nurl_env = \"REDIS_URL\""),
            "3:11: url_env: the server stands under url already; expected one of both",
        ),
        (
            FROM,
            store!("url = \"redis://h\"\nsecret_env = \"LONG_SECRET\"\nprefix = \"A b\""),
            "4:10: prefix: expected 1 to 32 of a-z, 0-9 and -",
        ),
        (
            FROM,
            store!("url = \"redis://h\"\nsecret_env = \"LONG_SECRET\"\nexchange_ms = 9"),
            "4:15: exchange_ms: expected a number from 10 to 60000",
        ),
        (
            FROM,
            store!("url = \"redis://h\"\nsecret_env = \"LONG_SECRET\"\nanswer_timeout_ms = 10001"),
            "4:21: answer_timeout_ms: expected a number from 1 to 10000",
        ),
        (
            FROM,
            store!("url = \"redis://h\"\nsecret_env = \"LONG_SECRET\"\nuser = \"me\""),
            "4:8: user: a store's user comes with a password; expected password_env or \
             password_file",
        ),
        (
            FROM,
            store!("url = \"redis://h\"\nsecret_env = \"LONG_SECRET\"\nuser = \"\""),
            "4:8: user: expected the name of a user",
        ),
        (
            FROM,
            store!("url = \"rediss://h\"\nsecret_env = \"LONG_SECRET\"\nca_file = \"/no/such\""),
            "4:11: ca_file: /no/such does not exist",
        ),
        (
            FROM,
            store!("url = \"rediss://h\"\nsecret_env = \"LONG_SECRET\"\nca_file = \"Cargo.toml\""),
            "4:11: ca_file: TLS of a store: what was given as certificates is none in PEM; \
             expected certificates in PEM",
        ),
    ]);
}

#[test]
fn f40_a_password_of_the_server_is_in_no_error() {
    assert_mistakes(&[
        (
            FROM,
            store!("url = \"redis://:canary@h\"\nsecret_env = \"LONG_SECRET\""),
            "2:7: url: must hold no user name and no password; expected one such as \
             \"redis://cache.internal:6379/0\", and user and password_env or password_file, or all \
             of it in a variable that url_env names",
        ),
        (
            FROM,
            store!("url = \"redis://h/canary\"\nsecret_env = \"LONG_SECRET\""),
            "2:7: url: the URL of a store: after the host, it has the number of a database; \
             expected one such as \"redis://cache.internal:6379/0\"",
        ),
        (
            FROM,
            store!("url_env = \"REDIS_URL\"\nsecret_env = \"LONG_SECRET\""),
            "2:11: url_env: the URL of a store: the port is no number; expected one such as \
             \"redis://cache.internal:6379/0\"",
        ),
        (
            FROM,
            store!("url_env = \"redis://:canary@h\""),
            "2:11: url_env: there is no such environment variable; expected the name of the one \
             that holds the secret, such as \"OPENAI_API_KEY\"",
        ),
        (
            FROM,
            store!("url = \"redis://h\"\nsecret_env = \"canary-of-16-and-more\""),
            "3:14: secret_env: there is no such environment variable; expected the name of the \
             one that holds the secret, such as \"OPENAI_API_KEY\"",
        ),
    ]);
}
