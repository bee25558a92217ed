//! Databases of tests' own, in the Postgres that `local/postgres` starts.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

const SERVER: &str = "postgres://pipeline@127.0.0.1:5434";

/// A database; it is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
}

impl Database {
    pub(crate) fn create() -> Self {
        let name = super::unique();
        administer("postgres", &[format!("CREATE DATABASE {name}")]);
        Self { name }
    }

    /// Gives it a clock of its own, that much ahead of the machine's. To be called first before anybody else connects.
    pub(crate) fn set_clock(&self, ahead: &str) {
        let function = format!(
            "CREATE OR REPLACE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS \
             $$ SELECT pg_catalog.clock_timestamp() + interval '{ahead}' $$"
        );
        let path = format!("ALTER DATABASE {} SET search_path = clock, pg_catalog", self.name);
        administer(&self.name, &["CREATE SCHEMA IF NOT EXISTS clock".to_owned(), function, path]);
    }

    pub(crate) fn address(&self) -> String {
        format!("{SERVER}/{}", self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        administer("postgres", &[format!("DROP DATABASE {} WITH (FORCE)", self.name)]);
    }
}

/// From a thread of its own, as a test may be within a runtime.
fn administer(database: &str, statements: &[String]) {
    let (address, statements) = (format!("{SERVER}/{database}"), statements.to_vec());
    let administering = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let connection = PgConnection::connect(&address).await;
            let mut connection = connection.expect("Postgres, which local/postgres starts");
            for statement in statements {
                connection.execute(AssertSqlSafe(statement)).await.expect("a database");
            }
        });
    });
    administering.join().expect("an administered database");
}
