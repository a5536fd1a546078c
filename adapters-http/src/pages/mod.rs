//! The pages that mailed links lead to, and the one where such a link is asked for. Plain forms: they work
//! without script, and say the same sentences as the calls.

mod form;
mod page;
mod site;
mod visit;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use auth_domain::Auth;
use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use minijinja::Environment;
use thiserror::Error;

use crate::{HttpOptions, Service, layered, method_not_allowed};
use page::Page;
use site::Site;

/// Server-rendered pages: `/forgot-password` asks for a reset link; `/reset-password`, `/verify-email` and
/// `/confirm-email` are where the links of mails lead. Merge their [`routes`](Pages::routes) beside
/// [`router`](crate::router) or [`routes`](crate::routes()), and let
/// [`LinkBase`](auth_domain::LinkBase) name the place: `https://accounts.example.com/reset-password`.
///
/// They are in each language of [`HttpOptions::messages`] that has a name for itself (`page-language-name`), chosen
/// by the client's `Accept-Language` or on the page.
///
/// No link is used by being opened, since mail programs open links to look at them: a page has a button.
/// A token is put into the page's form and posted in the body from there; a script takes it out of the
/// address bar.
///
/// Templates are [minijinja](https://docs.rs/minijinja)'s (`layout.html`, one for each page by its name, such
/// as `reset-password.html`, and `outcome.html`). Yours may replace any of them; they are tried out when the
/// routes are made. They are given:
///
/// | name | what it is |
/// |---|---|
/// | `t(id)` | the message of this id, in the page's language ([`HttpOptions::messages`]) |
/// | `lang`, `direction` | the page's language; `ltr` or `rtl` |
/// | `languages` | on a page that was opened: `tag` and `name` of each that it can be had in, by posting `token` and `switch_language` to it with `?lang=` |
/// | `service`, `page` | the service's name; the page's, such as `reset-password` |
/// | `action`, `token`, `email` | where the form is posted to; what it has to hold; whose password it is, or what was typed |
/// | `error`, `field` | what was wrong; in which field, if in one |
/// | `done`, `next` | of `outcome.html`: what was done; `log-in` or `forgot-password`, if something is to follow |
/// | `forgot_password`, `log_in_url` | links |
///
/// The content security policy allows no inline style or script, and nothing from elsewhere.
///
/// ```
/// use adapters_http::{HttpOptions, Pages, router};
///
/// # fn server(auth: auth_domain::Auth) -> Result<axum::Router, adapters_http::PagesError> {
/// let options = HttpOptions::default();
/// let pages = Pages::new("Example", options.clone()).with_log_in_url("https://app.example.com/login");
/// Ok(router(auth.clone(), options).merge(pages.routes(auth)?))
/// # }
/// ```
#[derive(Clone)]
pub struct Pages {
    environment: Environment<'static>,
    log_in_url: Option<String>,
    options: HttpOptions,
    service_name: String,
    stylesheet: Cow<'static, str>,
}

/// Pages cannot be served so.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PagesError {
    /// A template cannot be read, or not be rendered with what pages are given.
    #[error("the template {name} cannot be rendered")]
    Template {
        /// Which.
        name: String,
        /// What is wrong, and where.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No page has a template of this name.
    #[error("no page has a template {name:?}")]
    UnknownTemplate {
        /// The name that was given.
        name: String,
    },
}

impl PagesError {
    fn of(name: &str, source: minijinja::Error) -> Self {
        Self::Template { name: name.to_owned(), source: source.into() }
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("service_name", &self.service_name).finish_non_exhaustive()
    }
}

impl Pages {
    /// The pages of a service that users know by this name.
    pub fn new(service_name: impl Into<String>, options: HttpOptions) -> Self {
        Self {
            environment: site::environment(),
            log_in_url: None,
            options,
            service_name: service_name.into(),
            stylesheet: Cow::Borrowed(include_str!("../../pages/auth-pages.css")),
        }
    }

    /// The same pages with a link to where users log in, after a reset or a change of address. Without one
    /// they are only told to.
    #[must_use]
    pub fn with_log_in_url(mut self, url: impl Into<String>) -> Self {
        self.log_in_url = Some(url.into());
        self
    }

    /// The same pages in another style.
    #[must_use]
    pub fn with_stylesheet(mut self, css: impl Into<Cow<'static, str>>) -> Self {
        self.stylesheet = css.into();
        self
    }

    /// The same pages with one template replaced.
    ///
    /// # Errors
    /// [`PagesError`] when no template has this name, or the new one cannot be read.
    pub fn with_template(
        mut self,
        name: &str,
        source: impl Into<String>,
    ) -> Result<Self, PagesError> {
        if !site::TEMPLATES.iter().any(|(known, _)| *known == name) {
            return Err(PagesError::UnknownTemplate { name: name.to_owned() });
        }
        let added = self.environment.add_template_owned(name.to_owned(), source.into());
        added.map_err(|error| PagesError::of(name, error))?;
        Ok(self)
    }

    /// The pages, to be [merged](Router::merge) or [nested](Router::nest). As for
    /// [`router`](crate::router), the client's address must be in each request's extensions.
    ///
    /// # Errors
    /// [`PagesError`] when a page cannot be rendered in one of the languages.
    pub fn routes(self, auth: Auth) -> Result<Router, PagesError> {
        let options = Arc::new(self.options.clone());
        let site = Arc::new(Site::new(self)?);
        let mut router = Router::new()
            .route("/auth-pages.css", get(stylesheet))
            .route("/auth-pages.js", get(script));
        for page in Page::ALL {
            router = router.route(&format!("/{}", page.name()), visit::route(*page));
        }
        let service = Service { auth, options: Arc::clone(&options) };
        let router = router
            .method_not_allowed_fallback(method_not_allowed)
            .with_state(PageService { service, site });
        Ok(layered(router, &options))
    }
}

/// What a page is made with.
#[derive(Clone)]
struct PageService {
    service: Service,
    site: Arc<Site>,
}

impl FromRef<PageService> for Arc<HttpOptions> {
    fn from_ref(pages: &PageService) -> Self {
        Self::clone(&pages.service.options)
    }
}

/// An hour: who replaces style or script waits no longer for everybody to have it.
const KEPT: &str = "public, max-age=3600";

async fn stylesheet(State(pages): State<PageService>) -> impl IntoResponse {
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, KEPT)];
    (headers, pages.site.stylesheet.clone())
}

async fn script() -> impl IntoResponse {
    let content_type = "text/javascript; charset=utf-8";
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, KEPT)];
    (headers, include_str!("../../pages/auth-pages.js"))
}
