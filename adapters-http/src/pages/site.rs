use std::borrow::Cow;

use auth_domain::{Locale, Messages};
use minijinja::value::Value;
use minijinja::{Environment, ErrorKind, State, UndefinedBehavior, context};

use super::page::Page;
use super::{Pages, PagesError};

/// Every template, by the name that it can be replaced under.
pub(super) const TEMPLATES: &[(&str, &str)] = &[
    ("confirm-email.html", include_str!("../../pages/confirm-email.html")),
    ("forgot-password.html", include_str!("../../pages/forgot-password.html")),
    ("layout.html", include_str!("../../pages/layout.html")),
    (OUTCOME, include_str!("../../pages/outcome.html")),
    ("reset-password.html", include_str!("../../pages/reset-password.html")),
    ("verify-email.html", include_str!("../../pages/verify-email.html")),
];

const OUTCOME: &str = "outcome.html";
const LANGUAGE_NAME: &str = "page-language-name";

pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, source) in TEMPLATES {
        // Those that come with the crate can be read: a test renders them all.
        let _ = environment.add_template(name, source);
    }
    environment
}

/// Templates, words and style, put together.
pub(super) struct Site {
    environment: Environment<'static>,
    pub(super) messages: Messages,
    log_in_url: Option<String>,
    service_name: String,
    pub(super) stylesheet: Cow<'static, str>,
}

/// What a template is given. No password: none is ever shown again.
#[derive(Clone, Default)]
pub(super) struct View<'a> {
    pub(super) lang: &'a str,
    pub(super) direction: &'static str,
    pub(super) languages: Vec<Language>,
    pub(super) page: &'static str,
    pub(super) action: String,
    pub(super) forgot_password: String,
    pub(super) token: &'a str,
    pub(super) email: &'a str,
    pub(super) error: Option<String>,
    pub(super) field: Option<&'static str>,
    pub(super) done: Option<String>,
    pub(super) next: Option<&'static str>,
}

/// A language that the page can be had in.
#[derive(Clone)]
pub(super) struct Language {
    pub(super) tag: String,
    pub(super) name: String,
}

impl Language {
    fn value(&self) -> Value {
        context! { tag => self.tag.as_str(), name => self.name.as_str() }
    }
}

impl Site {
    pub(super) fn new(pages: Pages) -> Result<Self, PagesError> {
        let Pages { mut environment, log_in_url, options, service_name, stylesheet } = pages;
        let (messages, service) = (options.messages.clone(), service_name.clone());
        environment.add_function("t", move |state: &State<'_, '_>, id: &str| {
            let lang = state.lookup("lang").unwrap_or_default();
            let locale = Locale::parse(lang.as_str().unwrap_or_default()).unwrap_or_default();
            let is_known = messages.ids().any(|known| known == id);
            if !is_known || messages.variables(id).any(|variable| variable != "service") {
                let problem = format!("there is no message {id} that a template can say");
                return Err(minijinja::Error::new(ErrorKind::InvalidOperation, problem));
            }
            Ok(messages.text(locale, id, &[("service", service.as_str().into())]))
        });
        let messages = options.messages;
        let site = Self { environment, messages, log_in_url, service_name, stylesheet };
        site.try_out()?;
        Ok(site)
    }

    /// Renders each page in each language and state: what cannot be rendered is found before anybody asks
    /// for it.
    fn try_out(&self) -> Result<(), PagesError> {
        for (locale, page) in self.messages.locales().flat_map(each_page) {
            let view = View { lang: locale.tag(), page: page.name(), ..View::default() };
            for view in each_state(&view, page) {
                self.form(&view).map_err(|error| PagesError::of(&template(page.name()), error))?;
                self.outcome(&view).map_err(|error| PagesError::of(OUTCOME, error))?;
            }
        }
        Ok(())
    }

    pub(super) fn form(&self, view: &View<'_>) -> Result<String, minijinja::Error> {
        self.render(&template(view.page), view)
    }

    pub(super) fn outcome(&self, view: &View<'_>) -> Result<String, minijinja::Error> {
        self.render(OUTCOME, view)
    }

    fn render(&self, name: &str, view: &View<'_>) -> Result<String, minijinja::Error> {
        let languages: Vec<Value> = view.languages.iter().map(Language::value).collect();
        self.environment.get_template(name)?.render(context! {
            service => self.service_name.as_str(),
            log_in_url => self.log_in_url.as_deref(),
            lang => view.lang,
            direction => view.direction,
            languages => languages,
            page => view.page,
            action => view.action.as_str(),
            forgot_password => view.forgot_password.as_str(),
            token => view.token,
            email => view.email,
            error => view.error.as_deref(),
            field => view.field,
            done => view.done.as_deref(),
            next => view.next,
        })
    }

    /// The language that pages are in for who prefers `locale`: one that has a name for itself. Whoever adds
    /// one that has none words answers in it, and not pages.
    pub(super) fn language_of(&self, locale: Locale) -> Locale {
        self.messages.language_of(locale, LANGUAGE_NAME)
    }

    /// Those that pages are in, each by its name for itself.
    pub(super) fn languages(&self) -> Vec<Language> {
        let ours = self.messages.locales().filter(|locale| self.language_of(*locale) == *locale);
        let named = |locale: Locale| Language {
            tag: locale.tag().to_owned(),
            name: self.messages.text(locale, LANGUAGE_NAME, &[]),
        };
        ours.map(named).collect()
    }
}

fn each_page(locale: Locale) -> impl Iterator<Item = (Locale, Page)> {
    Page::ALL.iter().map(move |page| (locale, *page))
}

/// As it is first shown, with what may be wrong, and done.
fn each_state<'a>(view: &View<'a>, page: Page) -> Vec<View<'a>> {
    let some = || Some("...".to_owned());
    let language = Language { tag: "en".to_owned(), name: "...".to_owned() };
    let mut states = vec![
        View { languages: vec![language], ..view.clone() },
        View { error: some(), next: Some("forgot-password"), ..view.clone() },
        View { done: some(), next: Some("log-in"), ..view.clone() },
    ];
    states.extend(page.fields().map(|name| View {
        error: some(),
        field: Some(name),
        ..view.clone()
    }));
    states
}

fn template(page: &str) -> String {
    format!("{page}.html")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that no template asks for.
    const BY_THE_CODE: [&str; 4] =
        ["page-at-least", "page-at-most", "page-language-name", "page-no-link"];

    #[test]
    fn each_sentence_of_a_page_is_there_and_each_that_is_there_is_said() {
        let asked = TEMPLATES.iter().flat_map(|(_, source)| source.split("t(\"").skip(1));
        let mut said: Vec<_> = asked.map(|rest| rest.split('"').next().unwrap()).collect();
        said.extend(BY_THE_CODE);
        said.sort_unstable();
        said.dedup();
        let messages = crate::messages();
        let there: Vec<_> = messages.ids().filter(|id| id.starts_with("page-")).collect();
        assert_eq!(said, there);
    }
}
