//! The commands of the gateway, as a user calls them.

#![cfg(feature = "gateway")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

/// Runs the gateway with these arguments, and with these variables alone.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_outcome-gateway"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A file that is gone with this.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, content: &str) -> Self {
        let name = format!("outcome-cli-{}-{name}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

const KEY: (&str, &str) = ("OPENAI_API_KEY", "canary-secret");

#[test]
fn the_example_is_checked_and_described() {
    let example = run(&["example"], &[]);
    assert!(example.status.success());
    let file = Scratch::new("example", text(&example.stdout));
    let checked = run(&["check", file.path(), "--strict"], &[KEY]);
    let said = text(&checked.stdout);
    assert_eq!(text(&checked.stderr), "");
    assert!(checked.status.success(), "{said}");
    for part in [
        "gateway    http://127.0.0.1:8080",
        "pool chat",
        "1. gpt-4o ",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(said.ends_with("is good\n"), "{said}");
}

#[test]
fn a_mistake_is_told_in_one_line_with_its_place() {
    let file = Scratch::new("mistake", "\nlistn = \"127.0.0.1:0\"\n");
    for arguments in [
        ["check", file.path()].as_slice(),
        &["serve", "--config", file.path()],
    ] {
        let output = run(arguments, &[KEY]);
        assert_eq!(output.status.code(), Some(1));
        let expected = format!(
            "outcome-gateway: {}:2:1: there is no key \"listn\" here; did you mean \"listen\"?\n",
            file.path()
        );
        assert_eq!(text(&output.stderr), expected);
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn a_warning_fails_where_that_was_asked_for() {
    let source = "[[upstream]]\nname = \"a\"\nbase_url = \"http://127.0.0.1:1\"\n[[pool]]\n\
                  name = \"p\"\ntargets = [{ model = \"m\", upstream = \"a\" }]\n";
    let file = Scratch::new("warning", source);
    let lenient = run(&["check", file.path()], &[]);
    assert_eq!(lenient.status.code(), Some(0));
    assert!(text(&lenient.stderr).contains("warning: pool \"p\" has a single target"));
    let strict = run(&["check", "--strict", file.path()], &[]);
    assert_eq!(strict.status.code(), Some(1));
}

#[test]
fn a_key_that_was_made_is_good_in_a_file_that_does_not_have_it() {
    let made = run(&["key", "team-a"], &[]);
    assert!(made.status.success());
    let (table, told) = (text(&made.stdout), text(&made.stderr));
    let key = told.lines().find(|line| line.starts_with("og-")).unwrap();
    assert_eq!(key.len(), 46);
    assert!(!table.contains(key));
    let example = text(&run(&["example"], &[]).stdout).to_owned();
    let file = Scratch::new("key", &format!("{example}\n{table}"));
    let checked = run(&["check", file.path()], &[KEY]);
    let said = text(&checked.stdout);
    assert!(
        said.contains("callers    the key team-a opens all pools\n"),
        "{said}"
    );
}

#[test]
fn the_schema_is_json() {
    let schema = run(&["schema"], &[]);
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn without_a_file_and_without_a_key_the_gateway_says_what_it_needs() {
    let output = run(&["serve"], &[("OPENAI_API_KEY", "")]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("export one of OPENAI_API_KEY, ANTHROPIC_API_KEY"),
        "{said}"
    );
    assert_eq!(text(&output.stdout), "");
}
