mod cast;
mod clock;
mod plot;
mod screen;
mod stage;
mod tally;
mod traffic;

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, interval, sleep_until},
};

use self::{
    plot::{FIRST, OTHER_FIRST, Plot},
    screen::Screen,
    stage::Stage,
    tally::Tally,
    traffic::{Answer, Asking},
};
use super::{Admin, Story, Watch, server::serve, service::Gateway};
use crate::{
    router::{OutcomeRouter, Pool, Score},
    telemetry::Prometheus,
};

/// What callers ask for.
const ASKING: [Asking; 2] = [
    Asking {
        model: FIRST,
        tasks: &["support", "support", "code"],
        stream: true,
        per_second: 16,
    },
    Asking {
        model: OTHER_FIRST,
        tasks: &["sorting"],
        stream: false,
        per_second: 3,
    },
];
/// One answer in so many is judged.
const JUDGED: u64 = 4;
/// Half a year is as good as for ever, and no timer overflows.
const FOREVER: u64 = 182 * 86_400;

/// Shows routing at work: a gateway in front of scripted providers, under steady traffic, with an
/// account of what is routed where, and why, on the terminal and on the dashboard. Needs no key and no
/// network.
#[derive(Debug)]
pub struct Demo {
    listener: TcpListener,
    admin: Option<TcpListener>,
    seconds: Option<u64>,
    wall: bool,
}

impl Demo {
    /// Creates a demonstration whose gateway accepts from `listener`.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            admin: None,
            seconds: None,
            wall: false,
        }
    }

    /// Sets where the dashboard is served, which must be a loopback address. Default: nowhere.
    #[must_use]
    pub fn admin(mut self, listener: Option<TcpListener>) -> Self {
        self.admin = listener;
        self
    }

    /// Sets how long it runs. Default: until it is told to stop.
    #[must_use]
    pub fn seconds(mut self, seconds: Option<u64>) -> Self {
        self.seconds = seconds;
        self
    }

    /// Sets whether the preferred model just refuses everything for a while, instead of telling the
    /// whole story of an afternoon.
    #[must_use]
    pub fn wall(mut self, wall: bool) -> Self {
        self.wall = wall;
        self
    }

    /// Runs it, until its time is over or `stop` is ready. Prints to the standard output.
    ///
    /// # Errors
    ///
    /// If a provider cannot be started, or the output is closed.
    pub async fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let plot = if self.wall {
            Plot::wall()
        } else {
            Plot::afternoon()
        };
        let (stage, pools) = Stage::open(plot).await?;
        let stage = Arc::new(stage);
        let watch = Watch::new();
        let prometheus = Prometheus::new();
        let router = router(pools, &watch, &prometheus)?;
        let gateway = Gateway::builder(router.clone()).build();
        let gateway = gateway.map_err(io::Error::other)?;
        let address = self.listener.local_addr()?;

        let mut screen = Screen::new();
        let mut servers = JoinSet::new();
        let (stopped, until) = watch::channel(());
        let gone = |mut until: watch::Receiver<()>| async move {
            // The sender is dropped when all is over.
            let _ = until.changed().await;
        };
        if let Some(listener) = self.admin {
            let page = listener.local_addr()?;
            screen.line(&format!("Open http://{page}/ to watch: {}.", intro(&stage)))?;
            let told = stage.clone();
            let admin = Admin::new(watch.clone())
                .gateway(gateway.clone())
                .metrics(move |router| prometheus.text(router))
                .replay(move || told.replay());
            servers.spawn(admin.serve(listener, gone(until.clone())));
        }
        servers.spawn(serve(self.listener, gateway, gone(until)));
        let (sender, answers) = mpsc::unbounded_channel();
        let mut traffic = JoinSet::new();
        let mut asked = Vec::new();
        for asking in ASKING {
            traffic.spawn(traffic::send(address, asking, sender.clone()));
            asked.push(format!("{} for {}", asking.per_second, asking.model));
        }
        let asked = asked.join(" and ");
        screen.line(&format!("Gateway on http://{address}, {asked} a second."))?;
        screen.line("")?;

        let mut show = Show {
            tally: Tally::new(stage.clone()),
            screen,
            stage,
            router,
            watch,
            scene: "",
            judged: 0,
        };
        let shown = show.run(answers, self.seconds, stop).await;

        traffic.shutdown().await;
        drop(stopped);
        while servers.join_next().await.is_some() {}
        // An output that was closed, as by `head`, is an end like any other.
        match shown {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            shown => shown,
        }
    }
}

/// A story that is told on the terminal and on the dashboard.
struct Show {
    stage: Arc<Stage>,
    router: OutcomeRouter,
    watch: Watch,
    screen: Screen,
    tally: Tally,
    scene: &'static str,
    /// Answers of which every so-manieth is judged.
    judged: u64,
}

impl Show {
    async fn run(
        &mut self,
        mut answers: mpsc::UnboundedReceiver<Answer>,
        seconds: Option<u64>,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(FOREVER).min(FOREVER));
        let mut second = interval(Duration::from_secs(1));
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                () = sleep_until(end) => break,
                Some(answer) = answers.recv() => {
                    self.judge(&answer);
                    if let Some(news) = self.tally.take(&answer) {
                        self.screen.news(&news)?;
                    }
                }
                now = second.tick() => {
                    self.tell(now)?;
                    let table = self.tally.table(&self.router.snapshot_at(now), now);
                    self.screen.table(&table, false)?;
                }
            }
        }
        let now = Instant::now();
        let table = self.tally.table(&self.router.snapshot_at(now), now);
        self.screen.table(&table, true)?;
        self.screen.line(&self.tally.sum())
    }

    /// Says what is happening in the story.
    fn tell(&mut self, now: Instant) -> io::Result<()> {
        let (scene, running) = self.stage.plot.scene(self.stage.elapsed(now));
        let clock = self.stage.clock(now).to_string();
        if scene != self.scene {
            self.scene = scene;
            self.screen.news(&format!("{clock}  * {scene}"))?;
        }
        self.watch
            .set_story(Some(Story::new(clock, scene).running(running)));
        Ok(())
    }

    /// Reports how good some of the answers were, as a grader of their callers would.
    fn judge(&mut self, answer: &Answer) {
        let (Some(id), Some(score)) = (answer.id, self.stage.plot.cast.score(&answer.model)) else {
            return;
        };
        self.judged += 1;
        // As a grader's scores differ, a little to either side.
        let draw = self.judged.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let aside = (draw % 100) as f64 / 500.0 - 0.1;
        if self.judged.is_multiple_of(JUDGED)
            && let Ok(score) = Score::new((score + aside).clamp(0.0, 1.0))
        {
            // What was forgotten already is no loss.
            let _ = self.router.report(id, score);
        }
    }
}

fn router(pools: Vec<Pool>, watch: &Watch, prometheus: &Prometheus) -> io::Result<OutcomeRouter> {
    let mut builder = OutcomeRouter::builder()
        .observer(watch.observer())
        .observer(prometheus.observer());
    for pool in pools {
        builder = builder.pool(pool);
    }
    let router = builder.build().map_err(io::Error::other)?;
    watch.follow(&router);
    Ok(router)
}

/// Says in a few words what there is to see.
fn intro(stage: &Stage) -> String {
    let second = stage.plot.scenes.get(1);
    let wait = second.map_or(0, |(from, _)| from.as_secs());
    format!("at 2 pm, in {wait} seconds, things begin to go wrong")
}
