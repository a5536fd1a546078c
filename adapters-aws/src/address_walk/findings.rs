use std::collections::BTreeMap;
use std::fmt;

use auth_domain::Email;
use serde::{Deserialize, Serialize};

/// A row as a walk met it. Its `Debug` hides the address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FoundRow {
    /// The row's key, as it is stored.
    pub address: String,
    /// The account's id, unless the row has none.
    pub user_id: Option<String>,
}

/// What a walk did, or would do, about one address. Its `Debug` hides the addresses.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// What became of the rows.
    pub outcome: Outcome,
    /// The address they come to. None of [`Outcome::Unreadable`].
    pub canonical: Option<String>,
    /// The rows; of a [`Outcome::Collision`] all that claim the address, the one that holds it among them.
    pub rows: Vec<FoundRow>,
    /// The code under which AWS refused it. Only of [`Outcome::Refused`].
    pub code: Option<String>,
}

/// What became of a row whose key is not canonical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Left: it kept changing, or other transactions kept it. The next walk may move it.
    Busy,
    /// Left: several rows claim one address. A person has to decide whose it is.
    Collision,
    /// Not there any more when its turn came.
    Gone,
    /// A dry run left what can be moved.
    Movable,
    /// It is under its canonical key now, moved by this run or another.
    Moved,
    /// Left: DynamoDB does not take this row under its canonical key: it is too large there, or an
    /// attribute that an index needs has the wrong type.
    Refused,
    /// Left: the key is no address.
    Unreadable,
}

/// What is left to do after a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "programs have one exit code for each")]
pub enum Verdict {
    /// Nothing.
    Clean,
    /// A walk that applies can still move rows.
    Movable,
    /// Only what a person has to decide.
    ByHand,
}

/// How far a walk has come and what it found; what is kept to go on later. Its `Debug` hides addresses.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walked {
    stage: Stage,
    rows: u64,
    canonical: u64,
    claims: BTreeMap<String, Vec<FoundRow>>,
    findings: Vec<Finding>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Scanning { after: Option<String> },
    Settling,
}

impl Default for Walked {
    /// A walk that is about to start.
    fn default() -> Self {
        Self {
            stage: Stage::Scanning { after: None },
            rows: 0,
            canonical: 0,
            claims: BTreeMap::new(),
            findings: Vec::new(),
        }
    }
}

impl Walked {
    /// Whether nothing is left to walk.
    pub fn is_complete(&self) -> bool {
        self.is_scanned() && self.claims.is_empty()
    }

    /// Whether the whole table was read.
    pub fn is_scanned(&self) -> bool {
        matches!(self.stage, Stage::Settling)
    }

    /// How many rows were read.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many of them have a canonical key.
    pub fn canonical_rows(&self) -> u64 {
        self.canonical
    }

    /// How many addresses wait to be settled.
    pub fn unsettled(&self) -> usize {
        self.claims.len()
    }

    /// What was found, in order.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many findings came out as `outcome`.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.findings.iter().filter(|finding| finding.outcome == outcome).count()
    }

    /// What is left to do, as far as was walked.
    pub fn verdict(&self) -> Verdict {
        let any = |outcomes: &[Outcome]| outcomes.iter().any(|outcome| self.count(*outcome) > 0);
        if any(&[Outcome::Movable, Outcome::Busy]) || !self.claims.is_empty() {
            Verdict::Movable
        } else if any(&[Outcome::Collision, Outcome::Refused, Outcome::Unreadable]) {
            Verdict::ByHand
        } else {
            Verdict::Clean
        }
    }

    /// Where the next page starts: after that key, or `None` at the table's start. `None` altogether once
    /// the table was read.
    pub(super) fn cursor(&self) -> Option<Option<&str>> {
        match &self.stage {
            Stage::Scanning { after } => Some(after.as_deref()),
            Stage::Settling => None,
        }
    }

    pub(super) fn add_page(&mut self, rows: Vec<FoundRow>, next: Option<String>) {
        for row in rows {
            self.add(row);
        }
        self.stage = next.map_or(Stage::Settling, |after| Stage::Scanning { after: Some(after) });
    }

    fn add(&mut self, row: FoundRow) {
        self.rows += 1;
        match Email::parse(&row.address) {
            Ok(email) if email.as_str() == row.address => self.canonical += 1,
            Ok(email) => self.claims.entry(email.as_str().to_owned()).or_default().push(row),
            Err(_) => self.findings.push(Finding::unreadable(row)),
        }
    }

    pub(super) fn next_claim(&self) -> Option<(&str, &[FoundRow])> {
        self.claims.first_key_value().map(|(canonical, rows)| (canonical.as_str(), rows.as_slice()))
    }

    pub(super) fn settle(&mut self, finding: Finding) {
        if let Some(canonical) = &finding.canonical {
            self.claims.remove(canonical);
        }
        self.findings.push(finding);
    }
}

impl Finding {
    pub(super) fn new(outcome: Outcome, canonical: String, rows: Vec<FoundRow>) -> Self {
        Self { outcome, canonical: Some(canonical), rows, code: None }
    }

    pub(super) fn refused(code: String, canonical: String, rows: Vec<FoundRow>) -> Self {
        Self { code: Some(code), ..Self::new(Outcome::Refused, canonical, rows) }
    }

    fn unreadable(row: FoundRow) -> Self {
        Self { outcome: Outcome::Unreadable, canonical: None, rows: vec![row], code: None }
    }
}

impl fmt::Debug for FoundRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FoundRow").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finding")
            .field("outcome", &self.outcome)
            .field("rows", &self.rows)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Walked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walked")
            .field("scanned", &self.is_scanned())
            .field("rows", &self.rows)
            .field("canonical", &self.canonical)
            .field("unsettled", &self.claims.len())
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}
