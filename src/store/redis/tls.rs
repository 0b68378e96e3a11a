use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::RedisConfigError;

/// Whom to trust, and as whom to come, where a URL begins with `rediss://`.
#[derive(Clone, Default)]
pub(super) struct TlsSettings {
    /// PEM; those of the system if there is none.
    pub(super) roots: Option<Vec<u8>>,
    /// PEM: certificates and key.
    pub(super) identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// Makes TLS of a connection.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    pub(super) fn new(host: &str, settings: &TlsSettings) -> Result<Self, RedisConfigError> {
        let wrong = |what: String| RedisConfigError::new(format!("TLS of a store: {what}"));
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| wrong("the host is no name that a certificate could have".to_owned()))?;
        let roots = match &settings.roots {
            Some(pem) => given(pem).map_err(wrong)?,
            None => native(),
        };
        if roots.is_empty() {
            return Err(wrong("there is no root certificate to trust".to_owned()));
        }
        // The provider is named: with another one linked, the default would be ambiguous and panic.
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(roots);
        let config = match &settings.identity {
            None => builder.with_no_client_auth(),
            Some((certificates, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|_| wrong("the client's key is no private key in PEM".to_owned()))?;
                let chain = certificates_of(certificates).map_err(wrong)?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| wrong(format!("the client's certificate: {error}")))?
            }
        };
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Self { connector, name })
    }

    pub(super) async fn connect(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

fn given(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_of(pem)? {
        roots
            .add(certificate)
            .map_err(|error| format!("a root certificate: {error}"))?;
    }
    Ok(roots)
}

fn native() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn certificates_of(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err("what was given as certificates is none in PEM".to_owned()),
    }
}
