//! What the gateway takes of a processor, beside a bare proxy of hyper in the same run.
//!
//! `cargo bench --features gateway --bench gateway` starts both, each in a process of its own on the
//! first core, loads them in turns from the second, where the provider is, too, and prints the
//! processor time of a request as the system accounts it. The gateway is the program itself, as a
//! user starts it, so leave the profile its link-time optimisation: without any, no search of
//! `memchr` for two bytes is inlined, and looking through a long body takes five times as long.
//! After `--`: `--rounds N`, `--seconds N` of each, and `--check`, which fails over the bars.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark, of wall time"
)]

mod bare;
mod load;
mod process;
mod provider;

use std::{
    env,
    process::ExitCode,
    time::{Duration, Instant},
};

use self::{
    load::{Load, Shape},
    process::{Child, pin_to},
};

const PROXIES: usize = 0;
const LOAD: usize = 1;
const CONNECTIONS: usize = 32;

/// What is asked and answered, and how many times the processor time of the bare proxy the gateway
/// may take for it.
const CASES: [(&str, Shape, f64); 3] = [
    ("1 KiB asked, 1 KiB answered", Shape::new(KIB, KIB), 1.4),
    ("1 MiB asked, 1 KiB answered", Shape::new(MIB, KIB), 1.3),
    ("1 KiB asked, 1 MiB answered", Shape::new(KIB, MIB), 1.3),
];
const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bare", upstream] => {
            bare::run(upstream);
            ExitCode::SUCCESS
        }
        // To be looked at from outside: `perf record -p`, `perf stat -p`.
        ["load", proxy, case, seconds] => {
            let shape = CASES[case.parse::<usize>().expect("a number")].1;
            let done = Load::new(CONNECTIONS, shape).run(
                proxy.parse().expect("an address"),
                Duration::from_secs(seconds.parse().expect("a number")),
            );
            println!("{done} requests");
            ExitCode::SUCCESS
        }
        ["provider", address] => provider::serve_forever(address.parse().expect("an address")),
        ref options => compare(options),
    }
}

fn compare(options: &[&str]) -> ExitCode {
    let number = |name: &str, default: u64| {
        let at = options.iter().position(|it| *it == name);
        at.map_or(default, |at| options[at + 1].parse().expect("a number"))
    };
    let (rounds, seconds) = (number("--rounds", 7), number("--seconds", 2));
    let seconds = Duration::from_secs(seconds);
    pin_to(LOAD);
    let provider = provider::start();
    let bare = Child::bare(PROXIES, provider);
    let gateway = Child::gateway(PROXIES, provider);
    println!("{CONNECTIONS} connections, {rounds} rounds of {seconds:?} each, in turns");
    let mut over = false;
    for (name, shape, bar) in CASES {
        let load = Load::new(CONNECTIONS, shape);
        // Pools filled, memory in place.
        for proxy in [&bare, &gateway] {
            load.run(proxy.address, seconds / 2);
        }
        let (mut of_bare, mut of_gateway) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            of_bare.push(measure(&load, &bare, seconds));
            of_gateway.push(measure(&load, &gateway, seconds));
        }
        let mut ratios: Vec<f64> = of_bare
            .iter()
            .zip(&of_gateway)
            .map(|(bare, gateway)| gateway.micros / bare.micros)
            .collect();
        println!("\n{name}");
        report("bare", &mut of_bare);
        report("gateway", &mut of_gateway);
        let ratio = median(&mut ratios);
        let (low, high) = (ratios[0], ratios[ratios.len() - 1]);
        println!("  ratio    {ratio:8.2} ({low:.2} to {high:.2}), at most {bar}");
        over |= ratio > bar;
    }
    if over && options.contains(&"--check") {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

struct Measured {
    /// Processor time of a request.
    micros: f64,
    per_second: f64,
}

fn measure(load: &Load, proxy: &Child, time: Duration) -> Measured {
    let (before, begin) = (proxy.processor_time(), Instant::now());
    let requests = load.run(proxy.address, time);
    let (took, spent) = (begin.elapsed(), proxy.processor_time() - before);
    assert!(requests > 0, "nothing was answered");
    Measured {
        micros: spent.as_secs_f64() * 1e6 / requests as f64,
        per_second: requests as f64 / took.as_secs_f64(),
    }
}

fn report(name: &str, measured: &mut [Measured]) {
    let mut micros: Vec<f64> = measured.iter().map(|it| it.micros).collect();
    let mut per_second: Vec<f64> = measured.iter().map(|it| it.per_second).collect();
    let middle = median(&mut micros);
    let (low, high) = (micros[0], micros[micros.len() - 1]);
    println!(
        "  {name:<8} {middle:8.1} us of processor time a request ({low:.1} to {high:.1}), {:.0} requests/s",
        median(&mut per_second)
    );
}

/// Sorts, and returns the one in the middle.
fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
