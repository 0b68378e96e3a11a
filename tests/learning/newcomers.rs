//! A model is added while the router runs.

use tower_outcome::Pool;

use super::{
    provider::Model,
    world::{World, everything},
};

const RELEASED: f64 = 900.0;

/// Returns the newcomer's share in the first seconds after its release.
fn share(right: f64, scored: bool, seed: u64, seconds: f64) -> f64 {
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
    world.run(seconds);
    world.share("new", RELEASED, RELEASED + seconds)
}

#[test]
fn a_newcomer_gets_no_herd() {
    // Fifty requests: before its answers have shown anything. Later it gets what they earn.
    for (right, seconds, at_most) in [(0.2, 10.0, 0.1), (0.9, 10.0, 0.1), (0.2, 60.0, 0.05)] {
        let shares: Vec<_> = (1..=6)
            .map(|seed| share(right, true, seed, seconds))
            .collect();
        let most = shares.iter().copied().fold(0.0, f64::max);
        assert!(most <= at_most, "{right}, {seconds} s: {shares:?}");
    }
}

#[test]
fn without_feedback_a_newcomer_that_is_declared_last_gets_nothing() {
    assert_eq!(share(0.9, false, 1, 60.0), 0.0);
}
