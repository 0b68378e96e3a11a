use std::{
    error::Error,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use clap::Args;

/// An answer that takes longer is none that a load balancer would wait for.
const PATIENCE: Duration = Duration::from_secs(2);
/// The line of the status: `HTTP/1.1 200 OK`.
const STATUS: usize = 12;

/// Ask a running gateway whether it is alive: for container images, which have no other program.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Where it listens.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    address: SocketAddr,
}

impl Health {
    /// Fails unless the gateway answers that it is.
    pub(crate) fn run(&self) -> Result<(), Box<dyn Error>> {
        let address = self.address;
        let status = ask(address).map_err(|error| format!("{address}: {error}"))?;
        match status.get(STATUS - 3..) {
            Some(b"200") => Ok(()),
            _ => Err(format!("{address}: no answer that it is alive").into()),
        }
    }
}

fn ask(address: SocketAddr) -> std::io::Result<[u8; STATUS]> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut status = [0; STATUS];
    stream.read_exact(&mut status)?;
    Ok(status)
}
