use clap::Args;

use super::options::{Exit, ExitCode, Format, Remembered, print};
use crate::diagnostic::visible_lines;
use crate::failure::Failure;
use crate::store::{Audited, Chain, Store};

/// How many rows are read at once.
const ROWS: u16 = 1000;

/// Show who did what on a server, and check that nothing of it was changed
#[derive(Debug, Args)]
pub struct Audit {
    #[command(flatten)]
    remembered: Remembered,
    /// Check that every row is there as it was written, instead of showing them; fails if one is not
    #[arg(long)]
    verify: bool,
    /// How many rows are shown, the newest first
    #[arg(long, value_name = "N", default_value = "50")]
    limit: u16,
    /// How they are shown
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Audit {
    pub async fn main(&self) -> Result<ExitCode, Exit> {
        let store = Store::open_existing(&self.remembered.place()?).await?;
        if self.verify {
            let chain = verify(&store).await?;
            let (number, hash) = chain.end();
            print(&format!("{number} rows, as they were written; the last one's hash is {hash}\n"))?;
        } else {
            let rows = store.audit(None, None, self.limit).await?;
            self.format.print(&rows, || visible_lines(&table(&rows)))?;
        }
        store.close().await;
        Ok(ExitCode::Done)
    }
}

async fn verify(store: &Store) -> Result<Chain, Failure> {
    let broken = |what: String| {
        Failure::new(format!("the audit log is not as it was written: {what}"))
            .hint("compare it with a backup of the store; somebody who can write to the store has changed it")
    };
    // Before the rows: those that come meanwhile are no contradiction.
    let head = store.audit_head().await?;
    let mut chain = Chain::default();
    while chain.end().0 < head.end().0 {
        let mut rows = store.audit_from(chain.end().0 + 1, ROWS).await?;
        rows.retain(|row| row.number <= head.end().0);
        if rows.is_empty() {
            break;
        }
        rows.iter().try_for_each(|row| chain.follow(row)).map_err(broken)?;
    }
    chain.ends(&head).map_err(broken)?;
    Ok(chain)
}

fn table(rows: &[Audited]) -> String {
    if rows.is_empty() { "nobody did anything\n".to_owned() } else { rows.iter().map(row).collect() }
}

fn row(row: &Audited) -> String {
    let Audited { number, at, who, what, subject, repository, from, .. } = row;
    let words = [what.replace('_', " "), subject.clone(), repository.clone()];
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    format!("{number:>6}  {at:.0}  {who:<16}  {}  from {from}\n", words.join("  "))
}
