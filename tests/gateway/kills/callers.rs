use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use super::{KEY, TARGETS, TASKS, books::seconds};
use crate::support::*;

/// Who call at the same time.
const CALLERS: usize = 4;

/// One call and its score, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) target: usize,
    pub(super) begun: f64,
    /// When it was answered, and whether it was.
    pub(super) answered: Option<f64>,
    pub(super) score_begun: Option<f64>,
    /// When it was told that the score was taken in.
    pub(super) scored: Option<f64>,
}

/// Goes through targets and tasks, whatever happens to the gateway.
pub(super) struct Callers {
    next: Arc<AtomicU64>,
}

impl Callers {
    pub(super) fn new() -> Self {
        Self {
            next: Arc::default(),
        }
    }

    /// Calls until the gateway is gone.
    pub(super) fn call(&self, address: SocketAddr) -> Calling {
        let stopped = Arc::<AtomicBool>::default();
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (next, stopped) = (self.next.clone(), stopped.clone());
            callers.spawn(async move {
                let client = client();
                let mut sent = Vec::new();
                while !stopped.load(Ordering::Relaxed) {
                    let (one, goes_on) =
                        call(&client, address, next.fetch_add(1, Ordering::Relaxed)).await;
                    sent.push(one);
                    if goes_on.is_none() {
                        break;
                    }
                    // Leaves the machine some room for who is called.
                    sleep(Duration::from_millis(1)).await;
                }
                sent
            });
        }
        Calling { callers, stopped }
    }
}

/// Calls that are under way.
pub(super) struct Calling {
    callers: JoinSet<Vec<Sent>>,
    stopped: Arc<AtomicBool>,
}

impl Calling {
    /// Lets no more calls begin.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Returns what was sent.
    pub(super) async fn join(self) -> Vec<Sent> {
        self.callers.join_all().await.concat()
    }
}

/// Makes one call and scores it. Nothing beside it where the gateway is gone.
async fn call(client: &HttpClient, address: SocketAddr, number: u64) -> (Sent, Option<()>) {
    let target = usize::try_from(number).unwrap() % TARGETS.len();
    let mut sent = Sent {
        target,
        begun: seconds(),
        answered: None,
        score_begun: None,
        scored: None,
    };
    let task = format!("task-{}", number / TARGETS.len() as u64 % TASKS);
    let hints = [
        ("x-outcome-pin", TARGETS[target]),
        ("x-outcome-task", task.as_str()),
    ];
    let Some(id) = exchange(client, address, CHAT, &hints, ask("chat")).await else {
        return (sent, None);
    };
    sent.answered = Some(seconds());
    sent.score_begun = sent.answered;
    let score = (number % 5) as f64 / 4.0;
    let feedback = json!({ "id": id, "score": score }).to_string();
    let taken = exchange(client, address, "/outcome/feedback", &[], feedback).await;
    sent.scored = taken.is_some().then(seconds);
    (sent, taken.map(drop))
}

/// Returns the id of an answer, or nothing where nobody answers any more.
async fn exchange(
    client: &HttpClient,
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Option<String> {
    let mut request = Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {KEY}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();
    let response = client.request(request).await.ok()?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    assert_eq!(parts.status, StatusCode::OK, "{path}: {body:?}");
    Some(text(&parts.headers, "x-outcome-id").to_owned())
}
