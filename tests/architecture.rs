//! The house rules that the compiler does not know.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

/// Which modules may use which. What is not listed here stands above all of these.
const MAY_USE: &[(&str, &[&str])] = &[
    ("stats", &[]),
    ("classify", &[]),
    ("policy", &[]),
    ("dialect", &["classify"]),
    ("tasks", &["dialect"]),
    ("checks", &["classify", "dialect", "router"]),
    ("hints", &["classify", "router"]),
    (
        "router",
        &[
            "stats", "policy", "classify", "dialect", "hints", "tasks", "checks",
        ],
    ),
    (
        "route",
        &["router", "dialect", "classify", "hints", "tasks", "checks"],
    ),
    (
        "failover",
        &["route", "router", "hints", "classify", "dialect"],
    ),
    ("shadow", &["route", "router", "hints", "dialect"]),
    ("store", &["router"]),
    ("guide", &[]),
];

/// Where time is an argument.
const WITHOUT_CLOCK: &[&str] = &[
    "stats", "classify", "policy", "dialect", "hints", "router", "tasks", "checks",
];

/// Binaries, and what they are made of, may print and may end.
const PROGRAMS: &[&str] = &["gateway", "bin"];

/// Crates that only a feature brings, and where they are told apart.
const OPTIONAL: &[&str] = &[
    "axum",
    "h2",
    "hyper",
    "hyper_util",
    "metrics",
    "redis",
    "reqwest",
    "rustix",
    "tokio_rustls",
];

#[derive(Debug)]
struct Line {
    file: PathBuf,
    number: usize,
    text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, number) = (self.file.display(), self.number);
        write!(f, "src/{file}:{number}: {}", self.text.trim())
    }
}

impl Line {
    /// The top module that the line belongs to.
    fn module(&self) -> &str {
        let first = self.file.components().next().unwrap().as_os_str();
        first.to_str().unwrap().trim_end_matches(".rs")
    }

    fn is_in(&self, modules: &[&str]) -> bool {
        modules.contains(&self.module())
    }
}

/// The code of the crate: without comments, and without its unit tests.
fn code() -> Vec<Line> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut lines = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs")
            {
                let file = path.strip_prefix(&root).unwrap();
                lines.extend(code_of(file, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(lines.len() > 5000, "{} lines", lines.len());
    lines
}

fn code_of(file: &Path, text: &str) -> Vec<Line> {
    let lines = text.lines().enumerate();
    let inline = "#[cfg(test)]\nmod tests {";
    let end = text
        .find(inline)
        .map_or(usize::MAX, |at| text[..at].lines().count());
    lines
        .take_while(|(number, _)| *number < end)
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| Line {
            file: file.to_owned(),
            number: number + 1,
            text: line.to_owned(),
        })
        .collect()
}

#[track_caller]
fn assert_none<'a>(what: &str, lines: impl IntoIterator<Item = &'a Line>) {
    let found: Vec<_> = lines.into_iter().map(Line::to_string).collect();
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

/// The modules of the crate that code names, with the line that does.
fn uses(code: &[Line]) -> Vec<(&Line, String)> {
    let mut uses = Vec::new();
    let mut grouped: Option<(PathBuf, i32)> = None;
    for line in code {
        let mut rest = line.text.as_str();
        if let Some((file, depth)) = &mut grouped
            && *file == line.file
        {
            let name = first_name(rest.trim_start());
            if *depth == 1 && !name.is_empty() {
                uses.push((line, name));
            }
            *depth += balance(rest);
            if *depth > 0 {
                continue;
            }
            grouped = None;
            continue;
        }
        while let Some(at) = rest.find("crate::") {
            let before = rest[..at].chars().next_back();
            rest = &rest[at + "crate::".len()..];
            if before.is_some_and(|c| c == '_' || c.is_alphanumeric()) {
                continue;
            }
            match rest.strip_prefix('{') {
                Some(group) => {
                    let mut depth = 1;
                    let mut start = true;
                    for (at, c) in group.char_indices() {
                        if start && depth == 1 && !c.is_whitespace() {
                            let name = first_name(&group[at..]);
                            uses.extend((!name.is_empty()).then_some((line, name)));
                        }
                        start = (start && c.is_whitespace()) || (c == ',' && depth == 1);
                        depth += i32::from(c == '{') - i32::from(c == '}');
                    }
                    if depth > 0 {
                        grouped = Some((line.file.clone(), depth));
                    }
                    break;
                }
                None => uses.push((line, first_name(rest))),
            }
        }
    }
    uses
}

fn first_name(text: &str) -> String {
    text.chars()
        .take_while(|c| *c == '_' || c.is_alphanumeric())
        .collect()
}

fn balance(text: &str) -> i32 {
    text.chars()
        .map(|c| i32::from(c == '{') - i32::from(c == '}'))
        .sum()
}

#[test]
fn modules_use_only_what_stands_below_them() {
    let code = code();
    let uses = uses(&code);
    let modules: BTreeSet<_> = code.iter().map(Line::module).collect();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (line, used) in &uses {
        let own = line.module();
        let Some((_, allowed)) = MAY_USE.iter().find(|(module, _)| *module == own) else {
            continue;
        };
        let is_module = modules.contains(used.as_str());
        seen += usize::from(is_module);
        if used != own && !allowed.contains(&used.as_str()) {
            wrong.push(format!("{line} ({own} must not use {used})"));
        }
    }
    assert!(
        seen > 40,
        "only {seen} uses were found: is this test blind?"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_router_sees_of_the_hints_only_the_candidates() {
    let code = code();
    let hints = code.iter().filter(|line| {
        let named = line.is_in(&["router"]) && line.text.contains("hints::");
        named && !line.text.contains("hints::Candidates")
    });
    assert_none("router uses hints", hints);
}

#[test]
fn nothing_below_route_reads_a_clock() {
    let code = code();
    let clocks = code.iter().filter(|line| {
        let reads = ["Instant::now", "SystemTime::now", ".elapsed()", "Utc::now"];
        line.is_in(WITHOUT_CLOCK)
            && !line.file.ends_with("router/clock.rs")
            && reads.iter().any(|clock| line.text.contains(clock))
    });
    assert_none("time is an argument", clocks);
    let sleeps = code.iter().filter(|line| {
        line.is_in(WITHOUT_CLOCK)
            && ["sleep(", "sleep_until(", "interval("]
                .iter()
                .any(|s| line.text.contains(s))
    });
    assert_none("nothing down there sleeps", sleeps);
}

#[test]
fn nothing_unwraps() {
    let code = code();
    let unwraps = code.iter().filter(|line| {
        let any = [
            ".unwrap()",
            ".expect(\"",
            ".unwrap_err()",
            "todo!(",
            "unimplemented!(",
        ];
        any.iter().any(|bad| line.text.contains(bad)) && !line.is_in(PROGRAMS)
    });
    assert_none("a peer could make it panic", unwraps);
}

#[test]
fn nothing_prints() {
    let code = code();
    let prints = code.iter().filter(|line| {
        let any = ["println!(", "print!(", "eprintln!(", "eprint!(", "dbg!("];
        any.iter().any(|bad| line.text.contains(bad)) && !line.is_in(PROGRAMS)
    });
    assert_none("use tracing", prints);
}

#[test]
fn lower_layers_know_no_runtime_and_no_shared_state() {
    let code = code();
    let impure = code.iter().filter(|line| {
        let any = [
            "async fn",
            ".await",
            "spawn(",
            "Mutex<",
            "tracing::",
            "http::",
        ];
        line.is_in(&["stats"]) && any.iter().any(|bad| line.text.contains(bad))
    });
    assert_none("stats is arithmetic", impure);
    let state = code.iter().filter(|line| {
        let any = ["Mutex<", "RwLock<", "Atomic", "OnceLock<"];
        line.is_in(&["classify", "dialect", "policy", "stats", "tasks", "checks"])
            && any.iter().any(|bad| line.text.contains(bad))
    });
    assert_none("shared state is the router's", state);
}

#[test]
fn clients_and_servers_come_with_features_only() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    assert!(
        manifest.contains("\ndefault = []\n"),
        "default features are none"
    );
    let dependencies = manifest.split("\n[dependencies]\n").nth(1).unwrap();
    let dependencies = dependencies.split("\n[").next().unwrap();
    for name in OPTIONAL {
        let name = name.replace('_', "-");
        let line = dependencies
            .lines()
            .find(|line| line.starts_with(&format!("{name} =")));
        assert!(
            line.is_none_or(|line| line.contains("optional = true")),
            "{line:?}"
        );
    }
    let code = code();
    let named = code.iter().filter(|line| {
        let above = !MAY_USE.iter().any(|(module, _)| *module == line.module());
        let of_a_feature = ["classify/inspect.rs", "store/redis", "store/snapshot"];
        let of_a_feature = of_a_feature
            .iter()
            .any(|place| line.file.starts_with(place));
        let re_exported = line.text.contains("self::redis::");
        !above
            && !of_a_feature
            && !re_exported
            && OPTIONAL.iter().any(|name| {
                let path = format!("{name}::");
                let mut parts = line.text.split(&path);
                let before = parts.next().unwrap_or_default();
                parts.next().is_some()
                    && !before.ends_with(|c: char| c == '_' || c.is_alphanumeric())
            })
    });
    assert_none("a type of an optional crate", named);
}

#[test]
fn the_reading_of_uses_is_not_blind() {
    let text = "use crate::{\n    a::{B, c},\n    d,\n};\nlet x = crate::e::f(); // crate::g\nuse crate::{h, i::J};\nuse crate::k::{self, l};\n";
    let code = code_of(Path::new("x/y.rs"), text);
    let names: Vec<_> = uses(&code).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["a", "d", "e", "g", "h", "i", "k"]);
    assert_eq!(code.first().unwrap().module(), "x");
}
