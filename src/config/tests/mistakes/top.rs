//! The keys before the first table.

use super::assert_mistakes;

#[test]
fn mistakes_before_the_first_table_are_told() {
    assert_mistakes(&[
        (
            "\n[[upstream]]",
            "listen = \"localhost\"\n[[upstream]]",
            "1:10: listen: \"localhost\" is no address; expected an IP address and a port, such \
             as \"127.0.0.1:8080\"",
        ),
        (
            "\n[[upstream]]",
            "listen = 8080\n[[upstream]]",
            "1:10: listen: expected a string, not a whole number",
        ),
        (
            "\n[[upstream]]",
            "hosts = [\"a:80\"]\n[[upstream]]",
            "1:10: hosts: expected names or addresses alone, such as \"llm.example.com\" or \
             \"[::1]\"",
        ),
        (
            "\n[[upstream]]",
            "hosts = \"a\"\n[[upstream]]",
            "1:9: hosts: expected an array, such as [\"a\", \"b\"], not a string",
        ),
        (
            "\n[[upstream]]",
            "deadline_ms = 0\n[[upstream]]",
            "1:15: deadline_ms: expected a number from 1",
        ),
        (
            "\n[[upstream]]",
            "deadline_ms = 86400001\n[[upstream]]",
            "1:15: deadline_ms: expected at most 86400000 milliseconds, a day",
        ),
        (
            "\n[[upstream]]",
            "deadline_ms = \"9m\"\n[[upstream]]",
            "1:15: deadline_ms: expected a whole number from 1, not a string",
        ),
        (
            "\n[[upstream]]",
            "tasks = \"by_shpe\"\n[[upstream]]",
            "1:9: tasks: there is no \"by_shpe\"; did you mean \"by_shape\"?",
        ),
        (
            "\n[[upstream]]",
            "tasks = \"by size\"\n[[upstream]]",
            "1:9: tasks: expected one of \"by_shape\", \"none\"",
        ),
        (
            "\n[[upstream]]",
            "shadow_percent = 100.5\n[[upstream]]",
            "1:18: shadow_percent: expected a number from 0 to 100",
        ),
        (
            "\n[[upstream]]",
            "pass_unknown_models = true\n[[upstream]]",
            "1:23: pass_unknown_models: needs default_upstream: the name of the upstream that \
             serves them",
        ),
        (
            "\n[[upstream]]",
            "pass_unknown_models = \"yes\"\n[[upstream]]",
            "1:23: pass_unknown_models: expected true or false, not a string",
        ),
        (
            "\n[[upstream]]",
            "default_upstream = \"opnai\"\n[[upstream]]",
            "1:20: default_upstream: there is no upstream named \"opnai\"; did you mean \
             \"openai\"?",
        ),
        (
            "\n[[upstream]]",
            "default_upstream = \"azure\"\n[[upstream]]",
            "1:20: default_upstream: there is no upstream named \"azure\"; expected one of \
             \"openai\", \"local\"",
        ),
    ]);
}
