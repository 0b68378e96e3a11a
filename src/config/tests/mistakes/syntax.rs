//! What is no TOML, or not in the shape of the file.

use super::assert_mistakes;

#[test]
fn what_is_no_toml_or_has_another_shape_is_told() {
    assert_mistakes(&[
        (
            "[[pool]]",
            "[[pool]",
            "12:8: unclosed array table, expected `]`",
        ),
        (
            "mode = \"observe\"",
            "mode = observe",
            "15:8: string values must be quoted",
        ),
        (
            "mode = \"observe\"",
            "mode = \"observe",
            "15:16: invalid basic string, expected `\"`",
        ),
        (
            "mode = \"observe\"",
            "mode \"observe\"",
            "15:6: key with no value, expected `=`",
        ),
        (
            "mode = \"observe\"",
            "mode = \"off\"\nmode = \"route\"",
            "16:1: \"mode\" is here a second time; a key is set once, and a table opened once",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "http2 = yes",
            "5:9: string values must be quoted",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "http2 = True",
            "5:9: invalid boolean, expected `true`",
        ),
        (
            "{ model = \"gpt-4o\", upstream",
            "{ model = \"gpt-4o\" upstream",
            "17:24: missing comma between key-value pairs, expected `,`",
        ),
        ("\n]\n", "\n", "18:80: unclosed array, expected `]`"),
        (
            "[[upstream]]",
            "[upstream]",
            "2:1: there may be several: write [[upstream]], with two brackets",
        ),
        (
            "[[pool]]",
            "[pool]",
            "12:1: there may be several: write [[pool]], with two brackets",
        ),
        (
            "\n[[upstream]]",
            "[[limits]]\nmax_requests = 5\n[[upstream]]",
            "1:1: there is only one: write [limits], with one bracket",
        ),
        (
            "\n[[upstream]]",
            "[key]\nname = 'a'\n[[upstream]]",
            "1:1: there may be several: write [[key]], with two brackets",
        ),
        (
            "\n[[upstream]]",
            "[limits]\nmax_requests = 5\n[limits]\n[[upstream]]",
            "3:2: \"limits\" is here a second time; a key is set once, and a table opened once",
        ),
        (
            "\n[[upstream]]",
            "upstream = 5\n[[upstream]]",
            "2:3: \"upstream\" is here a second time; a key is set once, and a table opened once",
        ),
        (
            "\n[[upstream]]",
            "limits = 5\n[[upstream]]",
            "1:10: limits: expected a table, such as [limits] begins, not a whole number",
        ),
        (
            "\n[[upstream]]",
            "key = \"og-canary\"\n[[upstream]]",
            "1:7: key: expected a table, such as [[key]] begins, not a string",
        ),
        (
            "mode = \"observe\"",
            "targets = [\"gpt-4o\"]\n#",
            "17:1: \"targets\" is here a second time; a key is set once, and a table opened once",
        ),
    ]);
}
