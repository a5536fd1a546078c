//! The pages of the example server in a real browser: with script and without, on a phone and a desk, light
//! and dark, from the keyboard, in both languages. `AUTH_TEST_BROWSER` names a folder where npm has
//! installed puppeteer-core and axe-core; `AUTH_TEST_CHROMIUM` the browser.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod process;

use std::fs;
use std::path::Path;
use std::process::Command;

use process::Server;

const DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pages/browser.mjs");

#[test]
fn in_a_browser_every_page_leads_from_its_mail_to_its_end() {
    let Some(modules) = std::env::var_os("AUTH_TEST_BROWSER") else {
        println!("skipped: AUTH_TEST_BROWSER names no folder with puppeteer-core and axe-core");
        return;
    };
    let chromium = std::env::var_os("AUTH_TEST_CHROMIUM").unwrap_or("/usr/bin/chromium".into());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    let _ = fs::remove_dir_all(&folder);
    let [mails, shots] = ["mails", "screenshots"].map(|name| folder.join(name));
    fs::create_dir_all(&shots).unwrap();
    // The limits are those of a person; one address is here a dozen.
    let settings = [("AUTH_MAIL_FOLDER", mails.to_str().unwrap()), ("AUTH_RATE_LIMITS", "off")];
    let server = Server::start("server", &settings);
    let output = Command::new("node")
        .arg(DRIVER)
        .env("SERVER", format!("http://{}", server.address))
        .env("MAILS", &mails)
        .env("SHOTS", &shots)
        .env("MODULES", modules)
        .env("CHROMIUM", chromium)
        .output()
        .unwrap();
    let [said, complained] = [&output.stdout, &output.stderr].map(|s| String::from_utf8_lossy(s));
    assert!(output.status.success(), "{said}\n{complained}");
    println!("{said}");
}
