//! The gateway, a check of its configuration, and a demonstration of it.

#[path = "outcome-gateway/check.rs"]
mod check;
#[path = "outcome-gateway/health.rs"]
mod health;
#[path = "outcome-gateway/import_litellm.rs"]
mod import_litellm;
#[path = "outcome-gateway/key.rs"]
mod key;

use std::{
    error::Error,
    io::{self, IsTerminal as _, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use tokio::{net::TcpListener, sync::oneshot};
#[cfg(feature = "otlp")]
use tower_outcome::gateway::Traces;
use tower_outcome::{
    config::Config,
    gateway::{Admin, Demo, Gateway, Reload, Server, Watch, open_state, shutdown_signal},
    telemetry::Prometheus,
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt,
    layer::{Identity, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

use self::{check::Check, health::Health, import_litellm::ImportLitellm, key::Key};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Routes LLM requests to the model most likely to succeed right now.
#[derive(Debug, Parser)]
#[command(name = "outcome-gateway", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve what a configuration file describes, or the keys in the environment.
    Serve {
        /// The configuration file, in TOML. Without it there is a pool for each provider whose key
        /// is in the environment (`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, ...); the file for that is
        /// printed, to be saved.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    Check(Check),
    /// Print a configuration file with every key that there is, and what it is for.
    Example,
    /// Print the JSON Schema of the configuration file, for editors.
    Schema,
    Key(Key),
    ImportLitellm(ImportLitellm),
    Health(Health),
    /// Show routing at work, with scripted providers: needs no key and no network.
    Demo {
        /// The address of the gateway.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// The address of the dashboard, on loopback.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
        admin: SocketAddr,
        /// Stop after this many seconds.
        #[arg(long, value_name = "N")]
        seconds: Option<u64>,
        /// Let the preferred model refuse everything for a while, without warning.
        #[arg(long)]
        wall: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // Serving logs, and more, once it knows from its configuration how.
    if !matches!(command, Command::Serve { .. }) {
        log(Identity::new());
    }
    let done = match command {
        Command::Serve { config } => serve_config(config).await,
        Command::Check(check) => check.run(tell, say),
        Command::Example => {
            tell(Config::EXAMPLE.trim_end());
            Ok(())
        }
        Command::Schema => {
            tell(Config::schema().trim_end());
            Ok(())
        }
        Command::Key(key) => key.run(tell, say),
        Command::ImportLitellm(import) => import.run(say),
        Command::Health(health) => health.run(),
        Command::Demo {
            listen,
            admin,
            seconds,
            wall,
        } => demo(listen, admin, seconds, wall).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("outcome-gateway: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve_config(file: Option<PathBuf>) -> Result<(), Box<dyn Error>> {
    let watch = Watch::new();
    let config = match &file {
        Some(file) => Config::load(file)?,
        None => of_environment()?,
    };
    let config = config.observer(watch.observer());
    #[cfg(feature = "otlp")]
    let traces = Traces::from_config(&config)?;
    #[cfg(feature = "otlp")]
    log(traces.as_ref().map(Traces::layer));
    #[cfg(not(feature = "otlp"))]
    log(Identity::new());
    if file.is_none() {
        tracing::info!(
            "no --config: serving what stands on the standard output; save it to change it"
        );
    }
    let prometheus = Prometheus::new();
    let config = config.observer(prometheus.observer());
    let file = file.unwrap_or_else(|| PathBuf::from(ENVIRONMENT));
    let reload = Reload::new(file, &config);
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
    server.serve(listener, gateway, shutdown_signal()).await?;
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

async fn demo(
    listen: SocketAddr,
    admin: SocketAddr,
    seconds: Option<u64>,
    wall: bool,
) -> Result<(), Box<dyn Error>> {
    if !admin.ip().is_loopback() {
        return Err(
            "the dashboard of the demonstration has no token: --admin takes a loopback \
                    address, such as 127.0.0.1:0"
                .into(),
        );
    }
    let listener = bind(listen, "--listen, such as --listen 127.0.0.1:0").await?;
    let admin = bind(admin, "--admin, such as --admin 127.0.0.1:0").await?;
    let demo = Demo::new(listener).admin(Some(admin));
    let demo = demo.seconds(seconds).wall(wall);
    Ok(demo.run(shutdown_signal()).await?)
}

async fn bind(address: SocketAddr, instead: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => "it is in use".to_owned(),
            io::ErrorKind::PermissionDenied => "that is not permitted".to_owned(),
            _ => error.to_string(),
        };
        format!("cannot listen on {address}: {why}. Choose another address with {instead}.")
    })
}

/// Logs to the standard error, by `RUST_LOG`: without it, warnings and what the gateway is up to.
/// `more` takes in what is not for the log.
fn log(more: impl Layer<Registry> + Send + Sync) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,outcome_gateway=info,tower_outcome::store=info"));
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_filter(filter);
    tracing_subscriber::registry().with(more).with(lines).init();
}

/// Answers on the standard output. Whoever reads it may have gone: `| head`.
fn tell(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Speaks to the user on the standard error, which may be closed.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
