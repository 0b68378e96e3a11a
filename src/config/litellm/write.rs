//! The result as TOML.

use std::fmt::Write as _;

use super::{
    notes::Note,
    result::{Gateway, Pool, Price, Target, Upstream},
};

/// Writes a file that [`Config::parse`](crate::config::Config::parse) reads.
pub(super) fn toml(file: &str, gateway: &Gateway, notes: &[Note]) -> String {
    let mut out = String::new();
    comment(
        &mut out,
        "",
        &format!(
            "Made from {} by outcome-gateway import-litellm.",
            bare(file)
        ),
    );
    let mut last = None;
    for note in notes {
        if last != Some(note.kind()) {
            out.push_str("#\n");
            comment(&mut out, "", &format!("{}:", note.kind().title()));
        }
        last = Some(note.kind());
        comment(&mut out, "  ", &note.to_string());
    }
    out.push('\n');
    if let Some(name) = &gateway.default_upstream {
        pair(&mut out, "default_upstream", &string(name));
        pair(&mut out, "pass_unknown_models", "true");
        out.push('\n');
    }
    for (index, it) in gateway.upstreams.iter().enumerate() {
        if gateway.uses(index) {
            upstream(&mut out, it);
        }
    }
    for it in &gateway.pools {
        pool(&mut out, it, &gateway.upstreams);
    }
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

fn upstream(out: &mut String, upstream: &Upstream) {
    out.push_str("[[upstream]]\n");
    pair(out, "name", &string(&upstream.name));
    pair(out, "base_url", &string(&upstream.to.base_url));
    if let Some(name) = &upstream.api_key_env {
        pair(out, "api_key_env", &string(name));
    }
    if let Some(dialect) = upstream.to.dialect {
        pair(out, "dialect", &string(dialect));
    }
    if let Some(version) = &upstream.to.api_version {
        let query = format!("{{ api-version = {} }}", string(version));
        pair(out, "query", &query);
    }
    number(out, "attempt_timeout_ms", upstream.attempt_timeout_ms);
    number(out, "idle_timeout_ms", upstream.idle_timeout_ms);
    out.push('\n');
}

fn pool(out: &mut String, pool: &Pool, upstreams: &[Upstream]) {
    out.push_str("[[pool]]\n");
    pair(out, "name", &string(&pool.name));
    if !pool.aliases.is_empty() {
        pair(out, "aliases", &list(&pool.aliases));
    }
    if pool.weighted {
        pair(out, "policy", "\"weighted\"");
    }
    out.push('\n');
    for it in &pool.targets {
        let name = upstreams.get(it.upstream).map_or("", |it| &it.name);
        target(out, it, name, pool.weighted);
    }
}

fn target(out: &mut String, target: &Target, upstream: &str, weighted: bool) {
    out.push_str("[[pool.target]]\n");
    if let Some(name) = &target.name {
        pair(out, "name", &string(name));
    }
    pair(out, "model", &string(&target.model));
    pair(out, "upstream", &string(upstream));
    if weighted {
        pair(out, "weight", &float(target.weight.unwrap_or(0.0)));
    }
    number(out, "requests_per_minute", target.requests_per_minute);
    number(out, "tokens_per_minute", target.tokens_per_minute);
    if let Some(it) = &target.price {
        pair(out, "price", &price(it));
    }
    number(out, "context_window", target.context_window);
    number(out, "max_output_tokens", target.max_output_tokens);
    for (name, value) in [
        ("vision", target.vision),
        ("tools", target.tools),
        ("json_mode", target.json_mode),
    ] {
        if let Some(value) = value {
            pair(out, name, if value { "true" } else { "false" });
        }
    }
    if !target.drop.is_empty() {
        let dropped = format!("{{ drop = {} }}", list(&target.drop));
        pair(out, "parameters", &dropped);
    }
    if !target.defaults.is_empty() {
        let defaults = target.defaults.iter();
        let defaults: Vec<_> = defaults
            .map(|(name, value)| format!("{} = {value}", key(name)))
            .collect();
        let text = format!("parameters.set = {{ {} }}", defaults.join(", "));
        out.push_str(&format!("# {text}   # would overrule callers\n"));
    }
    out.push('\n');
}

fn price(price: &Price) -> String {
    let mut text = format!(
        "{{ input = {}, output = {}",
        float(price.input),
        float(price.output)
    );
    for (name, value) in [("cached", price.cached), ("written", price.written)] {
        if let Some(value) = value {
            let _ = write!(text, ", {name} = {}", float(value));
        }
    }
    text.push_str(" }");
    text
}

fn pair(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "{name} = {value}");
}

fn number(out: &mut String, name: &str, value: Option<u64>) {
    if let Some(value) = value {
        pair(out, name, &value.to_string());
    }
}

fn list(items: &[String]) -> String {
    let items: Vec<_> = items.iter().map(|item| string(item)).collect();
    format!("[{}]", items.join(", "))
}

/// Writes a number so that TOML reads a float, without the noise of its last bits.
pub(super) fn float(value: f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    format!("{rounded:?}")
}

/// Writes the name of a parameter as a key.
fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) {
        name.to_owned()
    } else {
        string(name)
    }
}

/// Writes a basic string.
pub(super) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Writes a comment, broken at 100 columns.
fn comment(out: &mut String, indent: &str, text: &str) {
    let text = bare(text);
    let mut line = format!("#{indent}");
    let begin = line.len();
    for word in text.split(' ') {
        if line.len() + 1 + word.len() > 100 && line.len() > begin {
            let _ = writeln!(out, "{line}");
            line = format!("#{indent}  ");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

/// Without what could end a comment.
fn bare(text: &str) -> String {
    let text = text.chars();
    text.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back() {
        for text in ["a", "\"", "\\", "\n\t\u{1}", "é\u{7f}", "# no comment"] {
            let table: toml::Table = toml::from_str(&format!("a = {}", string(text))).unwrap();
            assert_eq!(table["a"].as_str(), Some(text));
        }
    }

    #[test]
    fn prices_have_no_noise() {
        assert_eq!(float(0.000_000_15 * 1e6), "0.15");
        assert_eq!(float(0.00001 * 1e6), "10.0");
        assert_eq!(float(0.0), "0.0");
    }

    #[test]
    fn comments_stay_comments() {
        let mut out = String::new();
        comment(&mut out, "", "a\nlisten = \"0.0.0.0:1\"");
        assert_eq!(out.lines().count(), 1);
        assert!(out.starts_with('#'));
    }
}
