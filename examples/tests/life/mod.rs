//! The life of an account, as a new user would live it: nothing but HTTP calls and mails. Where it is
//! lived is a [`World`]: the same script runs on every store.

use serde_json::{Value, json};

/// A service to call, and the mailboxes of those who have accounts there.
pub(crate) trait World {
    /// Makes one call.
    async fn send(&mut self, call: Call) -> Answer;

    /// The text of the mail of this subject to an address, each handed out once. Waits for it.
    async fn mail(&mut self, to: &str, subject: &str) -> String;
}

/// One call of a client.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    /// From the root, such as `/auth/login`.
    pub(crate) path: String,
    pub(crate) user_agent: &'static str,
    pub(crate) bearer: Option<String>,
    pub(crate) body: Option<Value>,
}

/// What it is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// What is left to look for once somebody has gone.
#[derive(Debug)]
pub(crate) struct Departed {
    pub(crate) user_id: String,
    pub(crate) addresses: [&'static str; 2],
}

const HOME: &str = "ann@example.com";
const MOVED: &str = "ann@moved.example";
const PASSWORDS: [&str; 3] = ["correct horse battery", "a brand new staple", "yet another stable"];

/// What somebody calls from, and the session that he has there.
struct Device {
    user_agent: &'static str,
    access: String,
    refresh: String,
}

struct Life<'a, W> {
    world: &'a mut W,
}

impl<W: World> Life<'_, W> {
    async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.post_from("browser", path, body).await
    }

    async fn post_from(&mut self, user_agent: &'static str, path: &str, body: Value) -> Answer {
        let (path, body) = (path.to_owned(), Some(body));
        self.world.send(Call { method: "POST", path, user_agent, bearer: None, body }).await
    }

    async fn call(
        &mut self,
        device: &Device,
        method: &'static str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let (path, bearer) = (path.to_owned(), Some(device.access.clone()));
        let user_agent = device.user_agent;
        self.world.send(Call { method, path, user_agent, bearer, body }).await
    }

    async fn try_login(&mut self, email: &str, password: &str) -> u16 {
        self.post("/auth/login", json!({"email": email, "password": password})).await.status
    }

    async fn login(&mut self, user_agent: &'static str, email: &str, password: &str) -> Device {
        let body = json!({"email": email, "password": password});
        let answer = self.post_from(user_agent, "/auth/login", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        Device { user_agent, access: text("access_token"), refresh: text("refresh_token") }
    }

    /// Goes on with a device's session; false if it is over.
    async fn refresh(&mut self, device: &mut Device) -> bool {
        let body = json!({"refresh_token": device.refresh});
        let answer = self.post_from(device.user_agent, "/auth/refresh", body).await;
        if answer.status == 401 {
            assert_eq!(answer.body["code"], "refresh_token_invalid");
            return false;
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["access_token"].as_str().unwrap().clone_into(&mut device.access);
        answer.body["refresh_token"].as_str().unwrap().clone_into(&mut device.refresh);
        true
    }

    async fn link(&mut self, to: &str, subject: &str) -> String {
        let text = self.world.mail(to, subject).await;
        let (_, token) = text.split_once("token=").unwrap();
        token.lines().next().unwrap().to_owned()
    }

    /// Signs up and confirms the address; the id of the account.
    async fn sign_up(&mut self) -> String {
        let body = json!({"email": HOME, "password": PASSWORDS[0], "name": "Ann"});
        let answer = self.post("/auth/register", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let token = self.link(HOME, "Confirm your Example address").await;
        let verified = self.post("/auth/verify-email", json!({ "token": token })).await;
        assert_eq!(verified.status, 200, "{verified:?}");
        answer.body["user_id"].as_str().unwrap().to_owned()
    }

    /// Sees that a laptop is logged in, and ends that.
    async fn end_the_laptops_session(&mut self, phone: &mut Device, mut laptop: Device) {
        let listed = self.call(phone, "GET", "/auth/sessions", None).await;
        let sessions = listed.body["sessions"].as_array().unwrap().clone();
        assert_eq!(sessions.len(), 2, "{listed:?}");
        let of =
            |name: &str| sessions.iter().find(|session| session["user_agent"] == name).unwrap();
        assert_eq!(of("phone")["current"], true);
        assert_eq!(of("laptop")["current"], false);
        let path = format!("/auth/sessions/{}", of("laptop")["id"].as_str().unwrap());
        assert_eq!(self.call(phone, "DELETE", &path, None).await.status, 200);
        assert!(!self.refresh(&mut laptop).await);
        assert!(self.refresh(phone).await);
    }

    /// The tablet's session ends, the phone's goes on.
    async fn change_the_password(&mut self, phone: &mut Device) {
        let mut tablet = self.login("tablet", HOME, PASSWORDS[0]).await;
        let body = json!({"current_password": PASSWORDS[0], "new_password": PASSWORDS[1]});
        let changed = self.call(phone, "POST", "/auth/change-password", Some(body)).await;
        assert_eq!(changed.status, 200, "{changed:?}");
        changed.body["access_token"].as_str().unwrap().clone_into(&mut phone.access);
        self.world.mail(HOME, "Your Example password was changed").await;
        assert!(!self.refresh(&mut tablet).await);
        assert!(self.refresh(phone).await);
        assert_eq!(self.try_login(HOME, PASSWORDS[0]).await, 401);
    }

    async fn move_to_another_address(&mut self, phone: &mut Device) {
        let body = json!({"new_email": MOVED, "current_password": PASSWORDS[1]});
        let asked = self.call(phone, "POST", "/auth/change-email", Some(body)).await;
        assert_eq!(asked.status, 202, "{asked:?}");
        let token = self.link(MOVED, "Confirm your new Example address").await;
        assert!(self.refresh(phone).await, "nothing has changed yet");
        let body = json!({ "token": token });
        assert_eq!(self.post("/auth/change-email/confirm", body.clone()).await.status, 200);
        self.world.mail(HOME, "Your Example address was changed").await;
        assert_eq!(self.try_login(HOME, PASSWORDS[1]).await, 401);
        assert!(!self.refresh(phone).await);
        assert_eq!(self.post("/auth/change-email/confirm", body).await.status, 400);
    }

    async fn forget_and_reset_the_password(&mut self, phone: &mut Device) {
        let asked = self.post("/auth/forgot-password", json!({"email": MOVED})).await;
        assert_eq!(asked.status, 200, "{asked:?}");
        let token = self.link(MOVED, "Reset your Example password").await;
        let body = json!({"token": token, "new_password": PASSWORDS[2]});
        assert_eq!(self.post("/auth/reset-password", body.clone()).await.status, 200);
        self.world.mail(MOVED, "Your Example password was changed").await;
        assert_eq!(self.post("/auth/reset-password", body).await.status, 400);
        assert!(!self.refresh(phone).await);
        assert_eq!(self.try_login(MOVED, PASSWORDS[1]).await, 401);
    }

    async fn leave(&mut self, mut phone: Device) {
        let wrong = json!({"current_password": PASSWORDS[0]});
        assert_eq!(self.call(&phone, "DELETE", "/auth/me", Some(wrong)).await.status, 403);
        let right = json!({"current_password": PASSWORDS[2]});
        assert_eq!(self.call(&phone, "DELETE", "/auth/me", Some(right)).await.status, 200);
        self.world.mail(MOVED, "Your Example account was deleted").await;
        assert_eq!(self.call(&phone, "GET", "/auth/sessions", None).await.status, 401);
        assert!(!self.refresh(&mut phone).await);
        for address in [HOME, MOVED] {
            assert_eq!(self.try_login(address, PASSWORDS[2]).await, 401);
        }
    }
}

/// Sign up, verify, log in on two devices, list, end one, change the password, change the address,
/// forget, reset, delete. Mails are in English, of a service called Example that asks who signs up to
/// confirm his address.
pub(crate) async fn lived(world: &mut impl World) -> Departed {
    let mut life = Life { world };
    let user_id = life.sign_up().await;
    let mut phone = life.login("phone", HOME, PASSWORDS[0]).await;
    let laptop = life.login("laptop", HOME, PASSWORDS[0]).await;
    life.end_the_laptops_session(&mut phone, laptop).await;
    life.change_the_password(&mut phone).await;
    life.move_to_another_address(&mut phone).await;
    let mut phone = life.login("phone", MOVED, PASSWORDS[1]).await;
    life.forget_and_reset_the_password(&mut phone).await;
    let phone = life.login("phone", MOVED, PASSWORDS[2]).await;
    life.leave(phone).await;
    Departed { user_id, addresses: [HOME, MOVED] }
}

/// As far as clients see, nobody with these addresses was ever here.
pub(crate) async fn is_forgotten(world: &mut impl World, departed: &Departed) {
    let mut life = Life { world };
    for address in departed.addresses {
        let body = json!({"email": address, "password": PASSWORDS[0], "name": "Somebody"});
        let answer = life.post("/auth/register", body).await;
        assert_eq!(answer.status, 201, "{address} is free");
        assert_ne!(answer.body["user_id"], departed.user_id);
    }
}
