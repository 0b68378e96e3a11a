//! Runs the wire vectors through the public API: what a correct classifier and body scanner must
//! answer. `tests/vectors/README.md` gives the schema.
//!
//! `WIRE_VECTORS` names another directory with `requests/` and `responses/` below it;
//! `WIRE_TIER=1` leaves out the vectors that are judgements.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "a test"
)]

#[path = "wire/vector.rs"]
mod vector;

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json as value};
use tower_outcome::{
    classify::{
        BodySeen, Classify, DefaultClassifier, LimitWindow, Limits, Scope, Seen, StreamSummary,
        Usage,
    },
    dialect::{
        self, Dialect, Place,
        json::{self, Edit},
        stream::{Framing, Observer},
    },
};

use vector::{Bad, Vector};

/// Vectors that are not understood yet, with the reason. Each must in fact disagree, so that the
/// list cannot go stale.
const NOT_YET: &[(&str, &str)] = &[];

#[test]
fn responses_are_classified_as_the_vectors_say() {
    run("responses", |vector| {
        let mut got = vec![];
        for piece in [usize::MAX, 1] {
            match response(vector, piece)? {
                Some(answer) => got.push(answer),
                None => return Ok(None),
            }
        }
        let expected = vector.value("expected")?.clone();
        Ok(Some(
            got.into_iter().map(|got| (expected.clone(), got)).collect(),
        ))
    });
}

#[test]
fn models_are_found_where_the_vectors_say() {
    run("requests", |vector| {
        let Some(got) = request(vector)? else {
            return Ok(None);
        };
        Ok(Some(vec![(vector.value("expected")?.clone(), got)]))
    });
}

#[test]
fn what_is_not_understood_yet_exists() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    for (id, _) in NOT_YET {
        let file = |kind| shipped.join(kind).join(id).with_extension("json");
        assert!(
            file("requests").exists() || file("responses").exists(),
            "{id}"
        );
    }
}

/// Judges an answer that arrives in pieces of the given length. `None` without a dialect for it.
fn response(vector: &Vector, piece: usize) -> Result<Option<Value>, Bad> {
    let headers = vector.headers()?;
    let wall = vector.now()?;
    let path = vector.text("request_path")?;
    let body = vector.body()?;
    let transport = vector.transport()?;
    let status = match vector.0.get("status").and_then(Value::as_u64) {
        None => None,
        Some(status) => {
            let status = u16::try_from(status).map_err(|_| Bad("status".into()))?;
            Some(StatusCode::from_u16(status).map_err(|_| Bad("status".into()))?)
        }
    };

    let content_type = headers
        .get("content-type")
        .and_then(|kind| kind.to_str().ok());
    let content_type = content_type.unwrap_or_default();
    let mut summary = None;
    let known = dialect::detect(path.split('?').next().unwrap_or_default());
    // An answer that refuses comes whole, however it was asked for.
    let streams = vector.streams() && status.is_some_and(|status| status.is_success());
    let framing = match known {
        Some((dialect, _)) => Framing::of_answer(dialect, content_type, streams),
        None => Framing::of(content_type),
    };
    // Some do not say that it is one.
    let unsaid = streams && Framing::begins_sse([body.as_slice()]) == Some(true);
    let framing = framing.or(unsaid.then_some(Framing::Sse));
    if let Some(framing) = framing {
        let Some((dialect, _)) = known else {
            return Ok(None);
        };
        summary = Some(observe(dialect, framing, &body, piece));
    }

    let usage = match &summary {
        Some(summary) => summary.usage,
        None => Usage::of_body(&body),
    };
    let first = summary.as_ref().and_then(|summary| summary.first_content);
    let seen = Seen::head(path, status.unwrap_or_default(), &headers, wall);
    let mut seen = seen.with_transport(transport).with_body(match &summary {
        Some(summary) => BodySeen::Stream(summary),
        None => BodySeen::Whole(body.as_slice().into()),
    });
    seen.status = status;
    let verdict = DefaultClassifier.classify(&seen);
    let limits = Limits::from_headers(&headers, wall);
    Ok(Some(value!({
        "class": verdict.class.as_str(),
        "retry_after_ms": verdict.retry_after.map(millis),
        "scope": verdict.scope.map(Scope::as_str),
        "neutral": verdict.neutral,
        "failover": verdict.failover,
        "usage": usage.map(|usage| value!({ "input": usage.input, "output": usage.output })),
        "first_content_event": first,
        "limits": {
            "requests": limits.requests.map(window),
            "tokens": limits.tokens.map(window),
        },
    })))
}

fn observe(
    dialect: &'static dyn Dialect,
    framing: Framing,
    body: &[u8],
    piece: usize,
) -> StreamSummary {
    let mut observer = Observer::new(dialect, framing);
    for chunk in body.chunks(piece.min(body.len()).max(1)) {
        observer.feed(chunk);
    }
    observer.finish();
    observer.into_summary()
}

fn window(window: LimitWindow) -> Value {
    value!({
        "limit": window.limit,
        "remaining": window.remaining,
        "reset_ms": window.reset.map(millis),
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Finds the model of a request and writes another in its place. `None` without a dialect for it.
fn request(vector: &Vector) -> Result<Option<Value>, Bad> {
    let target = vector.text("request_path")?;
    let path = target.split('?').next().unwrap_or_default();
    let body = vector.body()?;
    let content_type = vector.0.get("content_type").and_then(Value::as_str);
    let rewrite_to = vector
        .value("expected")?
        .get("rewrite_to")
        .cloned()
        .unwrap_or(value!("NEW"));
    let Some((dialect, endpoint)) = dialect::detect(path) else {
        return Ok(None);
    };

    // In pieces, as bodies come.
    let chunks: Vec<Bytes> = body.chunks(7).map(Bytes::copy_from_slice).collect();
    let located = dialect.locate(endpoint, target, content_type, &chunks).ok();
    let location = located.as_ref().map(|located| {
        let is = |place| located.sites.iter().any(|site| site.place == place);
        if located.sites.iter().any(|site| site.place.is_path()) {
            "path"
        } else if is(Place::Form) {
            "multipart"
        } else {
            "body"
        }
    });
    let rewritten = located.as_ref().map(|located| {
        let name = rewrite_to.as_str().unwrap_or_default();
        let edits = located.sites.iter().map(|site| {
            let edit = Edit::new(site.range.clone(), site.place.write(name).unwrap());
            (site.place.is_path(), edit)
        });
        let (path, body): (Vec<_>, Vec<_>) = edits.partition(|(path, _)| *path);
        if let Some((_, edit)) = path.into_iter().next() {
            let mut target = target.to_owned();
            target.replace_range(edit.range, str::from_utf8(&edit.with).unwrap());
            return target;
        }
        let edits: Vec<_> = body.into_iter().map(|(_, edit)| edit).collect();
        let edited = json::edit(&chunks, &edits);
        let bytes: Vec<u8> = edited.chunks.iter().flatten().copied().collect();
        assert_eq!(edited.len, bytes.len() as u64);
        String::from_utf8(bytes).unwrap()
    });
    Ok(Some(value!({
        "model": located.as_ref().map(|located| &located.model),
        "location": location,
        "rewrite_to": rewrite_to,
        "rewritten": rewritten,
        "rewritable": located.is_some(),
    })))
}

/// The judged pairs of expected and got of one vector; `None` where nothing of ours understands it.
type Judged = Result<Option<Vec<(Value, Value)>>, Bad>;

/// Runs every vector of a directory and names all that disagree before it fails.
fn run(kind: &str, judge: impl Fn(&Vector) -> Judged) {
    let other = env::var_os("WIRE_VECTORS").map(PathBuf::from);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let tier_one = env::var("WIRE_TIER").is_ok_and(|tier| tier == "1");

    let directory = other.as_ref().unwrap_or(&shipped).join(kind);
    let (mut failures, mut skipped, mut agreed) = (vec![], vec![], 0);
    for file in files(&directory) {
        let name = file.display();
        let vector = Vector::read(&file).unwrap_or_else(|bad| panic!("{name}: {bad}"));
        if tier_one && vector.0.get("tier").and_then(Value::as_u64) == Some(2) {
            continue;
        }
        let id = vector
            .text("id")
            .unwrap_or_else(|bad| panic!("{name}: {bad}"))
            .to_owned();
        let judged = judge(&vector).unwrap_or_else(|bad| panic!("{name}: {bad}"));
        let differences = judged.map(|pairs| {
            let mut differences: Vec<String> = pairs
                .iter()
                .flat_map(|(expected, got)| differences(expected, got))
                .collect();
            differences.dedup();
            differences
        });
        let not_yet = NOT_YET.iter().find(|(listed, _)| *listed == id);
        match (differences, not_yet) {
            (Some(differences), Some(_)) if differences.is_empty() && other.is_none() => {
                failures.push(format!(
                    "{id}: agrees, take it off the list of those that do not"
                ));
            }
            (Some(differences), _) if differences.is_empty() => agreed += 1,
            (_, Some((_, why))) => skipped.push(format!("{id}: {why}")),
            (None, None) if other.is_some() => {
                let provider = vector.text("provider").unwrap_or("this request");
                skipped.push(format!("{id}: no dialect for {provider}"));
            }
            (None, None) => failures.push(format!("{id}: no dialect for it")),
            (Some(differences), None) => {
                failures.push(format!("{id}:\n    {}", differences.join("\n    ")));
            }
        }
    }
    println!("{kind}: {agreed} agree, {} skipped", skipped.len());
    for skipped in &skipped {
        println!("  skipped {skipped}");
    }
    assert!(
        failures.is_empty(),
        "{} disagree:\n  {}",
        failures.len(),
        failures.join("\n  ")
    );
    assert!(agreed > 0, "{}: no vector agrees", directory.display());
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    files
}

/// Every field that a vector states and that came out otherwise.
fn differences(expected: &Value, got: &Value) -> Vec<String> {
    let fields = expected.as_object().into_iter().flatten();
    fields
        .filter_map(|(field, expected)| {
            let got = got.get(field).unwrap_or(&Value::Null);
            let equal = match (expected, got) {
                // A window that is not stated is one that is not reported.
                (Value::Object(expected), Value::Object(got)) => got
                    .iter()
                    .all(|(key, got)| expected.get(key).unwrap_or(&Value::Null) == got),
                _ => expected == got,
            };
            (!equal).then(|| format!("{field}: expected {expected}, got {got}"))
        })
        .collect()
}
