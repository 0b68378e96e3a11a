//! Runs the wire vectors through the public API: what a correct classifier and body scanner must
//! answer. `tests/vectors/README.md` gives the schema.
//!
//! `WIRE_VECTORS` names another directory with `requests/` and `responses/` below it;
//! `WIRE_TIER=1` leaves out the vectors that are judgements.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tower_outcome::{
    classify::{
        BodySeen, Classify, DefaultClassifier, LimitWindow, Limits, Seen, StreamSummary, Transport,
        Usage,
    },
    dialect::{self, Dialect, Site, sse},
};

/// Vectors that are not understood yet, with the reason. Each must in fact disagree, so that the
/// list cannot go stale.
const NOT_YET: &[(&str, &str)] = &[
    ("azure-both", PATH_MODEL),
    ("azure-sse-prompt-filter-first", PATH_MODEL),
    ("bedrock-eventstream-throttled", PATH_MODEL),
    ("bedrock-path", PATH_MODEL),
    ("gemini-path-stream", PATH_MODEL),
    ("gemini-sse-ok", PATH_MODEL),
    ("multipart", "forms are not looked into"),
    ("duplicate-keys", SCANNER),
    ("escaped-key-and-value", SCANNER),
    ("first-key", SCANNER),
    ("last-key-string-decoy", SCANNER),
    ("lone-surrogate-and-whitespace", SCANNER),
    ("responses-nested-model", SCANNER),
    ("tool-schema-and-metadata-decoy", SCANNER),
];

/// No dialect yet for a provider whose path names the model.
const PATH_MODEL: &str = "no dialect for models in the path";

/// `Dialect::locate` waits for the JSON scanner.
const SCANNER: &str = "no JSON scanner yet";

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
    if content_type.starts_with("application/vnd.amazon.eventstream") {
        return Ok(None);
    }
    let mut summary = None;
    if content_type.starts_with("text/event-stream") {
        let path = path.split('?').next().unwrap_or_default();
        let Some((dialect, _)) = dialect::detect(path) else {
            return Ok(None);
        };
        summary = Some(observe(dialect, &body, piece));
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
    Ok(Some(json!({
        "class": verdict.class.as_str(),
        "retry_after_ms": verdict.retry_after.map(millis),
        "scope": verdict.scope.map(|scope| scope.as_str()),
        "neutral": verdict.neutral,
        "failover": verdict.failover,
        "usage": usage.map(|usage| json!({ "input": usage.input, "output": usage.output })),
        "first_content_event": first,
        "limits": {
            "requests": limits.requests.map(window),
            "tokens": limits.tokens.map(window),
        },
    })))
}

fn observe(dialect: &'static dyn Dialect, body: &[u8], piece: usize) -> StreamSummary {
    let mut observer = sse::Observer::new(dialect);
    for chunk in body.chunks(piece.min(body.len()).max(1)) {
        observer.feed(chunk);
    }
    observer.finish();
    observer.into_summary()
}

fn window(window: LimitWindow) -> Value {
    json!({
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
        .unwrap_or(json!("NEW"));
    let Some((dialect, endpoint)) = dialect::detect(path) else {
        return Ok(None);
    };

    let chunks = [Bytes::from(body.clone())];
    let located = dialect.locate(endpoint, target, content_type, &chunks).ok();
    let location = located.as_ref().map(|located| match located.site {
        Site::Path(_) => "path",
        _ => "body",
    });
    let rewritten = located.as_ref().map(|located| match &located.site {
        Site::Json(spans) => {
            let mut body = body.clone();
            for span in spans.iter().rev() {
                body.splice(span.clone(), rewrite_to.to_string().into_bytes());
            }
            String::from_utf8(body).unwrap()
        }
        Site::Path(span) => {
            let mut target = target.to_owned();
            target.replace_range(span.clone(), rewrite_to.as_str().unwrap_or_default());
            target
        }
        site => panic!("{site:?}"),
    });
    Ok(Some(json!({
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
        let waits =
            other.is_some() && kind == "requests" && NOT_YET.iter().any(|(_, why)| *why == SCANNER);
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
            (Some(_), None) if waits => skipped.push(format!("{id}: {SCANNER}")),
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

struct Vector(Value);

impl Vector {
    fn read(file: &Path) -> Result<Self, Bad> {
        let text = fs::read_to_string(file).map_err(|error| Bad(error.to_string()))?;
        let value = serde_json::from_str(&text).map_err(|error| Bad(error.to_string()))?;
        Ok(Self(value))
    }

    fn value(&self, key: &str) -> Result<&Value, Bad> {
        self.0.get(key).ok_or_else(|| Bad(format!("no `{key}`")))
    }

    fn text(&self, key: &str) -> Result<&str, Bad> {
        self.value(key)?
            .as_str()
            .ok_or_else(|| Bad(format!("`{key}` is no string")))
    }

    fn body(&self) -> Result<Vec<u8>, Bad> {
        match self.0.get("body_base64").and_then(Value::as_str) {
            Some(text) => base64(text).ok_or_else(|| Bad("`body_base64` is no base64".into())),
            None => Ok(self.text("body")?.as_bytes().to_vec()),
        }
    }

    fn headers(&self) -> Result<HeaderMap, Bad> {
        let headers = self.value("headers")?.as_object();
        let headers = headers.ok_or_else(|| Bad("`headers` is no object".into()))?;
        let header = |(name, value): (&String, &Value)| {
            let bad = || Bad(format!("header `{name}`"));
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            let value = value.as_str().ok_or_else(bad)?;
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| bad())?;
            Ok((name, value))
        };
        headers.iter().map(header).collect()
    }

    fn transport(&self) -> Result<Option<Transport>, Bad> {
        let Some(name) = self.0.get("transport").and_then(Value::as_str) else {
            return Ok(None);
        };
        let known = Transport::ALL
            .into_iter()
            .find(|transport| transport.as_str() == name);
        known
            .map(Some)
            .ok_or_else(|| Bad(format!("transport `{name}`")))
    }

    /// The reference clock, which is written in UTC.
    fn now(&self) -> Result<SystemTime, Bad> {
        let text = self.text("now")?;
        let bad = || Bad("`now` is no time in UTC".into());
        let utc = text.strip_suffix('Z').ok_or_else(bad)?;
        let numbers: Result<Vec<u64>, _> = utc.split(['-', 'T', ':']).map(str::parse).collect();
        let numbers = numbers.map_err(|_| bad())?;
        let [year, month @ 1..=12, day @ 1..=31, hour, minute, second] = numbers[..] else {
            return Err(bad());
        };
        let leap = |year: u64| {
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
        };
        let february = if leap(year) { 29 } else { 28 };
        let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let years: u64 = (1970..year)
            .map(|year| if leap(year) { 366 } else { 365 })
            .sum();
        let days = years + months.iter().take(month as usize - 1).sum::<u64>() + day - 1;
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
        Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }
}

/// What is wrong with a vector.
struct Bad(String);

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad vector: {}", self.0)
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut held, mut bits) = (vec![], 0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let digit = ALPHABET.iter().position(|known| *known == letter)?;
        held = held << 6 | u32::try_from(digit).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}
