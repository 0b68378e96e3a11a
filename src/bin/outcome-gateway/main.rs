//! The gateway, what is about its configuration, and a demonstration of it.

mod check;
mod demo;
mod health;
mod import_litellm;
mod key;
mod serve;

use std::{
    io::{self, IsTerminal as _, Write as _},
    net::SocketAddr,
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tower_outcome::config::Config;
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt,
    layer::{Identity, SubscriberExt as _},
    registry,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use self::{
    check::Check, demo::Demo, health::Health, import_litellm::ImportLitellm, key::Key, serve::Serve,
};

#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Routes LLM requests to the model most likely to succeed right now.
#[derive(Debug, Parser)]
#[command(name = "outcome-gateway", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Serve),
    Check(Check),
    /// Print a configuration file with every key that there is, and what it is for.
    Example,
    /// Print the JSON Schema of the configuration file, for editors.
    Schema,
    Key(Key),
    ImportLitellm(ImportLitellm),
    Health(Health),
    Demo(Demo),
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // Serving logs, and more, once it knows from its configuration how.
    if !matches!(command, Command::Serve(_)) {
        log(None::<Identity>);
    }
    let done = match command {
        Command::Serve(serve) => serve.run().await,
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
        Command::Demo(demo) => demo.run().await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("outcome-gateway: {error}"));
            ExitCode::FAILURE
        }
    }
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
fn log(more: Option<impl Layer<Registry> + Send + Sync>) {
    match more {
        Some(more) => registry().with(more).with(lines()).init(),
        // Not with a layer that does nothing: that has no filter, and would have every span made.
        None => registry().with(lines()).init(),
    }
}

fn lines<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> + Send + Sync {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_filter(filter)
}

/// What is logged unless `RUST_LOG` says otherwise: nothing of single requests.
const LOGGED: &str =
    "warn,outcome_gateway=info,tower_outcome::gateway=info,tower_outcome::store=info";

/// Answers on the standard output. Whoever reads it may have gone: `| head`.
fn tell(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Speaks to the user on the standard error, which may be closed.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
