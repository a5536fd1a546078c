//! Where mails go that no mail server sends: for trying things out, since their links are secrets.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use auth_domain::ports::Mailer;
use auth_domain::{MailContent, OutgoingEmail, PortError, PortErrorKind};
use zeroize::Zeroizing;

/// Prints mails, links and all.
pub(crate) struct Terminal;

#[async_trait::async_trait]
impl Mailer for Terminal {
    async fn send(&self, mail: &OutgoingEmail) -> Result<(), PortError> {
        let (to, content) = (mail.to.as_str(), &mail.content);
        println!(
            "\n--- mail to {to}\nSubject: {}\n\n{}---\n",
            content.subject,
            content.text.as_str()
        );
        Ok(())
    }
}

/// Writes mails into a folder, each as a text and as a page for a browser.
pub(crate) struct Folder {
    path: PathBuf,
    written: AtomicU64,
}

impl Folder {
    pub(crate) fn new(path: &Path) -> std::io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self { path: path.to_owned(), written: AtomicU64::new(0) })
    }

    fn write(&self, mail: &OutgoingEmail) -> std::io::Result<()> {
        let number = self.written.fetch_add(1, Ordering::Relaxed) + 1;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "@.-+_".contains(c);
        let to = mail.to.as_str().replace(|c| !is_plain(c), "_");
        let MailContent { subject, text, html } = &mail.content;
        let text = Zeroizing::new(format!("Subject: {subject}\n\n{}", text.as_str()));
        for (extension, content) in [("txt", &text), ("html", html)] {
            let file = self.path.join(format!("{number:04}-{to}.{extension}"));
            // Whole or not at all, for whoever watches the folder.
            let draft = file.with_extension("draft");
            fs::write(&draft, content.as_bytes())?;
            fs::rename(&draft, &file)?;
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Mailer for Folder {
    async fn send(&self, mail: &OutgoingEmail) -> Result<(), PortError> {
        self.write(mail).map_err(|error| {
            PortError::new(PortErrorKind::Unavailable, "mailer.send").caused_by(error)
        })
    }
}
