use std::collections::HashSet;
use std::sync::Mutex;

use async_trait::async_trait;
use auth_domain::conformance::breached_passwords::HELD;
use auth_domain::ports::BreachedPasswords;
use auth_domain::{Password, PortError};

use super::locked;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BreachedFault {
    AnswersNo,
    AnswersYes,
    CutsLong,
    FindsOnce,
    FoldsCase,
    LooksForParts,
    ReadsWhatWasTyped,
    RemembersWhatItWasAsked,
    Trims,
}

use BreachedFault::*;

/// Each law, and the faults that it catches.
pub(crate) const CAUGHT: &[(&str, &[BreachedFault])] = &[
    ("a_breached_password_is_found_each_time", &[AnswersNo, FindsOnce]),
    ("a_password_that_nobody_had_is_not_found", &[AnswersYes, RemembersWhatItWasAsked]),
    ("a_breached_password_is_found_however_it_was_typed", &[ReadsWhatWasTyped]),
    ("the_case_of_a_breached_password_matters", &[FoldsCase]),
    ("a_password_with_more_or_less_is_another", &[CutsLong, LooksForParts, Trims]),
];

pub(crate) struct Breached {
    fault: Option<BreachedFault>,
    held: Mutex<HashSet<String>>,
}

impl Breached {
    pub(crate) fn new(fault: Option<BreachedFault>) -> Self {
        let held = HELD.iter().map(|held| changed(fault, held)).collect();
        Self { fault, held: Mutex::new(held) }
    }
}

/// A password as a faulty adapter keeps it and looks for it.
fn changed(fault: Option<BreachedFault>, text: &str) -> String {
    match fault {
        Some(CutsLong) => text.chars().take(8).collect(),
        Some(FoldsCase) => text.to_lowercase(),
        Some(Trims) => text.trim().to_owned(),
        _ => text.to_owned(),
    }
}

#[async_trait]
impl BreachedPasswords for Breached {
    async fn contains(&self, password: &Password) -> Result<bool, PortError> {
        let text = match self.fault {
            Some(ReadsWhatWasTyped) => password.expose_as_typed(),
            _ => password.expose(),
        };
        let text = changed(self.fault, text);
        let mut held = locked(&self.held);
        Ok(match self.fault {
            Some(AnswersNo) => false,
            Some(AnswersYes) => true,
            Some(FindsOnce) => held.remove(&text),
            Some(LooksForParts) => held.iter().any(|held| text.contains(held)),
            Some(RemembersWhatItWasAsked) => !held.insert(text),
            _ => held.contains(&text),
        })
    }
}
