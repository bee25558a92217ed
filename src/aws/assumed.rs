use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_sts::Client;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use super::error::failure;
use super::id_token::{Claims, IdToken};
use super::job::Endpoint;
use crate::config::RoleArn;
use crate::failure::Failure;
use crate::redact::keep_secret;

/// Where there are no new credentials, the old ones are used until so long before they expire.
const LAST_MINUTE: Duration = Duration::from_mins(1);

/// After new credentials could not be had, nobody asks again for so long while the old ones last.
const PAUSE: Duration = Duration::from_secs(30);

/// A role that a job takes on with its own identity. Each time new credentials are asked for, it shows a new token.
#[derive(Debug)]
pub(super) struct AssumedRole {
    pub(super) sts: Client,
    pub(super) role: RoleArn,
    /// Who gives the tokens.
    pub(super) identity: Endpoint,
    /// For whom the tokens are.
    pub(super) audience: String,
    pub(super) session_name: String,
    /// What there is when new ones are not to be had.
    pub(super) last: Mutex<Last>,
}

/// The last credentials.
#[derive(Debug, Default)]
pub(super) struct Last {
    credentials: Option<Credentials>,
    /// When it was last found that there are no newer ones.
    failed: Option<Instant>,
}

impl AssumedRole {
    async fn credentials(&self) -> Result<Credentials, Failure> {
        if self.last().failed.is_some_and(|failed| failed.elapsed() < PAUSE)
            && let Some(credentials) = self.usable()
        {
            return Ok(credentials);
        }
        match self.renewed().await {
            Ok(credentials) => {
                *self.last() = Last { credentials: Some(credentials.clone()), failed: None };
                Ok(credentials)
            }
            Err(failure) => {
                self.last().failed = Some(Instant::now());
                self.usable().ok_or(failure)
            }
        }
    }

    fn usable(&self) -> Option<Credentials> {
        usable(self.last().credentials.as_ref(), SystemTime::now())
    }

    async fn renewed(&self) -> Result<Credentials, Failure> {
        let token = self.identity.id_token(&self.audience).await?;
        let call = self.sts.assume_role_with_web_identity().role_arn(self.role.to_string());
        let call = call.role_session_name(&self.session_name).web_identity_token(token.secret());
        let answer = call.send().await.map_err(|error| refused(&self.role, &token, error))?;
        let credentials = answer.credentials.ok_or_else(|| {
            Failure::new(format!("{}: an answer without credentials", tried(&self.role)))
                .hint("check what answers at the environment's `endpoint`")
        })?;
        keep_secret(credentials.secret_access_key());
        keep_secret(credentials.session_token());
        Ok(Credentials::new(
            credentials.access_key_id(),
            credentials.secret_access_key(),
            Some(credentials.session_token().to_owned()),
            SystemTime::try_from(*credentials.expiration()).ok(),
            "web identity",
        ))
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.credentials().await.map_err(CredentialsError::provider_error)
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.usable()
    }
}

/// The credentials, if they last for a while yet.
fn usable(credentials: Option<&Credentials>, now: SystemTime) -> Option<Credentials> {
    let lasts = |credentials: &&Credentials| credentials.expiry().is_some_and(|end| now + LAST_MINUTE < end);
    credentials.filter(lasts).cloned()
}

fn tried(role: &RoleArn) -> String {
    format!("AssumeRoleWithWebIdentity on {role}")
}

fn refused<E, R>(role: &RoleArn, token: &IdToken, error: SdkError<E, R>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).map(str::to_owned);
    let failure = failure(tried(role), error);
    match code {
        Some(code) => explained(failure, &code, role, &token.claims()),
        None => failure,
    }
}

/// The failure with what was shown to STS, and what to do about what it said.
fn explained(failure: Failure, code: &str, role: &RoleArn, claims: &Claims) -> Failure {
    let told = |claim: &Option<String>| claim.clone().unwrap_or_else(|| "what the token names".to_owned());
    let hint = match code {
        "AccessDenied" => format!(
            "let the trust policy of {role} allow this `sub` (docs/github.md, Credentials), or deploy from where it does"
        ),
        "InvalidIdentityToken" => format!(
            "account {} needs an IAM OIDC provider for {} with {} among its client IDs; if there is one, see that \
             its issuer can be reached from AWS",
            role.account(),
            told(&claims.iss),
            told(&claims.aud)
        ),
        "ExpiredTokenException" => {
            "the token was made just now: set the clock of the machine that runs the job, then run it again"
                .to_owned()
        }
        "IDPCommunicationError" => "AWS can't reach the issuer at the moment: run the job again".to_owned(),
        _ => return failure.detail(shown(claims)),
    };
    failure.detail(shown(claims)).hint(hint)
}

fn shown(claims: &Claims) -> String {
    format!("the job's token says: {claims}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_used_up_to_their_last_minute() {
        let now = SystemTime::now();
        let ending = |seconds| {
            let expiry = now + Duration::from_secs(seconds);
            usable(Some(&Credentials::new("a", "s", None, Some(expiry), "test")), now).is_some()
        };
        assert_eq!([59, 60, 61, 3_600].map(ending), [false, false, true, true]);
        assert!(usable(Some(&Credentials::new("a", "s", None, None, "test")), now).is_none());
        assert!(usable(None, now).is_none());
    }

    #[test]
    fn what_sts_says_is_explained() {
        let role: RoleArn = "arn:aws:iam::111111111111:role/deploy".parse().unwrap();
        let claims = Claims {
            sub: Some("repo:acme/shop:pull_request".to_owned()),
            aud: Some("sts.amazonaws.com".to_owned()),
            iss: Some("https://token.actions.githubusercontent.com".to_owned()),
        };
        let said = [
            ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
            ("InvalidIdentityToken", "No OpenIDConnect provider found in your account"),
            ("ExpiredTokenException", "Token expired"),
            ("IDPCommunicationError", "Couldn't retrieve verification key"),
            ("ValidationError", "RoleSessionName"),
        ];
        let told = said.map(|(code, message)| {
            let failure = Failure::new(format!("{}: {code}: {message}", tried(&role))).hint("as before");
            explained(failure, code, &role, &claims).to_string()
        });
        insta::assert_snapshot!(told.join("\n"), @"
        AssumeRoleWithWebIdentity on arn:aws:iam::111111111111:role/deploy: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity
          the job's token says: sub repo:acme/shop:pull_request, aud sts.amazonaws.com, iss https://token.actions.githubusercontent.com
          next: let the trust policy of arn:aws:iam::111111111111:role/deploy allow this `sub` (docs/github.md, Credentials), or deploy from where it does
        AssumeRoleWithWebIdentity on arn:aws:iam::111111111111:role/deploy: InvalidIdentityToken: No OpenIDConnect provider found in your account
          the job's token says: sub repo:acme/shop:pull_request, aud sts.amazonaws.com, iss https://token.actions.githubusercontent.com
          next: account 111111111111 needs an IAM OIDC provider for https://token.actions.githubusercontent.com with sts.amazonaws.com among its client IDs; if there is one, see that its issuer can be reached from AWS
        AssumeRoleWithWebIdentity on arn:aws:iam::111111111111:role/deploy: ExpiredTokenException: Token expired
          the job's token says: sub repo:acme/shop:pull_request, aud sts.amazonaws.com, iss https://token.actions.githubusercontent.com
          next: the token was made just now: set the clock of the machine that runs the job, then run it again
        AssumeRoleWithWebIdentity on arn:aws:iam::111111111111:role/deploy: IDPCommunicationError: Couldn't retrieve verification key
          the job's token says: sub repo:acme/shop:pull_request, aud sts.amazonaws.com, iss https://token.actions.githubusercontent.com
          next: AWS can't reach the issuer at the moment: run the job again
        AssumeRoleWithWebIdentity on arn:aws:iam::111111111111:role/deploy: ValidationError: RoleSessionName
          the job's token says: sub repo:acme/shop:pull_request, aud sts.amazonaws.com, iss https://token.actions.githubusercontent.com
          next: as before
        ");
    }
}
