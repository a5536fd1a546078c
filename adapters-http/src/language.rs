//! What answers say, and in which language. The sentences themselves are in `messages/`.

use std::sync::LazyLock;

use auth_domain::{Locale, Messages, MessagesError};
use axum::http::{HeaderMap, HeaderValue, header};

static BUILT_IN: LazyLock<Messages> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "files of this crate, which its tests read")]
    built_in().expect("the files of this crate are Fluent")
});

/// The sentences that come with this crate, in English (the reference) and Korean, for answers and pages.
/// [`HttpOptions::messages`](crate::HttpOptions::messages) takes them with another language or wording.
pub fn messages() -> Messages {
    BUILT_IN.clone()
}

fn built_in() -> Result<Messages, MessagesError> {
    Messages::new(Locale::EN, include_str!("../messages/en.ftl"))?
        .with_language(Locale::KO, include_str!("../messages/ko.ftl"))
}

/// Says in which language an answer is.
pub(crate) fn set_content_language(headers: &mut HeaderMap, locale: Locale) {
    // A tag has no character that a header has not.
    if let Ok(tag) = HeaderValue::from_str(locale.tag()) {
        headers.insert(header::CONTENT_LANGUAGE, tag);
    }
}

/// The id of what an answer says.
#[derive(Debug)]
pub(crate) struct Answer(&'static str);

impl Answer {
    pub(crate) const fn id(&self) -> &'static str {
        self.0
    }
}

macro_rules! answers {
    ($($name:ident = $id:literal;)*) => {
        $(pub(crate) const $name: Answer = Answer($id);)*

        #[cfg(test)]
        const ANSWERS: &[&Answer] = &[$(&$name,)*];
    };
}

answers! {
    ACCOUNT_DELETED = "answer-account-deleted";
    EMAIL_CHANGED = "answer-email-changed";
    EMAIL_CHANGE_REQUESTED = "answer-email-change-requested";
    EMAIL_VERIFIED = "answer-email-verified";
    LOGGED_IN = "answer-logged-in";
    LOGGED_OUT = "answer-logged-out";
    PASSWORD_CHANGED = "answer-password-changed";
    PASSWORD_RESET = "answer-password-reset";
    REFRESHED = "answer-refreshed";
    REGISTERED = "answer-registered";
    REGISTRATION_MAILED = "answer-registration-mailed";
    RESET_REQUESTED = "answer-reset-requested";
    SESSIONS_ENDED = "answer-sessions-ended";
    SESSION_ENDED = "answer-session-ended";
    VERIFICATION_REQUESTED = "answer-verification-requested";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem;

    /// Ids that pages say, which are not in this crate's code but in its templates.
    const PAGES: &str = "page-";

    #[test]
    fn whatever_is_said_has_its_sentence_and_each_sentence_is_said() {
        let messages = built_in().unwrap();
        let answers = ANSWERS.iter().map(|answer| answer.id().to_owned());
        let mut said: Vec<_> = answers.chain(problem::message_ids()).collect();
        said.sort_unstable();
        let there: Vec<_> = messages.ids().filter(|id| !id.starts_with(PAGES)).collect();
        assert_eq!(said, there);
    }

    #[test]
    fn every_built_in_language_is_complete_and_in_its_own_letters() {
        let messages = built_in().unwrap();
        let is_hangul = |letter: char| ('\u{ac00}'..='\u{d7a3}').contains(&letter);
        let locales: Vec<_> = messages.locales().collect();
        assert_eq!(locales, [Locale::EN, Locale::KO]);
        for locale in locales {
            assert_eq!(messages.missing(locale).collect::<Vec<_>>(), [""; 0], "{locale}");
            for id in messages.ids() {
                let values = messages.variables(id).map(|name| (name, 5_u32.into()));
                let text = messages.text(locale, id, &values.collect::<Vec<_>>());
                assert_ne!(text, id);
                assert_eq!(text.chars().any(is_hangul), locale == Locale::KO, "{id}");
                assert_eq!(text.is_ascii(), locale == Locale::EN, "{id}");
            }
        }
    }
}
