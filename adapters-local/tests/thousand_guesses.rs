//! A thousand wrong passwords for one address at one moment: five are looked at.
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use adapters_local::{InsecureInstantHasher, Testing, testing_with};
use async_trait::async_trait;
use auth_domain::ports::{HashSlot, PasswordHasher, Reservation, Verification};
use auth_domain::{
    DisplayName, Email, LoginError, LoginRequest, Password, PasswordHash, PortError,
    RegisterRequest, RequestContext,
};

/// Counts the verifications that are begun.
struct Counting(Arc<AtomicUsize>);

impl PasswordHasher for Counting {
    fn reserve(&self) -> Result<Reservation, PortError> {
        Ok(match InsecureInstantHasher::new().reserve()? {
            Reservation::Slot(slot) => {
                Reservation::Slot(Box::new(CountingSlot(slot, Arc::clone(&self.0))))
            }
            overloaded @ Reservation::Overloaded { .. } => overloaded,
        })
    }
}

struct CountingSlot(Box<dyn HashSlot>, Arc<AtomicUsize>);

#[async_trait]
impl HashSlot for CountingSlot {
    async fn hash(self: Box<Self>, password: Password) -> Result<PasswordHash, PortError> {
        self.0.hash(password).await
    }

    async fn verify(
        self: Box<Self>,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verification, PortError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        // Others go on meanwhile, as they do beside a real hash.
        tokio::task::yield_now().await;
        self.0.verify(password, stored).await
    }
}

/// What came of a thousand guesses.
#[derive(Debug, PartialEq, Eq)]
struct Outcomes {
    verified: usize,
    rejected: usize,
    told_to_wait: usize,
}

async fn register(world: &Testing, email: &str) {
    let request = RegisterRequest {
        email: Email::parse(email).unwrap(),
        password: Password::new("correct horse battery").unwrap(),
        name: DisplayName::parse("Ann").unwrap(),
    };
    world.auth.register(request, &RequestContext::new()).await.unwrap();
}

async fn guess(world: &Testing, email: &str) -> LoginError {
    let email = Email::parse(email).unwrap();
    let password = Password::new("a wrong guess").unwrap();
    let request = LoginRequest { email, password };
    world.auth.login(request, &RequestContext::new()).await.unwrap_err()
}

async fn a_thousand_guesses(
    world: &Arc<Testing>,
    verified: &AtomicUsize,
    email: &'static str,
) -> Outcomes {
    let before = verified.load(Ordering::SeqCst);
    let guesses: Vec<_> = (0..1_000)
        .map(|_| Arc::clone(world))
        .map(|world| tokio::spawn(async move { guess(&world, email).await }))
        .collect();
    let mut outcomes = Outcomes { verified: 0, rejected: 0, told_to_wait: 0 };
    for guess in guesses {
        match guess.await.unwrap() {
            LoginError::Rejected => outcomes.rejected += 1,
            LoginError::TooManyAttempts { retry_after } if retry_after > Duration::ZERO => {
                outcomes.told_to_wait += 1;
            }
            _ => {}
        }
    }
    outcomes.verified = verified.load(Ordering::SeqCst) - before;
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_guesses_at_once_five_are_verified_with_an_account_and_without() {
    let verified = Arc::default();
    let world = testing_with(|ports, _| {
        ports.hasher = Arc::new(Counting(Arc::clone(&verified)));
    });
    let world = Arc::new(world);
    register(&world, "ann@example.com").await;
    for email in ["ann@example.com", "nobody@example.com"] {
        let at_once = a_thousand_guesses(&world, &verified, email).await;
        let five = Outcomes { verified: 5, rejected: 5, told_to_wait: 995 };
        assert_eq!(at_once, five, "{email}, at one moment");
        world.clock.advance(Duration::from_secs(1));
        let later = a_thousand_guesses(&world, &verified, email).await;
        let one = Outcomes { verified: 1, rejected: 1, told_to_wait: 999 };
        assert_eq!(later, one, "{email}, after the first wait");
    }
}
