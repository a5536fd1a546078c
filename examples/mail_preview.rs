//! Every mail in every language, as files to look at: what its reader sees (.html) and what a program without
//! HTML shows (.txt).
//!
//! ```text
//! cargo run --example mail_preview
//! cargo run --example mail_preview -- --language fr --messages fr.ftl   # a language of your own
//! ```
//!
//! Such a file has sentences of `auth-domain/messages/en.ftl` by their ids; it prints which are missing.
#![expect(clippy::print_stdout, reason = "it talks to whoever started it")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use auth_domain::{DefaultTemplates, LinkMail, Locale, MailContent, MailTemplates, NoticeMail};
use clap::Parser;

/// Writes every mail in every language into a folder, with an index.html.
#[derive(Parser)]
struct Arguments {
    /// This language alone, by its tag.
    #[arg(long, value_parser = Locale::parse)]
    language: Option<Locale>,
    /// A Fluent file with sentences in this language, new or worded anew.
    #[arg(long, requires = "language")]
    messages: Option<PathBuf>,
    /// Where to write. Default: mail-preview in the folder for temporary files.
    #[arg(long)]
    out: Option<PathBuf>,
    /// What mails call the service.
    #[arg(long, default_value = "Example")]
    service_name: String,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let templates = templates(&arguments)?;
    let folder = arguments.out.unwrap_or_else(|| std::env::temp_dir().join("mail-preview"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut index =
        String::from("<!doctype html>\n<meta charset=\"utf-8\">\n<title>Mails</title>\n");
    let is_wanted = |locale: &Locale| arguments.language.is_none_or(|only| only == *locale);
    let locales: Vec<_> = templates.messages().locales().filter(is_wanted).collect();
    ensure!(!locales.is_empty(), "there is no such language; --messages adds one");
    for locale in locales {
        write(&templates, locale, &folder, &mut index)?;
        let missing: Vec<_> = templates.messages().missing(locale).collect();
        if !missing.is_empty() {
            println!("{locale}: in English for now: {}", missing.join(", "));
        }
    }
    let index_file = folder.join("index.html");
    fs::write(&index_file, index)?;
    println!("open {}", index_file.display());
    Ok(())
}

fn templates(arguments: &Arguments) -> Result<DefaultTemplates> {
    let templates = DefaultTemplates::new(&arguments.service_name);
    let (Some(locale), Some(file)) = (arguments.language, &arguments.messages) else {
        return Ok(templates);
    };
    let ftl =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    templates.with_language(locale, &ftl).with_context(|| format!("in {}", file.display()))
}

fn write(
    templates: &dyn MailTemplates,
    locale: Locale,
    folder: &Path,
    index: &mut String,
) -> Result<()> {
    writeln!(index, "<h2>{locale}</h2>")?;
    for (name, mail) in mails(templates, locale) {
        let file = format!("{name}.{locale}");
        fs::write(folder.join(format!("{file}.html")), mail.html.as_bytes())?;
        let text = format!("Subject: {}\n\n{}", mail.subject, mail.text.as_str());
        fs::write(folder.join(format!("{file}.txt")), text)?;
        writeln!(index, "<p><a href=\"{file}.html\">{name}</a> (<a href=\"{file}.txt\">text</a>)")?;
    }
    Ok(())
}

fn mails(templates: &dyn MailTemplates, locale: Locale) -> [(&'static str, MailContent); 7] {
    let notice = NoticeMail::new(locale);
    let link = |page: &str, hours| {
        let link = format!(
            "https://app.example.com/{page}?token=a-token-of-the-usual-length.and-its-proof"
        );
        LinkMail::new(locale, link.into(), Duration::from_hours(hours))
    };
    [
        ("account-deleted", templates.account_deleted(&notice)),
        ("account-exists", templates.account_exists(&notice)),
        ("confirm-new-email", templates.confirm_new_email(&link("confirm-email", 24))),
        ("email-changed", templates.email_changed(&notice)),
        ("password-changed", templates.password_changed(&notice)),
        ("password-reset", templates.password_reset(&link("reset-password", 1))),
        ("verify-email", templates.verify_email(&link("verify-email", 24))),
    ]
}
