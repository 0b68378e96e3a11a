//! Every mistake gives one error, which says in which line it is and what would be right.

use super::*;

mod around;
mod fleet;
mod key;
mod pool;
mod secret;
mod syntax;
mod target;
mod top;
mod unknown;
mod upstream;

/// Makes each change to the good file, and compares the error.
#[track_caller]
fn assert_mistakes(list: &[(&str, &str, &str)]) {
    for (from, to, expected) in list {
        assert!(GOOD.contains(from), "{from}");
        let source = GOOD.replacen(from, to, 1);
        let error = Config::parse("f", &source, variable)
            .unwrap_err()
            .to_string();
        assert_eq!(error, format!("f:{expected}"), "{to}");
        let shown = error.to_lowercase();
        assert!(
            !shown.contains("canary") && !shown.contains('\n'),
            "{error}"
        );
    }
}

fn variable(name: &str) -> Option<String> {
    let value = match name {
        "OPENAI_API_KEY" => "canary-secret",
        "EMPTY_KEY" | "empty" => " ",
        "BROKEN_KEY" => "canary\nsecret",
        "SHORT_TOKEN" => "canary",
        "LONG_SECRET" => "canary-of-16-and-more",
        "REDIS_URL" => "redis://canary:canary@h:port",
        _ => return None,
    };
    Some(value.to_owned())
}
