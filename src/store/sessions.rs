use std::time::Duration;

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::audit::{Act, note};
use super::tokens::{read, written};
use super::{By, Rights, SecretHash, Store, failed, later, millis, now};
use crate::failure::Failure;

/// How old the note of a session's last use may be: so not every request writes.
const NOTED: Duration = Duration::from_mins(1);

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub who: String,
    /// What says what they may do.
    pub by: SignedIn,
}

/// By what somebody is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedIn {
    /// A token: what it allows now, and nothing once it is revoked.
    Token(SecretHash),
    /// What was found out when they signed in.
    Rights(Rights),
}

impl Store {
    /// Begins a session.
    ///
    /// # Errors
    /// If that can't be done.
    pub async fn begin_session(
        &self,
        id: &SecretHash,
        session: &Session,
        lifetime: Duration,
        from: &str,
    ) -> Result<(), Failure> {
        let (token, rights) = match &session.by {
            SignedIn::Token(hash) => (Some(hash.0.clone()), None),
            SignedIn::Rights(rights) => (None, Some(written(rights))),
        };
        let insert = "INSERT INTO sessions (hash, who, token, rights, created, used, expires) \
                      VALUES ($1, $2, $3, $4, $5, $5, $6)";
        let insert = sqlx::query(insert)
            .bind(&id.0)
            .bind(&session.who)
            .bind(token)
            .bind(rights)
            .bind(now())
            .bind(later(now(), lifetime));
        let begin = async {
            let (mut transaction, _) = self.begin_change().await?;
            insert.execute(&mut *transaction).await?;
            let by = By { who: session.who.clone(), from: from.to_owned() };
            note(&mut transaction, &by, Act::SignedIn, "", "").await?;
            transaction.commit().await
        };
        begin.await.map_err(failed("beginning a session"))
    }

    /// A session that has not ended, and was used within `idle`. This is a use of it.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn session(&self, id: &SecretHash, idle: Duration) -> Result<Option<Session>, Failure> {
        let session = async {
            let select = "SELECT who, token, rights, used FROM sessions WHERE hash = $1 AND expires > $2 AND used > $3";
            let select = sqlx::query(select).bind(&id.0).bind(now()).bind(now() - millis(idle));
            let Some(row) = select.fetch_optional(&self.pool).await? else { return Ok(None) };
            if row.try_get::<i64, _>("used")? < now() - millis(NOTED) {
                let update = "UPDATE sessions SET used = $1 WHERE hash = $2";
                sqlx::query(update).bind(now()).bind(&id.0).execute(&self.pool).await?;
            }
            session(&row).map(Some)
        };
        session.await.map_err(failed("looking for a session"))
    }

    /// Ends a session, if there is one.
    ///
    /// # Errors
    /// If that can't be done.
    pub async fn end_session(&self, id: &SecretHash, from: &str) -> Result<(), Failure> {
        let end = async {
            let (mut transaction, _) = self.begin_change().await?;
            let delete = "DELETE FROM sessions WHERE hash = $1 RETURNING who";
            let ended = sqlx::query_scalar(delete).bind(&id.0).fetch_optional(&mut *transaction).await?;
            if let Some(who) = ended {
                note(&mut transaction, &By { who, from: from.to_owned() }, Act::SignedOut, "", "").await?;
            }
            transaction.commit().await
        };
        end.await.map_err(failed("ending a session"))
    }

    /// Forgets the sessions that have ended or were not used within `idle`. Returns how many there were.
    ///
    /// # Errors
    /// If that can't be done.
    pub async fn forget_sessions(&self, idle: Duration) -> Result<u64, Failure> {
        let delete = "DELETE FROM sessions WHERE expires <= $1 OR used <= $2";
        let delete = sqlx::query(delete).bind(now()).bind(now() - millis(idle));
        let done = delete.execute(&self.pool).await.map_err(failed("forgetting sessions"))?;
        Ok(done.rows_affected())
    }
}

fn session(row: &AnyRow) -> Result<Session, sqlx::Error> {
    let by = match (row.try_get::<Option<String>, _>("token")?, row.try_get::<Option<String>, _>("rights")?) {
        (Some(token), _) => SignedIn::Token(SecretHash(token)),
        (None, Some(rights)) => SignedIn::Rights(read(rights)?),
        (None, None) => SignedIn::Rights(Rights::default()),
    };
    Ok(Session { who: row.try_get("who")?, by })
}
