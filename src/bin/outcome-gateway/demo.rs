use std::{error::Error, net::SocketAddr};

use clap::Args;
use tower_outcome::gateway::{self, shutdown_signal};

use super::bind;

/// Show routing at work, with scripted providers: needs no key and no network.
#[derive(Args, Debug)]
pub(crate) struct Demo {
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
}

impl Demo {
    pub(crate) async fn run(self) -> Result<(), Box<dyn Error>> {
        if !self.admin.ip().is_loopback() {
            return Err(
                "the dashboard of the demonstration has no token: --admin takes a loopback \
                    address, such as 127.0.0.1:0"
                    .into(),
            );
        }
        let listener = bind(self.listen, "--listen, such as --listen 127.0.0.1:0").await?;
        let admin = bind(self.admin, "--admin, such as --admin 127.0.0.1:0").await?;
        let demo = gateway::Demo::new(listener).admin(Some(admin));
        let demo = demo.seconds(self.seconds).wall(self.wall);
        Ok(demo.run(shutdown_signal()).await?)
    }
}
