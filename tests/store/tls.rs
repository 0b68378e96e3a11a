//! `rediss://`, with certificates made for the test.

use std::fs;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use tower_outcome::store::{Batch, OutcomeStore, RedisStore};

use super::server::{Port, Server};

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        Self { issuer }
    }

    /// A certificate and its key.
    fn certify(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        // Unlike that of the authority, or it would look as if it had signed itself.
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

#[tokio::test]
async fn tls_trusts_whom_it_is_told_to() {
    let authority = Authority::new();
    let folder = std::env::temp_dir().join(format!("outcome-tls-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (certificate, key) = authority.certify("localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let port = Port::new();
    let number = port.number.to_string();
    let server = Server::start(&[
        "--tls-port",
        &number,
        "--tls-cert-file",
        &file("server.pem", &certificate),
        "--tls-key-file",
        &file("server.key", &key),
        "--tls-ca-cert-file",
        &file("ca.pem", &authority.issuer.pem()),
    ]);
    fs::remove_dir_all(&folder).unwrap();
    if server.is_none() {
        return;
    }
    let url = format!("rediss://localhost:{number}");
    let (certificate, key) = authority.certify("client", ExtendedKeyUsagePurpose::ClientAuth);
    let builder = || {
        Server::builder_of(url.clone())
            .root_certificates(authority.issuer.pem())
            .client_certificate(&*certificate, &*key)
    };
    let store = builder().build().unwrap();
    assert_eq!(
        store.exchange(&Batch::new(1, 0)).await.unwrap().instances,
        1
    );
    let heard = store.heard();
    let waited = tokio::time::timeout(std::time::Duration::from_millis(50), heard).await;
    assert!(waited.is_err());

    let of_another = Authority::new();
    for (what, store) in [
        ("of the system", RedisStore::builder(&url).build()),
        (
            "of another",
            builder().root_certificates(of_another.issuer.pem()).build(),
        ),
        (
            "no identity",
            RedisStore::builder(&url)
                .root_certificates(authority.issuer.pem())
                .build(),
        ),
        (
            "another name",
            RedisStore::builder(url.replace("localhost", "127.0.0.1"))
                .root_certificates(authority.issuer.pem())
                .client_certificate(&*certificate, &*key)
                .build(),
        ),
    ] {
        // A machine may have no roots of its own.
        let Ok(store) = store else { continue };
        let error = store.exchange(&Batch::new(1, 0)).await.expect_err(what);
        assert!(error.is_unreachable(), "{what}: {error}");
    }
}

#[test]
fn what_is_no_certificate_is_refused_when_the_store_is_made() {
    let authority = Authority::new();
    let (certificate, key) = authority.certify("client", ExtendedKeyUsagePurpose::ClientAuth);
    let (_, other_key) = authority.certify("client", ExtendedKeyUsagePurpose::ClientAuth);
    let builder = || RedisStore::builder("rediss://h").root_certificates(authority.issuer.pem());
    builder()
        .client_certificate(&*certificate, &*key)
        .build()
        .unwrap();
    for (what, wrong) in [
        ("no roots", builder().root_certificates("")),
        (
            "junk",
            builder()
                .root_certificates("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"),
        ),
        ("no chain", builder().client_certificate("", &*key)),
        ("no key", builder().client_certificate(&*certificate, "")),
        (
            "another key",
            builder().client_certificate(&*certificate, &*other_key),
        ),
        (
            "no host",
            RedisStore::builder("rediss://a_b:1").root_certificates(authority.issuer.pem()),
        ),
    ] {
        let built = wrong.build();
        if what != "no host" {
            let error = built.expect_err(what).to_string();
            assert!(error.starts_with("TLS of a store: "), "{error}");
        }
    }
}
