//! Configurations of LiteLLM as people write them, with what becomes of each.
//!
//! The notes stand at the top of the result. `LITELLM_WRITE=1 cargo test --all-features --test
//! litellm` writes the results anew, to be read before they are committed.

#![cfg(feature = "gateway")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tower_outcome::config::{Config, litellm};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/litellm");
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 25, "{}", files.len());
    files
}

fn imported(path: &Path) -> String {
    let source = fs::read_to_string(path).unwrap();
    let found = litellm::import("config.yaml", &source, |_| None);
    let found = found.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    found.toml().to_owned()
}

#[test]
fn each_file_comes_to_what_stands_beside_it() {
    let mut wrong = Vec::new();
    for path in files() {
        let found = imported(&path);
        let beside = path.with_extension("toml");
        if env::var_os("LITELLM_WRITE").is_some() {
            fs::write(&beside, &found).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_comes_out_is_a_configuration() {
    for path in files() {
        let text = imported(&path);
        let config = Config::parse("gateway.toml", &text, |_| Some("key".to_owned()));
        let config = config.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!config.router().snapshot().pools.is_empty());
    }
}

#[test]
fn no_key_comes_out() {
    for path in files() {
        let text = imported(&path);
        assert!(!text.contains("secret-"), "{}: {text}", path.display());
        assert!(!text.contains("-secret"), "{}: {text}", path.display());
        assert!(!text.contains("sk-1234"), "{}: {text}", path.display());
    }
}

fn command(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outcome-gateway"));
    command.arg("import-litellm").args(arguments);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_command_writes_the_file_and_tells_what_it_left_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/litellm");
    let yaml = folder.join("fallbacks.yaml");
    let yaml = yaml.to_str().unwrap();
    let shown = command(&[yaml]);
    assert!(shown.status.success());
    assert!(text(&shown.stdout).contains("[[pool]]"));
    let told = text(&shown.stderr);
    assert!(
        told.contains(&format!("{yaml}:19:29: not carried over: content_policy")),
        "{told}"
    );

    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("imported.toml");
    let _ = fs::remove_file(&output);
    let to = output.to_str().unwrap();
    assert!(command(&[yaml, "--output", to]).status.success());
    assert_eq!(fs::read_to_string(&output).unwrap(), text(&shown.stdout));
    // It is not overwritten unasked.
    fs::write(&output, "mine").unwrap();
    let refused = command(&[yaml, "--output", to]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("--force"));
    assert_eq!(fs::read_to_string(&output).unwrap(), "mine");
    assert!(command(&[yaml, "--output", to, "--force"]).status.success());
    assert_eq!(fs::read_to_string(&output).unwrap(), text(&shown.stdout));
}

#[test]
fn the_command_names_the_place_of_what_is_no_yaml() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("broken.yaml");
    fs::write(&file, "model_list:\n  - [\n").unwrap();
    let refused = command(&[file.to_str().unwrap()]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("broken.yaml:2:5: "));
    assert!(refused.stdout.is_empty());
}
