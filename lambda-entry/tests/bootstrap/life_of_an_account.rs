//! The same whole life of an account as at the example server, over DynamoDB.

use serde_json::Value;

use crate::gateway::Gateway;
use crate::life::{Answer, Call, is_forgotten, lived};
use crate::world::World;

struct Function {
    world: World,
    unread: Vec<Value>,
}

impl crate::life::World for Function {
    async fn send(&mut self, call: Call) -> Answer {
        let body = call.body.map(|body| body.to_string());
        let mut event = Gateway::Rest.event(call.method, &call.path, body.as_deref());
        Gateway::Rest.add_header(&mut event, "Accept-Language", "en");
        Gateway::Rest.add_header(&mut event, "User-Agent", call.user_agent);
        if let Some(bearer) = call.bearer {
            Gateway::Rest.add_header(&mut event, "Authorization", &format!("Bearer {bearer}"));
        }
        let answer = self.world.send(&event).await;
        Answer { status: answer.status.try_into().unwrap(), body: answer.body }
    }

    async fn mail(&mut self, to: &str, subject: &str) -> String {
        assert!(self.world.deliver_mails().await.is_empty(), "a mail waits for what has happened");
        self.unread.extend(self.world.aws.take_mails());
        let is_it = |mail: &Value| {
            mail["Destination"]["ToAddresses"][0] == to
                && mail["Content"]["Simple"]["Subject"]["Data"] == subject
        };
        let index = self.unread.iter().position(is_it);
        let mail = self.unread.remove(index.unwrap_or_else(|| panic!("no {subject:?} for {to}")));
        mail["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn an_account_lives_and_goes_on_dynamodb_and_leaves_no_row() {
    let world = World::with(&[
        ("AUTH_EMAIL_VERIFICATION", "required"),
        ("AUTH_LANGUAGE", "en"),
        ("AUTH_SERVICE_NAME", "Example"),
    ])
    .await;
    let mut function = Function { world, unread: Vec::new() };
    let departed = lived(&mut function).await;
    assert!(function.unread.is_empty(), "{:?}", function.unread);
    // Not the attempts: the script tries in vain to log in at addresses that have no account any more.
    for table in ["users", "sessions", "password-resets"] {
        assert!(function.world.rows(table).await.is_empty(), "{table}");
    }
    is_forgotten(&mut function, &departed).await;
}
