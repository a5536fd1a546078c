//! The import of accounts, over exports with good and bad rows, killed wherever it can be.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, abort};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use adapters_local::memory::MemoryUsers;
use adapters_local::{Argon2idHasher, Argon2idSettings, FirebaseScrypt, OsEntropy};
use adapters_sql::{SqlSettings, SqlStore};
use async_trait::async_trait;
use auth_domain::ports::{
    CredentialUpdate, EmailChange, EmailUpdate, Insert, PasswordHasher, Reservation, Update,
    UserKey, UserStore, Verification,
};
use auth_domain::{
    CredentialVersion, DisplayName, Email, Password, PortError, Timestamp, User, UserId,
};

#[path = "../import_users.rs"]
#[expect(dead_code, reason = "its command line is run as a program here")]
mod import_users;

use import_users::{Import, Tally};

const BCRYPT: &str = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const PBKDF2: &str =
    "pbkdf2_sha256$10000$kjVJaVz6qsnJ$5yPHw3rwJGECpUf70daLGhOrQ5+AMxIJdz1c3bqK1Rs=";

/// A folder of its own, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(self, name: &str, text: &str) -> Self {
        fs::write(self.0.join(name), text).unwrap();
        self
    }

    fn import(&self, export: &str, store: Option<Arc<dyn UserStore>>) -> Import {
        Import {
            export: self.0.join(export),
            state: self.0.join("state"),
            refused: self.0.join("refused"),
            settings: Argon2idSettings::default(),
            firebase: None,
            wrapper: None,
            store,
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

async fn found(store: &dyn UserStore, address: &str) -> User {
    store.find_by_email(&email(address)).await.unwrap().unwrap()
}

fn mixed() -> String {
    format!(
        "email,name,password_hash,user_id,created_at,email_verified,disabled,colour\n\
         Ann@Example.com,Ann,{BCRYPT},01234567-89ab-4def-8123-456789abcdef,2020-01-02T03:04:05Z,true,false,red\n\
         bob@example.com,\"Bob, the \"\"builder\"\"\",{PBKDF2},,1600000000,,T,\n\
         cleo@example.com,Cleo,,,,,,\n\
         ann@example.com,Ann again,{BCRYPT},,,,,\n\
         no address,Dan,{BCRYPT},,,,,\n\
         eve@example.com,Eve,md5$123abcdef$c8272612932975ee80e8a35995708e80,,,,,\n\
         finn@example.com,Finn,$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW,,,,,\n\
         gus@example.com,,{BCRYPT},,,,,\n\
         hal@example.com,Hal,{BCRYPT},17,,,,\n\
         ida@example.com,Ida,{BCRYPT},,yesterday,,,\n\
         jon@example.com,Jon,{BCRYPT},,,maybe,,\n\
         kim@example.com,Kim\n\
         lea@example.com,Lea,{BCRYPT},01234567-89ab-4def-8123-456789abcdef,,,,\n\
         ,Max,{BCRYPT},,,,,\n\
         taken@example.com,Ned,{BCRYPT},,,,,\n"
    )
}

const REFUSED: &str = "\
line 5: another account has the address
line 6: the address is not of the form local@domain
line 7: the stored hash is of an unknown form
line 8: the stored hash names parameters above the ceilings
line 9: name is missing
line 10: a user id is a UUID
line 11: created_at is not understood
line 12: email_verified is not understood
line 13: the row is not well-formed
line 14: an earlier row has the user_id
line 15: email is missing
line 16: another account has the address
";

fn resident() -> User {
    let then = Timestamp::from_seconds(1);
    User {
        id: UserId::from_entropy_bytes([9; 16]),
        email: email("taken@example.com"),
        name: DisplayName::parse("Tess").unwrap(),
        password_hash: None,
        credential_version: CredentialVersion::FIRST,
        disabled: false,
        email_verified_at: None,
        created_at: then,
        updated_at: then,
        last_login: None,
    }
}

fn counts(tally: &Tally) -> (u64, u64) {
    (tally.accepted.values().sum(), tally.refused.values().sum())
}

#[tokio::test]
async fn good_rows_are_imported_whole_and_bad_ones_are_named_by_line_and_reason() {
    let folder = Folder::new("mixed").with("export.csv", &mixed());
    let store = Arc::new(MemoryUsers::new());
    store.insert(resident()).await.unwrap();
    let tally = folder.import("export.csv", Some(Arc::clone(&store) as _)).run().await.unwrap();

    assert_eq!(counts(&tally), (3, 12));
    assert_eq!(tally.email_verified, 1);
    let formats: Vec<_> = tally.accepted.into_iter().collect();
    assert_eq!(
        formats,
        [("bcrypt".to_owned(), 1), ("no password".to_owned(), 1), ("pbkdf2".to_owned(), 1)]
    );
    assert_eq!(folder.read("refused"), REFUSED);
    assert!(!folder.0.join("state").exists());

    let ann = found(&*store, "ann@example.com").await;
    assert_eq!(ann.id.to_string(), "01234567-89ab-4def-8123-456789abcdef");
    assert_eq!((ann.name.as_str(), ann.disabled), ("Ann", false));
    assert_eq!(ann.password_hash.unwrap().expose(), BCRYPT);
    assert_eq!(ann.created_at, Timestamp::from_seconds(1_577_934_245));
    let bob = found(&*store, "bob@example.com").await;
    assert_eq!((bob.name.as_str(), bob.disabled), ("Bob, the \"builder\"", true));
    assert_eq!(bob.created_at, Timestamp::from_seconds(1_600_000_000));
    assert!(found(&*store, "cleo@example.com").await.password_hash.is_none());
    assert_eq!(found(&*store, "taken@example.com").await.id, resident().id);
}

#[tokio::test]
async fn json_lines_are_read_alike() {
    let folder = Folder::new("json").with(
        "export.jsonl",
        &format!(
            "{{\"email\": \"ann@example.com\", \"name\": \"Ann\", \"password_hash\": \"{BCRYPT}\", \
             \"created_at\": 1600000000, \"disabled\": true, \"user_id\": null}}\n\
             [\"bob@example.com\"]\n\
             \n\
             {{\"email\": \"cleo@example.com\", \"name\": \"Cleo\"}}"
        ),
    );
    let store = Arc::new(MemoryUsers::new());
    let tally = folder.import("export.jsonl", Some(Arc::clone(&store) as _)).run().await.unwrap();
    assert_eq!(counts(&tally), (2, 2));
    assert_eq!(
        folder.read("refused"),
        "line 2: the row is not well-formed\nline 3: the row is not well-formed\n"
    );
    let ann = found(&*store, "ann@example.com").await;
    assert!(ann.disabled);
    assert_eq!(ann.created_at, Timestamp::from_seconds(1_600_000_000));
}

const SIGNER_KEY: &str =
    "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";

/// The user of Firebase's README.
#[tokio::test]
async fn an_export_of_firebase_becomes_hashes_that_are_verified() {
    let hash =
        "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";
    let export = format!(
        "email,name,password_hash,salt\n\
         ann@example.com,Ann,{hash},42xEC+ixf3L2lw==\n\
         bob@example.com,Bob,{hash},not base64\n\
         cleo@example.com,Cleo,{BCRYPT},\n"
    );
    let folder = Folder::new("firebase").with("export.csv", &export);
    let store = Arc::new(MemoryUsers::new());
    let mut import = folder.import("export.csv", Some(Arc::clone(&store) as _));
    import.firebase = Some(FirebaseScrypt::new(SIGNER_KEY, "Bw==", 8, 14).unwrap());
    assert_eq!(counts(&import.run().await.unwrap()), (2, 1));
    assert_eq!(folder.read("refused"), "line 3: the stored hash is malformed\n");
    let ann = found(&*store, "ann@example.com").await.password_hash.unwrap();
    assert!(ann.expose().starts_with("$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8"));
    let cleo = found(&*store, "cleo@example.com").await.password_hash.unwrap();
    assert_eq!(cleo.expose(), BCRYPT);
}

#[tokio::test]
async fn what_firebase_exports_is_read_as_it_is_and_no_password_is_passed_over() {
    let hash =
        "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";
    let export = format!(
        "{{\"localId\":\"x1\",\"email\":\"ann@example.com\",\"emailVerified\":true,\"passwordHash\":\"{hash}\",\
         \"salt\":\"42xEC+ixf3L2lw==\",\"createdAt\":\"1600000000123\",\"providerUserInfo\":[]}}\n\
         {{\"email\":\"bob@example.com\",\"displayName\":\"Bob\",\"createdAt\":\"1600000000123\",\"disabled\":true}}\n"
    );
    let folder = Folder::new("firebase-as-it-is").with("export.jsonl", &export);
    let unread = folder.import("export.jsonl", None).run().await.unwrap();
    assert_eq!(counts(&unread), (0, 2), "without the project's parameters");
    let store = Arc::new(MemoryUsers::new());
    let mut import = folder.import("export.jsonl", Some(Arc::clone(&store) as _));
    import.firebase = Some(FirebaseScrypt::new(SIGNER_KEY, "Bw==", 8, 14).unwrap());
    assert_eq!(counts(&import.run().await.unwrap()), (2, 0), "{}", folder.read("refused"));
    let ann = found(&*store, "ann@example.com").await;
    assert!(ann.password_hash.unwrap().expose().starts_with("$fbscrypt$"));
    assert_eq!(ann.created_at, Timestamp::from_seconds(1_600_000_000));
    assert_eq!(
        (ann.name.as_str(), ann.email_verified_at),
        ("ann@example.com", Some(ann.created_at))
    );
    let bob = found(&*store, "bob@example.com").await;
    assert_eq!((bob.name.as_str(), bob.disabled, bob.password_hash.is_none()), ("Bob", true, true));
}

async fn verified(stored: User, typed: &str) -> Verification {
    let settings = Argon2idSettings::default();
    let hasher = Argon2idHasher::new(settings, Arc::new(OsEntropy::new())).unwrap();
    let Ok(Reservation::Slot(slot)) = hasher.reserve() else { panic!("no place is free") };
    slot.verify(Password::new(typed).unwrap(), stored.password_hash).await.unwrap()
}

#[tokio::test]
async fn wrapped_hashes_let_their_owners_in_and_are_not_in_the_store() {
    let atlassians = "{PKCS5S2}c4xaeTQM0lUieMS3V5voiexyX9XhqC2dBd5ecVy60IPksHChwoTAVYFrhsgoq8/p";
    let export = format!(
        "email,name,password_hash\n\
         ann@example.com,Ann,{BCRYPT}\n\
         bob@example.com,Bob,{PBKDF2}\n\
         cleo@example.com,Cleo,\n\
         dan@example.com,Dan,{atlassians}\n"
    );
    let folder = Folder::new("wrapped").with("export.csv", &export);
    let store = Arc::new(MemoryUsers::new());
    let mut import = folder.import("export.csv", Some(Arc::clone(&store) as _));
    let wrapper =
        Argon2idHasher::new(Argon2idSettings::default(), Arc::new(OsEntropy::new())).unwrap();
    import.wrapper = Some(wrapper);
    let tally = import.run().await.unwrap();
    assert_eq!(counts(&tally), (3, 1));
    // What came in is told, not what it became.
    assert_eq!((tally.accepted["bcrypt"], tally.accepted["pbkdf2"]), (1, 1));
    assert_eq!(
        folder.read("refused"),
        "line 5: the digest of the stored hash cannot be told apart from its salt\n"
    );
    for (address, typed, stored) in
        [("ann@example.com", "U*U", BCRYPT), ("bob@example.com", "not a password", PBKDF2)]
    {
        let user = found(&*store, address).await;
        let kept = user.password_hash.as_ref().unwrap().expose();
        assert!(kept.starts_with("wrapped$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!kept.contains(&stored[stored.len() - 20..]));
        assert_eq!(verified(user.clone(), typed).await, Verification::MatchNeedsRehash);
        assert_eq!(verified(user, "wrong").await, Verification::Mismatch);
    }
    assert!(found(&*store, "cleo@example.com").await.password_hash.is_none());
    // The rows are known again, although they would be wrapped with other salts.
    assert_eq!(counts(&import.run().await.unwrap()), (3, 1));
}

#[tokio::test]
async fn a_second_import_of_one_export_changes_nothing() {
    let folder = Folder::new("again").with("export.csv", &mixed());
    let store = Arc::new(MemoryUsers::new());
    store.insert(resident()).await.unwrap();
    let import = folder.import("export.csv", Some(Arc::clone(&store) as _));
    import.run().await.unwrap();
    let before = found(&*store, "bob@example.com").await;
    let tally = import.run().await.unwrap();
    assert_eq!(counts(&tally), (3, 12));
    assert_eq!(folder.read("refused"), REFUSED);
    assert_eq!(found(&*store, "bob@example.com").await.id, before.id);
}

#[tokio::test]
async fn a_state_of_another_export_is_not_gone_on_with() {
    let folder = Folder::new("other").with("export.csv", &mixed());
    fs::write(
        folder.0.join("state"),
        r#"{"digest":"00","rows":2,"refused_bytes":0,"tally":{"accepted":{},"refused":{},"email_verified":0}}"#,
    )
    .unwrap();
    let import = folder.import("export.csv", Some(Arc::new(MemoryUsers::new())));
    assert!(import.run().await.unwrap_err().to_string().contains("belongs to another export"));
}

/// Rows enough for the state to be saved twice.
const ROWS: u64 = 230;

fn long() -> String {
    let mut text = "email,name,password_hash\n".to_owned();
    for number in 0..ROWS {
        let hash = if number % 10 == 0 { "unknown" } else { BCRYPT };
        text += &format!("user{number}@example.com,User {number},{hash}\n");
    }
    text
}

/// A store that lasts: one line for each insert. It kills its process before or after a given one.
struct Journal {
    kept: MemoryUsers,
    file: PathBuf,
    inserts: AtomicU64,
    dies_at: u64,
    before_the_write: bool,
}

impl Journal {
    async fn open(folder: &Path) -> Self {
        let kept = MemoryUsers::new();
        let file = folder.join("journal");
        for line in fs::read_to_string(&file).unwrap_or_default().lines() {
            let (id, address) = line.split_once(' ').unwrap();
            let user = User { id: UserId::parse(id).unwrap(), email: email(address), ..resident() };
            assert_eq!(kept.insert(user).await.unwrap(), Insert::Inserted, "twice: {line}");
        }
        let dies_at = variable("DIES_AT").parse().unwrap();
        let before_the_write = variable("DIES_BEFORE") == "true";
        Self { kept, file, inserts: AtomicU64::new(0), dies_at, before_the_write }
    }
}

#[async_trait]
impl UserStore for Journal {
    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, PortError> {
        self.kept.find_by_email(email).await
    }

    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, PortError> {
        self.kept.find_by_id(id).await
    }

    async fn insert(&self, user: User) -> Result<Insert, PortError> {
        let dies = self.inserts.fetch_add(1, Ordering::Relaxed) == self.dies_at;
        if dies && self.before_the_write {
            abort();
        }
        let line = format!("{} {}\n", user.id, user.email.as_str());
        let outcome = self.kept.insert(user).await?;
        if outcome == Insert::Inserted {
            let mut file = OpenOptions::new().create(true).append(true).open(&self.file).unwrap();
            file.write_all(line.as_bytes()).unwrap();
        }
        if dies {
            abort();
        }
        Ok(outcome)
    }

    async fn update_credentials(&self, update: CredentialUpdate) -> Result<Update, PortError> {
        self.kept.update_credentials(update).await
    }

    async fn change_email(&self, change: EmailChange) -> Result<EmailUpdate, PortError> {
        self.kept.change_email(change).await
    }

    async fn touch_last_login(&self, key: &UserKey, at: Timestamp) -> Result<Update, PortError> {
        self.kept.touch_last_login(key, at).await
    }

    async fn delete(
        &self,
        key: &UserKey,
        expected: Option<CredentialVersion>,
    ) -> Result<Update, PortError> {
        self.kept.delete(key, expected).await
    }
}

fn variable(name: &str) -> String {
    std::env::var(format!("IMPORT_TEST_{name}")).unwrap_or_default()
}

/// The child of the test below; alone it has nothing to do.
#[tokio::test]
async fn an_import_that_is_killed() {
    let folder = PathBuf::from(variable("FOLDER"));
    if folder.as_os_str().is_empty() {
        return;
    }
    let store = Arc::new(Journal::open(&folder).await);
    let folder = std::mem::ManuallyDrop::new(Folder(folder));
    let tally = folder.import("export.csv", Some(store)).run().await.unwrap();
    assert_eq!(counts(&tally), (ROWS - ROWS / 10, ROWS / 10));
}

fn run_child(folder: &Folder, dies_at: u64, before_the_write: bool) -> bool {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "an_import_that_is_killed"])
        .env("IMPORT_TEST_FOLDER", &folder.0)
        .env("IMPORT_TEST_DIES_AT", dies_at.to_string())
        .env("IMPORT_TEST_DIES_BEFORE", before_the_write.to_string())
        .output()
        .unwrap();
    assert_ne!(output.status.code(), Some(101), "{}", String::from_utf8_lossy(&output.stdout));
    output.status.success()
}

/// Killed at the same insert of each run, before or after it was written: near each end of what a state
/// covers, and in the middle of it.
#[tokio::test]
async fn a_killed_import_goes_on_and_loses_and_doubles_no_row() {
    for (dies_at, before_the_write) in [
        (0, true),
        (0, false),
        (1, false),
        (89, true),
        (89, false),
        (90, true),
        (90, false),
        (150, false),
        (206, true),
        (206, false),
    ] {
        let folder = Folder::new(&format!("killed-{dies_at}-{before_the_write}"))
            .with("export.csv", &long());
        let mut killed = 0;
        // A run that ends before its state is saved starts over: it is then let run on.
        while killed < 3 && !run_child(&folder, dies_at, before_the_write) {
            killed += 1;
        }
        assert!(killed > 0);
        assert!(run_child(&folder, u64::MAX, false));

        let journal = folder.read("journal");
        assert_eq!(journal.lines().count() as u64, ROWS - ROWS / 10);
        for number in (0..ROWS).filter(|number| number % 10 != 0) {
            let end = format!(" user{number}@example.com");
            assert_eq!(journal.lines().filter(|line| line.ends_with(&end)).count(), 1, "{number}");
        }
        let refused: Vec<String> = (0..ROWS / 10)
            .map(|tens| format!("line {}: the stored hash is of an unknown form", 10 * tens + 2))
            .collect();
        assert_eq!(folder.read("refused").lines().collect::<Vec<_>>(), refused);
        assert!(!folder.0.join("state").exists());
    }
}

fn run_program(folder: &Folder, options: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "-p", "examples", "--example", "import_users", "--"])
        .args(options)
        .arg(folder.0.join("export.csv"))
        .args([Path::new("--state"), &folder.0.join("state")])
        .args([Path::new("--refused"), &folder.0.join("refused")])
        .env_remove("AUTH_STORE")
        .output()
        .unwrap()
}

#[tokio::test]
async fn an_import_into_a_file_is_there_for_the_server_and_run_again_doubles_nobody() {
    let folder = Folder::new("into-sqlite").with("export.csv", &mixed());
    let url = format!("sqlite:{}", folder.0.join("auth.db").display());
    for _ in 0..2 {
        let output = run_program(&folder, &["--store", &url]);
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let store = SqlStore::connect(&url, &SqlSettings::default()).await.unwrap();
    let ann =
        store.find_by_email(&Email::parse("ann@example.com").unwrap()).await.unwrap().unwrap();
    assert_eq!(ann.password_hash.unwrap().expose(), BCRYPT);
    let nowhere = run_program(&folder, &[]);
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("--store"));
}

#[test]
fn a_check_tells_all_and_writes_nothing() {
    let folder = Folder::new("check").with("export.csv", &mixed());
    let output = run_program(&folder, &["--check"]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("line 7: the stored hash is of an unknown form\n"), "{told}");
    assert!(told.contains("accepted: 5\n") && told.contains("        3  bcrypt\n"), "{told}");
    assert!(!told.contains("example.com") && !told.contains("$2b$"), "{told}");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
}
