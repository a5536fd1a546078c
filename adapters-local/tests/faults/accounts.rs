//! Sessions and the life of an account.

use adapters_local::Testing;
use auth_domain::ports::{ResetTokenStore, SessionStore, UserStore};
use auth_domain::{
    ChangeEmailRequest, ChangePasswordRequest, Claims, Email, EmailChangeToken, RefreshToken,
    RequestContext, UserId, VerificationToken,
};

use crate::{FAULTS, Heard, NEW, OLD, World, ann, typed};

impl World {
    async fn refresh(&self, token: &RefreshToken) -> Result<RefreshToken, String> {
        let outcome = self.testing.auth.refresh(token.clone(), &RequestContext::new()).await;
        outcome.map(|refreshed| refreshed.refresh_token).map_err(|error| error.to_string())
    }

    async fn claims(&self, access_token: &str) -> Claims {
        self.testing.auth.authenticate(access_token).await.unwrap()
    }

    async fn change_password(&self, claims: &Claims) -> Result<(), String> {
        let request =
            ChangePasswordRequest { current_password: typed(OLD), new_password: typed(NEW) };
        let outcome =
            self.testing.auth.change_password(claims, request, &RequestContext::new()).await;
        outcome.map(drop).map_err(|error| error.to_string())
    }

    async fn holds_nothing_of(&self, user_id: UserId) -> bool {
        let Testing { users, sessions, reset_tokens, .. } = &self.testing;
        users.find_by_id(user_id).await.unwrap().is_none()
            && sessions.list(user_id).await.unwrap().is_empty()
            && reset_tokens.newest(&ann()).await.unwrap().is_none()
    }

    fn was_told(&self, whom: &Email, of: &str) -> bool {
        self.testing
            .mailbox
            .all()
            .iter()
            .any(|mail| mail.to == *whom && mail.content.subject.contains(of))
    }
}

fn moved() -> Email {
    Email::parse("ann@elsewhere.example").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_refresh_whose_answer_is_lost_is_tried_again_and_goes_on() {
    for fault in FAULTS {
        for call in 1.. {
            let at = format!("{fault:?} at call {call}");
            let world = World::new(fault);
            world.register(OLD).await.unwrap();
            let token = world.login(OLD).await.unwrap().refresh_token;
            let (heard, met) = world.run(call, world.refresh(&token)).await;
            let child = world.refresh(&token).await.unwrap_or_else(|why| panic!("{at}: {why}"));
            let grandchild = world.refresh(&child).await.unwrap();
            world.refresh(&grandchild).await.unwrap();
            assert!(world.refresh(&token).await.is_err(), "{at}: a spent token after {heard:?}");
            if !met {
                assert!(call > 2);
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_theft_that_was_answered_has_ended_the_session() {
    for fault in FAULTS {
        for call in 1.. {
            let at = format!("{fault:?} at call {call}");
            let world = World::new(fault);
            world.register(OLD).await.unwrap();
            let spent = world.login(OLD).await.unwrap().refresh_token;
            let child = world.refresh(&spent).await.unwrap();
            let good = world.refresh(&child).await.unwrap();
            let (heard, met) = world.run(call, world.refresh(&spent)).await;
            assert!(heard != Heard::Good, "{at}: a spent token was taken");
            if heard == Heard::Bad && !met {
                assert!(world.refresh(&good).await.is_err(), "{at}: a descendant lives");
                break;
            }
            let again = world.refresh(&spent).await;
            assert!(again.is_err() && world.refresh(&good).await.is_err(), "{at}: not ended");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_logout_that_was_answered_has_ended_the_session_and_can_be_made_again() {
    for fault in FAULTS {
        for call in 1.. {
            let world = World::new(fault);
            world.register(OLD).await.unwrap();
            let token = world.login(OLD).await.unwrap().refresh_token;
            let context = RequestContext::new();
            let logout = || world.testing.auth.logout(token.clone(), &context);
            let (heard, met) = world.run(call, logout()).await;
            if heard != Heard::Good {
                logout().await.unwrap();
            }
            assert!(world.refresh(&token).await.is_err(), "{fault:?} at call {call}");
            if !met {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_password_is_whole_or_nothing_ends_the_other_sessions_and_is_told() {
    for fault in FAULTS {
        for call in 1.. {
            let at = format!("{fault:?} at call {call}");
            let world = World::new(fault);
            world.register(OLD).await.unwrap();
            let other = world.login(OLD).await.unwrap().refresh_token;
            let own = world.login(OLD).await.unwrap();
            let claims = world.claims(own.access_token.expose()).await;
            let (heard, met) = world.run(call, world.change_password(&claims)).await;

            let changed = world.login(NEW).await.is_ok();
            assert!(changed != world.login(OLD).await.is_ok(), "{at}: both or neither");
            assert!(heard != Heard::Good || changed, "{at}: acknowledged and lost");
            assert_eq!(world.refresh(&other).await.is_err(), changed, "{at}: the other session");
            let own_goes_on = world.refresh(&own.refresh_token).await.is_ok();
            assert!(own_goes_on || changed, "{at}: a session ended and nothing changed");
            world.testing.deliver_mail().await;
            assert_eq!(world.was_told(&ann(), "password was changed"), changed, "{at}");
            if !met {
                assert!(own_goes_on && call > 8, "{at}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_address_is_whole_or_nothing_and_the_old_address_is_told() {
    for fault in FAULTS {
        for call in 1.. {
            let at = format!("{fault:?} at call {call}");
            let world = World::new(fault);
            world.register(OLD).await.unwrap();
            let session = world.login(OLD).await.unwrap();
            let claims = world.claims(session.access_token.expose()).await;
            let request = ChangeEmailRequest { new_email: moved(), current_password: typed(OLD) };
            let context = RequestContext::new();
            world.testing.auth.request_email_change(&claims, request, &context).await.unwrap();
            world.testing.deliver_mail().await;
            let text = world.testing.link_token(&moved()).unwrap();
            let confirm = || {
                let token = EmailChangeToken::parse(&text).unwrap();
                world.testing.auth.confirm_email_change(token, &context)
            };
            let (heard, met) = world.run(call, confirm()).await;

            let at_new = world.login_at(moved(), OLD).await.is_ok();
            assert!(at_new != world.login(OLD).await.is_ok(), "{at}: both or neither");
            assert!(heard != Heard::Good || at_new, "{at}: acknowledged and lost");
            assert_eq!(world.refresh(&session.refresh_token).await.is_err(), at_new, "{at}");
            assert_eq!(confirm().await.is_ok(), !at_new, "{at}: the link works once");
            world.testing.deliver_mail().await;
            assert!(world.was_told(&ann(), "address was changed"), "{at}");
            if !met {
                assert!(call > 4, "{at}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_whole_or_can_be_made_again_and_leaves_nothing_once_its_job_ran() {
    for fault in FAULTS {
        for call in 1.. {
            let at = format!("{fault:?} at call {call}");
            let world = World::new(fault);
            world.register(OLD).await.unwrap();
            world.link().await;
            let session = world.login(OLD).await.unwrap();
            let claims = world.claims(session.access_token.expose()).await;
            let context = RequestContext::new();
            let delete = || world.testing.auth.delete_account(&claims, Some(typed(OLD)), &context);
            let (heard, met) = world.run(call, delete()).await;

            let gone = world.login(OLD).await.is_err();
            assert!(heard != Heard::Good || gone, "{at}: acknowledged and lost");
            if !gone {
                delete().await.unwrap();
            }
            assert!(world.refresh(&session.refresh_token).await.is_err(), "{at}: a session lives");
            world.testing.deliver_mail().await;
            assert!(world.was_told(&ann(), "account was deleted"), "{at}");
            assert!(world.holds_nothing_of(claims.user_id).await, "{at}: something is left");
            if !met {
                assert!(call > 8, "{at}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_is_confirmed_or_can_be_confirmed_again() {
    for fault in FAULTS {
        for call in 1.. {
            let at = format!("{fault:?} at call {call}");
            let world = World::new(fault);
            world.register(OLD).await.unwrap();
            let context = RequestContext::new();
            world.testing.auth.request_verification(ann(), &context).await.unwrap();
            world.testing.deliver_mail().await;
            let text = world.testing.link_token(&ann()).unwrap();
            let verify = || {
                let token = VerificationToken::parse(&text).unwrap();
                world.testing.auth.verify_email(token, &context)
            };
            let (heard, met) = world.run(call, verify()).await;
            let verified = || async {
                let account = world.testing.auth.admin().look_up(&ann()).await.unwrap();
                account.email_verified_at.is_some()
            };
            assert!(heard != Heard::Good || verified().await, "{at}: acknowledged and lost");
            verify().await.unwrap();
            assert!(verified().await, "{at}");
            if !met {
                assert!(call > 2, "{at}");
                break;
            }
        }
    }
}
