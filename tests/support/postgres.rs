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
        administer(format!("CREATE DATABASE {name}"));
        Self { name }
    }

    pub(crate) fn address(&self) -> String {
        format!("{SERVER}/{}", self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        administer(format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// From a thread of its own, as a test may be within a runtime.
fn administer(statement: String) {
    let administering = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let connection = PgConnection::connect(&format!("{SERVER}/postgres")).await;
            let mut connection = connection.expect("Postgres, which local/postgres starts");
            connection.execute(AssertSqlSafe(statement)).await.expect("a database");
        });
    });
    administering.join().expect("an administered database");
}
