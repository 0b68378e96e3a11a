//! Who may serve it.

use super::assert_mistakes;

#[test]
fn mistakes_about_targets_are_told() {
    assert_mistakes(&[
        (
            "model = \"gpt-4o\", ",
            "",
            "17:5: the key \"model\" is missing here",
        ),
        (
            ", upstream = \"local\"",
            "",
            "18:5: the key \"upstream\" is missing here",
        ),
        (
            "upstream = \"local\"",
            "upstream = \"lokal\"",
            "18:35: upstream: there is no upstream named \"lokal\"; did you mean \"local\"?",
        ),
        (
            "upstream = \"local\"",
            "upstream = \"azure\"",
            "18:35: upstream: there is no upstream named \"azure\"; expected one of \"openai\", \
             \"local\"",
        ),
        (
            "name = \"own\"",
            "name = \"gpt-4o\"",
            "18:51: name: pool \"chat\" has two targets named \"gpt-4o\"; give one of them \
             another name = \"...\"",
        ),
        (
            "\"gpt-4o\"",
            "\"\"",
            "17:15: pool \"chat\": model: the name is empty",
        ),
        (
            "name = \"own\"",
            "expected_quality = nan",
            "18:63: expected_quality: expected a number from 0 to 1",
        ),
        (
            "name = \"own\"",
            "expected_quality = 90",
            "18:63: expected_quality: expected a number from 0 to 1",
        ),
        (
            "name = \"own\"",
            "price = 5",
            "18:52: price: expected a table, such as [pool.target.price] begins, not a whole \
             number",
        ),
        (
            "name = \"own\"",
            "price = { input = 1 }",
            "18:52: the key \"output\" is missing here",
        ),
        (
            "name = \"own\"",
            "price = { input = 1, output = -2 }",
            "18:74: output: expected a number from 0",
        ),
        (
            "name = \"own\"",
            "price = { input = 1, output = 1, cached = -1 }",
            "18:86: cached: expected a number from 0",
        ),
        (
            "name = \"own\"",
            "price = { input = 1, output = 1, written = nan }",
            "18:87: written: expected a number from 0",
        ),
        (
            "name = \"own\"",
            "weight = -0.5",
            "18:53: weight: expected a number from 0",
        ),
        (
            "name = \"own\"",
            "context_window = 0",
            "18:61: context_window: expected a number from 1",
        ),
        (
            "name = \"own\"",
            "max_output_tokens = 1.5",
            "18:64: max_output_tokens: expected a whole number from 1, not a number with a point",
        ),
        (
            "name = \"own\"",
            "vision = \"yes\"",
            "18:53: vision: expected true or false, not a string",
        ),
        (
            "name = \"own\"",
            "compatibility_group = \"\"",
            "18:15: pool \"chat\": target \"llama\": compatibility group: the name is empty",
        ),
        (
            "name = \"own\"",
            "name = \"own\", json_mode = 5",
            "18:70: json_mode: expected true or false, not a whole number",
        ),
        (
            "name = \"own\"",
            "parameters = { drop = [\"model\"] }",
            "18:15: pool \"chat\": target \"llama\": the parameter \"model\" must stay as it is: \
             routing depends on it",
        ),
        (
            "name = \"own\"",
            "parameters = { drop = [\"a\"], rename = { a = \"b\" } }",
            "18:15: pool \"chat\": target \"llama\": two rules name the parameter \"a\"",
        ),
        (
            "name = \"own\"",
            "parameters = { set = { a = 2024-01-01 } }",
            "18:71: a: expected a value that JSON has, too: no date, no inf",
        ),
        (
            "name = \"own\"",
            "parameters = { set = { a = [inf] } }",
            "18:71: a: expected a value that JSON has, too: no date, no inf",
        ),
    ]);
}
