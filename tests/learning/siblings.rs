//! Two models of one provider fail together.

use tower_outcome::{Pool, Target, Upstream};

use super::{
    provider::Model,
    world::{World, everything},
};

/// Returns the attempts on the sibling after its neighbour broke, in five minutes.
fn attempts(hangs: bool, scored: bool, rate: f64) -> usize {
    let target = |name: &str, url: &str| Target::new(name).upstream(Upstream::new(url).unwrap());
    let pool = Pool::new("pool")
        .target(target("a", "https://one.test/v1"))
        .target(target("b", "https://one.test/v1"))
        .target(target("c", "https://two.test/v1"));
    let models = ["a", "b", "c"].map(|name| (name, Model::right(0.9)));
    let mut world = World::new(pool, models, 1);
    world.rate = rate;
    if scored {
        world.score = everything;
    }
    world.run(600.0);
    for model in ["a", "b"] {
        let model = world.model(model);
        *(if hangs {
            &mut model.hangs
        } else {
            &mut model.fails
        }) = 1.0;
    }
    let is_broken = |world: &World| {
        let snapshot = world.router().snapshot_at(world.instant());
        snapshot.targets().next().unwrap().broken
    };
    while world.time() < 900.0 && !is_broken(&world) {
        world.run(0.1);
    }
    let broke = world.time();
    world.run(300.0);
    world.on("b", broke, broke + 300.0)
}

#[test]
fn a_sibling_of_a_broken_model_is_not_hammered() {
    for hangs in [false, true] {
        for scored in [false, true] {
            for rate in [0.2, 1.0, 10.0] {
                let attempts = attempts(hangs, scored, rate);
                assert!(
                    attempts <= 8,
                    "hangs {hangs}, scored {scored}, {rate}: {attempts}"
                );
            }
        }
    }
}
