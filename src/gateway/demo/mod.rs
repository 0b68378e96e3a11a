mod screen;
mod tally;
mod traffic;

use std::{future::Future, io, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::{Instant, interval, sleep_until},
};

use self::{screen::Screen, tally::Tally};
use super::{
    scripted::{Script, Scripted},
    server::serve,
    service::Gateway,
};
use crate::router::{BuildError, OutcomeRouter, Pool, Target, Upstream};

const PREFERRED: &str = "gpt-4o";
const SECOND: &str = "gpt-4o-mini";
const THIRD: &str = "llama-3.3-70b";
const PER_SECOND: u32 = 16;

/// Shows routing at work: a gateway in front of scripted providers, under steady traffic, with an
/// account of what is routed where, and why. Needs no key and no network.
#[derive(Debug)]
pub struct Demo {
    listener: TcpListener,
    seconds: Option<u64>,
    wall: bool,
}

impl Demo {
    /// Creates a demonstration whose gateway accepts from `listener`.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            seconds: None,
            wall: false,
        }
    }

    /// Sets how long it runs. Default: until it is told to stop.
    #[must_use]
    pub fn seconds(mut self, seconds: Option<u64>) -> Self {
        self.seconds = seconds;
        self
    }

    /// Sets whether the preferred model refuses everything for a while, instead of warning of its
    /// limit before it is reached.
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
        let (scripts, legend) = scripts(self.wall);
        let mut providers = Vec::new();
        for script in scripts {
            providers.push(Scripted::start(script).await?);
        }
        let router = router(&providers).map_err(io::Error::other)?;
        let gateway = Gateway::builder(router.clone()).build();
        let gateway = gateway.map_err(io::Error::other)?;
        let address = self.listener.local_addr()?;
        let (stopped, until) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(self.listener, gateway, async {
            until.await.ok();
        }));
        let (sender, receiver) = mpsc::unbounded_channel();
        let traffic = tokio::spawn(traffic::send(address, PER_SECOND, sender));

        let mut screen = Screen::new();
        screen.line(&format!(
            "Gateway on http://{address}, {PER_SECOND} requests a second for {PREFERRED}."
        ))?;
        for line in legend {
            screen.line(&format!("  {line}"))?;
        }
        screen.line("")?;
        let shown = show(&router, &mut screen, receiver, self.seconds, stop).await;

        traffic.abort();
        let _ = stopped.send(());
        let _ = server.await;
        // An output that was closed, as by `head`, is an end like any other.
        match shown {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            shown => shown,
        }
    }
}

async fn show(
    router: &OutcomeRouter,
    screen: &mut Screen,
    mut answers: mpsc::UnboundedReceiver<traffic::Answer>,
    seconds: Option<u64>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let start = Instant::now();
    // Half a year is as good as for ever, and no timer overflows.
    let seconds = seconds.unwrap_or(u64::MAX).min(182 * 86_400);
    let end = start + Duration::from_secs(seconds);
    let mut tally = Tally::new(start);
    let mut second = interval(Duration::from_secs(1));
    second.tick().await;
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = sleep_until(end) => break,
            Some(answer) = answers.recv() => {
                if let Some(news) = tally.take(&answer) {
                    screen.news(&news)?;
                }
            }
            now = second.tick() => screen.table(&tally.table(&router.snapshot_at(now), now), false)?,
        }
    }
    let now = Instant::now();
    screen.table(&tally.table(&router.snapshot_at(now), now), true)?;
    screen.line(&tally.sum())
}

fn scripts(wall: bool) -> ([Script; 3], [String; 3]) {
    let seconds = Duration::from_secs;
    let quick = Script::new().latency(Duration::from_millis(120));
    let (preferred, limit) = if wall {
        (
            quick.wall_during(seconds(8)..seconds(20), seconds(4)),
            "answers 429, Retry-After: 4, to everything from second 8 to 20, without warning",
        )
    } else {
        (
            quick.limit(10.0, 20),
            "takes 10 requests a second, and says in its headers how many are left",
        )
    };
    let second = Script::new()
        .latency(Duration::from_millis(80))
        .slow(seconds(12)..seconds(30), seconds(3));
    let third = Script::new().latency(Duration::from_millis(200));
    (
        [preferred, second, third],
        [
            format!("{PREFERRED} is preferred; it {limit}"),
            format!("{SECOND} gets slower and slower from second 12 to 30"),
            format!("{THIRD} is fine, and the last choice"),
        ],
    )
}

fn router(providers: &[Scripted]) -> Result<OutcomeRouter, BuildError> {
    let mut pool = Pool::new("chat");
    for (model, provider) in [PREFERRED, SECOND, THIRD].into_iter().zip(providers) {
        let upstream = Upstream::new(&provider.base_url())?;
        pool = pool.target(Target::new(model).upstream(upstream));
    }
    OutcomeRouter::builder().pool(pool).build()
}
