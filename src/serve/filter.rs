use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

use crate::event::RunResult;
use crate::store::{Cause, Runs, State};

/// Which runs are meant: those that fit everything that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    /// `OWNER/NAME`.
    #[serde(deserialize_with = "given")]
    pub(super) repository: Option<String>,
    /// The environment's name.
    #[serde(deserialize_with = "given")]
    pub(super) environment: Option<String>,
    /// The branch.
    #[serde(deserialize_with = "given")]
    pub(super) branch: Option<String>,
    /// How far they are.
    #[serde(deserialize_with = "given")]
    pub(super) state: Option<State>,
    /// How they ended.
    #[serde(deserialize_with = "given")]
    pub(super) result: Option<RunResult>,
    /// Who asked for them.
    #[serde(deserialize_with = "given")]
    pub(super) cause: Option<Cause>,
}

/// A form sends an empty text for what is not filled in.
fn given<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    let read = |text| serde_json::from_value(serde_json::Value::String(text)).map_err(D::Error::custom);
    text.map(read).transpose()
}

impl Filter {
    /// The runs that fit, of these repositories if not of all, from before a run if one is given.
    pub(super) fn runs(&self, repositories: Option<Vec<String>>, before: Option<i64>) -> Runs<'_> {
        Runs {
            repositories,
            repository: self.repository.as_deref(),
            environment: self.environment.as_deref(),
            branch: self.branch.as_deref(),
            state: self.state,
            result: self.result,
            cause: self.cause,
            before,
        }
    }
}
