//! A life at the example server in which every secret is noted as it passes, and looked for afterwards in all
//! that the server wrote.

use std::fs::{self, File};

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};

use crate::child::Child;
use crate::life::{self, Answer, Call, World};
use crate::process::{self, Server};
use crate::secrets::Secrets;

/// The example server, and every secret that passed it.
struct Watched {
    child: Child,
    secrets: Secrets,
}

impl World for Watched {
    async fn send(&mut self, call: Call) -> Answer {
        let sent = Secrets::sent_by(&call);
        let answer = self.child.send(call).await;
        self.secrets.note_call(&sent, &answer);
        answer
    }

    async fn mail(&mut self, to: &str, subject: &str) -> String {
        let text = self.child.mail(to, subject).await;
        let token = text.split("token=").nth(1).and_then(|rest| rest.lines().next());
        token.into_iter().for_each(|token| self.secrets.note(token));
        text
    }
}

impl Watched {
    async fn post(&mut self, path: &'static str, body: Value) -> Answer {
        let path = format!("/auth/{path}");
        let (method, user_agent, bearer) = ("POST", "canary", None);
        self.send(Call { method, path, user_agent, bearer, body: Some(body) }).await
    }

    /// What a life has no reason to do: calls that are refused, each with a secret in it.
    async fn refusals(&mut self) {
        let ann = |password: &str| json!({"email": "eve@example.com", "password": password, "name": "Eve"});
        assert_eq!(self.post("register", ann("a canary that signs up")).await.status, 201);
        let link = self.mail("eve@example.com", "Confirm your Example address").await;
        let token = link.split("token=").nth(1).unwrap().lines().next().unwrap().to_owned();
        assert_eq!(self.post("verify-email", json!({"token": token})).await.status, 200);
        assert_eq!(self.post("register", ann("a canary that is second")).await.status, 409);
        assert_eq!(self.post("register", ann("canary!")).await.status, 400);
        assert_eq!(self.post("register", ann(&"canary".repeat(1_000))).await.status, 400);
        let login = |password: &str| json!({"email": "eve@example.com", "password": password});
        for guess in 0..7 {
            let status = self.post("login", login(&format!("canary guess {guess}"))).await.status;
            assert_eq!(status, if guess < 5 { 401 } else { 429 });
        }
        let mut with_more = login("a canary in a body that is refused");
        with_more["role"] = json!("admin");
        assert_eq!(self.post("login", with_more).await.status, 400);
        for path in ["verify-email", "change-email/confirm"] {
            let forged = json!({"token": format!("{}canary", &token[..token.len() - 6])});
            assert_eq!(self.post(path, forged).await.status, 400);
        }
        let address = Base64UrlUnpadded::encode_string(b"eve@example.com");
        let reset = json!({"token": format!("{address}.{}", "canary12".repeat(8)), "new_password": "a canary for a reset"});
        assert_eq!(self.post("reset-password", reset).await.status, 400);
        let refresh =
            json!({"refresh_token": format!("{}.{}", "c".repeat(43), "canary12".repeat(8))});
        assert_eq!(self.post("refresh", refresh.clone()).await.status, 401);
        assert_eq!(self.post("logout", refresh).await.status, 401);
    }
}

#[tokio::test]
async fn no_secret_of_any_flow_is_in_what_the_server_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let (database, log) = (folder.path().join("auth.db"), folder.path().join("log"));
    let keys: [&[u8]; 3] = [
        b"canary: the master secret, of 37 bytes",
        b"canary: the pepper, of 32 bytes!",
        b"canary: the shared secret, of 36 bytes",
    ];
    let [master, pepper, shared] = keys;
    let pepper = format!("p1:{}", Base64::encode_string(pepper));
    let settings = [
        ("AUTH_STORE", &*format!("sqlite:{}", database.display())),
        ("AUTH_EMAIL_VERIFICATION", "required"),
        ("AUTH_MASTER_SECRET", &*Base64::encode_string(master)),
        ("AUTH_PEPPER", &*pepper),
        ("AUTH_COMPATIBILITY_SECRET", std::str::from_utf8(shared).unwrap()),
    ];
    let mut command = process::command("server", &settings);
    command.stderr(File::create(&log).unwrap());
    let child = Child::new(Server::with_log(command));
    let mut secrets = Secrets::default();
    keys.into_iter().for_each(|key| secrets.note_key(key));
    let mut watched = Watched { child, secrets };
    life::lived(&mut watched).await;
    watched.refusals().await;

    let mut written = String::new();
    for file in fs::read_dir(folder.path()).unwrap() {
        written.push_str(&String::from_utf8_lossy(&fs::read(file.unwrap().path()).unwrap()));
    }
    for there in ["logged_in", "too_many_attempts", ",keyid=", "ann@example.com"] {
        assert!(written.contains(there), "nothing was looked at that has {there:?}");
    }
    assert!(watched.secrets.number() > 60, "{} secrets passed", watched.secrets.number());
    watched.secrets.are_not_in(&written, "what the server wrote");
}
