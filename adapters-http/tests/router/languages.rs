//! Sentences of the service's own, in languages that this crate does not know.

use adapters_http::{HttpOptions, messages};
use adapters_local::testing;
use auth_domain::{Locale, Messages};
use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::client::{ANN, Answer, Client, json_request};

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
