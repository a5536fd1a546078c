//! Where the time of a login goes besides its hash: `cargo bench -p benches --bench login_phases`. Its allocations
//! are counted by the test `allocations`.
#![expect(clippy::print_stdout, reason = "a program that talks to who started it")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up should stop")]

mod ports;
mod world;

use std::sync::LazyLock;
use std::time::Instant;

use auth_domain::{Auth, LoginRequest, RegisterRequest};
use benches::statistics::median;
use tokio::runtime::Runtime;

use ports::{Totals, observed, watched};
use world::{context, request, world};

const ROUNDS: usize = 9;
const LOGINS: u32 = 10_000;

/// Microseconds since the start.
fn now() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_secs_f64() * 1e6
}

fn registered(auth: &Auth, runtime: &Runtime) -> LoginRequest {
    let RegisterRequest { email, password, .. } = request(0);
    runtime.block_on(auth.register(request(0), &context())).unwrap();
    LoginRequest { email, password }
}

fn logins(auth: &Auth, runtime: &Runtime, login: &LoginRequest, times: u32) {
    for _ in 0..times {
        runtime.block_on(auth.login(login.clone(), &context())).unwrap();
    }
}

fn main() {
    // Once is enough to see that it still works.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (rounds, times) = if is_bench { (ROUNDS, LOGINS) } else { (1, 1) };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (bare, seen) = (world(|_| {}), world(|ports| *ports = observed(ports)));
    let login = registered(&bare.auth, &runtime);
    registered(&seen.auth, &runtime);
    let mut whole = Vec::new();
    let mut phases: Vec<Totals> = Vec::new();
    for _ in 0..rounds {
        let begin = now();
        logins(&bare.auth, &runtime, &login, times);
        whole.push((now() - begin) / f64::from(times));
        phases.push(watched(now, || logins(&seen.auth, &runtime, &login, times)));
    }
    let whole = median(whole);
    println!("| login, hashing stubbed | calls | us |\n|---|---|---|");
    let mut rest = whole;
    for (name, (calls, _)) in &phases[0] {
        let each = phases.iter().map(|round| round[name].1 / f64::from(times));
        let each = median(each);
        rest -= each;
        println!("| `{name}` | {} | {each:.2} |", calls / times);
    }
    println!("| the use case itself | | {rest:.2} |\n| all | | {whole:.2} |");
}
