//! The library alone: sign up, log in, forget and reset a password, in one process.
//!
//! Run it: `cargo run --example quickstart`. It prints each step and ends with the old password refused.
#![expect(clippy::print_stdout, reason = "it shows what happens")]

use adapters_local::testing;
use anyhow::{Context, Result, bail, ensure};
use auth_domain::{
    DisplayName, Email, LoginRequest, Password, RegisterRequest, Registration, RequestContext,
    ResetRequest,
};

#[tokio::main]
async fn main() -> Result<()> {
    // In-memory stores, a mailbox to read, and a hasher that costs nothing: for trials and tests.
    // `server.rs` beside this file composes the real adapters.
    let world = testing();
    let auth = &world.auth;
    let context = RequestContext::new();
    let email = Email::parse("Ann@Example.com")?;
    let password = Password::new("correct horse battery staple")?;

    let name = DisplayName::parse("Ann")?;
    let request = RegisterRequest { email: email.clone(), password: password.clone(), name };
    let Registration::Made(account) = auth.register(request, &context).await? else {
        bail!("registration is open here");
    };
    println!("registered {} as {}", account.email.as_str(), account.user_id);

    let request = LoginRequest { email: email.clone(), password: password.clone() };
    let login = auth.login(request.clone(), &context).await?;
    let claims = auth.authenticate(login.access_token.expose()).await?;
    println!("logged in; the access token says {}", claims.user_id);

    auth.request_password_reset(email.clone(), &context).await?;
    world.deliver_mail().await;
    let mail = world.mailbox.latest(&email).context("no mail")?;
    println!("mail to {}: {}", mail.to.as_str(), mail.content.subject);

    let token = world.reset_token(&email).context("no link in the mail")?;
    let new_password = Password::new("a staple for the battery horse")?;
    auth.reset_password(ResetRequest { token, new_password: new_password.clone() }, &context)
        .await?;
    println!("the password is reset");

    auth.login(LoginRequest { email, password: new_password }, &context).await?;
    println!("logged in with the new password");
    ensure!(auth.login(request, &context).await.is_err(), "the old password still works");
    println!("the old password is refused");
    Ok(())
}
