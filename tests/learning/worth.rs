//! What an answer costs, and when it comes too late.

use std::time::Duration;

use tower_outcome::{Pool, Price, Target};

use super::{
    provider::Model,
    world::{World, everything},
};

const HOUR: f64 = 3600.0;

fn share_of_the_cheap_one(right: f64) -> f64 {
    let pool = Pool::new("pool")
        .cost_weight(20.0)
        .target(Target::new("dear").price(Price::per_million(10.0, 30.0)))
        .target(Target::new("cheap").price(Price::per_million(1.0, 3.0)));
    let models = [("dear", Model::right(0.9)), ("cheap", Model::right(right))];
    let mut world = World::new(pool, models, 1).scored(everything);
    world.dress = |request, _| request.prompt_tokens(100);
    world.run(2.0 * HOUR);
    world.share("cheap", HOUR, 2.0 * HOUR)
}

#[test]
fn the_cheap_one_serves_where_it_is_nearly_as_good() {
    let share = share_of_the_cheap_one(0.85);
    assert!(share >= 0.95, "{share}");
}

#[test]
fn the_cheap_one_does_not_serve_where_it_is_much_worse() {
    let share = share_of_the_cheap_one(0.6);
    assert!(share <= 0.05, "{share}");
}

/// Where two models meet an objective of four seconds, the first takes four times as long for half
/// an hour. Long answers then take five to nine seconds.
fn slowed_down(rate: f64, scored: bool) -> World {
    let objective = Duration::from_secs(4);
    let pool = Pool::new("pool").objective(objective);
    let pool = pool.model("a").model("b");
    let mut world = World::new(pool, ["a", "b"].map(|name| (name, Model::default())), 1);
    world.rate = rate;
    if scored {
        world.score = everything;
    }
    world.dress = |request, tokens| request.max_output_tokens(tokens);
    world.run(HOUR);
    let usual = world.model("a").clone();
    let slow = world.model("a");
    (slow.start, slow.per_token) = (4.0 * usual.start, 4.0 * usual.per_token);
    world.run(0.5 * HOUR);
    *world.model("a") = usual;
    world.run(HOUR);
    world
}

fn long(world: &World, from: f64, to: f64) -> f64 {
    let all = world.firsts(from, to).filter(|one| one.tokens > 250);
    let there = all.clone().filter(|one| one.target == "a").count();
    there as f64 / all.count() as f64
}

#[test]
fn a_model_that_slows_down_is_left_for_what_would_be_late_and_taken_back() {
    for (rate, back) in [(1.0, 240.0), (0.1, 900.0)] {
        let world = slowed_down(rate, false);
        let during = long(&world, HOUR + 120.0, 1.5 * HOUR);
        assert!(during <= 0.2, "{rate}: {during}");
        let after = long(&world, 1.5 * HOUR + back, 2.5 * HOUR);
        assert!(after >= 0.95, "{rate}: {after}");
        let late = world.firsts(HOUR + 120.0, 1.5 * HOUR);
        let late = late.clone().filter(|one| one.took > 4.0).count() as f64 / late.count() as f64;
        assert!(late <= 0.1, "{rate}: {late}");
    }
}

#[test]
fn among_scored_equals_one_that_slowed_down_comes_back_within_the_hour() {
    let world = slowed_down(1.0, true);
    let after = long(&world, 2.0 * HOUR, 2.5 * HOUR);
    assert!(after >= 0.5, "{after}");
}
