//! Sentences of the service's own, in languages that this crate does not know.

use std::sync::Arc;
use std::time::Duration;

use adapters_http::{HttpOptions, messages};
use adapters_local::{testing, testing_with};
use auth_domain::{DefaultTemplates, Locale, Messages};
use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::client::{ANN, Answer, Client, ann, json_request};

fn with_french() -> Messages {
    let french = "answer-reset-requested = Un lien est en route.\n\
                  problem-field-missing = Il manque un champ.";
    messages().with_language(Locale::parse("fr").unwrap(), french).unwrap()
}

async fn ask(client: &Client, language: &str, body: &str) -> Answer {
    let request = json_request(&Method::POST, "/auth/forgot-password");
    let request = request.header("Accept-Language", language);
    client.send(request.body(body.to_owned().into()).unwrap()).await
}

fn client() -> Client {
    let mut options = HttpOptions::default();
    options.messages = with_french();
    Client::with(&testing(), options)
}

#[tokio::test]
async fn a_language_that_was_added_is_answered_in() {
    let client = client();
    let body = json!({"email": ANN}).to_string();
    let asked = ask(&client, "fr-CA, en;q=0.9", &body).await;
    assert_eq!(asked.status, StatusCode::OK);
    assert_eq!(asked.json()["message"], "Un lien est en route.");
    assert_eq!(asked.header("content-language"), Some("fr"));
    let refused = ask(&client, "fr-CA, en;q=0.9", "{}").await;
    assert_eq!(refused.json()["detail"], "Il manque un champ.");
    assert_eq!(refused.header("content-language"), Some("fr"));
}

#[tokio::test]
async fn a_sentence_that_the_language_lacks_is_english_and_says_so() {
    let refused = ask(&client(), "fr", "[]").await;
    assert_eq!(refused.code(), (400, "body_not_object".into()));
    assert_eq!(refused.json()["detail"], "The body is not a JSON object.");
    assert_eq!(refused.header("content-language"), Some("en"));
}

#[tokio::test]
async fn a_mail_is_in_the_language_that_its_request_asked_for() {
    let french = "password-reset-subject = Votre mot de passe { $service }";
    let templates = DefaultTemplates::new("Example");
    let templates = templates.with_language(Locale::parse("fr").unwrap(), french).unwrap();
    let world = testing_with(|_, settings| settings.templates = Arc::new(templates));
    let mut options = HttpOptions::default();
    options.messages = with_french();
    let client = Client::with(&world, options);
    client.register().await;
    for (language, subject) in [
        ("fr-CA", "Votre mot de passe Example"),
        ("ko", "Example 비밀번호 재설정"),
        ("de", "Reset your Example password"),
    ] {
        let asked = ask(&client, language, &json!({"email": ANN}).to_string()).await;
        assert_eq!(asked.status, StatusCode::OK);
        world.deliver_mail().await;
        world.clock.advance(Duration::from_hours(1)); // beyond the caps of mails
        assert_eq!(world.mailbox.latest(&ann()).unwrap().content.subject, subject);
    }
}
