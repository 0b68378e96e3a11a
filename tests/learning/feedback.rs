//! Only some answers are ever reported, and only the wrong ones.

use tower_outcome::Pool;

use super::{provider::Model, world::World};

const HOUR: f64 = 3600.0;

#[test]
fn where_only_wrong_answers_are_reported_the_first_model_still_serves() {
    for (per_hour, length) in [(3600.0, 3.0 * HOUR), (300.0, 24.0 * HOUR)] {
        for seed in 1..=2 {
            let pool = Pool::new("pool").model("a").model("b").model("c");
            let models = [
                ("a", Model::right(0.9)),
                ("b", Model::right(0.85)),
                ("c", Model::right(0.8)),
            ];
            let mut world = World::new(pool, models, seed)
                .per_hour(per_hour)
                .scored(|right, chance| (!right && chance < 0.3).then_some(0.0));
            world.run(length);
            let shares = ["a", "b", "c"].map(|target| world.share(target, 0.0, length));
            assert!(shares[0] >= 0.9, "{shares:?}");
            // The noise of the draws is left out: the regret is that of the models that were picked.
            let regret = 0.05 * shares[1] + 0.1 * shares[2];
            assert!(regret <= 0.03 * 0.9, "{regret}");
            // It does not swing: in no stretch of a hundred requests does it give way for long.
            let step = 100.0 * 3600.0 / per_hour;
            let stretches = (length / step) as usize;
            let given_way = (0..stretches).filter(|number| {
                let from = *number as f64 * step;
                world.share("a", from, from + step) < 0.5
            });
            let given_way = given_way.count() as f64 / stretches as f64;
            assert!(given_way <= 0.02, "{given_way}");
        }
    }
}
