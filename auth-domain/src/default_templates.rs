//! The mails that come with this library: which sentences stand in which mail.

mod letter;

use std::sync::LazyLock;
use std::time::Duration;

use crate::{
    LinkMail, Locale, MailContent, MailTemplates, MessageValue, Messages, MessagesError, NoticeMail,
};
use letter::{Letter, Link};

static BUILT_IN: LazyLock<Messages> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "files of this crate, which its tests read")]
    built_in().expect("the files of this crate are Fluent")
});

fn built_in() -> Result<Messages, MessagesError> {
    Messages::new(Locale::EN, include_str!("../messages/en.ftl"))?
        .with_language(Locale::KO, include_str!("../messages/ko.ftl"))
}

/// The mails that come with this library, in English and Korean, and in the languages that you add. Who
/// prefers another gets English.
///
/// ```
/// use auth_domain::{DefaultTemplates, Locale};
///
/// // What it lacks is said in English; auth-domain/messages/en.ftl has every sentence.
/// let french = "password-reset-subject = Votre mot de passe { $service }";
/// let templates = DefaultTemplates::new("Example")
///     .with_support_contact("help@example.com")
///     .with_language(Locale::parse("fr")?, french)?
///     .with_language(Locale::EN, "password-reset-action = Choose a password")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// To look at them: `cargo run --example mail_preview`.
#[derive(Clone, Debug)]
pub struct DefaultTemplates {
    messages: Messages,
    service_name: String,
    support_contact: Option<String>,
}

impl DefaultTemplates {
    /// Words mails in the name of `service_name`.
    pub fn new(service_name: impl Into<String>) -> Self {
        Self {
            messages: BUILT_IN.clone(),
            service_name: service_name.into(),
            support_contact: None,
        }
    }

    /// The same wording with whom to contact, such as an address or a page: for who lost his account.
    #[must_use]
    pub fn with_support_contact(self, contact: impl Into<String>) -> Self {
        Self { support_contact: Some(contact.into()), ..self }
    }

    /// The same with one more language, or, of one that is there, with single sentences worded anew: a Fluent
    /// file with ids of `auth-domain/messages/en.ftl`.
    ///
    /// # Errors
    /// [`MessagesError`] as for [`Messages::with_language`].
    pub fn with_language(self, locale: Locale, ftl: &str) -> Result<Self, MessagesError> {
        Ok(Self { messages: self.messages.with_language(locale, ftl)?, ..self })
    }

    /// What the mails say: its languages, and what each lacks.
    pub const fn messages(&self) -> &Messages {
        &self.messages
    }

    fn notice(&self, name: &str, mail: &NoticeMail) -> MailContent {
        self.letter(name, mail.locale, None)
    }

    fn link(&self, name: &str, mail: &LinkMail) -> MailContent {
        self.letter(name, mail.locale, Some(mail))
    }

    fn letter(&self, name: &str, locale: Locale, link: Option<&LinkMail>) -> MailContent {
        let support = self.support(locale);
        let life = link.map(|mail| self.life(locale, mail.life)).unwrap_or_default();
        let values: [(&str, MessageValue<'_>); 3] = [
            ("life", life.as_str().into()),
            ("service", self.service_name.as_str().into()),
            ("support", support.as_str().into()),
        ];
        let say = |part: &str| self.messages.text(locale, &format!("{name}-{part}"), &values);
        let link = link.map(|mail| Link {
            address: &mail.link,
            action: say("action"),
            in_full: self.messages.text(locale, "link-in-full", &[]),
        });
        let letter = Letter {
            locale: self.messages.language_of(locale, &format!("{name}-opening")),
            subject: one_line(&say("subject")),
            opening: say("opening"),
            link,
            closing: say("closing"),
        };
        letter.into_content()
    }

    fn support(&self, locale: Locale) -> String {
        self.support_contact.clone().unwrap_or_else(|| {
            let service = self.service_name.as_str();
            self.messages.text(locale, "support-unnamed", &[("service", service.into())])
        })
    }

    /// In whole hours, if it is some, or in minutes, rounded up.
    fn life(&self, locale: Locale, life: Duration) -> String {
        let minutes = life.as_secs().div_ceil(60);
        let (id, unit, count) = if minutes.is_multiple_of(60) {
            ("life-hours", "hours", minutes / 60)
        } else {
            ("life-minutes", "minutes", minutes)
        };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.messages.text(locale, id, &[(unit, count.into())])
    }
}

/// A name with a line break would end the header.
fn one_line(subject: &str) -> String {
    subject.replace(char::is_control, " ")
}

impl MailTemplates for DefaultTemplates {
    fn account_deleted(&self, mail: &NoticeMail) -> MailContent {
        self.notice("account-deleted", mail)
    }

    fn account_exists(&self, mail: &NoticeMail) -> MailContent {
        self.notice("account-exists", mail)
    }

    fn confirm_new_email(&self, mail: &LinkMail) -> MailContent {
        self.link("confirm-new-email", mail)
    }

    fn email_changed(&self, mail: &NoticeMail) -> MailContent {
        self.notice("email-changed", mail)
    }

    fn password_changed(&self, mail: &NoticeMail) -> MailContent {
        self.notice("password-changed", mail)
    }

    fn password_reset(&self, mail: &LinkMail) -> MailContent {
        self.link("password-reset", mail)
    }

    fn verify_email(&self, mail: &LinkMail) -> MailContent {
        self.link("verify-email", mail)
    }
}

#[cfg(test)]
mod tests {
    use std::iter::zip;

    use zeroize::Zeroizing;

    use super::*;

    const LINK: &str = "https://example.com/reset?lang=ko&token=A.B";
    const NOTICES: [&str; 4] =
        ["account-deleted", "account-exists", "email-changed", "password-changed"];
    const LINKS: [&str; 3] = ["confirm-new-email", "password-reset", "verify-email"];

    fn link_mail(locale: Locale) -> LinkMail {
        LinkMail::new(locale, Zeroizing::new(LINK.to_owned()), Duration::from_hours(1))
    }

    fn notices(templates: &DefaultTemplates, locale: Locale) -> [MailContent; 4] {
        let notice = NoticeMail::new(locale);
        [
            templates.account_deleted(&notice),
            templates.account_exists(&notice),
            templates.email_changed(&notice),
            templates.password_changed(&notice),
        ]
    }

    fn links(templates: &DefaultTemplates, locale: Locale) -> [MailContent; 3] {
        let mail = link_mail(locale);
        [
            templates.confirm_new_email(&mail),
            templates.password_reset(&mail),
            templates.verify_email(&mail),
        ]
    }

    fn every_mail(templates: &DefaultTemplates, locale: Locale) -> Vec<MailContent> {
        [notices(templates, locale).to_vec(), links(templates, locale).to_vec()].concat()
    }

    fn is_hangul(letter: char) -> bool {
        ('\u{ac00}'..='\u{d7a3}').contains(&letter)
    }

    #[test]
    fn every_sentence_stands_in_a_mail_and_every_mail_has_its_sentences() {
        let of = |names: &[&str], parts: &[&str]| -> Vec<String> {
            let name = |name: &&str| parts.iter().map(|part| format!("{name}-{part}")).collect();
            names.iter().flat_map(|it| -> Vec<String> { name(it) }).collect()
        };
        let mut said = of(&NOTICES, &["subject", "opening", "closing"]);
        said.extend(of(&LINKS, &["subject", "opening", "action", "closing"]));
        let parts = ["life-hours", "life-minutes", "link-in-full", "support-unnamed"];
        said.extend(parts.map(str::to_owned));
        said.sort_unstable();
        assert_eq!(built_in().unwrap().ids().collect::<Vec<_>>(), said);
    }

    #[test]
    fn every_built_in_language_is_complete_and_in_its_own_letters() {
        let templates = DefaultTemplates::new("Example");
        let locales: Vec<_> = templates.messages().locales().collect();
        assert_eq!(locales, [Locale::EN, Locale::KO]);
        for locale in locales {
            assert_eq!(templates.messages().missing(locale).collect::<Vec<_>>(), [""; 0]);
            for mail in every_mail(&templates, locale) {
                for line in [&mail.subject, &mail.text.replace(LINK, "")] {
                    assert_eq!(line.is_ascii(), locale == Locale::EN, "{line}");
                    assert_eq!(line.chars().any(is_hangul), locale == Locale::KO, "{line}");
                }
            }
        }
    }

    #[test]
    fn each_mail_has_its_own_subject_and_its_link_alone_on_its_line() {
        let templates = DefaultTemplates::new("Example");
        let mut subjects = Vec::new();
        for locale in [Locale::EN, Locale::KO] {
            for mail in notices(&templates, locale) {
                assert!(!mail.text.contains("://") && !mail.html.contains("<a"));
                subjects.push(mail.subject);
            }
            for mail in links(&templates, locale) {
                assert_eq!(mail.text.lines().filter(|line| *line == LINK).count(), 1);
                assert_eq!(mail.text.matches("://").count(), 1);
                subjects.push(mail.subject);
            }
        }
        subjects.sort_unstable();
        subjects.dedup();
        assert_eq!(subjects.len(), 14);
    }

    #[test]
    fn names_and_contacts_are_data_in_every_part_of_a_mail() {
        let name = "Ann & Bob's <shop> { $life }\r\nBcc: x";
        let templates = DefaultTemplates::new(name).with_support_contact("<b>\"{ -x }\"</b>");
        for locale in [Locale::EN, Locale::KO] {
            let (named, plain) = (
                every_mail(&templates, locale),
                every_mail(&DefaultTemplates::new("Example"), locale),
            );
            for (mail, plain) in zip(&named, &plain) {
                assert!(!mail.subject.contains(char::is_control), "{}", mail.subject);
                assert!(mail.subject.contains("<shop> { $life }  Bcc: x"), "{}", mail.subject);
                assert!(mail.text.contains("Ann & Bob's <shop> { $life }"));
                assert!(mail.html.contains("Ann &amp; Bob's &lt;shop&gt; { $life }"));
                assert_eq!(mail.html.matches('<').count(), plain.html.matches('<').count());
            }
        }
    }

    #[test]
    fn who_lost_his_account_is_told_whom_to_contact() {
        let named = DefaultTemplates::new("Example").with_support_contact("help@example.com");
        for locale in [Locale::EN, Locale::KO] {
            let notice = NoticeMail::new(locale);
            assert!(named.email_changed(&notice).text.contains("help@example.com"));
            assert!(named.account_deleted(&notice).text.contains("help@example.com"));
        }
        let deleted = DefaultTemplates::new("Example").account_deleted(&NoticeMail::default());
        assert!(deleted.text.contains("contact the people who run Example."));
    }

    #[test]
    fn lives_are_said_in_the_unit_that_fits() {
        let templates = DefaultTemplates::new("Example");
        for (locale, minutes, said) in [
            (Locale::EN, 60, "1 hour"),
            (Locale::EN, 1440, "24 hours"),
            (Locale::EN, 90, "90 minutes"),
            (Locale::EN, 1, "1 minute"),
            (Locale::KO, 30, "30분"),
            (Locale::KO, 120, "2시간"),
        ] {
            assert_eq!(templates.life(locale, Duration::from_mins(minutes)), said);
        }
        assert!(templates.life(Locale::EN, Duration::MAX).starts_with("4294967295 "));
    }

    #[test]
    fn a_language_that_was_added_is_written_and_any_other_is_english() {
        let french = "password-reset-opening = Bonjour de { $service }.";
        let fr = Locale::parse("fr-CA").unwrap();
        let templates = DefaultTemplates::new("Example").with_language(fr, french).unwrap();
        let mail = templates.password_reset(&link_mail(fr));
        assert!(mail.text.starts_with("Bonjour de Example.\n\n"));
        assert!(mail.html.contains("<html lang=\"fr-CA\" dir=\"ltr\">"));
        assert_eq!(mail.subject, "Reset your Example password");
        for unknown in ["fr", "xx"] {
            let mail = templates.password_reset(&link_mail(Locale::parse(unknown).unwrap()));
            assert!(mail.text.starts_with("Somebody asked"));
            assert!(mail.html.contains("<html lang=\"en\" dir=\"ltr\">"));
        }
    }
}
