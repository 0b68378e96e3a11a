//! The preferred target is out for a while, and every score that is reported is the best.

use tower_outcome::Pool;

use super::{provider::Model, world::World};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// At once, with a server error.
    Fails,
    /// At the timeout.
    Hangs,
}

/// How an outage went.
#[derive(Debug)]
struct Outage {
    /// Requests that met it before the first went elsewhere.
    met: usize,
    /// Attempts on the target after that, while it was out, and requests.
    probes: usize,
    requests: usize,
    /// Seconds and requests from its end until the target serves as before.
    back: (f64, usize),
}

impl Outage {
    fn new(kind: Kind, per_hour: f64, [before, length, after]: [f64; 3], seed: u64) -> Self {
        let pool = Pool::new("pool").model("a").model("b").model("c");
        let models = ["a", "b", "c"].map(|name| (name, Model::right(1.0)));
        let mut world = World::new(pool, models, seed)
            .per_hour(per_hour)
            .scored(|right, _| right.then_some(1.0));
        if per_hour < 1000.0 {
            world.regular = 0.5;
        }
        let set = |world: &mut World, share: f64| match kind {
            Kind::Fails => world.model("a").fails = share,
            Kind::Hangs => world.model("a").hangs = share,
        };
        world.run(before);
        set(&mut world, 1.0);
        world.run(length);
        set(&mut world, 0.0);
        world.run(after);

        let end = before + length;
        let firsts: Vec<_> = world.firsts(before, end).collect();
        let met = firsts.iter().position(|one| one.target != "a");
        let met = met.unwrap_or(firsts.len());
        let later: Vec<_> = world.firsts(end, end + after).collect();
        // Nine of ten from then on; one may be a canary.
        let is_back = |next: &[&super::log::Attempt]| {
            next[0].target == "a" && next.iter().filter(|one| one.target == "a").count() >= 9
        };
        let back = later.windows(10).position(is_back);
        let back = back.unwrap_or(later.len() - 1);
        Self {
            met,
            probes: world.on("a", before, end) - met,
            requests: firsts.len(),
            back: (later[back].at - end, back),
        }
    }
}

fn check(kind: Kind, per_hour: f64, times: [f64; 3], most_met: usize) {
    let seeds = if per_hour < 1000.0 { 4 } else { 2 };
    for seed in 1..=seeds {
        let outage = Outage::new(kind, per_hour, times, seed);
        let told = format!("{kind:?}, {per_hour} an hour, {times:?}, seed {seed}: {outage:?}");
        assert!(outage.met <= most_met, "{told}");
        assert!(outage.probes <= outage.requests.div_ceil(4) + 1, "{told}");
        let (seconds, requests) = outage.back;
        assert!(seconds <= 5.0 * MINUTE || requests <= 5, "{told}");
    }
}

#[test]
fn at_ten_requests_an_hour_it_is_left_after_two_and_comes_back() {
    for kind in [Kind::Fails, Kind::Hangs] {
        for length in [20.0 * MINUTE, 2.0 * HOUR] {
            check(kind, 10.0, [24.0 * HOUR, length, 6.0 * HOUR], 2);
        }
    }
}

#[test]
fn at_sixty_requests_an_hour_it_is_left_after_three_and_comes_back() {
    for kind in [Kind::Fails, Kind::Hangs] {
        for length in [20.0 * MINUTE, 2.0 * HOUR] {
            check(kind, 60.0, [12.0 * HOUR, length, 2.0 * HOUR], 3);
        }
    }
}

#[test]
fn two_days_with_an_outage_of_three_hours() {
    for kind in [Kind::Fails, Kind::Hangs] {
        check(kind, 10.0, [21.0 * HOUR, 3.0 * HOUR, 24.0 * HOUR], 2);
    }
}

#[test]
fn at_twenty_thousand_requests_an_hour_it_is_left_after_five_and_those_that_were_open() {
    let times = [10.0 * MINUTE, 20.0 * MINUTE, 8.0 * MINUTE];
    check(Kind::Fails, 20_000.0, times, 5);
    // Most answers take up to two seconds: so long nobody can tell a silence from an answer, and
    // five or six requests come in each.
    check(Kind::Hangs, 20_000.0, times, 5 + 17);
}
