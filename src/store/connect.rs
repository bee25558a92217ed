use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Any, AnyPool, Executor as _, SqlSafeStr as _, Transaction};

use super::failed;
use crate::failure::Failure;
use crate::redact::keep_secret;

/// What a path's bytes are written as themselves in an address.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.');

/// How long a statement waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of the file a connection of SQLite keeps: in KiB, a quarter of what it would by itself. Its system keeps the
/// rest, and once for all connections.
const CACHE: &str = "PRAGMA cache_size = -512";

static DRIVERS: Once = Once::new();

/// Where the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// The address of a database of Postgres.
    Postgres(String),
}

impl Place {
    /// The database that an address names, or else a file in the directory.
    ///
    /// # Errors
    /// If the address is of another kind than Postgres. It may hold a password, and is not repeated.
    pub fn of(address: Option<&str>, directory: &Path) -> Result<Self, Failure> {
        let Some(address) = address else { return Ok(Self::Sqlite(directory.join("pipeline.db"))) };
        let url =
            url::Url::parse(address).ok().filter(|url| matches!(url.scheme(), "postgres" | "postgresql"));
        let url = url.ok_or_else(|| {
            Failure::new("the database's address is none of Postgres")
                .hint("write postgres://USER:PASSWORD@HOST/DATABASE, or leave it out to use SQLite")
        })?;
        if let Some(password) = url.password() {
            keep_secret(password);
            keep_secret(&percent_encoding::percent_decode_str(password).decode_utf8_lossy());
        }
        Ok(Self::Postgres(address.to_owned()))
    }

    fn address(&self, create: bool) -> String {
        match self {
            Self::Sqlite(path) => {
                let path = path.to_string_lossy();
                let mode = if create { "rwc" } else { "rw" };
                format!("sqlite://{}?mode={mode}", utf8_percent_encode(&path, IN_PATH))
            }
            Self::Postgres(address) => address.clone(),
        }
    }
}

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) pool: AnyPool,
    pub(super) sqlite: bool,
}

impl Store {
    /// Opens the store, which is made or brought up to date if need be.
    ///
    /// # Errors
    /// If it can't be reached, or was written by a newer version.
    pub async fn open(place: &Place) -> Result<Self, Failure> {
        if let Place::Sqlite(path) = place {
            // Tokens may be made before the server is started the first time.
            let directory = path.parent().unwrap_or(path);
            std::fs::create_dir_all(directory).map_err(|error| {
                Failure::new(format!("making the directory {}: {error}", directory.display()))
            })?;
        }
        let store = Self::connect(place, true).await?;
        migrations().run(&store.pool).await.map_err(|error| {
            Failure::new(format!("the store: bringing its tables up to date: {error}"))
                .hint("use the version of the pipeline that wrote it, or a newer one")
        })?;
        Ok(store)
    }

    /// Opens a store that is there, to read from it.
    ///
    /// # Errors
    /// If it is not there or can't be reached.
    pub async fn open_existing(place: &Place) -> Result<Self, Failure> {
        Self::connect(place, false).await
    }

    async fn connect(place: &Place, create: bool) -> Result<Self, Failure> {
        DRIVERS.call_once(install_default_drivers);
        let sqlite = matches!(place, Place::Sqlite(_));
        let options = AnyPoolOptions::new().max_connections(8).acquire_timeout(PATIENCE).after_connect(
            move |connection, _| {
                Box::pin(async move {
                    if sqlite {
                        connection.execute("PRAGMA journal_mode = WAL").await?;
                        connection.execute("PRAGMA synchronous = FULL").await?;
                        connection.execute(CACHE).await?;
                    }
                    Ok(())
                })
            },
        );
        let pool = options.connect(&place.address(create)).await.map_err(|error| {
            let failure = Failure::new(format!("the store can't be opened: {error}"));
            match place {
                Place::Sqlite(path) => failure.detail(format!("it is the file {}", path.display())),
                Place::Postgres(_) => failure.hint("see whether the database runs, and the address is right"),
            }
        })?;
        Ok(Self { pool, sqlite })
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<(), Failure> {
        sqlx::query("SELECT 1")
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(failed("asking whether it is there"))
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Begins a transaction that writes.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        // One that begins by reading would be refused when it comes to write, if another has written since.
        if self.sqlite { self.pool.begin_with("BEGIN IMMEDIATE").await } else { self.pool.begin().await }
    }

    /// Begins a transaction that changes runs: one at a time. The number is greater than that of every earlier one.
    pub(super) async fn begin_change(&self) -> Result<(Transaction<'static, Any>, i64), sqlx::Error> {
        let mut transaction = self.begin().await?;
        let number = count_up(&mut transaction).await?;
        Ok((transaction, number))
    }
}

/// The next number of the counter, for who has begun a change.
pub(super) async fn count_up(transaction: &mut Transaction<'static, Any>) -> Result<i64, sqlx::Error> {
    let count = "UPDATE counter SET value = value + 1 RETURNING value";
    sqlx::query_scalar(count).fetch_one(&mut **transaction).await
}

fn migrations() -> Migrator {
    let migration = |number, name: &'static str, text: &'static str| {
        Migration::new(number, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(vec![
        migration(1, "begin", include_str!("migrations/0001_begin.sql")),
        migration(2, "access", include_str!("migrations/0002_access.sql")),
        migration(3, "approvals", include_str!("migrations/0003_approvals.sql")),
        migration(4, "turns", include_str!("migrations/0004_turns.sql")),
        migration(5, "notices", include_str!("migrations/0005_notices.sql")),
        migration(6, "tasks", include_str!("migrations/0006_tasks.sql")),
        migration(7, "drift", include_str!("migrations/0007_drift.sql")),
        migration(8, "plan noticed", include_str!("migrations/0008_plan_noticed.sql")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_of_postgres_is_not_repeated() {
        let error = Place::of(Some("mysql://me:p4ssword@host/db"), Path::new("x")).unwrap_err();
        assert!(!error.to_string().contains("p4ssword"), "{error}");
        let address = "postgres://me:p4ssword@host/db";
        assert_eq!(Place::of(Some(address), Path::new("x")), Ok(Place::Postgres(address.to_owned())));
    }

    #[test]
    fn any_path_can_be_an_address() {
        let place = Place::Sqlite("/a b/c?d%e/pipeline.db".into());
        assert_eq!(place.address(true), "sqlite:///a%20b/c%3Fd%25e/pipeline.db?mode=rwc");
    }

    #[tokio::test]
    async fn what_is_committed_to_sqlite_is_on_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Place::of(None, directory.path()).unwrap()).await.unwrap();
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&store.pool).await.unwrap();
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&store.pool).await.unwrap();
        assert_eq!((synchronous, journal.as_str()), (2, "wal"));
    }
}
