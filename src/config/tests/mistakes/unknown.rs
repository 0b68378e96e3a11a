//! Keys that there are not.

use super::assert_mistakes;

#[test]
fn keys_that_there_are_not_are_told_with_what_was_meant() {
    assert_mistakes(&[
        (
            "name = \"openai\"",
            "nam = \"openai\"",
            "3:1: there is no key \"nam\" here; did you mean \"name\"?",
        ),
        (
            "base_url = \"https",
            "url = \"https",
            "4:1: there is no key \"url\" here; did you mean \"base_url\"?",
        ),
        (
            "[[pool]]",
            "[[pools]]",
            "12:3: there is no key \"pools\" here; did you mean \"pool\"?",
        ),
        (
            "\n[[upstream]]",
            "[limit]\nmax_requests = 5\n[[upstream]]",
            "1:2: there is no key \"limit\" here; did you mean \"limits\"?",
        ),
        (
            "\n[[upstream]]",
            "state_endpoint = true\n[[upstream]]",
            "1:1: there is no key \"state_endpoint\" here; expected one of \"listen\", \"hosts\", \
             \"deadline_ms\", \"pass_unknown_models\", \"default_upstream\", \"tasks\", \
             \"shadow_percent\", \"limits\", \"headers\", \"admin\", \"store\", \"telemetry\", \
             \"key\", \"upstream\", \"pool\"",
        ),
        (
            "\n[[upstream]]",
            "[limits]\nmax_conections = 5\n[[upstream]]",
            "2:1: there is no key \"max_conections\" here; did you mean \"max_connections\"?",
        ),
        (
            "\n[[upstream]]",
            "max_requests = 5\n[[upstream]]",
            "1:1: there is no key \"max_requests\" here; it belongs under [limits]",
        ),
        (
            "\n[[upstream]]",
            "max_request = 5\n[[upstream]]",
            "1:1: there is no key \"max_request\" here; max_requests belongs under [limits]",
        ),
        (
            "[[pool]]",
            "pass_unknown_models = true\n[[pool]]",
            "12:1: there is no key \"pass_unknown_models\" here; it belongs at the top, before \
             the first table",
        ),
        (
            "mode = \"observe\"",
            "timeout_ms = 5",
            "15:1: there is no key \"timeout_ms\" here; expected one of \"name\", \"aliases\", \
             \"mode\", \"nobody_free\", \"policy\", \"cost_weight\", \"objective_ms\", \
             \"preference\", \"compressed_answers\", \"hold_back\", \"derive_sessions\", \
             \"ask_usage\", \"success_when\", \"cascade\", \"target\", \"targets\"",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "api_key = \"canary\"",
            "5:1: there is no key \"api_key\" here; did you mean \"api_key_env\"?",
        ),
        (
            "api_key_env = \"OPENAI_API_KEY\"",
            "sk-canary = \"canary\"",
            "5:1: there is no such key here; expected one of \"name\", \"base_url\", \"dialect\", \
             \"query\", \"api_key_env\", \"api_key_file\", \"connect_timeout_ms\", \
             \"attempt_timeout_ms\", \"idle_timeout_ms\", \"http2\", \"allow_link_local\"",
        ),
        (
            "model = \"llama\"",
            "modle = \"llama\"",
            "18:7: there is no key \"modle\" here; did you mean \"model\"?",
        ),
        (
            "name = \"own\"",
            "price = { input = 1, output = 1, read = 1 }",
            "18:77: there is no key \"read\" here; expected one of \"input\", \"output\", \
             \"cached\", \"written\"",
        ),
        (
            "name = \"own\"",
            "parameters = { droop = [\"seed\"] }",
            "18:59: there is no key \"droop\" here; did you mean \"drop\"?",
        ),
        (
            "name = \"own\"",
            "weigth = 2",
            "18:44: there is no key \"weigth\" here; did you mean \"weight\"?",
        ),
        (
            "\n[[upstream]]",
            "[headers]\ntaks = \"x-team\"\n[[upstream]]",
            "2:1: there is no key \"taks\" here; did you mean \"task\"?",
        ),
        (
            "\n[[upstream]]",
            "[admin]\ntokn_env = \"TOKEN\"\n[[upstream]]",
            "2:1: there is no key \"tokn_env\" here; did you mean \"token_env\"?",
        ),
        (
            "\n[[upstream]]",
            "[store]\nfile = \"/state\"\n[[upstream]]",
            "2:1: there is no key \"file\" here; expected one of \"enabled\", \"path\", \
             \"interval_ms\", \"url\", \"url_env\", \"user\", \"password_env\", \"password_file\", \
             \"ca_file\", \"secret_env\", \"secret_file\", \"prefix\", \"exchange_ms\", \
             \"answer_timeout_ms\"",
        ),
        (
            "\n[[upstream]]",
            "[telemetry]\notlp = \"http://a\"\n[[upstream]]",
            "2:1: there is no key \"otlp\" here; did you mean \"otlp_endpoint\"?",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nhash = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\n[[upstream]]",
            "3:1: there is no key \"hash\" here; expected one of \"name\", \"sha256\", \"pools\", \
             \"tenant\", \"daily_dollars\", \"trust\"",
        ),
    ]);
}
