use std::time::Duration;

use zeroize::Zeroizing;

use crate::{LinkMail, Locale, MailContent, MailTemplates, NoticeMail};

/// The wording that comes with this library, in English and Korean.
#[derive(Clone, Debug)]
pub struct DefaultTemplates {
    service_name: String,
    support_contact: Option<String>,
}

impl DefaultTemplates {
    /// Words mails in the name of `service_name`.
    pub fn new(service_name: impl Into<String>) -> Self {
        Self { service_name: service_name.into(), support_contact: None }
    }

    /// The same wording with whom to contact, such as an address or a page: for who lost his account.
    #[must_use]
    pub fn with_support_contact(self, contact: impl Into<String>) -> Self {
        Self { support_contact: Some(contact.into()), ..self }
    }

    fn support(&self, locale: Locale) -> String {
        match (&self.support_contact, locale) {
            (Some(contact), _) => contact.clone(),
            (None, locale) if locale != Locale::KO => {
                format!("the people who run {}", self.service_name)
            }
            (None, _) => format!("{} 운영팀", self.service_name),
        }
    }
}

impl MailTemplates for DefaultTemplates {
    fn account_deleted(&self, mail: &NoticeMail) -> MailContent {
        let service = &self.service_name;
        let support = self.support(mail.locale);
        match mail.locale {
            locale if locale != Locale::KO => content(
                mail.locale,
                format!("Your {service} account was deleted"),
                &format!("Your {service} account and what it held were just deleted."),
                None,
                &format!("If it was not you, contact {support}."),
            ),
            _ => content(
                mail.locale,
                format!("{service} 계정이 삭제되었습니다"),
                &format!("{service} 계정과 계정에 저장된 정보가 방금 삭제되었습니다."),
                None,
                &format!("본인이 삭제하지 않았다면 {support}(으)로 문의하세요."),
            ),
        }
    }

    fn account_exists(&self, mail: &NoticeMail) -> MailContent {
        let service = &self.service_name;
        match mail.locale {
            locale if locale != Locale::KO => content(
                mail.locale,
                format!("Your {service} account is there already"),
                &format!(
                    "Somebody tried to sign up to {service} with this address, which has an account."
                ),
                None,
                "If it was you, log in, or reset your password if you do not know it. \
                 If it was not you, ignore this mail: nothing has changed.",
            ),
            _ => content(
                mail.locale,
                format!("{service} 계정이 이미 있습니다"),
                &format!(
                    "이 이메일로 {service} 회원가입이 시도되었으나, 이미 가입된 계정이 있습니다."
                ),
                None,
                "본인이라면 로그인하시고, 비밀번호를 모르면 비밀번호를 재설정하세요. \
                 본인이 아니라면 이 메일을 무시하세요. 변경된 내용은 없습니다.",
            ),
        }
    }

    fn confirm_new_email(&self, mail: &LinkMail) -> MailContent {
        let service = &self.service_name;
        let life = life_in_words(mail.locale, mail.life);
        match mail.locale {
            locale if locale != Locale::KO => content(
                mail.locale,
                format!("Confirm your new {service} address"),
                &format!("Somebody asked to use this address for an account at {service}."),
                Some((&mail.link, "Use this address")),
                &format!(
                    "The link works once and for {life}. You will then log in with this address, anew \
                     on every device. If it was not you, ignore this mail: nothing has changed."
                ),
            ),
            _ => content(
                mail.locale,
                format!("{service} 새 이메일 확인"),
                &format!("이 이메일을 {service} 계정에 사용하도록 요청되었습니다."),
                Some((&mail.link, "이 이메일 사용")),
                &format!(
                    "링크는 {life} 동안 한 번만 사용할 수 있습니다. 이후에는 모든 기기에서 이 이메일로 다시 \
                     로그인합니다. 본인이 요청하지 않았다면 이 메일을 무시하세요. 변경된 내용은 없습니다."
                ),
            ),
        }
    }

    fn email_changed(&self, mail: &NoticeMail) -> MailContent {
        let service = &self.service_name;
        let support = self.support(mail.locale);
        match mail.locale {
            locale if locale != Locale::KO => content(
                mail.locale,
                format!("Your {service} address was changed"),
                &format!("Your {service} account was just moved to another address."),
                None,
                &format!(
                    "If it was not you, contact {support} at once: this address no longer opens the account."
                ),
            ),
            _ => content(
                mail.locale,
                format!("{service} 이메일이 변경되었습니다"),
                &format!("{service} 계정의 이메일이 방금 다른 주소로 변경되었습니다."),
                None,
                &format!(
                    "본인이 변경하지 않았다면 즉시 {support}(으)로 문의하세요. \
                     이 주소로는 더 이상 계정에 접근할 수 없습니다."
                ),
            ),
        }
    }

    fn verify_email(&self, mail: &LinkMail) -> MailContent {
        let service = &self.service_name;
        let life = life_in_words(mail.locale, mail.life);
        match mail.locale {
            locale if locale != Locale::KO => content(
                mail.locale,
                format!("Confirm your {service} address"),
                &format!("Somebody signed up to {service} with this address."),
                Some((&mail.link, "Confirm the address")),
                &format!(
                    "The link works for {life}. If it was not you, do not use it: \
                     you would confirm an account whose password somebody else knows."
                ),
            ),
            _ => content(
                mail.locale,
                format!("{service} 이메일 확인"),
                &format!("이 이메일로 {service}에 가입이 요청되었습니다."),
                Some((&mail.link, "이메일 확인")),
                &format!(
                    "링크는 {life} 동안 사용할 수 있습니다. 본인이 가입하지 않았다면 링크를 사용하지 마세요. \
                     다른 사람이 비밀번호를 아는 계정을 확인하게 됩니다."
                ),
            ),
        }
    }

    fn password_reset(&self, mail: &LinkMail) -> MailContent {
        let service = &self.service_name;
        let life = life_in_words(mail.locale, mail.life);
        match mail.locale {
            locale if locale != Locale::KO => content(
                mail.locale,
                format!("Reset your {service} password"),
                &format!("Somebody asked to reset the password of your {service} account."),
                Some((&mail.link, "Set a new password")),
                &format!(
                    "The link works once and for {life}; only the newest link works. \
                     If it was not you, ignore this mail: nothing has changed."
                ),
            ),
            _ => content(
                mail.locale,
                format!("{service} 비밀번호 재설정"),
                &format!("{service} 계정의 비밀번호 재설정이 요청되었습니다."),
                Some((&mail.link, "새 비밀번호 설정")),
                &format!(
                    "링크는 {life} 동안 한 번만 사용할 수 있으며, 가장 최근에 받은 링크만 유효합니다. \
                     본인이 요청하지 않았다면 이 메일을 무시하세요. 변경된 내용은 없습니다."
                ),
            ),
        }
    }

    fn password_changed(&self, mail: &NoticeMail) -> MailContent {
        let service = &self.service_name;
        match mail.locale {
            locale if locale != Locale::KO => content(
                mail.locale,
                format!("Your {service} password was changed"),
                &format!("The password of your {service} account was just changed."),
                None,
                "If it was not you, somebody else knows your password or reads your mail: secure your \
                 mailbox first, then ask for a reset link and set another password.",
            ),
            _ => content(
                mail.locale,
                format!("{service} 비밀번호가 변경되었습니다"),
                &format!("{service} 계정의 비밀번호가 방금 변경되었습니다."),
                None,
                "본인이 변경하지 않았다면 다른 사람이 비밀번호를 알거나 메일을 볼 수 있는 상태입니다. 먼저 메일 \
                 계정을 안전하게 한 뒤, 비밀번호 재설정을 요청해 새 비밀번호를 설정하세요.",
            ),
        }
    }
}

fn content(
    locale: Locale,
    subject: String,
    opening: &str,
    link: Option<(&Zeroizing<String>, &str)>,
    closing: &str,
) -> MailContent {
    let link_text = link.map_or(String::new(), |(link, _)| format!("{}\n\n", link.as_str()));
    let link_html = link.map_or(String::new(), |(link, label)| {
        let href = html_escape::encode_double_quoted_attribute(link.as_str());
        format!("<p><a href=\"{href}\">{}</a></p>\n", html_escape::encode_text(label))
    });
    let text = format!("{opening}\n\n{link_text}{closing}\n");
    let html = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n\
         <body>\n<p>{}</p>\n{link_html}<p>{}</p>\n</body>\n</html>\n",
        locale.tag(),
        html_escape::encode_text(&subject),
        html_escape::encode_text(opening),
        html_escape::encode_text(closing),
    );
    MailContent { subject, text: Zeroizing::new(text), html: Zeroizing::new(html) }
}

fn life_in_words(locale: Locale, life: Duration) -> String {
    let minutes = life.as_secs().div_ceil(60);
    let (count, unit_en, unit_ko) = if minutes.is_multiple_of(60) {
        (minutes / 60, "hour", "시간")
    } else {
        (minutes, "minute", "분")
    };
    match locale {
        Locale::EN if count == 1 => format!("1 {unit_en}"),
        Locale::EN => format!("{count} {unit_en}s"),
        _ => format!("{count}{unit_ko}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCALES: &[Locale] = &[Locale::EN, Locale::KO];
    const LINK: &str = "https://example.com/reset?token=A.B";

    fn every_mail(templates: &DefaultTemplates, locale: Locale) -> [(MailContent, bool); 7] {
        let link = Zeroizing::new(LINK.to_owned());
        let mail = LinkMail { locale, link, life: Duration::from_hours(1) };
        let notice = NoticeMail { locale };
        [
            (templates.account_deleted(&notice), false),
            (templates.account_exists(&notice), false),
            (templates.confirm_new_email(&mail), true),
            (templates.email_changed(&notice), false),
            (templates.password_changed(&notice), false),
            (templates.password_reset(&mail), true),
            (templates.verify_email(&mail), true),
        ]
    }

    #[test]
    fn each_mail_has_its_own_words_in_each_language_and_its_link_alone_on_its_line() {
        let templates = DefaultTemplates::new("Ann & Bob's <shop>");
        let mut subjects = Vec::new();
        for locale in LOCALES {
            for (content, has_link) in every_mail(&templates, *locale) {
                assert_eq!(content.text.lines().any(|line| line == LINK), has_link);
                assert_eq!(content.html.contains(LINK), has_link);
                assert!(content.html.contains("Ann &amp; Bob") && !content.html.contains("<shop>"));
                let korean =
                    content.subject.chars().any(|c| ('\u{ac00}'..='\u{d7a3}').contains(&c));
                assert_eq!(korean, *locale == Locale::KO, "{}", content.subject);
                subjects.push(content.subject);
            }
        }
        subjects.sort_unstable();
        subjects.dedup();
        assert_eq!(subjects.len(), 7 * LOCALES.len());
    }

    #[test]
    fn who_lost_his_account_is_told_whom_to_contact() {
        let named = DefaultTemplates::new("Example").with_support_contact("help@example.com");
        for locale in LOCALES {
            let notice = NoticeMail { locale: *locale };
            assert!(named.email_changed(&notice).text.contains("help@example.com"));
            assert!(named.account_deleted(&notice).text.contains("help@example.com"));
        }
    }

    #[test]
    fn lives_are_said_in_the_unit_that_fits() {
        assert_eq!(life_in_words(Locale::EN, Duration::from_mins(60)), "1 hour");
        assert_eq!(life_in_words(Locale::EN, Duration::from_mins(90)), "90 minutes");
        assert_eq!(life_in_words(Locale::KO, Duration::from_mins(30)), "30분");
    }
}
