//! What each use case takes with 100 users and with up to 100,000, on each store that needs no AWS SDK:
//! `cargo run --release -p benches --bin scale [USERS [ROUNDS]]`. That of DynamoDB is
//! `cargo bench -p adapters-aws --bench scale`.
//!
//! SQLite's files are in the folder for temporary files (`TMPDIR`). `PostgreSQL` is where `AUTH_TEST_POSTGRES`
//! says, and left out without it; tables are left there, under a prefix of their own for each run.
//!
//! Fails if a use case takes more times as long with the most users as its store's bar allows.
#![expect(clippy::print_stdout, reason = "a program that talks to who started it")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use adapters_local::memory::{
    MemoryAttempts, MemoryRateLimiter, MemoryResetTokens, MemorySessions, MemoryUsers,
};
use adapters_sql::{SqlSettings, SqlStore};
use anyhow::{Result, ensure};

#[path = "scale/mod.rs"]
mod scale;

use scale::{Bar, Figures, Plan, Population, Stores, measure};

fn in_memory() -> Stores {
    Stores {
        users: Arc::new(MemoryUsers::new()),
        sessions: Arc::new(MemorySessions::new()),
        reset_tokens: Arc::new(MemoryResetTokens::new()),
        attempts: Arc::new(MemoryAttempts::new()),
        limiter: Arc::new(MemoryRateLimiter::new()),
        sweep: None,
    }
}

fn in_sql(store: &SqlStore) -> Stores {
    let swept = store.clone();
    Stores {
        users: Arc::new(store.clone()),
        sessions: Arc::new(store.clone()),
        reset_tokens: Arc::new(store.clone()),
        attempts: Arc::new(store.clone()),
        limiter: Arc::new(store.clone()),
        sweep: Some(Arc::new(move |now, most| {
            let store = swept.clone();
            Box::pin(async move {
                store.sweep(now, most).await?;
                Ok(())
            })
        })),
    }
}

/// A store whose tables have this prefix, and one by which it is filled.
async fn opened(url: &str, prefix: String) -> Result<(SqlStore, SqlStore)> {
    let mut settings = SqlSettings::default();
    settings.table_prefix = prefix;
    let store = SqlStore::connect(url, &settings).await?;
    store.migrate().await?;
    if url.starts_with("sqlite:") {
        return Ok((store.clone(), store));
    }
    // Nobody minds what a crash would lose of it.
    let separator = if url.contains('?') { '&' } else { '?' };
    let hasty = format!("{url}{separator}options=-c%20synchronous_commit%3Doff");
    Ok((store, SqlStore::connect(&hasty, &settings).await?))
}

struct Program {
    plan: Plan,
    all_reached: bool,
    tables: String,
}

impl Program {
    async fn memory(&mut self) -> Result<()> {
        let mut populations = Vec::new();
        for size in self.plan.sizes() {
            populations.push(filled(in_memory(), size).await?);
        }
        self.run("in memory", IN_MEMORY, populations).await
    }

    async fn sql(&mut self, name: &str, bar: Bar, url: impl Fn(usize) -> String) -> Result<()> {
        let run = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let mut populations = Vec::new();
        for size in self.plan.sizes() {
            let (store, filler) = opened(&url(size), format!("scale_{run}_{size}_")).await?;
            let filled = filled(in_sql(&filler), size).await?;
            populations.push(filled.by_way_of(in_sql(&store), |_| {}).await?);
        }
        self.run(name, bar, populations).await
    }

    async fn run(&mut self, name: &str, bar: Bar, mut populations: Vec<Population>) -> Result<()> {
        let mut figures = Figures::of_sizes(self.plan.sizes());
        measure(&mut populations, self.plan.rounds, &mut figures).await?;
        let (table, reached) = figures.table(name, bar);
        println!("{table}");
        self.tables += &table;
        self.all_reached &= reached;
        Ok(())
    }
}

async fn filled(stores: Stores, size: usize) -> Result<Population> {
    let begin = Instant::now();
    let mut population = Population::over(stores, |_| {}).await?;
    population.fill(size).await?;
    println!("{size} users are there after {:.1?}", begin.elapsed());
    Ok(population)
}

const IN_MEMORY: Bar = Bar(3.0);
const IN_POSTGRES: Bar = Bar(2.0);
const IN_SQLITE: Bar = Bar(2.5);

fn main() -> Result<ExitCode> {
    ensure!(!cfg!(debug_assertions), "a debug build says nothing: use --release");
    let mut program =
        Program { plan: Plan::of_arguments(6), all_reached: true, tables: String::new() };
    let folder = tempfile::tempdir()?;
    let postgres = std::env::var("AUTH_TEST_POSTGRES");
    // One thread, so that no call waits for another to wake up.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        program.memory().await?;
        let file = |size| format!("sqlite:{}/{size}.db", folder.path().display());
        program.sql("SQLite", IN_SQLITE, file).await?;
        match postgres {
            Ok(url) => program.sql("PostgreSQL", IN_POSTGRES, |_| url.clone()).await?,
            Err(_) => println!("no AUTH_TEST_POSTGRES: without PostgreSQL"),
        }
        anyhow::Ok(())
    })?;
    println!("{}\nMedians, and in brackets the 90th percentile.", program.tables);
    Ok(if program.all_reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
