//! What Lambda does between two events: it freezes the instance, and its connections die without a word.

use std::process::Command;

use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::gateway::{Answer, Gateway};
use crate::runtime_api::Instance;
use crate::world::{PASSWORD, World};

/// A wire to a server.
struct Wire {
    endpoint: String,
    cut: watch::Sender<()>,
}

impl Wire {
    async fn to(endpoint: &str) -> Self {
        let server = endpoint.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let cut = watch::Sender::new(());
        let cuts = cut.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(carry(client, server, cuts.subscribe()));
            }
        });
        Self { endpoint, cut }
    }

    /// Whatever is connected now stays so and carries nothing any more; new connections work.
    fn die(&self) {
        self.cut.send_replace(());
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, mut cut: watch::Receiver<()>) {
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = cut.changed() => std::future::pending().await,
    }
}

fn signal(instance: &Instance, name: &str) {
    let sent = Command::new("kill").args([name, &instance.process_id().to_string()]).status();
    assert!(sent.unwrap().success());
}

#[tokio::test]
async fn after_a_freeze_the_first_request_is_served_on_a_fresh_connection() {
    let world = World::start().await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    let wire = Wire::to(&world.dynamo.endpoint).await;
    let mut variables = world.variables.clone();
    variables.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), wire.endpoint.clone());
    variables.insert("AUTH_AWS_ATTEMPT_MS".to_owned(), "300".to_owned());
    let instance = Instance::start(&variables).await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD}).to_string();
    let event = Gateway::Rest.event("POST", "/auth/login", Some(&body));
    for _ in 0..2 {
        let answer = Answer::of(Gateway::Rest, &instance.invoke(&event).await);
        assert_eq!(answer.status, 200, "{answer:?}");
        signal(&instance, "-STOP");
        wire.die();
        signal(&instance, "-CONT");
    }
    let answer = Answer::of(Gateway::Rest, &instance.invoke(&event).await);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(world.rows("attempts").await.len(), 0, "counted and cleared");
}
