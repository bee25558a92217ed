//! How AWS is reached out of an image that holds nothing but this program.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use pem::Pem;

/// The region and credentials are Lambda's, in the environment.
///
/// # Errors
/// If the certificates can't be used.
pub async fn config() -> anyhow::Result<SdkConfig> {
    Ok(aws_config::defaults(BehaviorVersion::latest()).http_client(http_client()?).load().await)
}

/// What brings its own root certificates.
///
/// # Errors
/// If the certificates can't be used.
pub fn http_client() -> anyhow::Result<SharedHttpClient> {
    let context = TlsContext::builder().with_trust_store(roots()).build()?;
    Ok(Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context).build_https())
}

/// Mozilla's root certificates: the image has none of its own.
fn roots() -> TrustStore {
    let pem = |certificate: &[u8]| pem::encode(&Pem::new("CERTIFICATE", certificate));
    let certificates: String =
        webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|certificate| pem(certificate)).collect();
    TrustStore::empty().with_pem_certificate(certificates)
}
