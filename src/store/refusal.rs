use super::connect::count_up;
use super::deliveries::note;
use super::queue::{outcome, put};
use super::{Cause, Enqueued, Request, Store, failed};
use crate::failure::Failure;

/// A branch's head of which it can't be told what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `OWNER/NAME`.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// Its head.
    pub commit: String,
    /// Who told of it.
    pub cause: Cause,
    /// What is wrong with it.
    pub reason: String,
}

/// The environments whose last run was of a branch.
const DEPLOYED: &str = "SELECT environment FROM runs WHERE repository = $1 AND branch = $2 AND id IN (SELECT MAX(id) FROM \
                        runs WHERE repository = $1 AND state <> 'superseded' GROUP BY environment) ORDER BY environment";

impl Store {
    /// Remembers for each environment that was last deployed from the branch a run that has failed, and notes that this
    /// followed from deliveries. As with every other run, what was tried is not tried again.
    ///
    /// # Errors
    /// If that can't be done.
    pub async fn refuse(&self, refusal: &Refusal, deliveries: &[String]) -> Result<Vec<Enqueued>, Failure> {
        let refuse = async {
            let (mut transaction, mut number) = self.begin_change().await?;
            let now = self.now(&mut *transaction).await?;
            let deployed = sqlx::query_scalar(DEPLOYED).bind(&refusal.repository).bind(&refusal.branch);
            let environments: Vec<String> = deployed.fetch_all(&mut *transaction).await?;
            let mut refused = Vec::with_capacity(environments.len());
            for environment in environments {
                let request = refusal.to(environment);
                refused.push(put(&mut transaction, number, now, &request, Some(&refusal.reason)).await?);
                number = count_up(&mut transaction).await?;
            }
            let outcome = if refused.is_empty() { refusal.reason.clone() } else { outcome(&refused) };
            note(&mut transaction, deliveries, &outcome).await?;
            transaction.commit().await?;
            Ok(refused)
        };
        refuse.await.map_err(failed("remembering a run that can't be carried out"))
    }
}

impl Refusal {
    fn to(&self, environment: String) -> Request {
        let Self { repository, branch, commit, cause, .. } = self.clone();
        Request { repository, environment, branch, commit, cause, priority: 0 }
    }
}
