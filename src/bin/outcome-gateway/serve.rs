use std::{error::Error, path::PathBuf};

use clap::Args;
use tokio::sync::oneshot;
#[cfg(feature = "otlp")]
use tower_outcome::gateway::Traces;
use tower_outcome::{
    config::Config,
    gateway::{Admin, Gateway, Reload, Server, Watch, open_state, shutdown_signal},
    telemetry::Prometheus,
};
#[cfg(not(feature = "otlp"))]
use tracing_subscriber::layer::Identity;

use super::{bind, log, tell};

/// Serve what a configuration file describes, or the keys in the environment.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The configuration file, in TOML. Without it there is a pool for each provider whose key is in
    /// the environment (`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, ...); the file for that is printed, to
    /// be saved.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<(), Box<dyn Error>> {
        let watch = Watch::new();
        let config = match &self.config {
            Some(file) => Config::load(file)?,
            None => of_environment()?,
        };
        let config = config.observer(watch.observer());
        #[cfg(feature = "otlp")]
        let traces = Traces::from_config(&config)?;
        #[cfg(feature = "otlp")]
        log(traces.as_ref().map(Traces::layer));
        #[cfg(not(feature = "otlp"))]
        log(None::<Identity>);
        if self.config.is_none() {
            tracing::info!(
                "no --config: serving what stands on the standard output; save it to change it"
            );
        }
        let prometheus = Prometheus::new();
        let config = config.observer(prometheus.observer());
        let reload = match self.config {
            Some(file) => Reload::new(file, &config),
            None => Reload::without_file(ENVIRONMENT, &config),
        };
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        let address = config.listen();
        let server = Server::from_config(&config);
        let admin = Admin::from_config(&config, watch.clone())?;
        let (config, state) = open_state(config);
        let gateway = Gateway::from_config(config)?;
        watch.follow(&gateway.router());
        let listener = bind(address, "listen in the configuration").await?;
        if gateway.is_open() && !address.ip().is_loopback() {
            tracing::warn!(
                "there are no client keys: whoever can reach {address} can spend those of the upstreams; \
             a [[key]] in the configuration closes it to others"
            );
        }
        let admin = match admin {
            Some((address, admin)) => {
                let listener = bind(address, "listen under [admin] in the configuration").await?;
                Some((listener, admin))
            }
            None => None,
        };
        // From here on there is something to be written at the end.
        let shutdown = shutdown_signal();
        let keeping = state.map(|state| gateway.keep_state(state));
        if let Some(keeping) = &keeping {
            prometheus.watch_store(keeping.watch());
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let admin = match admin {
            Some((listener, admin)) => {
                tracing::info!("dashboard on http://{}", listener.local_addr()?);
                tokio::spawn(watch.keep_up(gateway.clone(), reload.subscribe()));
                let stopped = async { stopped.await.unwrap_or_default() };
                let admin = admin
                    .gateway(gateway.clone())
                    .metrics(move |router| prometheus.text(router));
                Some(tokio::spawn(admin.serve(listener, stopped)))
            }
            None => None,
        };
        let reloads = tokio::spawn(reload.run(gateway.clone()));
        tracing::info!("serving on http://{}", listener.local_addr()?);
        server.serve(listener, gateway, shutdown).await?;
        reloads.abort();
        if let Some(keeping) = keeping {
            keeping.stop().await;
        }
        // It shows how what was under way ended.
        drop(stop);
        if let Some(admin) = admin {
            admin.await??;
        }
        #[cfg(feature = "otlp")]
        if let Some(traces) = traces {
            traces.stop().await;
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// What errors name in place of a file that there is not.
const ENVIRONMENT: &str = "(environment)";

/// Makes a configuration of the keys in the environment, and prints it: on the standard output, away
/// from the log, so that it can be sent to a file.
fn of_environment() -> Result<Config, Box<dyn Error>> {
    let variable = |name: &str| std::env::var(name).ok();
    let source = Config::source_for(variable)?;
    let config = Config::parse(ENVIRONMENT, &source, variable)?;
    tell(source.trim_end());
    Ok(config)
}
