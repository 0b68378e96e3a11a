//! One task turns bad.

use tower_outcome::{PickRequest, Pool};

use super::{provider::Model, world::World};

const TASKS: [&str; 5] = ["turns", "w", "x", "y", "z"];
const HOUR: f64 = 3600.0;
const TURN: f64 = 2.0 * HOUR;

fn world(rate: f64) -> World {
    let pool = Pool::new("pool").model("a").model("b").model("c");
    let models = ["a", "b", "c"].map(|name| (name, Model::right(1.0)));
    let mut world = World::new(pool, models, 1);
    world.tasks = TASKS.to_vec();
    world.rate = rate;
    // Without chance in the scores, all that moves is what the turn moves.
    world.score = |right, _| Some(if right { 0.9 } else { 0.1 });
    world.run(TURN);
    world
}

/// What is believed of some models' answers to each of the other tasks.
fn believed(world: &World, targets: &[&str]) -> Vec<f64> {
    let of_task = |task: &&str| {
        let request = PickRequest::new("pool").task(task);
        let decision = world.router().decide(&request, world.instant()).unwrap();
        let candidates = decision.candidates.into_iter();
        let wanted = candidates.filter(|one| targets.contains(&&*one.target));
        let quality = wanted.map(|one| one.terms.unwrap().quality);
        quality.collect::<Vec<_>>()
    };
    TASKS[1..].iter().flat_map(of_task).collect()
}

/// The most that any of these beliefs falls in the hour after the turn, or moves where `up` counts,
/// too: those that serve more from then on are better known.
fn most_moved(world: &mut World, targets: &[&str], up: bool) -> f64 {
    let before = believed(world, targets);
    let mut most = 0.0_f64;
    for _ in 0..60 {
        world.run(60.0);
        for (now, before) in believed(world, targets).iter().zip(&before) {
            let fallen = before - now;
            most = most.max(if up { fallen.abs() } else { fallen });
        }
    }
    most
}

#[test]
fn a_task_that_turns_bad_everywhere_does_not_blacken_the_others() {
    for rate in [2.0, 0.2] {
        let mut world = world(rate);
        for name in ["a", "b", "c"] {
            world.model(name).right_at = vec![("turns", 0.0)];
        }
        // Of those that serve other tasks, too.
        let moved = most_moved(&mut world, &["a"], true);
        assert!(moved <= 0.03, "{rate}: {moved}");
    }
}

#[test]
fn a_task_that_turns_bad_on_one_model_moves_alone() {
    for (rate, minutes) in [(2.0, 2.0), (0.2, 10.0)] {
        let mut world = world(rate);
        world.model("a").right_at = vec![("turns", 0.0)];
        let moved = most_moved(&mut world, &["a", "b", "c"], false);
        assert!(moved <= 0.03, "{rate}: {moved}");
        let share = |turns: bool| {
            let all = world.firsts(TURN + 60.0 * minutes, TURN + HOUR);
            let all = all.filter(|one| (one.task == Some("turns")) == turns);
            let there = all.clone().filter(|one| one.target == "a").count();
            there as f64 / all.count() as f64
        };
        let (turned, others) = (share(true), share(false));
        assert!(
            turned <= 0.05 && others >= 0.75,
            "{rate}: {turned} {others}"
        );
    }
}
