use sqlx::{Any, Executor};

use super::Store;

impl Store {
    /// The store's time in milliseconds since 1970, which leases go by: servers' clocks need not agree. SQLite has no clock
    /// but its machine's, on which all that use it are.
    pub(super) async fn now<'c>(
        &self,
        executor: impl Executor<'c, Database = Any>,
    ) -> Result<i64, sqlx::Error> {
        if self.sqlite {
            return Ok(jiff::Timestamp::now().as_millisecond());
        }
        // Not the time at which the transaction began: it may have waited for another one.
        let select = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
        sqlx::query_scalar(select).fetch_one(executor).await
    }
}
