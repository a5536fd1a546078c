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

pub(crate) const ACCOUNT_DELETED: Sentences =
    Sentences { en: "Your account is deleted.", ko: "계정이 삭제되었습니다." };

pub(crate) const EMAIL_CHANGED: Sentences = Sentences {
    en: "Your account has its new address. Log in with it.",
    ko: "이메일이 변경되었습니다. 새 이메일로 로그인해 주세요.",
};

pub(crate) const EMAIL_CHANGE_REQUESTED: Sentences = Sentences {
    en: "A mail with a link is on its way to the new address.",
    ko: "새 이메일로 확인 링크가 발송됩니다.",
};

pub(crate) const EMAIL_VERIFIED: Sentences =
    Sentences { en: "Your address is confirmed.", ko: "이메일이 확인되었습니다." };

pub(crate) const LOGGED_IN: Sentences =
    Sentences { en: "You are logged in.", ko: "로그인되었습니다." };

pub(crate) const LOGGED_OUT: Sentences =
    Sentences { en: "You are logged out.", ko: "로그아웃되었습니다." };

pub(crate) const PASSWORD_CHANGED: Sentences = Sentences {
    en: "Your new password is set. All other sessions are over.",
    ko: "새 비밀번호가 설정되었습니다. 다른 세션은 모두 종료되었습니다.",
};

pub(crate) const PASSWORD_RESET: Sentences = Sentences {
    en: "Your new password is set. Log in with it.",
    ko: "새 비밀번호가 설정되었습니다. 새 비밀번호로 로그인해 주세요.",
};

pub(crate) const REFRESHED: Sentences =
    Sentences { en: "Your session goes on.", ko: "세션이 연장되었습니다." };

pub(crate) const REGISTERED: Sentences =
    Sentences { en: "Your account is made.", ko: "회원가입이 완료되었습니다." };

pub(crate) const REGISTRATION_MAILED: Sentences = Sentences {
    en: "A mail is on its way to this address. Follow it to go on.",
    ko: "이 이메일로 메일이 발송됩니다. 메일의 안내를 따라 주세요.",
};

pub(crate) const RESET_REQUESTED: Sentences = Sentences {
    en: "If there is an account with this address, a mail with a link is on its way.",
    ko: "가입된 이메일이라면 비밀번호 재설정 링크가 발송됩니다.",
};

pub(crate) const SESSIONS_ENDED: Sentences =
    Sentences { en: "All sessions are over.", ko: "모든 세션이 종료되었습니다." };

pub(crate) const SESSION_ENDED: Sentences =
    Sentences { en: "The session is over.", ko: "세션이 종료되었습니다." };

pub(crate) const VERIFICATION_REQUESTED: Sentences = Sentences {
    en: "If this address is to be confirmed, a mail with a link is on its way.",
    ko: "확인이 필요한 이메일이라면 확인 링크가 발송됩니다.",
};
