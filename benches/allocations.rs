//! How much each use case allocates on in-memory adapters, hashing stubbed and tokens really signed and checked:
//! `cargo test --release -p benches --test allocations -- --nocapture`.
#![expect(clippy::print_stdout, reason = "its tables are for a document")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop")]

mod ports;
mod world;

use std::time::Duration;

use adapters_local::Testing;
use auth_domain::{
    Auth, ChangePasswordRequest, Email, Login, LoginRequest, Password, RegisterRequest,
    ResetRequest,
};
use tokio::runtime::Runtime;

use ports::{observed, watched};
use world::{context, request, world};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// As many calls go before, so that what grows now and then is spread.
const TIMES: u32 = 64;

/// A table of what a call takes of the heap.
struct Table<'a> {
    runtime: &'a Runtime,
    allocations: Vec<(&'static str, f64)>,
}

impl Table<'_> {
    /// Adds the medium of some calls, without what is prepared for each.
    fn row<P>(
        &mut self,
        name: &'static str,
        mut prepare: impl FnMut() -> P,
        mut call: impl AsyncFnMut(P),
    ) {
        let (mut allocations, mut bytes) = (0, 0);
        for round in 0..2 * TIMES {
            let prepared = prepare();
            let before = dhat::HeapStats::get();
            self.runtime.block_on(call(prepared));
            let after = dhat::HeapStats::get();
            if round >= TIMES {
                allocations += after.total_blocks - before.total_blocks;
                bytes += after.total_bytes - before.total_bytes;
            }
        }
        let a_call = |sum| exact(sum) / f64::from(TIMES);
        println!("| {name} | {:.0} | {:.0} |", a_call(allocations), a_call(bytes));
        self.allocations.push((name, a_call(allocations)));
    }

    fn allocations_of(&self, name: &str) -> f64 {
        self.allocations.iter().find(|row| row.0 == name).unwrap().1
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
const fn exact(figure: u64) -> f64 {
    figure as f64
}

fn email() -> Email {
    request(0).email
}

fn good() -> LoginRequest {
    let RegisterRequest { email, password, .. } = request(0);
    LoginRequest { email, password }
}

fn logged_in(auth: &Auth, runtime: &Runtime) -> Login {
    runtime.block_on(auth.login(good(), &context())).unwrap()
}

fn sessions(table: &mut Table<'_>, auth: &Auth) {
    let runtime = table.runtime;
    let mut number = 0;
    let fresh = || {
        number += 1;
        request(number)
    };
    table.row("register", fresh, async |request| {
        auth.register(request, &context()).await.unwrap();
    });
    table.row("login", good, async |request| {
        auth.login(request, &context()).await.unwrap();
    });
    let wrong = || {
        // Failures in a row would make it wait.
        logged_in(auth, runtime);
        LoginRequest { password: Password::new("wrong").unwrap(), ..good() }
    };
    table.row("login, refused", wrong, async |request| {
        auth.login(request, &context()).await.unwrap_err();
    });
    let access = || logged_in(auth, runtime).access_token;
    table.row("authenticate", access, async |token| {
        auth.authenticate(token.expose()).await.unwrap();
    });
    let refresh = || logged_in(auth, runtime).refresh_token;
    table.row("refresh", refresh, async |token| {
        auth.refresh(token, &context()).await.unwrap();
    });
    table.row("logout", refresh, async |token| {
        auth.logout(token, &context()).await.unwrap();
    });
}

fn links(table: &mut Table<'_>, world: &Testing) {
    let (runtime, auth) = (table.runtime, &world.auth);
    // Each request is newer than the one before it, and so is sent.
    let later = || world.clock.advance(Duration::from_micros(1));
    let forgot = async || auth.request_password_reset(email(), &context()).await.unwrap();
    table.row("forgot", later, async |()| forgot().await);
    runtime.block_on(world.deliver_mail());
    let asked = || {
        later();
        runtime.block_on(forgot());
    };
    table.row("the mail of it", asked, async |()| {
        world.deliver_mail().await;
    });
    let mailed = || {
        asked();
        runtime.block_on(world.deliver_mail());
        let new_password = Password::new("correct horse battery").unwrap();
        ResetRequest { token: world.reset_token(&email()).unwrap(), new_password }
    };
    table.row("reset", mailed, async |request| {
        auth.reset_password(request, &context()).await.unwrap();
    });
    let claims = || {
        let token = logged_in(auth, runtime).access_token;
        runtime.block_on(auth.authenticate(token.expose())).unwrap()
    };
    table.row("change of password", claims, async |claims| {
        let request = ChangePasswordRequest {
            current_password: good().password,
            new_password: good().password,
        };
        auth.change_password(&claims, request, &context()).await.unwrap();
    });
}

/// By port: where the allocations of a login are made.
fn login_by_port(runtime: &Runtime) {
    let auth = world(|ports| *ports = observed(ports)).auth;
    runtime.block_on(auth.register(request(0), &context())).unwrap();
    let logins = || (0..TIMES).for_each(|_| drop(logged_in(&auth, runtime)));
    let made = || exact(dhat::HeapStats::get().total_blocks);
    watched(made, logins);
    println!("\n| port | calls | allocations |\n|---|---|---|");
    for (name, (calls, allocations)) in watched(made, logins) {
        println!("| `{name}` | {} | {:.0} |", calls / TIMES, allocations / f64::from(TIMES));
    }
}

/// 49 and 9 when this was written. The bounds leave room for a field or two, and none for a second copy of the account
/// and its sessions, or for a token that is decoded twice.
#[test]
fn a_login_and_a_check_of_a_token_allocate_no_more_than_they_did() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let world = world(|_| {});
    runtime.block_on(world.auth.register(request(0), &context())).unwrap();
    println!("\n| use case | allocations | bytes |\n|---|---|---|");
    let mut table = Table { runtime: &runtime, allocations: Vec::new() };
    sessions(&mut table, &world.auth);
    links(&mut table, &world);
    login_by_port(&runtime);
    for (name, bound) in [("login", 52.0), ("authenticate", 11.0)] {
        let allocations = table.allocations_of(name);
        assert!(allocations <= bound, "{name}: {allocations} allocations, more than {bound}");
    }
}
