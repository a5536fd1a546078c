use std::sync::Arc;

use auth_domain::Locale;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::page::{Done, Entry, Page};
use super::site::{Site, View};
use super::{PageService, form};
use crate::call::Call;
use crate::language::set_content_language;
use crate::problem::{self, Problem};

/// Nothing inline, nothing from elsewhere, and in nobody's frame. Pictures of a template of one's own may
/// come from here.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
     img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page, asked for or sent.
pub(super) fn route(page: Page) -> MethodRouter<PageService> {
    get(async move |State(pages): State<PageService>, request: Request| {
        let (visit, token) = Visit::read(pages, page, request).await;
        visit.show(&token)
    })
    .post(async move |State(pages): State<PageService>, request: Request| {
        let (visit, _) = Visit::read(pages, page, request).await;
        visit.submit().await
    })
}

struct Visit {
    call: Call,
    site: Arc<Site>,
    page: Page,
    locale: Locale,
    /// Whether the language was chosen on a page, and is to be kept from page to page.
    is_chosen: bool,
}

impl Visit {
    /// The visit, and the token that the link has if a link led here.
    async fn read(pages: PageService, page: Page, request: Request) -> (Self, Zeroizing<String>) {
        let PageService { service, site } = pages;
        let query = request.uri().query().unwrap_or_default();
        let (lang, token) = (parameter(query, "lang"), parameter(query, "token"));
        let chosen = site.messages.lookup(&lang);
        let locale = chosen.unwrap_or_else(|| service.options.locale(request.headers()));
        let locale = site.language_of(locale);
        let call = Call::read(service, page.endpoint(), request, locale).await;
        (Self { call, site, page, locale, is_chosen: chosen.is_some() }, token)
    }

    /// The form, once the link can be one of ours.
    fn show(&self, token: &str) -> Response {
        if token.is_empty() && self.page.has_link() {
            return self.say_that_there_is_no_link();
        }
        match self.page.entry(self.call.auth(), token) {
            Ok(entry) => {
                let languages = self.site.languages();
                self.form(StatusCode::OK, &entry, View { languages, ..self.view() })
            }
            Err(problem) => self.refuse(problem, &Entry::default()),
        }
    }

    fn say_that_there_is_no_link(&self) -> Response {
        let sentence = self.site.messages.text(self.locale, "page-no-link", &[]);
        let view = View { error: Some(sentence), next: self.way_on(), ..self.view() };
        self.answer(StatusCode::BAD_REQUEST, self.site.outcome(&view))
    }

    async fn submit(self) -> Response {
        if !form::may_be_from_here(self.call.headers()) {
            return self.refuse(Problem::of(&problem::CROSS_SITE_FORM), &Entry::default());
        }
        let mut fields = match self.call.form() {
            Ok(fields) => fields,
            Err(problem) => return self.refuse(problem, &Entry::default()),
        };
        if self.call.has_form_field("switch_language") {
            return self.show(fields.get("token"));
        }
        // The page is shown again with what it had, but for a password.
        let auth = self.call.auth();
        let mut entry = self.page.entry(auth, fields.get("token")).unwrap_or_default();
        if !self.page.has_link() {
            fields.get("email").clone_into(&mut entry.email);
        }
        match self.page.submit(&self.call, &mut fields).await {
            Ok(done) => self.done(&done),
            Err(problem) => self.refuse(problem, &entry),
        }
    }

    fn done(&self, done: &Done) -> Response {
        let sentence = self.site.messages.text(self.locale, done.says.id(), &[]);
        let view = View { done: Some(sentence), next: done.next, ..self.view() };
        self.answer(StatusCode::OK, self.site.outcome(&view))
    }

    /// The form again, with what is wrong. Where there is no link, or it is at its end, no form helps: what
    /// is wrong is then about no field.
    fn refuse(&self, problem: Problem, entry: &Entry) -> Response {
        let view = View { error: Some(self.sentence(&problem)), ..self.view() };
        let is_over =
            problem.is_of_a_dead_link() || (entry.token.is_empty() && self.page.has_link());
        let mut response = if is_over {
            let view = View { next: self.way_on(), ..view };
            self.answer(problem.status(), self.site.outcome(&view))
        } else {
            let field = problem.field().filter(|name| self.page.fields().any(|own| own == *name));
            self.form(problem.status(), entry, View { field, ..view })
        };
        problem.add_waits(response.headers_mut());
        response
    }

    /// Where to go from a link that is none, or is over.
    fn way_on(&self) -> Option<&'static str> {
        (self.page == Page::ResetPassword).then_some("forgot-password")
    }

    fn sentence(&self, problem: &Problem) -> String {
        let messages = &self.site.messages;
        let sentence = problem.sentence(messages, self.locale);
        let Some((id, limit)) = problem.bound() else { return sentence };
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        format!("{sentence} {}", messages.text(self.locale, id, &[("limit", limit.into())]))
    }

    fn view(&self) -> View<'_> {
        View {
            lang: self.locale.tag(),
            direction: if self.locale.is_right_to_left() { "rtl" } else { "ltr" },
            page: self.page.name(),
            action: self.href(self.page),
            forgot_password: self.href(Page::ForgotPassword),
            ..View::default()
        }
    }

    /// Relative, since the pages may be nested anywhere.
    fn href(&self, page: Page) -> String {
        match self.is_chosen {
            true => format!("{}?lang={}", page.name(), self.locale.tag()),
            false => page.name().to_owned(),
        }
    }

    fn form(&self, status: StatusCode, entry: &Entry, view: View<'_>) -> Response {
        let view = View { token: &entry.token, email: &entry.email, ..view };
        self.answer(status, self.site.form(&view))
    }

    /// Each template was tried out, so that one fails only if it is about something never seen.
    fn answer(&self, status: StatusCode, page: Result<String, minijinja::Error>) -> Response {
        let Ok(page) = page.inspect_err(|error| {
            // Its words may quote what was typed.
            tracing::error!(target: "auth", "a page was not rendered: {:?}", error.kind());
        }) else {
            return self.call.refuse(Problem::of(&problem::INTERNAL_ERROR));
        };
        let mut response = Response::new(Body::from(page));
        *response.status_mut() = status;
        self.add_headers(response.headers_mut());
        response
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_FRAME_OPTIONS, "DENY"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        set_content_language(headers, self.locale);
    }
}

/// The first value of a parameter; empty if there is none.
fn parameter(query: &str, name: &str) -> Zeroizing<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let found = pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    Zeroizing::new(found.unwrap_or_default())
}
