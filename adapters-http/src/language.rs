use auth_domain::Locale;

/// One sentence in every language.
#[derive(Debug)]
pub(crate) struct Sentences {
    pub(crate) en: &'static str,
    pub(crate) ko: &'static str,
}

impl Sentences {
    pub(crate) const fn in_language(&self, locale: Locale) -> &'static str {
        match locale {
            Locale::Ko => self.ko,
            _ => self.en,
        }
    }
}

pub(crate) const LOGGED_IN: Sentences =
    Sentences { en: "You are logged in.", ko: "로그인되었습니다." };

pub(crate) const PASSWORD_RESET: Sentences = Sentences {
    en: "Your new password is set. Log in with it.",
    ko: "새 비밀번호가 설정되었습니다. 새 비밀번호로 로그인해 주세요.",
};

pub(crate) const REGISTERED: Sentences =
    Sentences { en: "Your account is made.", ko: "회원가입이 완료되었습니다." };

pub(crate) const RESET_REQUESTED: Sentences = Sentences {
    en: "If there is an account with this address, a mail with a link is on its way.",
    ko: "가입된 이메일이라면 비밀번호 재설정 링크가 발송됩니다.",
};
