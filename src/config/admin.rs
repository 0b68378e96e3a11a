use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{
    address::{host, listen},
    assemble::Fault,
    schema,
    secret::{Around, Secret},
};

/// Where operators see what happens.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) listen: SocketAddr,
    /// What a caller has to bring. There is one wherever others than this machine may connect.
    pub(crate) token: Option<Secret>,
    /// Names to answer to; on loopback, beside those of loopback.
    pub(crate) hosts: Vec<String>,
}

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
/// What nobody guesses while somebody watches.
const SHORTEST_TOKEN: usize = 16;

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: LISTEN,
            token: None,
            hosts: Vec::new(),
        }
    }
}

impl Admin {
    /// Reads what is said of it. `gateway` is where the gateway itself listens.
    pub(super) fn read(
        written: &schema::Admin,
        gateway: SocketAddr,
        around: &Around<'_>,
    ) -> Result<Option<Self>, Fault> {
        if written.enabled == Some(false) {
            return Ok(None);
        }
        let token_place = written.token_env.as_ref().or(written.token_file.as_ref());
        let token = around.secret(written.token_env.as_ref(), written.token_file.as_ref())?;
        if let (Some(token), Some(place)) = (&token, token_place)
            && token.expose().len() < SHORTEST_TOKEN
        {
            let message = format!("the token is too short; expected {SHORTEST_TOKEN} characters");
            return Err(Fault::at(place, message));
        }
        let address = match &written.listen {
            Some(written) => listen(written)?,
            None => LISTEN,
        };
        if let Some(place) = &written.listen {
            if !address.ip().to_canonical().is_loopback() && token.is_none() {
                let message = "other machines can connect there: it needs token_env or token_file, \
                               or an address of loopback, such as \"127.0.0.1:8081\"";
                return Err(Fault::at(place, message));
            }
            if address == gateway && address.port() != 0 {
                let message = "the gateway itself listens there; expected another port";
                return Err(Fault::at(place, message));
            }
        }
        Ok(Some(Self {
            listen: address,
            token,
            hosts: written.hosts.iter().map(host).collect::<Result<_, _>>()?,
        }))
    }
}
