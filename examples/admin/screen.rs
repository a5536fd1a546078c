//! The terminal: what is logged, asked and drawn there.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use auth_domain::Email;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Standard error. What is logged goes above the bar.
#[derive(Clone)]
pub(crate) struct Screen(MultiProgress);

impl Screen {
    /// Sends the log of this process here, from information upwards: below it the SDK of AWS quotes whole
    /// requests.
    pub(crate) fn with_log() -> Self {
        let screen = Self(MultiProgress::new());
        let writer = screen.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || writer.clone())
            .with_ansi(io::stderr().is_terminal())
            // It would be said on the same standard error, and panic where that is closed.
            .log_internal_errors(false)
            .init();
        screen
    }

    /// Drawn only on a terminal.
    pub(super) fn bar(&self, accounts: usize) -> ProgressBar {
        let template = "{wide_bar} {human_pos}/{human_len} accounts, {eta} left";
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        self.0.add(ProgressBar::new(accounts as u64)).with_style(style)
    }

    pub(super) fn confirms_address(&self, question: &str, email: &Email) -> bool {
        let answer = self.answer(question, "Type its address to go on: ");
        Email::parse(answer.trim_end()).is_ok_and(|typed| typed == *email)
    }

    pub(super) fn confirms_number(&self, question: &str, number: usize) -> bool {
        let answer = self.answer(question, "Type their number to go on: ");
        answer.trim() == number.to_string()
    }

    /// Empty where nothing can be read.
    fn answer(&self, question: &str, prompt: &str) -> String {
        self.tell(&format!("{question}\n{prompt}"));
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer).unwrap_or_default()
    }

    /// Where nobody listens any more there is nobody to tell.
    pub(super) fn tell(&self, text: &str) {
        let _ = self.0.suspend(|| io::stderr().write_all(text.as_bytes()));
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A text that somebody else wrote, as it can be shown: neither moves it the cursor, nor turns the direction
/// of writing, nor begins a line.
pub(super) fn shown(text: &str) -> String {
    text.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"")
}
