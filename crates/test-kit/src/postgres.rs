//! A fresh database for each test.

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

use crate::stack;

/// A database of one test, dropped with it.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    pool: PgPool,
}

impl TestDatabase {
    /// Creates an empty database on the stack's server.
    pub async fn create() -> Self {
        let name = format!("sb_test_{}", Uuid::now_v7().simple());
        let mut server = PgConnection::connect(&stack::database()).await.expect("the stack's PostgreSQL answers");
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut server).await.unwrap();
        server.close().await.unwrap();
        let base = stack::database();
        let (server, rest) = base.rsplit_once('/').expect("DATABASE_URL names a database");
        let options = rest.split_once('?').map(|(_, options)| format!("?{options}")).unwrap_or_default();
        let url = format!("{server}/{name}{options}");
        let pool = PgPoolOptions::new().max_connections(40).connect(&url).await.unwrap();
        Self { name, url, pool }
    }

    /// For a service's `DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Connections as anybody's: no search path is set.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A runtime of its own: this may run inside one, where nothing can be waited for.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                if let Ok(mut server) = PgConnection::connect(&stack::database()).await {
                    let _ = sqlx::query(AssertSqlSafe(drop)).execute(&mut server).await;
                }
            });
        });
        let _ = thread.join();
    }
}
