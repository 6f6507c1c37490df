//! TLS of checks (`SSL_GET`): the `SSL` block's certificate and key, and no judgement of the server's certificate, as in
//! keepalived. Absent: TLS 1.1 and older, and encrypted keys, which the library does not know.

use std::sync::Arc;

use parser::config::Ssl;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio_rustls::TlsConnector;

/// Why the `SSL` block cannot be used; checks go on without its certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file cannot be read, or does not hold what it should.
    #[error("SSL: the {what} in {path} cannot be used: {reason}")]
    File {
        /// Keyword.
        what: &'static str,
        /// Path.
        path: String,
        /// The library's words.
        reason: String,
    },
    /// A certificate without its key, or a key without its certificate.
    #[error("SSL: a client certificate needs both certificate and key")]
    Half,
    /// They do not fit together, or the library does not know their kind.
    #[error("SSL: {0}")]
    Library(#[from] rustls::Error),
}

/// How connections are made, with and without a server name in the handshake.
#[derive(Clone)]
pub(crate) struct Tls {
    named: TlsConnector,
    nameless: TlsConnector,
}

impl Tls {
    /// Connections with the client certificate of an `SSL` block, if it has one; without it if that cannot be used, and
    /// why.
    pub(crate) fn new(ssl: Option<&Ssl>) -> Result<(Self, Option<TlsError>), rustls::Error> {
        let (certificate, error) = match ssl.map(client_certificate).transpose() {
            Ok(certificate) => (certificate.flatten(), None),
            Err(error) => (None, Some(error)),
        };
        match config(certificate) {
            Ok(config) => Ok((Self::of(config), error)),
            Err(wrong) => Ok((Self::of(config(None)?), Some(wrong.into()))),
        }
    }

    fn of(mut config: ClientConfig) -> Self {
        let named = TlsConnector::from(Arc::new(config.clone()));
        config.enable_sni = false;
        Self {
            named,
            nameless: TlsConnector::from(Arc::new(config)),
        }
    }

    /// The way to make a connection, and the name to make it with.
    pub(crate) fn connector(
        &self,
        server_name: Option<&str>,
    ) -> Result<(&TlsConnector, ServerName<'static>), String> {
        match server_name {
            Some(name) => {
                let parsed = ServerName::try_from(name.to_owned())
                    .map_err(|_| format!("`{name}` cannot be a server name in a TLS handshake"))?;
                Ok((&self.named, parsed))
            }
            // A name is needed to make a connection; this one is never sent.
            None => Ok((
                &self.nameless,
                ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()),
            )),
        }
    }
}

type ClientCertificate = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client_certificate(ssl: &Ssl) -> Result<Option<ClientCertificate>, TlsError> {
    let (certificate, key) = match (&ssl.certificate, &ssl.key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return Ok(None),
        _ => return Err(TlsError::Half),
    };
    let wrong = |what, path: &str| {
        let path = path.to_owned();
        move |reason: rustls::pki_types::pem::Error| TlsError::File {
            what,
            path,
            reason: reason.to_string(),
        }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(wrong("certificate", certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(wrong("key", key))?;
    Ok(Some((chain, key)))
}

fn config(certificate: Option<ClientCertificate>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(
            provider.signature_verification_algorithms.supported_schemes(),
        )));
    match certificate {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key),
    }
}

/// Takes any certificate, and any proof of having its key: whoever stands in for a server can bring a certificate of his own
/// anyway, and one that the library cannot read (X.509 version 1) does not make a server unfit.
#[derive(Debug)]
struct Anyone(Vec<SignatureScheme>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
