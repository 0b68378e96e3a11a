//! What callers may ask for.

use super::assert_mistakes;

#[test]
fn mistakes_about_pools_are_told() {
    assert_mistakes(&[
        (
            "\"default-chat\"",
            "\"chat\"",
            "14:12: aliases: \"chat\" is already the name or an alias of a pool",
        ),
        (
            "aliases = [\"default-chat\"]",
            "aliases = \"default-chat\"",
            "14:11: aliases: expected an array, such as [\"a\", \"b\"], not a string",
        ),
        (
            "aliases = [\"default-chat\"]",
            "aliases = [5]",
            "14:12: aliases: expected a string, not a whole number",
        ),
        (
            "\"default-chat\"",
            "\"\"",
            "14:12: alias: the name is empty",
        ),
        (
            "name = \"chat\"\n",
            "",
            "12:1: the key \"name\" is missing here",
        ),
        (
            "mode = \"observe\"",
            "mode = \"observ\"",
            "15:8: mode: there is no \"observ\"; did you mean \"observe\"?",
        ),
        (
            "mode = \"observe\"",
            "mode = \"watch\"",
            "15:8: mode: expected one of \"route\", \"observe\", \"off\"",
        ),
        (
            "mode = \"observe\"",
            "mode = 5",
            "15:8: mode: expected a string",
        ),
        (
            "mode = \"observe\"",
            "policy = \"random\"",
            "15:10: policy: expected one of \"adaptive\", \"declared\", \"weighted\"",
        ),
        (
            "mode = \"observe\"",
            "nobody_free = \"least-bad\"",
            "15:15: nobody_free: there is no \"least-bad\"; did you mean \"least_bad\"?",
        ),
        (
            "mode = \"observe\"",
            "cost_weight = -1",
            "15:15: cost_weight: expected a number from 0",
        ),
        (
            "mode = \"observe\"",
            "cost_weight = inf",
            "15:15: cost_weight: expected a number from 0",
        ),
        (
            "mode = \"observe\"",
            "objective_ms = 0",
            "15:16: objective_ms: expected a number from 1",
        ),
        (
            "mode = \"observe\"",
            "preference = \"high\"",
            "15:14: preference: expected a number, not a string",
        ),
        (
            "mode = \"observe\"",
            "success_when = [\"valid_jsn\"]",
            "15:17: success_when: there is no \"valid_jsn\"; did you mean \"valid_json\"?",
        ),
        (
            "mode = \"observe\"",
            "cascade = true",
            "15:11: cascade: needs success_when: the checks that say which answers are asked for \
             again, such as [\"valid_json\"]",
        ),
        (
            "mode = \"observe\"",
            "success_when = [\"valid_json\"]\ncascade = true\ncascade_below = 0.7",
            "17:17: cascade_below: would do nothing: it is about grades of quality, and the \
             checks of success_when are about form. An answer of the wrong form is asked for \
             again wherever cascade is true",
        ),
        (
            "mode = \"observe\"",
            "ask_usage = \"yes\"",
            "15:13: ask_usage: expected true or false, not a string",
        ),
        (
            "mode = \"observe\"",
            "hold_back = 1",
            "15:13: hold_back: expected true or false, not a whole number",
        ),
        (
            "mode = \"observe\"",
            "[[pool]]\nname = \"empty\"",
            "13:8: pool \"chat\" has no target; expected [[pool.target]] tables, each with a \
             model and the name of an upstream",
        ),
    ]);
}
