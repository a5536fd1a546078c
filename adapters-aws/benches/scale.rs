//! What each use case takes, and what DynamoDB charges for it, with 100 users and with up to 100,000:
//! `cargo bench -p adapters-aws --bench scale [-- USERS [ROUNDS]]`.
//!
//! DynamoDB is dynoxide in this process, which keeps its rows in `SQLite`: its time is its own, and says that our
//! requests find their rows by keys. The units and calls are what a DynamoDB elsewhere charges as well.
//!
//! Fails if a use case costs other units or calls with more users, or takes more times as long than its bar allows.
#![expect(clippy::unwrap_used, reason = "what it shares with the tests")]
#![expect(clippy::print_stdout, reason = "a program that talks to who started it")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use adapters_aws::dynamodb::{
    DynamoAttempts, DynamoRateLimiter, DynamoResetTokens, DynamoSessions, DynamoUsers,
};
use anyhow::{Result, ensure};
use auth_domain::RateLimits;
use aws_sdk_dynamodb::Client;

#[path = "../tests/dynamo/mod.rs"]
mod dynamo;
#[expect(dead_code, reason = "no call meets anything but its fate here")]
#[path = "../tests/dynamodb/proxy.rs"]
mod proxy;
#[path = "../../benches/scale/mod.rs"]
mod scale;

use dynamo::Dynamo;
use proxy::{Fate, Proxy};
use scale::{Bar, Figures, Plan, Population, Stores, UseCase, measure};

const BAR: Bar = Bar(2.0);

fn stores(client: &Client) -> Stores {
    Stores {
        users: Arc::new(DynamoUsers::new(client.clone(), "t-users")),
        sessions: Arc::new(DynamoSessions::new(client.clone(), "t-sessions")),
        reset_tokens: Arc::new(DynamoResetTokens::new(client.clone(), "t-password-resets")),
        attempts: Arc::new(DynamoAttempts::new(client.clone(), "t-attempts")),
        limiter: Arc::new(DynamoRateLimiter::new(client.clone(), "t-rate-limits")),
        sweep: None,
    }
}

/// Sources and everybody together are counted by each instance for itself, as the template has it.
fn counted_here(limits: &mut RateLimits) {
    let RateLimits { mails_per_address, mails_global, .. } = *limits;
    *limits = RateLimits::danger_off();
    limits.mails_per_address = mails_per_address;
    limits.mails_global = mails_global;
}

/// Read units, write units (in thousandths, to be compared) and calls.
type Price = (u64, u64, usize);

/// The accounts of a database, whose calls are counted.
struct Counted {
    proxy: Proxy,
    population: Population,
}

impl Counted {
    async fn before(dynamo: &Dynamo, population: &Population) -> Result<Self> {
        let proxy = Proxy::before(&dynamo.endpoint).await;
        let client = dynamo::client(&proxy.endpoint);
        let population = population.by_way_of(stores(&client), counted_here).await?;
        Ok(Self { proxy, population })
    }

    /// Every price that each use case has, of as many accounts as a round draws.
    async fn prices(&self) -> Result<Vec<BTreeSet<Price>>> {
        let mut guests = self.population.draw();
        let mut prices = Vec::new();
        for use_case in UseCase::ALL {
            let mut of_use_case = BTreeSet::new();
            for guest in &mut guests {
                if use_case == UseCase::Delete {
                    self.population.run(UseCase::Login, guest).await?;
                }
                self.proxy.plan(|_, _| Fate::Untouched);
                if self.population.run(use_case, guest).await?.is_some() {
                    of_use_case.insert(self.price());
                }
                self.population.settle().await?;
            }
            prices.push(of_use_case);
        }
        Ok(prices)
    }

    fn price(&self) -> Price {
        let passed = self.proxy.passed();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few units")]
        let thousandths = |units: f64| (1_000.0 * units).round() as u64;
        let reads = passed.iter().map(|call| thousandths(call.units.0)).sum();
        let writes = passed.iter().map(|call| thousandths(call.units.1)).sum();
        (reads, writes, passed.len())
    }
}

/// A Markdown table, and whether no size changes a price.
fn price_table(sizes: &[usize], of_sizes: &[Vec<BTreeSet<Price>>]) -> (String, bool) {
    let mut text = "\n| RRU, WRU, calls |".to_owned();
    for size in sizes {
        let _ = write!(text, " {size} users |");
    }
    text += &format!("\n|---|{}\n", "---|".repeat(sizes.len()));
    let mut all_flat = true;
    for (place, use_case) in UseCase::ALL.into_iter().enumerate() {
        let of_use_case: Vec<_> = of_sizes.iter().filter_map(|prices| prices.get(place)).collect();
        let Some(first) = of_use_case.first().filter(|prices| !prices.is_empty()) else { continue };
        all_flat &= of_use_case.iter().all(|prices| prices == first);
        let shown = |prices: &BTreeSet<Price>| {
            let each = prices.iter().map(|&(reads, writes, calls)| {
                format!("{}, {}, {calls}", reads as f64 / 1e3, writes as f64 / 1e3)
            });
            each.collect::<Vec<_>>().join(" or ")
        };
        let cells: Vec<_> = of_use_case.iter().map(|prices| shown(prices)).collect();
        let _ = writeln!(text, "| {} | {} |", use_case.name(), cells.join(" | "));
    }
    (text, all_flat)
}

async fn run(plan: Plan) -> Result<bool> {
    let (mut databases, mut populations) = (Vec::new(), Vec::new());
    for size in plan.sizes() {
        let begin = Instant::now();
        let dynamo = Dynamo::start("t-").await;
        let mut population = Population::over(stores(&dynamo.client), counted_here).await?;
        population.fill(size).await?;
        println!("{size} users are there after {:.1?}", begin.elapsed());
        databases.push(dynamo);
        populations.push(population);
    }
    let mut figures = Figures::of_sizes(plan.sizes());
    measure(&mut populations, plan.rounds, &mut figures).await?;
    let (table, all_reached) = figures.table("dynoxide", BAR);
    println!("{table}\nMedians, and in brackets the 90th percentile.");
    let mut prices = Vec::new();
    for (dynamo, population) in databases.iter().zip(&populations) {
        prices.push(Counted::before(dynamo, population).await?.prices().await?);
    }
    let (table, all_flat) = price_table(&plan.sizes().collect::<Vec<_>>(), &prices);
    println!("{table}");
    Ok(all_flat && all_reached)
}

fn main() -> Result<ExitCode> {
    ensure!(!cfg!(debug_assertions), "a debug build says nothing: use cargo bench");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let holds = runtime.block_on(run(Plan::of_arguments(5)))?;
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
