use super::Finding;
use crate::aws::{Purpose, Session};
use crate::config::Environment;
use crate::failure::Failure;

const CHECK: &str = "credentials";

/// Whether there are credentials, for whom, and whether they belong to the environment's account. Without that nothing
/// in AWS is looked at.
pub async fn check(environment: &Environment) -> (Option<Session>, Vec<Finding>) {
    let opened = async {
        let session = Session::open(environment, Purpose::Change).await?;
        let identity = session.identity().await?;
        Ok::<_, Failure>((session, identity))
    };
    match opened.await {
        Ok((session, identity)) => {
            let mut findings =
                vec![Finding::good(CHECK, format!("{} in account {}", identity.arn, identity.account))];
            findings.extend(unguarded(environment, &identity.account));
            (Some(session), findings)
        }
        Err(failure) => {
            let failure =
                failure.detail("not checked without them: permissions, repositories, secrets, zones");
            (None, vec![Finding::failed(CHECK, failure)])
        }
    }
}

/// An emulator needs no guard: real credentials are never sent there.
fn unguarded(environment: &Environment, account: &str) -> Option<Finding> {
    if environment.account.is_some() || environment.endpoint.is_some() {
        return None;
    }
    let failure = Failure::new("the environment names no `account`, so credentials of any account are taken")
        .hint(format!("if {account} is the right one, add `account: \"{account}\"` to the environment"));
    Some(Finding::warning(CHECK, failure))
}
