//! Nothing is reported, and nothing is wrong.

use tower_outcome::Pool;

use super::{provider::Model, world::World};

fn share(rate: f64, length: f64, seed: u64) -> f64 {
    let pool = Pool::new("pool").model("a").model("b").model("c");
    let model = || Model {
        fails: 0.002,
        ..Model::default()
    };
    let models = ["a", "b", "c"].map(|name| (name, model()));
    let mut world = World::new(pool, models, seed);
    world.rate = rate;
    world.run(length);
    world.share("a", 0.0, length)
}

#[test]
fn without_feedback_the_first_model_serves_while_it_is_healthy() {
    for seed in 1..=3 {
        let share = share(1.0 / 60.0, 5.0 * 86_400.0, seed);
        assert!(share >= 0.99, "{share}");
    }
}

#[test]
fn without_feedback_the_first_model_serves_a_busy_caller_while_it_is_healthy() {
    let share = share(10.0, 1800.0, 1);
    assert!(share >= 0.99, "{share}");
}
