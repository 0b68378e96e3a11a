//! A model is added while the router runs.

use tower_outcome::Pool;

use super::{
    provider::Model,
    world::{World, everything},
};

const RELEASED: f64 = 900.0;

/// Returns the newcomer's share in the minute after its release.
fn share(right: f64, scored: bool, seed: u64) -> f64 {
    let pool = Pool::new("pool").model("a").model("b").model("new");
    let models = [
        ("a", Model::right(0.9)),
        ("b", Model::right(0.85)),
        ("new", Model::right(right)),
    ];
    let mut world = World::new(pool, models, seed);
    world.rate = 5.0;
    if scored {
        world.score = everything;
    }
    assert!(world.router().set_drained("pool", "new", true));
    world.run(RELEASED);
    assert!(world.router().set_drained("pool", "new", false));
    world.run(60.0);
    world.share("new", RELEASED, RELEASED + 60.0)
}

#[test]
fn a_newcomer_gets_no_herd() {
    for right in [0.2, 0.9] {
        let shares: Vec<_> = (1..=4).map(|seed| share(right, true, seed)).collect();
        let mean = shares.iter().sum::<f64>() / 4.0;
        // A good first answer or two may bring some more.
        let most = shares.iter().copied().fold(0.0, f64::max);
        assert!(mean <= 0.08 && most <= 0.25, "{right}: {shares:?}");
    }
}

#[test]
fn without_feedback_a_newcomer_that_is_declared_last_gets_nothing() {
    assert_eq!(share(0.9, false, 1), 0.0);
}
