//! What is asked, and of which kinds of address: the groups whose answers must not tell them apart.

/// One endpoint, and the states of an address that must look alike there.
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) call: Call,
    /// Of every answer.
    pub(crate) status: u16,
    pub(crate) states: Vec<State>,
    pub(crate) standing: Standing,
    /// What is measured.
    pub(crate) measured: Measured,
}

/// Whether the bar applies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Held,
    /// Known to differ: measured to say by how much.
    Reference,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measured {
    /// The request about the address.
    Itself,
    /// The next request on the connection, which is about an unknown address and goes out as soon as the
    /// answer is there.
    NextRequest,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Login,
    Register,
    Forgot,
    Resend,
    /// With a token that nobody issued.
    Verify,
    /// With a token that nobody issued.
    Reset,
}

/// What an address is like before it is asked about.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) name: &'static str,
    pub(crate) account: Option<Account>,
    pub(crate) past: Past,
    /// What is sent as the password where the call has one.
    pub(crate) password: Typed,
}

#[derive(Clone)]
pub(crate) enum Typed {
    /// A wrong one, another for each request: what memory Argon2id reads, and so a little of its time, goes by
    /// password and salt.
    Guess,
    /// The same each time.
    This(String),
}

#[derive(Clone, Copy)]
pub(crate) struct Account {
    pub(crate) hash: Hash,
    pub(crate) verified: bool,
    pub(crate) disabled: bool,
}

/// What is stored as the password's hash.
#[derive(Clone, Copy)]
pub(crate) enum Hash {
    /// Today's Argon2id of something else, under a salt of its own.
    Today,
    /// Today's Argon2id of [`RIGHT`].
    OfRight,
    Absent,
    /// As it stands here.
    Text(&'static str),
}

/// What happened to an address before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    Nothing,
    /// So many wrong guesses that only a reset helps.
    Locked,
    /// A reset link is out.
    LiveReset,
    /// As many mails of the kind that the call asks for as it may have.
    MailCap,
}

pub(crate) const RIGHT: &str = "correct horse battery";

/// Of something else, as the replaced system stored it.
const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
/// Of something else; under a third of today's memory times passes.
const WEAK_ARGON2: &str = "$argon2id$v=19$m=4096,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$\
    9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
/// Of something else; four times today's time.
const BCRYPT_10: &str = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
const MALFORMED: &str = "$argon2id$v=19$m=19456,t=2,p=1$cut off";

const ORDINARY: Account = Account { hash: Hash::Today, verified: true, disabled: false };

fn unknown() -> State {
    State { name: "unknown", account: None, past: Past::Nothing, password: Typed::Guess }
}

fn known() -> State {
    account("known", ORDINARY)
}

fn account(name: &'static str, account: Account) -> State {
    State { name, account: Some(account), ..unknown() }
}

fn unverified() -> State {
    account("unverified", Account { verified: false, ..ORDINARY })
}

fn disabled() -> State {
    account("disabled", Account { disabled: true, ..ORDINARY })
}

fn stored(name: &'static str, hash: Hash) -> State {
    account(name, Account { hash, ..ORDINARY })
}

fn passwordless() -> State {
    stored("no password", Hash::Absent)
}

impl State {
    fn after(self, past: Past) -> Self {
        Self { past, ..self }
    }

    fn called(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    fn with_password(self, password: &str) -> Self {
        Self { password: Typed::This(password.to_owned()), ..self }
    }
}

impl Group {
    fn held(title: &'static str, call: Call, status: u16, states: impl Into<Vec<State>>) -> Self {
        let (standing, measured) = (Standing::Held, Measured::Itself);
        Self { title, call, status, states: states.into(), standing, measured }
    }

    fn for_reference(self) -> Self {
        Self { standing: Standing::Reference, ..self }
    }

    fn by_the_next_request(self) -> Self {
        Self { measured: Measured::NextRequest, ..self }
    }

    /// Every two states, each pair once.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let states = self.states.len();
        (0..states).flat_map(move |first| (first + 1..states).map(move |second| (first, second)))
    }
}

/// All of them, those first that must hold the bar.
pub(crate) fn groups() -> Vec<Group> {
    [logins(), mails(), tokens(), references()].into_iter().flatten().collect()
}

/// What a server without the equal cost of a login betrays first.
pub(crate) fn undefended() -> Group {
    Group::held("login, undefended", Call::Login, 401, [unknown(), known()])
}

fn unverified_who_knows() -> State {
    let of_right = Account { hash: Hash::OfRight, verified: false, ..ORDINARY };
    account("unverified, right password", of_right).with_password(RIGHT)
}

fn logins() -> Vec<Group> {
    let states = [
        unknown(),
        known(),
        unverified(),
        unverified_who_knows(),
        disabled(),
        passwordless(),
        stored("SHA-256", Hash::Text(SHA256)),
        stored("weaker Argon2id", Hash::Text(WEAK_ARGON2)),
        stored("malformed hash", Hash::Text(MALFORMED)),
    ];
    let empty = [unknown(), known()].map(|state| state.with_password(""));
    let long = [unknown(), known()].map(|state| state.with_password(&"x".repeat(5_000)));
    let locked = [unknown(), known(), disabled()].map(|state| state.after(Past::Locked));
    vec![
        Group::held("login", Call::Login, 401, states),
        Group::held("login, empty password", Call::Login, 400, empty),
        Group::held("login, password of 5,000 bytes", Call::Login, 400, long),
        Group::held("login, locked", Call::Login, 429, locked),
    ]
}

fn mails() -> Vec<Group> {
    let taken = [
        unknown().called("free"),
        known().called("taken"),
        unverified().called("taken, unverified"),
    ];
    let states = [unknown(), known(), unverified(), disabled(), passwordless()];
    let capped = |state: State| state.called("mail cap reached").after(Past::MailCap);
    let forgot = [&states[..], &[capped(known())]].concat();
    let resend = [&states[..], &[capped(unverified())]].concat();
    vec![
        Group::held("register", Call::Register, 202, taken.map(|state| state.with_password(RIGHT))),
        Group::held("forgot-password", Call::Forgot, 200, forgot),
        Group::held("verify-email/resend", Call::Resend, 202, resend),
    ]
}

fn tokens() -> Vec<Group> {
    let link_out = known().called("known, link out").after(Past::LiveReset);
    vec![
        Group::held(
            "verify-email, forged token",
            Call::Verify,
            400,
            [unknown(), known(), unverified()],
        ),
        Group::held(
            "reset-password, forged token",
            Call::Reset,
            400,
            [unknown(), known(), link_out],
        ),
    ]
}

fn references() -> Vec<Group> {
    let dearer = [unknown(), stored("bcrypt of cost 10", Hash::Text(BCRYPT_10))];
    let behind = |title, call, status, known| {
        Group::held(title, call, status, [unknown(), known]).for_reference().by_the_next_request()
    };
    let one_guess = [unknown(), known()].map(|state| state.with_password("one guess at everybody"));
    vec![
        Group::held("login, the same guess each time", Call::Login, 401, one_guess).for_reference(),
        Group::held("login, dearer hash", Call::Login, 401, dearer).for_reference(),
        behind("the request behind forgot-password", Call::Forgot, 200, known()),
        behind("the request behind verify-email/resend", Call::Resend, 202, unverified()),
    ]
}
