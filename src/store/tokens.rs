use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row as _};

use super::audit::{Act, note};
use super::run::time;
use super::{By, Rights, SecretHash, Store, failed, later, now};
use crate::failure::Failure;

/// A token by which somebody is known, as it is shown: its secret is not known here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Its name, and so that of whoever has it.
    pub name: String,
    /// What it allows.
    pub rights: Rights,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it opens nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
}

const COLUMNS: &str = "name, rights, created, expires, revoked";

impl Store {
    /// Stores a token; false if the name was given before.
    ///
    /// # Errors
    /// If that can't be done.
    pub async fn create_token(
        &self,
        name: &str,
        hash: &SecretHash,
        rights: &Rights,
        lifetime: Option<Duration>,
        by: &By,
    ) -> Result<bool, Failure> {
        let insert = "INSERT INTO tokens (name, hash, rights, created, expires) VALUES ($1, $2, $3, $4, $5) \
                      ON CONFLICT DO NOTHING";
        let insert = sqlx::query(insert)
            .bind(name.to_owned())
            .bind(&hash.0)
            .bind(written(rights))
            .bind(now())
            .bind(lifetime.map(|lifetime| later(now(), lifetime)));
        let subject = format!("token {name}: {rights}");
        self.change_token(insert, by, Act::TokenCreated, &subject).await.map_err(failed("storing a token"))
    }

    /// All tokens by name, also those that open nothing any more.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn tokens(&self) -> Result<Vec<Token>, Failure> {
        let select = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM tokens ORDER BY name"));
        let rows = sqlx::query(select).fetch_all(&self.pool).await.map_err(failed("reading tokens"))?;
        rows.iter().map(token).collect::<Result<_, _>>().map_err(failed("reading tokens"))
    }

    /// The token with this hash, if it opens anything now.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn token(&self, hash: &SecretHash) -> Result<Option<Token>, Failure> {
        let select = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM tokens WHERE hash = $1 AND revoked IS NULL AND (expires IS NULL OR expires > $2)"
        ));
        let found = sqlx::query(select).bind(&hash.0).bind(now()).fetch_optional(&self.pool);
        let found = found.await.map_err(failed("looking for a token"))?;
        found.as_ref().map(token).transpose().map_err(failed("looking for a token"))
    }

    /// Revokes a token; false if there is none that could be.
    ///
    /// # Errors
    /// If that can't be done.
    pub async fn revoke_token(&self, name: &str, by: &By) -> Result<bool, Failure> {
        let update = "UPDATE tokens SET revoked = $1 WHERE name = $2 AND revoked IS NULL";
        let update = sqlx::query(update).bind(now()).bind(name.to_owned());
        let subject = format!("token {name}");
        self.change_token(update, by, Act::TokenRevoked, &subject).await.map_err(failed("revoking a token"))
    }

    /// Makes a change and its row in the audit log, both or neither; false if nothing was changed.
    async fn change_token(
        &self,
        change: Query<'_, Any, AnyArguments>,
        by: &By,
        act: Act,
        subject: &str,
    ) -> Result<bool, sqlx::Error> {
        let (mut transaction, _) = self.begin_change().await?;
        if change.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(false);
        }
        note(&mut transaction, by, act, "", subject).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

fn token(row: &AnyRow) -> Result<Token, sqlx::Error> {
    let at = |column: &str| row.try_get::<Option<i64>, _>(column)?.map(time).transpose();
    Ok(Token {
        name: row.try_get("name")?,
        rights: read(row.try_get("rights")?)?,
        created: time(row.try_get("created")?)?,
        expires: at("expires")?,
        revoked: at("revoked")?,
    })
}

/// Rights as they are stored.
pub(super) fn written(rights: &Rights) -> String {
    serde_json::json!(rights).to_string()
}

#[expect(clippy::needless_pass_by_value, reason = "as a row gives it")]
pub(super) fn read(text: String) -> Result<Rights, sqlx::Error> {
    serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(error.into()))
}
