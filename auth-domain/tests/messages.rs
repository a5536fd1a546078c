//! Sentences in several languages: what falls back to what, and which files are refused.
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use auth_domain::{Locale, MessageValue, Messages, MessagesError};
use proptest::prelude::*;

const ENGLISH: &str = "\
hello = Hello, { $name }!
bye = Good bye.
wait = { $minutes ->
    [one] Wait a minute.
   *[other] Wait { $minutes } minutes.
}
";

fn fr() -> Locale {
    Locale::parse("fr").unwrap()
}

fn english() -> Messages {
    Messages::new(Locale::EN, ENGLISH).unwrap()
}

fn french(ftl: &str) -> Result<Messages, MessagesError> {
    english().with_language(fr(), ftl)
}

fn hello(messages: &Messages, locale: Locale) -> String {
    messages.text(locale, "hello", &[("name", "Ann".into())])
}

#[test]
fn what_a_language_lacks_is_said_in_the_reference_language() {
    let messages = french("hello = Bonjour, { $name } !").unwrap();
    assert_eq!(hello(&messages, fr()), "Bonjour, Ann !");
    assert_eq!(messages.text(fr(), "bye", &[]), "Good bye.");
    assert_eq!(messages.variables("hello").collect::<Vec<_>>(), ["name"]);
    assert_eq!(messages.variables("nothing").count(), 0);
    assert_eq!(messages.missing(fr()).collect::<Vec<_>>(), ["bye", "wait"]);
    assert_eq!(messages.missing(Locale::EN).count(), 0);
    let not_there = messages.missing(Locale::KO).collect::<Vec<_>>();
    assert_eq!(not_there, messages.ids().collect::<Vec<_>>());
    assert_eq!(messages.language_of(fr(), "hello"), fr());
    assert_eq!(messages.language_of(fr(), "bye"), Locale::EN);
    assert_eq!(messages.language_of(Locale::KO, "hello"), Locale::EN);
}

#[test]
fn a_language_that_is_there_takes_single_sentences_anew() {
    let messages = french("hello = Bonjour, { $name } !\nbye = Adieu.").unwrap();
    let changed = messages.clone().with_language(fr(), "bye = Au revoir.").unwrap();
    assert_eq!(changed.text(fr(), "bye", &[]), "Au revoir.");
    assert_eq!(hello(&changed, fr()), "Bonjour, Ann !");
    assert_eq!(messages.text(fr(), "bye", &[]), "Adieu.");
    let english = changed.with_language(Locale::EN, "hello = Hi!").unwrap();
    assert_eq!(hello(&english, Locale::KO), "Hi!");
    assert_eq!(english.locales().collect::<Vec<_>>(), [Locale::EN, fr()]);
    // What the first file says is what another language may say, however it is worded now.
    let again = english.with_language(Locale::EN, "hello = Hi, { $name }!").unwrap();
    assert_eq!(hello(&again, Locale::EN), "Hi, Ann!");
}

#[test]
fn the_next_broader_language_that_is_there_is_taken() {
    let traditional = Locale::parse("zh-Hant").unwrap();
    let messages = french("").unwrap().with_language(traditional, "bye = 再見").unwrap();
    for (range, found) in [
        ("zh-Hant", Some(traditional)),
        ("ZH-hant-TW", Some(traditional)),
        ("zh-Hant-TW-x-private-use-that-is-long", Some(traditional)),
        ("fr-CH", Some(fr())),
        ("en-GB-oxendict", Some(Locale::EN)),
        ("zh", None),
        ("zh-TW", None),
        ("zh-Hans", None),
        ("f", None),
        ("fra", None),
        ("*", None),
        ("", None),
        ("-", None),
    ] {
        assert_eq!(messages.lookup(range), found, "{range}");
    }
    let swiss = Locale::parse("fr-CH").unwrap();
    let messages = messages.with_language(fr(), "bye = Adieu").unwrap();
    let messages = messages.with_language(swiss, "hello = Salut, { $name } !").unwrap();
    assert_eq!(hello(&messages, swiss), "Salut, Ann !");
    assert_eq!(
        (messages.text(swiss, "bye", &[]).as_str(), messages.language_of(swiss, "bye")),
        ("Adieu", fr())
    );
    let taiwan = Locale::parse("zh-Hant-TW").unwrap();
    assert_eq!(messages.text(taiwan, "bye", &[]), "再見");
    assert_eq!(messages.language_of(taiwan, "bye"), traditional);
}

#[test]
fn plurals_go_by_the_rules_of_the_language() {
    let polish = "wait = { $minutes ->
        [one] minuta
        [few] { $minutes } minuty
       *[many] { $minutes } minut
    }";
    let pl = Locale::parse("pl").unwrap();
    let messages = english().with_language(pl, polish).unwrap();
    let wait = |locale, minutes: u32| messages.text(locale, "wait", &[("minutes", minutes.into())]);
    assert_eq!(wait(Locale::EN, 1), "Wait a minute.");
    assert_eq!(wait(Locale::EN, 2), "Wait 2 minutes.");
    let said = [1, 3, 5, 22, 1_000_000].map(|minutes| wait(pl, minutes));
    assert_eq!(said, ["minuta", "3 minuty", "5 minut", "22 minuty", "1000000 minut"]);
    assert_eq!(wait(pl, u32::MAX), "4294967295 minut");
}

#[test]
fn a_value_is_data_whatever_it_holds() {
    for name in ["{ $name }", "{ bye }", "{\"", "}", "\n.x = y", "<b>", "\u{202e}", ""] {
        let said = english().text(Locale::EN, "hello", &[("name", name.into())]);
        assert_eq!(said, format!("Hello, {name}!"));
    }
}

#[test]
fn what_nobody_words_is_said_by_its_id() {
    assert_eq!(english().text(Locale::EN, "nothing", &[]), "nothing");
    assert_eq!(english().text(Locale::EN, "hello", &[("age", 7.into())]), "hello");
    assert_eq!(english().language_of(Locale::KO, "nothing"), Locale::KO);
}

#[test]
fn terms_and_references_are_resolved_within_the_language() {
    let ftl = "\
-house = Maison
    .gender = feminine
bye = { -house.gender ->
    [feminine] De la { -house }: { hello.short }
   *[other] Du { -house }
}
hello = Bonjour, { { $name } } !
    .short = Salut
";
    assert_eq!(french(ftl).unwrap().text(fr(), "bye", &[]), "De la Maison: Salut");
}

#[test]
fn a_file_that_could_fail_later_is_refused() {
    for (ftl, why) in [
        ("hallo = Bonjour", "fr: there is no message hallo"),
        ("hello = Bonjour, { $nom }", "fr: hello has no variable $nom"),
        ("hello = { $minutes ->\n *[other] x\n }", "fr: hello has no variable $minutes"),
        ("bye = { hello }\nhello = { $name }", "fr: bye has no variable $name"),
        ("bye = { adieu }", "fr: bye refers to adieu, which is not there"),
        ("bye = { hello }", "fr: bye refers to hello, which is not there"),
        ("bye = { -house }", "fr: bye refers to -house, which is not there"),
        ("bye = { -a.b ->\n *[c] d\n }\n-a = e", "fr: bye refers to -a.b, which is not there"),
        ("hello = x\nbye = { hello.y }", "fr: bye refers to hello.y, which is not there"),
        ("-house = { $name }\nhello = { -house }", "fr: hello has no variable $name"),
        ("bye = { bye }", "fr: bye refers to itself or to too much"),
        ("-a = { -b }\n-b = { -a }\nbye = { -a }", "fr: bye refers to itself or to too much"),
        ("bye = a\nbye = b", "fr: bye is there twice"),
        ("-a = a\n-a = b", "fr: -a is there twice"),
        ("bye =\n    .title = x", "fr: bye has attributes and no text, which is not taken here"),
        ("hello = { NUMBER($name) }", "fr: hello has a function, which is not taken here"),
        (
            "-a = b\nbye = { -a(c: 1) }",
            "fr: bye has a term with arguments, which is not taken here",
        ),
        (
            "bye = { 9999999999999999999999 ->\n [one] x\n *[other] y\n }",
            "fr: bye has a number of more than 15 digits, which is not taken here",
        ),
        ("bye = a\n\nhello : b", "fr, line 3: not Fluent"),
        ("# fine\nbye = { $", "fr, line 2: not Fluent"),
        ("bye = { \"open }", "fr, line 1: not Fluent"),
    ] {
        assert_eq!(french(ftl).unwrap_err().to_string(), why, "{ftl}");
    }
    let many = format!("bye = {}", "{\"x\"}".repeat(101));
    assert!(matches!(french(&many), Err(MessagesError::TooComplex { .. })));
    assert!(matches!(
        Messages::new(Locale::EN, "a = { b }"),
        Err(MessagesError::UnknownReference { .. })
    ));
}

#[test]
fn brackets_that_would_exhaust_the_stack_are_refused() {
    for deep in ["{", "{\n", "{ A(\n", "{ $a ->\n *[b] \" {\"}\" ->\n *[c] ", "{\"}\" "] {
        let ftl = format!("hello = x\nbye = {}", deep.repeat(100_000));
        assert_eq!(
            french(&ftl).unwrap_err().to_string(),
            "fr: bye refers to itself or to too much"
        );
    }
    let just_taken = format!("bye = {}", "{ ".repeat(100));
    assert!(matches!(french(&just_taken), Err(MessagesError::Syntax { .. })));
    let brackets = format!(
        "# {}\nbye = :{}\nhello = {}",
        "(".repeat(100),
        "(".repeat(90),
        "{ $name }".repeat(90)
    );
    assert!(french(&brackets).is_ok());
}

#[test]
fn an_override_is_checked_with_what_refers_to_it() {
    let messages = french("bye = Adieu").unwrap();
    let cycle = messages.with_language(fr(), "bye = { hello }\nhello = { bye }");
    assert!(matches!(cycle, Err(MessagesError::TooComplex { .. })));
}

#[test]
fn a_refusal_tells_the_line_and_what_was_expected() {
    let error = french("bye = a\nhello\n").unwrap_err();
    assert!(matches!(error, MessagesError::Syntax { line: 2, .. }), "{error}");
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.to_string().contains("Expected"), "{source}");
}

/// Scraps of Fluent, of which there are valid files and all kinds of others.
fn files() -> impl Strategy<Value = String> {
    let scraps = prop::sample::select(vec![
        "hello = ",
        "bye = ",
        "wait = ",
        "-t = ",
        "{ $name }",
        "{ $minutes }",
        "{ bye }",
        "{ -t }",
        "{ -t.a }",
        "\n",
        "\n    ",
        "\n    .a = ",
        "{ ",
        " }",
        " ->",
        "\n   *[other] ",
        "[one] ",
        "{ $minutes ->\n    [one] a\n   *[other] b\n}",
        "{ \"\\u00e9\" }",
        "{ 3.14 ->\n *[x] y\n}",
        "{ 1e9 }",
        "{ -0.50 }",
        "#",
        "한",
        "text",
        "(",
        ")",
        "\"",
        "\r\n",
        ".",
        "{\"\\UFFFFFF\"}",
    ]);
    prop::collection::vec(scraps, 0..24).prop_map(|scraps| scraps.concat())
}

proptest! {
    #[test]
    fn a_file_that_is_taken_says_something_of_its_own_for_every_sentence(ftl in files()) {
        let Ok(messages) = french(&ftl) else { return Ok(()) };
        let values: [(&str, MessageValue<'_>); 2] = [("name", "Ann".into()), ("minutes", 5.into())];
        for id in messages.ids() {
            let said = messages.text(fr(), id, &values);
            prop_assert_ne!(&said, id);
            if messages.language_of(fr(), id) == Locale::EN {
                prop_assert_eq!(said, english().text(Locale::EN, id, &values));
            }
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(ftl in ".{0,80}") {
        if let Ok(messages) = french(&ftl) {
            prop_assert_eq!(messages.ids().count(), 3);
        }
    }
}
