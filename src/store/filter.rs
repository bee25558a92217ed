use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

use super::run::{run, select, word};
use super::{Cause, Run, State, Store, failed};
use crate::event::RunResult;
use crate::failure::Failure;

/// Which runs are meant: those that fit everything that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// `OWNER/NAME`.
    #[serde(deserialize_with = "given")]
    pub repository: Option<String>,
    /// The environment's name.
    #[serde(deserialize_with = "given")]
    pub environment: Option<String>,
    /// The branch.
    #[serde(deserialize_with = "given")]
    pub branch: Option<String>,
    /// How far they are.
    #[serde(deserialize_with = "given")]
    pub state: Option<State>,
    /// How they ended.
    #[serde(deserialize_with = "given")]
    pub result: Option<RunResult>,
    /// Who asked for them.
    #[serde(deserialize_with = "given")]
    pub cause: Option<Cause>,
}

/// A form sends an empty text for what is not filled in.
fn given<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    let read = |text| serde_json::from_value(serde_json::Value::String(text)).map_err(D::Error::custom);
    text.map(read).transpose()
}

impl Store {
    /// The newest runs that fit, those from before the run `before` if it is given.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn runs(&self, filter: &Filter, before: Option<i64>, limit: u16) -> Result<Vec<Run>, Failure> {
        let rest = "WHERE ($1 = '' OR repository = $1) AND ($2 = '' OR environment = $2) \
                    AND ($3 = '' OR branch = $3) AND ($4 = '' OR state = $4) AND ($5 = '' OR result = $5) \
                    AND ($6 = '' OR cause = $6) AND id < $7 ORDER BY id DESC LIMIT $8";
        let rows = sqlx::query(select(rest))
            .bind(filter.repository.clone().unwrap_or_default())
            .bind(filter.environment.clone().unwrap_or_default())
            .bind(filter.branch.clone().unwrap_or_default())
            .bind(filter.state.map(word).unwrap_or_default())
            .bind(filter.result.map(word).unwrap_or_default())
            .bind(filter.cause.map(word).unwrap_or_default())
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading runs"))?;
        rows.iter().map(run).collect::<Result<_, _>>().map_err(failed("reading runs"))
    }
}
