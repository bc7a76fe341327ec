//! A fresh database for one test on the stack's server, dropped with it.

use std::{thread, time::Duration};

use sqlx::{
    AssertSqlSafe, Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

use crate::stack;

/// A database of its own, so that tests neither see nor wait for each other.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    pool: PgPool,
}

impl TestDatabase {
    /// An empty one, named `sb_test_<random>`.
    pub async fn create() -> Self {
        let name = format!("sb_test_{}", Uuid::new_v4().simple());
        let server = stack::database();
        on_server(&server, format!("CREATE DATABASE {name}"))
            .await
            .unwrap_or_else(|error| panic!("cannot create {name} on the server of DATABASE_URL: {error}"));
        let mut url = reqwest::Url::parse(&server).expect("DATABASE_URL is a URL");
        url.set_path(&name);
        let url = String::from(url);
        // Few, since many tests run at a time and the server's connections are limited.
        let pool = PgPoolOptions::new()
            .max_connections(10)
            .acquire_timeout(Duration::from_secs(10))
            .connect(&url)
            .await
            .unwrap_or_else(|error| panic!("cannot connect to the new database {name}: {error}"));
        Self { name, url, pool }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// For a service that is started as a process.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Connections to it that see a service's schema first, as the service's own do.
    pub async fn pool_in(&self, schema: &str) -> PgPool {
        let options: PgConnectOptions = self.url.parse().unwrap();
        let pool = PgPoolOptions::new().max_connections(10).connect_with(options.options([("search_path", schema)]));
        pool.await.unwrap_or_else(|error| panic!("cannot connect to the database {}: {error}", self.name))
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A thread with its own runtime: the test's may be absent, ending, or the one that is running this.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(on_server(&stack::database(), sql))
        });
        match dropping.join() {
            Ok(Ok(())) => {}
            // A panic here would hide why the test failed.
            Ok(Err(error)) => eprintln!("the database {} is left behind: {error}", self.name),
            Err(_) => eprintln!("the database {} is left behind", self.name),
        }
    }
}

async fn on_server(url: &str, sql: String) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    // Only names made here go into it.
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await
}
