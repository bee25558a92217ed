use std::time::Duration;

use super::{Store, failed, millis};
use crate::failure::Failure;

impl Store {
    /// Forgets deliveries that are settled and runs that ended longer ago than this, with their events, but for the newest
    /// run of each environment, the newest that ended well, for it tells what is live, and the newest that was no roll
    /// back, for it tells which head was tried. Returns how many runs were forgotten.
    ///
    /// # Errors
    /// If that can't be done.
    pub async fn forget(&self, older_than: Duration) -> Result<u64, Failure> {
        let older_than = millis(older_than);
        let forget = async {
            let (mut transaction, _) = self.begin_change().await?;
            let limit = self.now(&mut *transaction).await?.saturating_sub(older_than);
            let runs = "DELETE FROM runs WHERE state IN ('ended', 'superseded') AND ended < $1 AND id NOT IN \
                        (SELECT MAX(id) FROM runs WHERE state <> 'superseded' GROUP BY repository, environment) AND id NOT IN \
                        (SELECT MAX(id) FROM runs WHERE state <> 'superseded' AND cause <> 'rollback' \
                        GROUP BY repository, environment) AND id NOT IN \
                        (SELECT MAX(id) FROM runs WHERE result IN ('changed', 'unchanged') \
                        GROUP BY repository, environment)";
            let forgotten = sqlx::query(runs).bind(limit).execute(&mut *transaction).await?.rows_affected();
            let deliveries = "DELETE FROM deliveries WHERE outcome IS NOT NULL AND received < $1";
            sqlx::query(deliveries).bind(limit).execute(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(forgotten)
        };
        forget.await.map_err(failed("forgetting what is old"))
    }
}
