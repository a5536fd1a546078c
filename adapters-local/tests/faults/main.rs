//! Every single fault at every call of a port, in every flow: a part that fails before it acts, one
//! whose answer is lost after it acted, and a caller who goes away before and after.
#![expect(clippy::unwrap_used, reason = "tests")]

mod accounts;
#[path = "../intercepted/mod.rs"]
mod intercepted;
mod plan;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use adapters_local::{Testing, testing_with};
use auth_domain::{
    Delivery, DisplayName, Email, EmailVerification, Login, LoginRequest, Password,
    RegisterRequest, RegistrationMode, RequestContext, ResetRequest, ResetToken, Settings,
    SkipReason, VerificationToken,
};
use intercepted::Interceptor as _;
use plan::{FAULTS, Fault, NEVER, Plan};

struct World {
    testing: Testing,
    plan: Arc<Plan>,
}

/// What a flow answered: good, refused or failed, or nobody was there any more to hear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Good,
    Bad,
    Nothing,
}

impl World {
    fn new(fault: Fault) -> Self {
        Self::with(fault, |_| {})
    }

    fn with(fault: Fault, change: impl FnOnce(&mut Settings)) -> Self {
        let plan = Arc::new(Plan { fault, calls_until: AtomicUsize::new(NEVER) });
        let testing = testing_with(|ports, settings| {
            ports.users = plan.intercept(&ports.users);
            ports.reset_tokens = plan.intercept(&ports.reset_tokens);
            ports.sessions = plan.intercept(&ports.sessions);
            ports.attempts = plan.intercept(&ports.attempts);
            ports.mail_queue = plan.intercept(&ports.mail_queue);
            change(settings);
        });
        Self { testing, plan }
    }

    /// Runs a flow whose `call`th call of a port meets the fault; whether there was such a call.
    async fn run<T, E>(
        &self,
        call: usize,
        flow: impl Future<Output = Result<T, E>>,
    ) -> (Heard, bool) {
        self.plan.calls_until.store(call, Ordering::SeqCst);
        let outcome = tokio::time::timeout(Duration::from_secs(1), flow).await;
        // Counted past one, to zero or around below it.
        let met = !(1..=call).contains(&self.plan.calls_until.swap(NEVER, Ordering::SeqCst));
        let heard = match outcome {
            Ok(Ok(_)) => Heard::Good,
            Ok(Err(_)) => Heard::Bad,
            Err(_) => Heard::Nothing,
        };
        (heard, met)
    }

    async fn register(&self, password: &str) -> Result<(), String> {
        let name = DisplayName::parse("Ann").unwrap();
        let request = RegisterRequest { email: ann(), password: typed(password), name };
        let outcome = self.testing.auth.register(request, &RequestContext::new()).await;
        outcome.map(drop).map_err(|error| error.to_string())
    }

    async fn login(&self, password: &str) -> Result<Login, String> {
        self.login_at(ann(), password).await
    }

    async fn login_at(&self, email: Email, password: &str) -> Result<Login, String> {
        let request = LoginRequest { email, password: typed(password) };
        let outcome = self.testing.auth.login(request, &RequestContext::new()).await;
        outcome.map_err(|error| error.to_string())
    }

    async fn forget(&self) -> Result<(), String> {
        let outcome = self.testing.auth.request_password_reset(ann(), &RequestContext::new()).await;
        outcome.map_err(|error| error.to_string())
    }

    async fn link(&self) -> ResetToken {
        self.testing.clock.advance(Duration::from_secs(1));
        self.forget().await.unwrap();
        self.testing.deliver_mail().await;
        self.testing.reset_token(&ann()).unwrap()
    }

    async fn reset(&self, token: &ResetToken, password: &str) -> Result<(), String> {
        let token = ResetToken::parse(&token.expose()).unwrap();
        let request = ResetRequest { token, new_password: typed(password) };
        let outcome = self.testing.auth.reset_password(request, &RequestContext::new()).await;
        outcome.map(drop).map_err(|error| error.to_string())
    }

    async fn confirm(&self) {
        let token = self.testing.link_token(&ann()).unwrap();
        let token = VerificationToken::parse(&token).unwrap();
        self.testing.auth.verify_email(token, &RequestContext::new()).await.unwrap();
    }

    fn was_told_of_a_change(&self) -> bool {
        self.testing.mailbox.all().iter().any(|mail| mail.content.subject.contains("was changed"))
    }
}

fn ann() -> Email {
    Email::parse("ann@example.com").unwrap()
}

fn typed(password: &str) -> Password {
    Password::new(password).unwrap()
}

const OLD: &str = "correct horse battery";
const NEW: &str = "a brand new staple";

#[tokio::test(start_paused = true)]
async fn a_registration_is_whole_or_can_be_made_again() {
    for fault in FAULTS {
        for call in 1.. {
            let world = World::new(fault);
            let (heard, met) = world.run(call, world.register(OLD)).await;
            let lets_in = world.login(OLD).await.is_ok();
            if heard == Heard::Good {
                assert!(lets_in, "{fault:?} at call {call}: acknowledged and lost");
            } else if !lets_in {
                world.register(OLD).await.unwrap();
            }
            assert!(world.register(NEW).await.is_err(), "{fault:?} at call {call}: two accounts");
            if !met {
                assert!(call > 1);
                break;
            }
        }
    }
}

fn private(settings: &mut Settings) {
    settings.email_verification = EmailVerification::RequireVerified;
    settings.registration = RegistrationMode::Private;
}

#[tokio::test(start_paused = true)]
async fn a_private_registration_that_is_acknowledged_becomes_an_account_and_another_can_be_made() {
    for fault in FAULTS {
        for call in 1.. {
            let world = World::with(fault, private);
            let (heard, met) = world.run(call, world.register(OLD)).await;
            let queued = world.testing.queued_mail().len();
            assert!(heard != Heard::Good || queued == 1, "{fault:?}: acknowledged and lost");
            if queued == 0 {
                world.register(OLD).await.unwrap();
            }
            world.testing.deliver_mail().await;
            world.confirm().await;
            world.login(OLD).await.unwrap();
            if !met {
                assert!(call > 1);
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_private_sign_up_that_failed_makes_one_account_whose_link_works_when_it_runs_again() {
    for fault in FAULTS {
        for call in 1.. {
            let world = World::with(fault, private);
            world.register(OLD).await.unwrap();
            let job = world.testing.queued_mail().remove(0);
            let (heard, met) = world.run(call, world.testing.auth.deliver(&job)).await;
            if heard != Heard::Good {
                let outcome = world.testing.auth.deliver(&job).await;
                assert_eq!(outcome.unwrap(), Delivery::Sent, "{fault:?} at call {call}");
            }
            assert!(world.login(OLD).await.is_err(), "{fault:?} at call {call}: not confirmed");
            world.confirm().await;
            world.login(OLD).await.unwrap();
            let again = world.testing.auth.deliver(&job).await;
            assert_eq!(again.unwrap(), Delivery::Skipped(SkipReason::AlreadyVerified));
            if !met {
                assert!(call > 2);
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_failed_locks_nobody_out() {
    for fault in FAULTS {
        for call in 1.. {
            let world = World::new(fault);
            world.register(OLD).await.unwrap();
            let (_, met) = world.run(call, world.login(OLD)).await;
            world.login(OLD).await.unwrap();
            if !met {
                assert!(call > 4);
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_whole_or_nothing_and_never_happens_twice_or_unnoticed() {
    for fault in FAULTS {
        for call in 1.. {
            let at = format!("{fault:?} at call {call}");
            let world = World::new(fault);
            world.register(OLD).await.unwrap();
            let token = world.link().await;
            let (heard, met) = world.run(call, world.reset(&token, NEW)).await;

            let (old, new) = (world.login(OLD).await.is_ok(), world.login(NEW).await.is_ok());
            assert!(old != new, "{at}: old {old}, new {new}");
            assert!(heard != Heard::Good || new, "{at}: acknowledged and lost");
            world.testing.deliver_mail().await;
            assert_eq!(world.was_told_of_a_change(), new, "{at}");
            if new {
                assert!(world.reset(&token, "a third password").await.is_err(), "{at}: used twice");
            }
            let another = world.link().await;
            world.reset(&another, "the last password").await.unwrap();
            world.login("the last password").await.unwrap();
            if !met {
                assert!(call > 5);
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_job_that_failed_sends_a_link_that_works_when_it_runs_again() {
    for fault in FAULTS {
        for call in 1.. {
            let world = World::new(fault);
            world.register(OLD).await.unwrap();
            world.forget().await.unwrap();
            let job = world.testing.queued_mail().remove(0);
            let (heard, met) = world.run(call, world.testing.auth.deliver(&job)).await;
            if heard != Heard::Good {
                world.testing.auth.deliver(&job).await.unwrap();
            }
            let token = world.testing.reset_token(&ann()).unwrap();
            world.reset(&token, NEW).await.unwrap();
            world.login(NEW).await.unwrap();
            if !met {
                assert!(call > 3);
                break;
            }
        }
    }
}
