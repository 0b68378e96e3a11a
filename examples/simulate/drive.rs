//! Plays a scenario to a policy, in virtual time.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{sleep, sleep_until},
};

use crate::{
    adaptive::{self, Fleet},
    policies::{self, ADAPTIVE, End, Failure, Policy, Scored, Step, Turn},
    setting::Setting,
    world::{Record, What, World},
};

/// Plays one cell in a runtime of its own, and returns what became of the requests.
pub(crate) fn play(
    setting: &Arc<Setting>,
    policy: &str,
    seed: u64,
    fleet: Fleet,
) -> Result<Vec<Record>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    runtime
        .block_on(async {
            let world = Arc::new(World::new(setting.clone(), seed));
            if policy == ADAPTIVE {
                let calls = adaptive::Instances::start(&world, fleet)?;
                arrive(&world, |index| calls.of(index).call(index)).await;
            } else {
                let policy = policies::compared(policy, setting)
                    .ok_or_else(|| format!("there is no policy {policy:?}"))?;
                let policy = Arc::new(Mutex::new(policy));
                arrive(&world, |index| handle(world.clone(), policy.clone(), index)).await;
            }
            Ok::<_, String>(world)
        })
        .and_then(|world| {
            // What was still to be scored is dropped with the runtime.
            drop(runtime);
            let world = Arc::into_inner(world).ok_or("a request outlived its run")?;
            Ok(world.into_records())
        })
}

/// Starts a task for each request when it arrives, and waits for all.
async fn arrive<F>(world: &World, mut begin: impl FnMut(usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let (running, mut all_done) = mpsc::channel::<()>(1);
    for (index, request) in world.requests.iter().enumerate() {
        sleep_until(world.instant(request.at_s)).await;
        let (running, handled) = (running.clone(), begin(index));
        tokio::spawn(async move {
            handled.await;
            drop(running);
        });
    }
    drop(running);
    all_done.recv().await;
}

type Shared = Arc<Mutex<Box<dyn Policy>>>;

fn lock(policy: &Shared) -> MutexGuard<'_, Box<dyn Policy>> {
    policy.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes one request through its attempts.
async fn handle(world: Arc<World>, policy: Shared, index: usize) {
    let request = world.requests[index];
    let mut failed = Vec::new();
    let mut waits = 0;
    loop {
        let step = lock(&policy).next(&Turn {
            world: &world,
            index,
            request: &request,
            now_s: world.now_s(),
            failed: &failed,
            waits,
        });
        let model = match step {
            Step::GiveUp => return,
            Step::Wait(wait_s) => {
                waits += 1;
                // The timer's own step is the least wait: no turn is taken twice at one moment.
                sleep(Duration::from_secs_f64(wait_s.max(0.001))).await;
                continue;
            }
            Step::Call(model) => model,
        };
        waits = 0;
        let began_s = world.now_s();
        lock(&policy).begins(model, began_s);
        let reply = world.call(index, failed.len(), model);
        sleep(Duration::from_secs_f64(reply.after_s)).await;
        let failure = match reply.what {
            What::Answer { .. } => None,
            What::RateLimited { retry_after_s } => Some(Failure::RateLimited { retry_after_s }),
            What::ServerError => Some(Failure::ServerError),
            What::Silence => Some(Failure::Timeout),
        };
        let now_s = world.now_s();
        lock(&policy).ends(&End {
            model,
            task: request.task,
            now_s,
            latency_s: now_s - began_s,
            failure,
        });
        if let Some(failure) = failure {
            failed.push((model, failure));
        }
        if let What::Answer { right, .. } = reply.what {
            world.deliver(index, model, right);
            if let Some((score, after)) = world.score(index, right) {
                tokio::spawn(async move {
                    sleep(after).await;
                    lock(&policy).scored(&Scored {
                        model,
                        task: request.task,
                        score,
                    });
                });
            }
            return;
        }
    }
}
