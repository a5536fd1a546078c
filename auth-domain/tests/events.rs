//! The document of events says what the code says.
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]
#![expect(clippy::disallowed_methods, reason = "how the document is written anew")]

use std::fmt::Write;
use std::path::Path;

use auth_domain::{
    AccountCall, EventDescription, EventKind, LoginFailure, NameDescription, PortErrorKind,
    SkipReason,
};

const DOCUMENT: &str = "docs/events.md";

const INTRODUCTION: &str = "\
Each event is one of these. Names are never changed or reused. This table is written by
`AUTH_UPDATE_DOCS=1 cargo test -p auth-domain --test events`.

| event | a fault | fields | meaning |
|---|---|---|---|
";

/// What stands in fields, beside the codes of [`auth_domain::ErrorCode`].
const NAMES: [(&str, &str, &[NameDescription]); 4] = [
    ("call", "calls for an account", AccountCall::TABLE),
    ("failure", "why a login was refused", LoginFailure::TABLE),
    ("reason", "why a mail was not sent", SkipReason::TABLE),
    ("kind", "how a port failed", PortErrorKind::TABLE),
];

fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    EventKind::TABLE.iter().for_each(|event| text.push_str(&row(event)));
    for (field, about, names) in NAMES {
        write!(text, "\n| `{field}` | {about} |\n|---|---|\n").unwrap();
        for name in names {
            writeln!(text, "| `{}` | {} |", name.name, name.meaning).unwrap();
        }
    }
    text
}

fn row(event: &EventDescription) -> String {
    let fields: Vec<_> = event.fields.iter().map(field).collect();
    let fault = if event.is_fault { "yes" } else { "" };
    format!("| `{}` | {fault} | {} | {} |\n", event.name, fields.join(" "), event.meaning)
}

fn field(field: &NameDescription) -> String {
    format!("`{}`: {}", field.name, field.meaning)
}

#[test]
fn the_document_of_events_is_the_code_of_today() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    if std::env::var_os("AUTH_UPDATE_DOCS").is_some() {
        std::fs::write(&path, document()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    let how = "run: AUTH_UPDATE_DOCS=1 cargo test -p auth-domain --test events";
    assert!(written == document(), "{DOCUMENT} is not what the code says; {how}");
}

#[test]
fn each_event_and_each_name_says_what_it_means_in_a_sentence() {
    let events = EventKind::TABLE.iter().flat_map(|event| {
        [(event.name, event.meaning)]
            .into_iter()
            .chain(event.fields.iter().map(|field| (field.name, field.meaning)))
    });
    let names = NAMES.iter().flat_map(|(_, _, names)| *names);
    for (name, meaning) in events.chain(names.map(|name| (name.name, name.meaning))) {
        assert!(meaning.len() > 5 && meaning.ends_with('.'), "{name}: {meaning}");
        assert!(!meaning.contains(['|', '\n']), "{name} would break its table: {meaning}");
    }
}

#[test]
fn names_are_snake_case_and_each_is_there_once() {
    let events: Vec<_> = EventKind::TABLE.iter().map(|event| event.name).collect();
    let others = NAMES.map(|(_, _, names)| names.iter().map(|name| name.name).collect());
    for mut names in std::iter::once(events).chain(others) {
        let count = names.len();
        let is_snake = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert!(names.iter().all(is_snake), "{names:?}");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{names:?}");
    }
}
