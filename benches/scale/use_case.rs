use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use auth_domain::ports::Clock as _;
use auth_domain::{
    ChangePasswordRequest, Claims, DisplayName, Email, LoginRequest, Password, RefreshToken,
    RegisterRequest, ResetRequest, ResetToken,
};

use super::population::{PASSWORD, Population, context};

/// In the order in which an account goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UseCase {
    Login,
    Authenticate,
    Refresh,
    ListSessions,
    ChangePassword,
    Logout,
    Forgot,
    Reset,
    Delete,
    Register,
    Sweep,
    /// Of rows that are a few of many which have ended; not for who comes after.
    SweepOfFew,
}

impl UseCase {
    pub(crate) const ALL: [Self; 12] = [
        Self::Login,
        Self::Authenticate,
        Self::Refresh,
        Self::ListSessions,
        Self::ChangePassword,
        Self::Logout,
        Self::Forgot,
        Self::Reset,
        Self::Delete,
        Self::Register,
        Self::Sweep,
        Self::SweepOfFew,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Authenticate => "check of a token, session and account read",
            Self::Refresh => "refresh",
            Self::ListSessions => "list of sessions",
            Self::ChangePassword => "change of password",
            Self::Logout => "logout",
            Self::Forgot => "forgot, request and worker",
            Self::Reset => "reset",
            Self::Delete => "deletion",
            Self::Register => "register",
            Self::Sweep => "sweep that finds next to nothing",
            Self::SweepOfFew => "sweep of two rows of each table, where all have ended",
        }
    }
}

/// Who goes through the use cases, and what he holds.
pub(crate) struct Guest {
    pub(super) place: usize,
    pub(super) email: Email,
    password: &'static str,
    claims: Option<Claims>,
    refresh: Option<RefreshToken>,
    link: Option<ResetToken>,
}

impl Guest {
    pub(super) fn new(place: usize, email: Email) -> Self {
        Self { place, email, password: PASSWORD, claims: None, refresh: None, link: None }
    }

    fn claims(&self) -> Result<&Claims> {
        self.claims.as_ref().context("nobody has logged in")
    }

    fn refresh(&self) -> Result<RefreshToken> {
        self.refresh.clone().context("nobody has logged in")
    }

    /// For a new password, which it then is.
    fn next_password(&mut self) -> &'static str {
        self.password = if self.password == PASSWORD { "a brand new staple" } else { PASSWORD };
        self.password
    }
}

async fn timed<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<(Duration, T)>
where
    anyhow::Error: From<E>,
{
    let begin = Instant::now();
    let outcome = work.await;
    Ok((begin.elapsed(), outcome?))
}

impl Population {
    /// How long it took; `None` where the store has no such thing.
    pub(crate) async fn run(
        &self,
        use_case: UseCase,
        guest: &mut Guest,
    ) -> Result<Option<Duration>> {
        // Whatever is made is newer than what was made before it.
        self.testing.clock.advance(Duration::from_micros(1));
        let taken = match use_case {
            UseCase::Login => self.log_in(guest).await?,
            UseCase::Authenticate => self.authenticate(guest).await?,
            UseCase::Refresh => self.refresh(guest).await?,
            UseCase::ListSessions => self.list_sessions(guest).await?,
            UseCase::ChangePassword => self.change_password(guest).await?,
            UseCase::Logout => self.log_out(guest).await?,
            UseCase::Forgot => self.forget(guest).await?,
            UseCase::Reset => self.reset(guest).await?,
            UseCase::Delete => self.delete(guest).await?,
            UseCase::Register => self.register(guest).await?,
            UseCase::Sweep => return self.sweep(Duration::ZERO, 1_000).await,
            UseCase::SweepOfFew => return self.sweep(Duration::from_hours(40 * 24), 2).await,
        };
        Ok(Some(taken))
    }

    /// Does what was left to the mail worker.
    pub(crate) async fn settle(&self) -> Result<()> {
        for delivered in self.testing.deliver_mail().await {
            delivered.context("a mail job failed")?;
        }
        Ok(())
    }

    async fn log_in(&self, guest: &mut Guest) -> Result<Duration> {
        let request =
            LoginRequest { email: guest.email.clone(), password: Password::new(guest.password)? };
        let (taken, login) = timed(self.testing.auth.login(request, &context())).await?;
        guest.refresh = Some(login.refresh_token);
        guest.claims = self.tokens.last();
        Ok(taken)
    }

    async fn authenticate(&self, guest: &mut Guest) -> Result<Duration> {
        self.tokens.say(guest.claims()?.clone());
        Ok(timed(self.testing.auth.authenticate("")).await?.0)
    }

    async fn refresh(&self, guest: &mut Guest) -> Result<Duration> {
        let token = guest.refresh()?;
        let (taken, refreshed) = timed(self.testing.auth.refresh(token, &context())).await?;
        guest.refresh = Some(refreshed.refresh_token);
        guest.claims = self.tokens.last();
        Ok(taken)
    }

    async fn list_sessions(&self, guest: &mut Guest) -> Result<Duration> {
        Ok(timed(self.testing.auth.list_sessions(guest.claims()?, &context())).await?.0)
    }

    async fn change_password(&self, guest: &mut Guest) -> Result<Duration> {
        let current_password = Password::new(guest.password)?;
        let new_password = Password::new(guest.next_password())?;
        let request = ChangePasswordRequest { current_password, new_password };
        let claims = guest.claims()?;
        Ok(timed(self.testing.auth.change_password(claims, request, &context())).await?.0)
    }

    async fn log_out(&self, guest: &mut Guest) -> Result<Duration> {
        Ok(timed(self.testing.auth.logout(guest.refresh()?, &context())).await?.0)
    }

    async fn forget(&self, guest: &mut Guest) -> Result<Duration> {
        let auth = &self.testing.auth;
        let begin = Instant::now();
        auth.request_password_reset(guest.email.clone(), &context()).await?;
        self.settle().await?;
        let taken = begin.elapsed();
        let token = self.mails.link_token().context("no link was mailed")?;
        guest.link = Some(ResetToken::parse(&token)?);
        Ok(taken)
    }

    async fn reset(&self, guest: &mut Guest) -> Result<Duration> {
        let token = guest.link.take().context("no link was mailed")?;
        let request = ResetRequest { token, new_password: Password::new(guest.next_password())? };
        Ok(timed(self.testing.auth.reset_password(request, &context())).await?.0)
    }

    /// By the login of a moment ago.
    async fn delete(&self, guest: &mut Guest) -> Result<Duration> {
        let claims = guest.claims()?;
        Ok(timed(self.testing.auth.delete_account(claims, None, &context())).await?.0)
    }

    /// Under another address.
    async fn register(&self, guest: &mut Guest) -> Result<Duration> {
        guest.email = self.fresh_email()?;
        let request = RegisterRequest {
            email: guest.email.clone(),
            password: Password::new(PASSWORD)?,
            name: DisplayName::parse("Ann")?,
        };
        Ok(timed(self.testing.auth.register(request, &context())).await?.0)
    }

    async fn sweep(&self, later: Duration, most: u32) -> Result<Option<Duration>> {
        let Some(sweep) = &self.stores.sweep else { return Ok(None) };
        Ok(Some(timed(sweep(self.testing.clock.now() + later, most)).await?.0))
    }
}
