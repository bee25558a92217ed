use std::error::Error;
use std::time::Duration;

use anyhow::Context as _;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_msk_iam_sasl_signer::generate_auth_token_from_credentials_provider;
use pem::Pem;
use rdkafka::client::OAuthToken;
use rdkafka::{ClientConfig, ClientContext};
use tokio::runtime::Handle;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

use crate::settings::Security;

/// How long fetching credentials may take: meanwhile nothing is told about deliveries.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers what the client asks for.
#[derive(Clone)]
pub struct Context {
    iam: Option<Iam>,
}

#[derive(Clone)]
struct Iam {
    region: Region,
    credentials: SharedCredentialsProvider,
    runtime: Handle,
}

/// Sets how the brokers are spoken to.
pub async fn configure(config: &mut ClientConfig, security: &Security) -> Context {
    match security {
        Security::Plaintext => {
            config.set("security.protocol", "plaintext");
            Context { iam: None }
        }
        Security::Tls(authorities) => {
            config.set("security.protocol", "ssl");
            trust(config, authorities.as_deref());
            Context { iam: None }
        }
        Security::Iam(authorities, region) => {
            config.set("security.protocol", "sasl_ssl").set("sasl.mechanism", "OAUTHBEARER");
            trust(config, authorities.as_deref());
            Context { iam: Some(Iam::new(region).await) }
        }
    }
}

/// The image has no files, so the authorities go to the client as text.
fn trust(config: &mut ClientConfig, authorities: Option<&str>) {
    match authorities {
        Some(pem) => config.set("ssl.ca.pem", pem),
        None => config.set("ssl.ca.pem", public_authorities()),
    };
}

/// Mozilla's list, as PEM.
fn public_authorities() -> String {
    let pem = |certificate: &[u8]| pem::encode(&Pem::new("CERTIFICATE", certificate));
    TLS_SERVER_ROOT_CERTS.iter().map(|certificate| pem(certificate)).collect()
}

impl Iam {
    async fn new(region: &str) -> Self {
        let region = Region::new(region.to_owned());
        let config = aws_config::defaults(BehaviorVersion::latest()).region(region.clone()).load().await;
        let credentials = config.credentials_provider().expect("the default configuration has a provider");
        Self { region, credentials, runtime: Handle::current() }
    }

    /// Signs a token, with credentials that are fetched when those at hand expire.
    fn token(&self) -> anyhow::Result<OAuthToken> {
        let sign =
            generate_auth_token_from_credentials_provider(self.region.clone(), self.credentials.clone());
        // The client asks on a thread of its own, which is none of the runtime's.
        let signed = self.runtime.block_on(async { tokio::time::timeout(CREDENTIALS_TIMEOUT, sign).await });
        let (token, lifetime_ms) = signed
            .context("no AWS credentials within 10 s")?
            .context("no AWS credentials; on ECS they come from the task's role")?;
        Ok(OAuthToken { token, principal_name: String::new(), lifetime_ms })
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let iam = self.iam.as_ref().ok_or("tokens are for KAFKA_SECURITY=iam")?;
        iam.token().map_err(|error| {
            tracing::error!(error = format!("{error:#}"), "no token for the brokers");
            error.into()
        })
    }
}
