//! The pages without a browser: what they say of wrong links and forms, what they send along, and that
//! templates can be replaced.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::time::Duration;

use adapters_http::{HttpOptions, Pages, PagesError, messages, router};
use adapters_local::{Testing, testing, testing_with};
use auth_domain::{
    DisplayName, Email, EmailVerification, Locale, LoginRequest, MasterSecret, Password, RateLimit,
    RegisterRequest, RequestContext,
};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;
use url::form_urlencoded::Serializer;

const ANN: &str = "ann@example.com";
const OLD: &str = "correct horse battery";
const NEW: &str = "a brand new staple & 한 글자+";
const EVERY: [&str; 4] = ["confirm-email", "forgot-password", "reset-password", "verify-email"];

struct Shown {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Shown {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    fn says(&self, words: &str) {
        assert!(self.text.contains(words), "{words} is not in {}", self.text);
    }

    /// The value of an input or an attribute, as the page has it.
    fn value_of(&self, name: &str) -> Option<&str> {
        self.text
            .split(&format!("name=\"{name}\""))
            .nth(1)?
            .split("value=\"")
            .nth(1)?
            .split('"')
            .next()
    }
}

struct Site(Router);

impl Site {
    fn of(world: &Testing) -> Self {
        Self::with(world, Pages::new("Example", HttpOptions::default()))
    }

    fn with(world: &Testing, pages: Pages) -> Self {
        let own = router(world.auth.clone(), HttpOptions::default());
        Self(own.merge(pages.routes(world.auth.clone()).unwrap()))
    }

    async fn send(&self, request: Request<Body>) -> Shown {
        let (parts, body) = self.0.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        let text = String::from_utf8(bytes).unwrap();
        Shown { status: parts.status, headers: parts.headers, text }
    }

    async fn get(&self, path: &str) -> Shown {
        self.send(request(&Method::GET, path, &[]).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Shown {
        self.post_with(path, fields, &[]).await
    }

    async fn post_with(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Shown {
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = request(&Method::POST, path, headers)
            .header("Content-Type", "application/x-www-form-urlencoded");
        self.send(request.body(body.into()).unwrap()).await
    }
}

fn request(method: &Method, path: &str, headers: &[(&str, &str)]) -> axum::http::request::Builder {
    let source = ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4711)));
    let begun = Request::builder().method(method).uri(path).extension(source);
    headers.iter().fold(begun, |request, (name, value)| request.header(*name, *value))
}

fn ann() -> Email {
    Email::parse(ANN).unwrap()
}

async fn register(world: &Testing) {
    let request = RegisterRequest {
        email: ann(),
        password: Password::new(OLD).unwrap(),
        name: DisplayName::parse("Ann").unwrap(),
    };
    world.auth.register(request, &RequestContext::new()).await.unwrap();
    world.deliver_mail().await;
}

async fn lets_in(world: &Testing, password: &str) -> bool {
    let request = LoginRequest { email: ann(), password: Password::new(password).unwrap() };
    world.auth.login(request, &RequestContext::new()).await.is_ok()
}

/// A reset link's token, asked for on the page.
async fn reset_token(world: &Testing, site: &Site) -> String {
    let asked = site.post("/forgot-password", &[("email", ANN)]).await;
    assert_eq!(asked.status, StatusCode::OK);
    world.deliver_mail().await;
    world.reset_token(&ann()).unwrap().expose().to_string()
}

#[tokio::test]
async fn a_password_is_reset_by_forms_alone_and_opening_the_link_uses_nothing_up() {
    let world = testing();
    register(&world).await;
    let site = Site::of(&world);
    let token = reset_token(&world, &site).await;
    for _ in 0..3 {
        let page = site.get(&format!("/reset-password?token={token}")).await;
        assert_eq!(page.status, StatusCode::OK);
        assert_eq!(page.value_of("token"), Some(token.as_str()));
        page.says(ANN);
    }
    let fields = [("token", token.as_str()), ("new_password", NEW)];
    let done = site.post("/reset-password", &fields).await;
    assert_eq!(done.status, StatusCode::OK);
    done.says("Your new password is set.");
    assert!(!done.text.contains(&token));
    assert!(lets_in(&world, NEW).await && !lets_in(&world, OLD).await);
    let again = site.post("/reset-password", &fields).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    again.says("no longer valid");
    again.says("href=\"forgot-password\"");
}

#[tokio::test]
async fn an_address_is_confirmed_by_a_button_and_not_by_opening_the_link() {
    let world = testing_with(|_, settings| {
        settings.email_verification = EmailVerification::RequireVerified;
    });
    register(&world).await;
    let site = Site::of(&world);
    let token = world.link_token(&ann()).unwrap();
    let page = site.get(&format!("/verify-email?token={token}")).await;
    assert_eq!(page.value_of("token"), Some(token.as_str()));
    assert!(!lets_in(&world, OLD).await, "opened, not confirmed");
    let done = site.post("/verify-email", &[("token", &token)]).await;
    done.says("Your address is confirmed.");
    assert!(lets_in(&world, OLD).await);
}

#[tokio::test]
async fn what_was_wrong_is_said_at_its_field_and_no_password_is_shown_again() {
    let world = testing();
    register(&world).await;
    let site = Site::of(&world);
    let token = reset_token(&world, &site).await;
    let refused =
        site.post("/reset-password", &[("token", &token), ("new_password", "sh<o>rt")]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    refused.says("id=\"new_password-error\"");
    refused.says("The password is too short. It must have at least 8 characters.");
    refused.says("aria-describedby=\"new_password-error new_password-hint\"");
    assert_eq!(refused.value_of("token"), Some(token.as_str()));
    assert!(!refused.text.contains("sh<o>rt") && !refused.text.contains("sh&lt;o"));
    let typed = "\"><script>alert(1)</script>";
    let refused = site.post("/forgot-password", &[("email", typed)]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    refused.says("aria-invalid=\"true\" aria-describedby=\"email-error\"");
    refused.says("value=\"&quot;&gt;&lt;script&gt;");
    assert!(!refused.text.contains("<script>alert"));
}

#[tokio::test]
async fn a_link_that_is_none_of_ours_is_told_so_without_a_form() {
    let site = Site::of(&testing());
    for page in ["confirm-email", "reset-password", "verify-email"] {
        for query in ["", "?token=", "?token=junk", "?token=%ff%00", "?token=%3Cscript%3E"] {
            let shown = site.get(&format!("/{page}{query}")).await;
            assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{page}{query}");
            assert!(!shown.text.contains("<form") && shown.text.contains("role=\"alert\""));
        }
        let shown = site.post(&format!("/{page}"), &[("token", "junk")]).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{page}");
        shown.says("no longer valid");
        let cut = site.get(&format!("/{page}")).await;
        cut.says("Open it again from your mail.");
    }
}

#[tokio::test]
async fn a_link_that_somebody_else_made_shows_no_address_and_no_form() {
    let theirs = testing_with(|_, settings| {
        settings.master_secret = MasterSecret::new([8; 32]).unwrap();
        settings.email_verification = EmailVerification::Asked;
    });
    register(&theirs).await;
    let verification = theirs.link_token(&ann()).unwrap();
    let reset = reset_token(&theirs, &Site::of(&theirs)).await;
    let site = Site::of(&testing());
    for (page, token) in [("verify-email", verification), ("reset-password", reset)] {
        let shown = site.get(&format!("/{page}?token={token}")).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{page}");
        shown.says("no longer valid");
        assert!(!shown.text.contains(ANN) && !shown.text.contains("<form"), "{page}");
    }
}

#[tokio::test]
async fn a_link_whose_time_is_over_is_told_so_before_its_button_is_pressed() {
    let world = testing_with(|_, settings| settings.email_verification = EmailVerification::Asked);
    register(&world).await;
    let path = format!("/verify-email?token={}", world.link_token(&ann()).unwrap());
    let site = Site::of(&world);
    site.get(&path).await.says(ANN);
    world.clock.advance(Duration::from_hours(24));
    site.get(&path).await.says("no longer valid");
}

#[tokio::test]
async fn a_form_that_another_site_sends_or_that_is_none_does_nothing() {
    let world = testing();
    register(&world).await;
    let site = Site::of(&world);
    let token = reset_token(&world, &site).await;
    let fields = [("token", token.as_str()), ("new_password", NEW)];
    let cross =
        site.post_with("/reset-password", &fields, &[("Sec-Fetch-Site", "cross-site")]).await;
    assert_eq!(cross.status, StatusCode::FORBIDDEN);
    let json = request(&Method::POST, "/reset-password", &[("Content-Type", "application/json")]);
    let json = site.send(json.body("{}".into()).unwrap()).await;
    assert_eq!(json.status, StatusCode::BAD_REQUEST);
    for body in [
        format!("token={token}&new_password=a+good+password+%ff"),
        format!("token={token}&new_password={OLD}&new_password={OLD}"),
        format!("token={token}&new_password=%ED%A0%80+a+good+password"),
        format!("token={token}&new_password={}", "x".repeat(20_000)),
    ] {
        let form = request(&Method::POST, "/reset-password", &[])
            .header("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8");
        let refused = site.send(form.body(body.into()).unwrap()).await;
        assert!(refused.status.is_client_error(), "{}", refused.status);
        assert!(refused.header("content-type").starts_with("text/html"));
        refused.says("role=\"alert\"");
    }
    let empty = site.post("/reset-password", &[("token", &token), ("unknown", "field")]).await;
    empty.says("<p class=\"error\" id=\"new_password-error\">The password is empty.</p>");
    assert_eq!(empty.value_of("token"), Some(token.as_str()));
    assert!(lets_in(&world, OLD).await);
    // The link still works: nothing of the above used it up.
    assert_eq!(site.post("/reset-password", &fields).await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_page_forbids_script_of_others_frames_referrers_and_keeping() {
    let site = Site::of(&testing());
    for page in EVERY {
        for shown in
            [site.get(&format!("/{page}")).await, site.post(&format!("/{page}"), &[]).await]
        {
            let policy = shown.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none';"), "{policy}");
            assert!(
                policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'")
            );
            assert!(!policy.contains("unsafe") && !policy.contains("data:"));
            assert_eq!(shown.header("referrer-policy"), "no-referrer");
            assert_eq!(shown.header("cache-control"), "no-store");
            assert_eq!(shown.header("x-frame-options"), "DENY");
            assert_eq!(shown.header("x-content-type-options"), "nosniff");
            for inline in ["<style", "style=", "onclick", "javascript:", "http://", "https://"] {
                assert!(!shown.text.contains(inline), "{page} has {inline}");
            }
        }
    }
    assert_eq!(site.get("/auth-pages.css").await.header("content-type"), "text/css; charset=utf-8");
    let script = site.get("/auth-pages.js").await;
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
}

#[tokio::test]
async fn a_page_is_in_the_language_that_is_chosen_or_else_accepted_and_keeps_it() {
    let site = Site::of(&testing());
    let korean = "비밀번호를 잊으셨나요?";
    let accepted = request(&Method::GET, "/forgot-password", &[("Accept-Language", "ko-KR")]);
    let accepted = site.send(accepted.body(Body::empty()).unwrap()).await;
    accepted.says(korean);
    assert_eq!(accepted.header("content-language"), "ko");
    let chosen = site.get("/forgot-password?lang=ko").await;
    chosen.says(korean);
    chosen.says("<html lang=\"ko\" dir=\"ltr\">");
    chosen.says("action=\"forgot-password?lang=ko\"");
    let sent = site.post("/forgot-password?lang=ko", &[("email", ANN)]).await;
    sent.says("가입된 이메일이라면");
    let pressed = [("switch_language", ""), ("email", ANN)];
    let switched = site.post("/forgot-password?lang=ko", &pressed).await;
    switched.says("<form method=\"post\" action=\"forgot-password?lang=ko\"");
    assert!(!switched.text.contains("가입된 이메일이라면"), "only the language was asked for");
    for unknown in ["xx", "", "%00", "../../etc", "ko%22%3E"] {
        let shown = site.get(&format!("/forgot-password?lang={unknown}")).await;
        shown.says("<html lang=\"en\"");
    }
}

#[tokio::test]
async fn templates_style_and_links_can_be_replaced_and_a_broken_one_is_found_at_the_start() {
    let world = testing();
    let pages = || Pages::new("Ann & Bob's", HttpOptions::default());
    let own = "{% extends \"layout.html\" %}{% block title %}Lost it, {{ service }}?{% endblock %}";
    let replaced = pages()
        .with_template("forgot-password.html", own)
        .unwrap()
        .with_stylesheet("main { color: teal }")
        .with_log_in_url("https://app.example.com/login");
    let site = Site::with(&world, replaced);
    site.get("/forgot-password").await.says("<h1>Lost it, Ann &amp; Bob&#x27;s?</h1>");
    assert_eq!(site.get("/auth-pages.css").await.text, "main { color: teal }");
    register(&world).await;
    world.auth.request_password_reset(ann(), &RequestContext::new()).await.unwrap();
    world.deliver_mail().await;
    let token = world.reset_token(&ann()).unwrap().expose().to_string();
    let done = site.post("/reset-password", &[("token", &token), ("new_password", NEW)]).await;
    done.says("href=\"https:&#x2f;&#x2f;app.example.com&#x2f;login\"");

    let unknown = pages().with_template("reset.html", "");
    assert!(matches!(unknown, Err(PagesError::UnknownTemplate { .. })));
    let unreadable = pages().with_template("layout.html", "{% if %}");
    assert!(matches!(unreadable, Err(PagesError::Template { .. })));
    for wrong in [
        "{{ passwrod }}",
        "{{ t() }}",
        "{{ t(\"no-such-message\") }}",
        "{{ t(\"page-at-least\") }}",
        "{% if error %}{{ passwrod }}{% endif %}",
        "{% if next == 'log-in' %}{{ passwrod }}{% endif %}",
        "{% for language in languages %}{{ language.nmae }}{% endfor %}",
        "{% extends \"base.html\" %}",
    ] {
        let pages = pages().with_template("outcome.html", wrong).unwrap();
        let refused = pages.routes(world.auth.clone());
        assert!(matches!(refused, Err(PagesError::Template { .. })), "{wrong}");
    }
}

#[tokio::test]
async fn a_language_that_words_no_pages_is_not_offered_and_leaves_them_in_english() {
    let french = Locale::parse("fr").unwrap();
    let mut options = HttpOptions::default();
    let answers = "answer-logged-in = Vous êtes connecté.";
    options.messages = messages().with_language(french, answers).unwrap();
    let site = Site::with(&testing(), Pages::new("Example", options.clone()));
    let accepted = request(&Method::GET, "/forgot-password", &[("Accept-Language", "fr")]);
    let shown = site.send(accepted.body(Body::empty()).unwrap()).await;
    shown.says("<html lang=\"en\"");
    assert_eq!(shown.header("content-language"), "en");
    assert!(!shown.text.contains("lang=fr"));
    let pages = "page-language-name = Français\npage-forgot-title = Mot de passe oublié ?";
    options.messages = options.messages.with_language(french, pages).unwrap();
    let site = Site::with(&testing(), Pages::new("Example", options));
    let chosen = site.get("/forgot-password?lang=fr").await;
    chosen.says("<html lang=\"fr\"");
    chosen.says("Mot de passe oublié ?");
    site.get("/forgot-password").await.says(">Français</button>");
}

#[tokio::test]
async fn nested_pages_lead_to_one_another() {
    let world = testing();
    register(&world).await;
    let pages = Pages::new("Example", HttpOptions::default()).routes(world.auth.clone()).unwrap();
    let site = Site(Router::new().nest("/accounts", pages));
    let asked = site.get("/accounts/forgot-password").await;
    for link in ["action=\"forgot-password\"", "href=\"auth-pages.css\"", "src=\"auth-pages.js\""] {
        asked.says(link);
    }
    let sent = site.post("/accounts/forgot-password", &[("email", ANN)]).await;
    assert_eq!(sent.status, StatusCode::OK);
    let head = request(&Method::HEAD, "/accounts/reset-password?token=x", &[]);
    let head = site.send(head.body(Body::empty()).unwrap()).await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::BAD_REQUEST, ""));
}

#[tokio::test]
async fn who_must_wait_is_told_on_the_page_and_by_the_header() {
    let world = testing_with(|_, settings| {
        settings.limits.reset_request_per_source = Some(RateLimit::new(1, Duration::from_mins(1)));
    });
    let site = Site::of(&world);
    let _first = site.post("/forgot-password", &[("email", ANN)]).await;
    let shown = site.post("/forgot-password", &[("email", ANN)]).await;
    assert_eq!(shown.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(shown.header("retry-after"), "60");
    shown.says("role=\"alert\"");
    shown.says("value=\"ann@example.com\"");
}
