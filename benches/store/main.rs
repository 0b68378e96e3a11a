//! What a fleet takes of its server: commands, bytes, processor time and memory.
//!
//! `cargo bench --features redis --bench store` starts a `redis-server` of its own, lets instances
//! exchange with it as their task does, every 250 ms, and prints what the server accounts for. Where one in
//! one is dirty, an instance brings all that it could count in every interval, which is the most there is.
//! After `--`: `--seconds N` of each case.

#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark, of wall time"
)]

#[path = "../../tests/store/server.rs"]
mod server;

use std::{
    collections::HashMap,
    env,
    time::{Duration, Instant},
};

use tower_outcome::store::{Batch, OutcomeStore, RedisStore, Scope, Seen, Share};

use self::server::Server;

const INTERVAL: Duration = Duration::from_millis(250);
/// Of a target: what its health, latencies and quota group count.
const HEALTH: usize = 4;
const LATENCY: usize = 8;
const GROUP: usize = 3;
const POOL: Scope = Scope::new(0xf00d);

#[derive(Clone, Copy)]
struct Case {
    instances: u64,
    targets: usize,
    tasks: usize,
    /// One in so many counters is raised in an interval; none if 0.
    dirty: usize,
}

const CASES: [Case; 10] = [
    Case::new(1, 10, 20, 1),
    Case::new(10, 10, 20, 1),
    Case::new(50, 10, 20, 1),
    Case::new(50, 10, 20, 10),
    Case::new(50, 10, 20, 0),
    // What more targets and more tasks take.
    Case::new(10, 20, 20, 1),
    Case::new(10, 10, 0, 1),
    Case::new(10, 10, 100, 1),
    // A thousand cells.
    Case::new(50, 50, 20, 10),
    Case::new(50, 2, 0, 1),
];

impl Case {
    const fn new(instances: u64, targets: usize, tasks: usize, dirty: usize) -> Self {
        Self {
            instances,
            targets,
            tasks,
            dirty,
        }
    }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|it| it != "--bench").collect();
    let seconds = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => 20,
        ["--seconds", seconds] => seconds.parse().expect("a number of seconds"),
        _ => panic!("usage: --seconds N"),
    };
    println!(
        "instances targets tasks one in  exchanges/s  commands/s  kB/s in  kB/s out  server CPU  \
         us/exchange   p50 ms   p99 ms  kB used  kB/bucket  B/field  B/instance"
    );
    for case in CASES {
        let Some(server) = Server::start(&[]) else {
            return;
        };
        measure(&server, case, Duration::from_secs(seconds));
    }
}

fn measure(server: &Server, case: Case, lasts: Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let empty = Account::of(server);
    let (took, between) = runtime.unwrap().block_on(async {
        let tasks: Vec<_> = (0..case.instances)
            .map(|number| tokio::spawn(live(server.store(), number, case, lasts)))
            .collect();
        // Without what starting takes.
        tokio::time::sleep(lasts / 5).await;
        let before = Account::of(server);
        tokio::time::sleep(lasts * 3 / 5).await;
        let between = Account::of(server).since(&before);
        let mut took = Vec::new();
        for task in tasks {
            took.extend(task.await.unwrap());
        }
        (took, between)
    });
    let mut took = took;
    took.sort_unstable();
    let at = |part: f64| took[(took.len() as f64 * part) as usize].as_secs_f64() * 1e3;
    let exchanges = took.len() as f64 / lasts.as_secs_f64();
    let memory = (Account::of(server).memory - empty.memory) / 1e3;
    let (bucket, field) = of_bucket(server);
    println!(
        "{:9} {:7} {:5} {:6} {:12.1} {:11.0} {:8.1} {:9.1} {:10.1}% {:12.0} {:8.2} {:8.2} {:8.0} \
         {:10.1} {:8.1} {:11.0}",
        case.instances,
        case.targets,
        case.tasks,
        case.dirty,
        exchanges,
        between.commands,
        between.bytes_in / 1e3,
        between.bytes_out / 1e3,
        between.cpu * 100.0,
        between.cpu / exchanges * 1e6,
        at(0.5),
        at(0.99),
        memory,
        bucket / 1e3,
        field,
        of_instance(server, case),
    );
}

/// Exchanges for a while, and says how long each took.
async fn live(store: RedisStore, number: u64, case: Case, lasts: Duration) -> Vec<Duration> {
    let mut seen = HashMap::new();
    let mut took = Vec::new();
    let end = Instant::now() + lasts;
    // Spread over the interval, and a fifth up or down.
    tokio::time::sleep(INTERVAL.mul_f64((number as f64 * 0.618).fract())).await;
    for sequence in 1_u64.. {
        let since = Instant::now();
        if since >= end {
            break;
        }
        let mut batch = Batch::new(number, sequence);
        batch.shares = shares(case, &seen, sequence);
        let answer = store.exchange(&batch).await.expect("an answer");
        took.push(since.elapsed());
        for totals in answer.totals {
            if let Some(last) = totals.buckets.last() {
                seen.insert(totals.scope, Seen::new(last.number, last.version));
            }
        }
        let jitter = 0.8 + 0.4 * ((number + 7 * sequence) as f64 * 0.618).fract();
        tokio::time::sleep(INTERVAL.mul_f64(jitter).saturating_sub(since.elapsed())).await;
    }
    took
}

fn shares(case: Case, seen: &HashMap<Scope, Seen>, sequence: u64) -> Vec<Share> {
    let share = |scope, names: Vec<String>| {
        // Others each time, so that all are dirty sometime.
        let dirty =
            |at: usize| case.dirty > 0 && (at + sequence as usize).is_multiple_of(case.dirty);
        let names = names
            .into_iter()
            .enumerate()
            .filter(|(at, _)| dirty(*at))
            .map(|(_, name)| name);
        let added = names
            .into_iter()
            .map(|name| (name.into(), 1 + sequence % 20));
        Share::new(scope, added.collect(), seen.get(&scope).copied())
    };
    let target = |index: usize| format!("{:08x}", index * 0x9e37_79b9 % 0xffff_ffff);
    let mut of_pool = Vec::new();
    for index in 0..case.targets {
        let target = target(index);
        of_pool.extend((0..HEALTH).map(|field| format!("{target}.h{field}")));
        of_pool.extend((0..LATENCY).map(|field| format!("{target}.l{field}")));
        of_pool.extend((0..case.tasks).map(|task| format!("{target}.{task:08x}.s")));
    }
    let mut shares = vec![share(POOL, of_pool)];
    for index in 0..case.targets {
        let names = (0..GROUP).map(|field| format!("g{field}")).collect();
        shares.push(share(Scope::new(index as u64), names));
    }
    shares
}

/// What a bucket of the pool takes, and each of its fields with its name.
fn of_bucket(server: &Server) -> (f64, f64) {
    let keys: Vec<String> = server.ask(&["KEYS", &format!("{{outcome:1:{POOL}}}:b:*")]);
    let most = |words: &[&str]| -> f64 {
        let each = keys.iter().map(|key| {
            let words: Vec<_> = words.iter().copied().chain([&**key]).collect();
            server.ask::<f64>(&words)
        });
        each.fold(0.0, f64::max)
    };
    let bytes = most(&["MEMORY", "USAGE"]);
    (bytes, bytes / most(&["HLEN"]))
}

/// What an instance takes beside what it counts: what says which of its batches were counted.
fn of_instance(server: &Server, case: Case) -> f64 {
    let keys: Vec<String> = server.ask(&["KEYS", "{outcome:1:*}:s:0000000000000000"]);
    let each = keys
        .first()
        .map(|key| server.ask::<f64>(&["MEMORY", "USAGE", key]));
    each.unwrap_or_default() * (case.targets + 1) as f64
}

/// What the server has accounted for, altogether or in a second.
struct Account {
    at: Instant,
    commands: f64,
    bytes_in: f64,
    bytes_out: f64,
    cpu: f64,
    memory: f64,
}

impl Account {
    fn of(server: &Server) -> Self {
        let info: String = server.ask(&["INFO", "everything"]);
        let lines: HashMap<_, _> = info
            .lines()
            .filter_map(|line| line.split_once(':'))
            .collect();
        let number = |name: &str| lines[name].trim().parse::<f64>().unwrap();
        Self {
            at: Instant::now(),
            commands: number("total_commands_processed"),
            bytes_in: number("total_net_input_bytes"),
            bytes_out: number("total_net_output_bytes"),
            cpu: number("used_cpu_user") + number("used_cpu_sys"),
            memory: number("used_memory"),
        }
    }

    fn since(&self, before: &Self) -> Self {
        let seconds = (self.at - before.at).as_secs_f64();
        let rate = |now: f64, before: f64| (now - before) / seconds;
        Self {
            at: self.at,
            commands: rate(self.commands, before.commands),
            bytes_in: rate(self.bytes_in, before.bytes_in),
            bytes_out: rate(self.bytes_out, before.bytes_out),
            cpu: rate(self.cpu, before.cpu),
            memory: self.memory,
        }
    }
}
