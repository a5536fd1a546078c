//! What strangers, thieves and bad moments must not do to accounts.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use adapters_local::{Testing, testing, testing_with};
use async_trait::async_trait;
use auth_domain::ports::{MailQueue, Mailer, UserStore};
use auth_domain::*;

const OLD: &str = "correct horse battery";
const NEW: &str = "a brand new staple";
fn mail(text: &str) -> Email {
    Email::parse(text).unwrap()
}
fn ann() -> Email {
    mail("ann@example.com")
}
fn moved() -> Email {
    mail("ann@elsewhere.example")
}
fn typed(p: &str) -> Password {
    Password::new(p).unwrap()
}
fn context() -> RequestContext {
    RequestContext::new().from_source([192, 0, 2, 7].into())
}
async fn register(world: &Testing, email: Email) {
    let request =
        RegisterRequest { email, password: typed(OLD), name: DisplayName::parse("A").unwrap() };
    world.auth.register(request, &context()).await.unwrap();
}
async fn login(world: &Testing, email: Email) -> Login {
    world
        .auth
        .login(LoginRequest { email, password: typed(OLD) }, &RequestContext::new())
        .await
        .unwrap()
}
async fn member(world: &Testing, email: Email) -> (Login, Claims) {
    register(world, email.clone()).await;
    let login = login(world, email).await;
    let claims = world.auth.authenticate(login.access_token.expose()).await.unwrap();
    (login, claims)
}
async fn ask(world: &Testing, claims: &Claims, new_email: Email) {
    let request = ChangeEmailRequest { new_email, current_password: typed(OLD) };
    world.auth.request_email_change(claims, request, &context()).await.unwrap();
}
async fn link(world: &Testing, claims: &Claims, new_email: Email) -> EmailChangeToken {
    ask(world, claims, new_email.clone()).await;
    world.deliver_mail().await;
    EmailChangeToken::parse(&world.link_token(&new_email).unwrap()).unwrap()
}

#[tokio::test]
async fn the_notice_of_a_move_leaves_the_sessions_that_were_opened_after_it() {
    let world = testing();
    let (_, claims) = member(&world, ann()).await;
    let token = link(&world, &claims, moved()).await;
    world.auth.confirm_email_change(token, &context()).await.unwrap();
    let fresh = login(&world, moved()).await;
    world.deliver_mail().await;
    assert!(world.auth.refresh(fresh.refresh_token, &context()).await.is_ok());
}

#[tokio::test]
async fn the_notice_of_a_move_leaves_the_reset_link_of_who_has_the_old_address_now() {
    let world = testing();
    let (_, claims) = member(&world, ann()).await;
    let token = link(&world, &claims, moved()).await;
    world.auth.confirm_email_change(token, &context()).await.unwrap();
    let notice = world.queued_mail().remove(0);
    register(&world, ann()).await;
    world.clock.advance(Duration::from_secs(1));
    world.auth.request_password_reset(ann(), &context()).await.unwrap();
    world.deliver_mail().await;
    world.auth.deliver(&notice).await.unwrap();
    let token = world.reset_token(&ann()).unwrap();
    let request = ResetRequest { token, new_password: typed(NEW) };
    assert!(world.auth.reset_password(request, &context()).await.is_ok());
}

#[tokio::test]
async fn one_account_from_one_source_cannot_use_up_the_mails_of_everybody() {
    let world = testing_with(|_, settings| {
        settings.limits.mails_global = Some(RateLimit::new(200, Duration::from_hours(1)));
    });
    let (_, claims) = member(&world, mail("eve@example.com")).await;
    register(&world, ann()).await;
    let mut good = 0;
    for n in 0..300 {
        let request = ChangeEmailRequest {
            new_email: mail(&format!("v{n}@victims.example")),
            current_password: typed(OLD),
        };
        good +=
            u32::from(world.auth.request_email_change(&claims, request, &context()).await.is_ok());
    }
    world.deliver_mail().await;
    assert!(good <= 5, "{good} of 300 asked for");
    world.clock.advance(Duration::from_secs(1));
    world.auth.request_password_reset(ann(), &context()).await.unwrap();
    assert_eq!(world.deliver_mail().await, [Some(Delivery::Sent)]);
}

fn notices(world: &Testing, subject: &str) -> usize {
    let mails = world.mailbox.all();
    mails.iter().filter(|mail| mail.content.subject.contains(subject)).count()
}

/// Changes the password, and reads the session's next token.
async fn change(world: &Testing, claims: &Claims, [old, new]: [&str; 2]) -> Claims {
    let (current_password, new_password) = (typed(old), typed(new));
    let request = ChangePasswordRequest { current_password, new_password };
    let changed = world.auth.change_password(claims, request, &context()).await.unwrap();
    world.auth.authenticate(changed.access_token.expose()).await.unwrap()
}

#[tokio::test]
async fn who_signs_up_with_the_address_of_another_mails_it_five_notices_of_a_kind_an_hour() {
    let world = testing();
    let (_, mut claims) = member(&world, ann()).await;
    for _ in 0..20 {
        claims = change(&world, &claims, [OLD, NEW]).await;
        claims = change(&world, &claims, [NEW, OLD]).await;
        world.clock.advance(Duration::from_secs(1));
        world.deliver_mail().await;
    }
    assert_eq!(notices(&world, "was changed"), 5);
    world.auth.delete_account(&claims, Some(typed(OLD)), &context()).await.unwrap();
    for _ in 0..20 {
        let (_, claims) = member(&world, ann()).await;
        world.auth.delete_account(&claims, None, &context()).await.unwrap();
        world.deliver_mail().await;
    }
    assert_eq!(notices(&world, "was deleted"), 5);
}

#[tokio::test]
async fn notices_have_no_cap_for_everybody_so_that_none_is_kept_from_its_owner() {
    let world = testing_with(|_, settings| {
        settings.limits.mails_global = Some(RateLimit::new(1, Duration::from_hours(1)));
    });
    for n in 0..3 {
        let (_, claims) = member(&world, mail(&format!("n{n}@example.com"))).await;
        change(&world, &claims, [OLD, NEW]).await;
    }
    world.deliver_mail().await;
    assert_eq!(notices(&world, "was changed"), 3);
}

#[tokio::test]
async fn mails_of_other_kinds_do_not_keep_the_reset_mail_from_its_owner() {
    let world = testing();
    let (_, claims) = member(&world, mail("eve@example.com")).await;
    register(&world, ann()).await;
    for _ in 0..5 {
        ask(&world, &claims, ann()).await;
    }
    world.deliver_mail().await;
    world.clock.advance(Duration::from_secs(1));
    world.auth.request_password_reset(ann(), &RequestContext::new()).await.unwrap();
    assert_eq!(world.deliver_mail().await, [Some(Delivery::Sent)]);
}

#[tokio::test]
async fn sign_ups_with_his_address_do_not_keep_the_reset_mail_from_its_owner() {
    let world = testing_with(|_, s| {
        s.email_verification = EmailVerification::RequireVerified;
        s.registration = RegistrationMode::Private;
    });
    register(&world, ann()).await;
    world.deliver_mail().await;
    let token = VerificationToken::parse(&world.link_token(&ann()).unwrap()).unwrap();
    world.auth.verify_email(token, &context()).await.unwrap();
    world.clock.advance(Duration::from_hours(2));
    for _ in 0..5 {
        register(&world, ann()).await;
    }
    world.deliver_mail().await;
    world.clock.advance(Duration::from_secs(1));
    world.auth.request_password_reset(ann(), &RequestContext::new()).await.unwrap();
    assert_eq!(world.deliver_mail().await, [Some(Delivery::Sent)]);
}

struct Flaky(AtomicU32, Arc<dyn Mailer>);
#[async_trait]
impl Mailer for Flaky {
    async fn send(&self, m: &OutgoingEmail) -> Result<(), PortError> {
        if self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            return Err(PortError::new(PortErrorKind::Unavailable, "mailer.send"));
        }
        self.1.send(m).await
    }
}

#[tokio::test]
async fn a_mail_service_that_is_down_for_a_minute_costs_no_mail() {
    let world = testing_with(|ports, s| {
        s.email_verification = EmailVerification::RequireVerified;
        ports.mailer = Arc::new(Flaky(AtomicU32::new(6), Arc::clone(&ports.mailer)));
    });
    register(&world, ann()).await;
    let mut outcomes = Vec::new();
    for pause in [1, 2, 4, 8, 16, 32, 64] {
        outcomes.extend(world.deliver_mail().await);
        world.clock.advance(Duration::from_secs(pause));
    }
    assert!(world.link_token(&ann()).is_some(), "{outcomes:?}");
}

type Hook = Arc<OnceLock<Auth>>;
struct Meanwhile<F>(Hook, Arc<dyn MailQueue>, F);
#[async_trait]
impl<F> MailQueue for Meanwhile<F>
where
    F: Fn(Auth) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync,
{
    async fn enqueue(&self, job: MailJob) -> Result<(), PortError> {
        let deletion = matches!(job, MailJob::AccountDeleted { .. });
        self.1.enqueue(job).await?;
        if deletion {
            (self.2)(self.0.get().unwrap().clone()).await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_deletion_that_is_acknowledged_has_happened() {
    let hook = Hook::default();
    let token: Arc<std::sync::Mutex<Option<EmailChangeToken>>> = Arc::default();
    let t = Arc::clone(&token);
    let world = testing_with(|ports, _| {
        ports.mail_queue = Arc::new(Meanwhile(
            Arc::clone(&hook),
            Arc::clone(&ports.mail_queue),
            move |auth: Auth| {
                let token = t.lock().unwrap().take().unwrap();
                Box::pin(async move { auth.confirm_email_change(token, &context()).await.unwrap() })
                    as _
            },
        ));
    });
    let _ = hook.set(world.auth.clone());
    let (_, claims) = member(&world, ann()).await;
    *token.lock().unwrap() = Some(link(&world, &claims, moved()).await);
    let outcome = world.auth.delete_account(&claims, None, &context()).await;
    let lives = world.users.find_by_email(&moved()).await.unwrap().is_some();
    world.deliver_mail().await;
    let told = world.mailbox.all().iter().any(|m| m.content.subject.contains("deleted"));
    assert!(!told, "of a deletion that did not happen");
    assert!(!(outcome.is_ok() && lives), "acknowledged, and the account lives at another address");
}

#[tokio::test]
async fn what_was_begun_before_all_sessions_were_ended_deletes_nothing_after() {
    let hook = Hook::default();
    let world = testing_with(|ports, _| {
        ports.mail_queue =
            Arc::new(Meanwhile(Arc::clone(&hook), Arc::clone(&ports.mail_queue), |auth: Auth| {
                Box::pin(async move {
                    let key = auth.admin().look_up(&ann()).await.unwrap().key;
                    auth.admin().force_password_change(&key, &context()).await.unwrap();
                }) as _
            }));
    });
    let _ = hook.set(world.auth.clone());
    let (_, thief) = member(&world, ann()).await;
    let outcome = world.auth.delete_account(&thief, Some(typed(OLD)), &context()).await;
    assert!(world.users.find_by_email(&ann()).await.unwrap().is_some(), "{outcome:?}");
}

#[tokio::test]
async fn a_stricter_check_lets_no_token_in_that_a_weaker_one_refuses() {
    for check in [TokenCheck::Strict, TokenCheck::StrictSession] {
        let world = testing_with(|_, s| s.token_check = check);
        let (session, claims) = member(&world, ann()).await;
        let request =
            ChangePasswordRequest { current_password: typed(OLD), new_password: typed(NEW) };
        world.auth.change_password(&claims, request, &context()).await.unwrap();
        assert!(world.auth.authenticate(session.access_token.expose()).await.is_err(), "{check:?}");
    }
}

#[tokio::test]
async fn a_forged_token_names_nobody_in_the_log() {
    let world = testing();
    let (session, _) = member(&world, ann()).await;
    let text = session.refresh_token.expose().to_string();
    let flip = if text.ends_with('A') { "B" } else { "A" };
    let forged = RefreshToken::parse(&format!("{}{flip}{}", &text[..50], &text[51..])).unwrap();
    for call in 0..2 {
        if call == 0 {
            assert!(world.auth.refresh(forged.clone(), &context()).await.is_err());
        } else {
            assert!(world.auth.logout(forged.clone(), &context()).await.is_err());
        }
        let event = world.events.all().pop().unwrap();
        assert_eq!(event.user_id, None, "{:?}", event.kind);
    }
}

#[tokio::test]
async fn a_link_to_a_taken_address_queues_no_notice() {
    let world = testing();
    let (_, claims) = member(&world, ann()).await;
    register(&world, moved()).await;
    let token = link(&world, &claims, moved()).await.expose().to_string();
    for _ in 0..20 {
        let token = EmailChangeToken::parse(&token).unwrap();
        assert!(world.auth.confirm_email_change(token, &context()).await.is_err());
    }
    assert_eq!(world.queued_mail().len(), 0);
}

#[tokio::test]
async fn what_is_asked_for_at_one_instant_is_counted_one_by_one() {
    let world = testing_with(|_, s| {
        s.email_verification = EmailVerification::RequireVerified;
        s.registration = RegistrationMode::Private;
    });
    for _ in 0..20 {
        register(&world, ann()).await;
        world.auth.request_verification(ann(), &RequestContext::new()).await.unwrap();
    }
    world.deliver_mail().await;
    for subject in ["Confirm your Example address", "Your Example account is there already"] {
        let mails = world.mailbox.all();
        assert_eq!(
            mails.iter().filter(|mail| mail.content.subject == subject).count(),
            5,
            "{subject}"
        );
    }
}
