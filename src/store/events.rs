use sqlx::AssertSqlSafe;

use super::{Claim, Store, failed};
use crate::failure::Failure;

/// How many events one statement stores: an engine takes some thousand values in one.
const AT_ONCE: usize = 500;

/// A statement that stores so many events of one run.
fn insert(count: usize) -> AssertSqlSafe<String> {
    let row = |row: usize| format!("($1, ${}, ${})", 2 * row + 2, 2 * row + 3);
    let rows: Vec<String> = (0..count).map(row).collect();
    AssertSqlSafe(format!("INSERT INTO events (run, sequence, line) VALUES {}", rows.join(", ")))
}

impl Store {
    /// Appends lines to a run's events, one event each; false if the lease was lost.
    ///
    /// # Errors
    /// If that can't be done.
    pub async fn append(&self, claim: &Claim, lines: &[String]) -> Result<bool, Failure> {
        let append = async {
            let mut transaction = self.begin().await?;
            // Only the holder writes, so that nobody else counts on from here at the same time.
            let held = "UPDATE runs SET fence = fence WHERE id = $1 AND fence = $2 AND state = 'running'";
            let held = sqlx::query(held).bind(claim.run.id).bind(claim.fence).execute(&mut *transaction);
            if held.await?.rows_affected() == 0 {
                return Ok(false);
            }
            let last = sqlx::query_scalar("SELECT COALESCE(MAX(sequence), 0) FROM events WHERE run = $1");
            let last: i64 = last.bind(claim.run.id).fetch_one(&mut *transaction).await?;
            let mut sequence = last;
            for lines in lines.chunks(AT_ONCE) {
                let mut insert = sqlx::query(insert(lines.len())).bind(claim.run.id);
                for line in lines {
                    sequence += 1;
                    insert = insert.bind(sequence).bind(line);
                }
                insert.execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(true)
        };
        append.await.map_err(failed("storing events"))
    }

    /// A run's events with their numbers, from a number on, as they were written.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn events(&self, run: i64, from: i64, limit: u16) -> Result<Vec<(i64, String)>, Failure> {
        let select =
            "SELECT sequence, line FROM events WHERE run = $1 AND sequence >= $2 ORDER BY sequence LIMIT $3";
        let select = sqlx::query_as(select).bind(run).bind(from).bind(i64::from(limit));
        select.fetch_all(&self.pool).await.map_err(failed("reading events"))
    }
}
