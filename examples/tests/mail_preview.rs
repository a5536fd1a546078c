//! The preview of mails, as a translator runs it.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "servers are not started here")]
mod process;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use process::command;

fn preview(out: &Path, arguments: &[&str]) -> Output {
    let mut command = command("mail_preview", &[]);
    command.arg("--out").arg(out).args(arguments).output().unwrap()
}

fn files(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn every_mail_is_written_in_every_language_and_the_index_leads_to_each() {
    let out = TempDir::new().unwrap();
    let output = preview(out.path(), &[]);
    assert!(output.status.success(), "{output:?}");
    let index = out.path().join("index.html");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, format!("open {}\n", index.display()));
    let index = fs::read_to_string(index).unwrap();
    let mut files = files(out.path());
    assert!(files.remove("index.html"));
    for language in ["en", "ko"] {
        for extension in ["html", "txt"] {
            let ending = format!(".{language}.{extension}");
            assert_eq!(files.iter().filter(|file| file.ends_with(&ending)).count(), 7);
        }
    }
    assert_eq!(files.len(), 28);
    for file in files {
        assert!(index.contains(&format!("href=\"{file}\"")), "{file}");
    }
    let mail = fs::read_to_string(out.path().join("password-reset.ko.html")).unwrap();
    assert!(mail.contains("<html lang=\"ko\" dir=\"ltr\">") && mail.contains("비밀번호"));
}

#[test]
fn a_language_of_ones_own_is_previewed_and_what_it_lacks_is_named() {
    let out = TempDir::new().unwrap();
    let ftl = out.path().join("fr.ftl");
    fs::write(&ftl, "password-reset-subject = Votre mot de passe { $service }").unwrap();
    let messages = ftl.to_str().unwrap();
    let output = preview(out.path(), &["--language", "fr", "--messages", messages]);
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("fr: in English for now: account-deleted-closing, "), "{printed}");
    assert!(!printed.contains("password-reset-subject"));
    let mail = fs::read_to_string(out.path().join("password-reset.fr.html")).unwrap();
    assert!(mail.contains("<title>Votre mot de passe Example</title>"));
    assert_eq!(files(out.path()).len(), 2 + 14);
}

#[test]
fn a_mistake_in_a_file_is_told_by_its_line_or_id() {
    let out = TempDir::new().unwrap();
    let ftl = out.path().join("fr.ftl");
    let messages = ftl.to_str().unwrap();
    for (text, told) in [
        ("\npassword-reset-subject", "line 2"),
        ("password-rest-subject = x", "no message password-rest-subject"),
        ("password-reset-subject = { $servce }", "no variable $servce"),
    ] {
        fs::write(&ftl, text).unwrap();
        let output = preview(out.path(), &["--language", "fr", "--messages", messages]);
        assert!(!output.status.success());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("fr.ftl") && error.contains(told), "{error}");
    }
    assert!(!preview(out.path(), &["--language", "fr"]).status.success());
}
