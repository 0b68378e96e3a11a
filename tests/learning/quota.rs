//! Six routers spend one quota and know nothing of each other.

use tower_outcome::{Class, Pool};

use super::{
    provider::{Model, Quota},
    world::{World, router},
};

const FROM: f64 = 300.0;
const TO: f64 = 900.0;

/// Returns the share of requests that are refused, and of the quota that is used.
fn share(limit: f64, headers: bool) -> (f64, f64) {
    let pool = || Pool::new("pool").model("a").model("b");
    let limited = Model {
        quota: Some(Quota::per_minute(limit, headers)),
        ..Model::default()
    };
    let mut world = World::new(pool(), [("a", limited), ("b", Model::default())], 1);
    for seed in 2..=6 {
        let one = router(pool(), world.instant(), seed);
        world.routers.push(one);
    }
    world.rate = 1.5 * limit / 60.0;
    world.run(TO);
    assert_eq!(world.turned_away, 0);
    let requests = world.firsts(FROM, TO).count();
    let refused = world.ended(Class::RateLimited, FROM, TO);
    let used = world.on("a", FROM, TO) - refused;
    let refilled = limit * (TO - FROM) / 60.0;
    (refused as f64 / requests as f64, used as f64 / refilled)
}

#[test]
fn six_routers_share_a_quota_by_its_headers() {
    for limit in [120.0, 1200.0] {
        let (refused, used) = share(limit, true);
        assert!(refused <= 0.03 && used >= 0.8, "{limit}: {refused} {used}");
    }
}

#[test]
fn six_routers_share_a_quota_that_only_names_a_wait() {
    for limit in [120.0, 1200.0] {
        let (refused, used) = share(limit, false);
        assert!(refused <= 0.03 && used >= 0.8, "{limit}: {refused} {used}");
    }
}
