//! The example is good, and complete.

use super::*;

pub(super) fn variable(name: &str) -> Option<String> {
    let value = match name {
        "OPENAI_API_KEY" => "secret",
        "OUTCOME_ADMIN_TOKEN" => "token",
        "OUTCOME_STORE_PASSWORD" | "OUTCOME_STORE_SECRET" => "word",
        "HOME" => "/home/somebody",
        _ => return None,
    };
    Some(value.repeat(4))
}

/// The example with everything in it that is commented out.
pub(super) fn everything() -> String {
    let lines = Config::EXAMPLE.lines().map(|line| {
        let bare = line.strip_prefix("# ").unwrap_or_default();
        let key = bare.split(" = ").next().unwrap();
        let is_key = bare.contains(" = ")
            && key
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit());
        if is_key || bare.starts_with('[') {
            bare
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_is_good() {
    let config = Config::parse("example.toml", Config::EXAMPLE, variable).unwrap();
    assert_eq!(config.warnings().collect::<Vec<_>>(), [""; 0]);
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.headers, Headers::default());
    assert_eq!(config.keys, []);
}

#[test]
fn what_the_example_has_commented_out_is_good() {
    let config = Config::parse("example.toml", &everything(), variable).unwrap();
    // It says what does nothing, too.
    let warnings: Vec<_> = config.warnings().collect();
    assert_eq!(
        warnings,
        [
            "pool \"chat\": weight counts under policy = \"weighted\" only",
            "key \"team-a\": daily_dollars does not count what \"gpt-4o-mini\" costs: it has no \
             price",
        ]
    );
    assert_eq!(config.keys.len(), 1);
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.headers, Headers::default());
    assert!(config.admin.unwrap().token.is_some());
    assert_eq!(config.fleet.unwrap().place(), "redis://127.0.0.1:6379/0");
}

#[test]
fn the_example_has_every_key() {
    let mut sections: Vec<(String, String)> = vec![("[]".to_owned(), String::new())];
    for line in Config::EXAMPLE.lines() {
        let bare = line.trim_start_matches("# ");
        if bare.starts_with('[')
            && let Some(end) = bare.rfind(']')
        {
            sections.push((bare[..=end].to_owned(), String::new()));
        }
        let (_, text) = sections.last_mut().unwrap();
        text.push_str(line);
        text.push('\n');
    }
    let mut missing = Vec::new();
    let mut seen = 0;
    for (header, keys) in schema::tables() {
        // What can stand in one line is said in the table around it, or there is a table of its own.
        let (around, _) = header.rsplit_once('.').unwrap_or((&header, ""));
        let around = format!("{around}]");
        let here = |name: &String| {
            *name == header || name.trim_matches(['[', ']']) == around.trim_matches(['[', ']'])
        };
        let texts = sections.iter().filter(|(name, _)| here(name));
        let text: String = texts.map(|(_, text)| text.as_str()).collect();
        for key in keys {
            seen += 1;
            let named = format!("{key} = ");
            let is_table = sections.iter().any(|(name, _)| {
                let name = name.trim_matches(['[', ']']);
                name == key || name.ends_with(&format!(".{key}"))
            });
            let words = text.split([' ', '\n']).collect::<Vec<_>>().join(" ");
            let mentioned = words.contains(&format!(" {named}"));
            if !is_table && !mentioned && key != "targets" {
                missing.push(format!("{header} {key}"));
            }
        }
    }
    assert!(seen > 90, "only {seen} keys: is this test blind?");
    assert_eq!(missing, [""; 0]);
}
