//! Moves accounts whose address is not canonical to their canonical key; what the program
//! `canonicalize-addresses` does.
//!
//! The system before this one stored addresses as they were typed. Until such a row is moved its owner may
//! miss his account, and a stranger may register the canonical spelling.
//!
//! An [`AddressWalk`] goes in steps over what it keeps in [`Walked`]. First a page of the table a step: of
//! it stay only the rows whose key is not canonical, grouped by the address they come to. So a hundred
//! million canonical rows are walked in the memory of one page; only what is found adds to it. Then one such
//! address a step: a row that is alone in its claim is moved; where several claim one address none is
//! touched.
//!
//! A move is one transaction of two items. The whole row, attributes unknown here among it, is put under
//! its canonical key if nothing is there, and the old one is deleted if it still is what was read. So
//! nothing is lost or doubled wherever a walk ends, beside another walk, or beside the service that this
//! library makes. (The system before it wrote without conditions: its sign-up may overwrite what was moved, so
//! it is to be stopped first.) One gap stays: an attribute unknown here that another program adds in the milliseconds between the reading of
//! a row and its move, changing nothing else, is lost: DynamoDB has no condition on attributes that nobody
//! named.
//!
//! Reading costs one request unit for each 4 KB of the table; a move, as a transaction of two items, four
//! for each started KB of its row, and what the index costs.
//!
//! A row that is written behind the walk is met by the next one: walk once more after the last program
//! that stores addresses as typed is gone. The table's stream shows a move as a removal and an insertion.

mod findings;
mod state_file;

pub use findings::{Finding, FoundRow, Outcome, Verdict, Walked};
pub use state_file::{StateError, StateFile};

use std::collections::HashMap;
use std::num::NonZeroU16;

use auth_domain::{PortError, PortErrorKind};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::dynamodb::{Answer, EMAIL, Item, Relocation, USER_ID};
use crate::fault::port_error;

/// All that a finding needs. What a Scan costs does not depend on it.
const KEY_AND_ID: &str = "email, user_id";

/// How often a row that changes under the walk is read again.
const READINGS: usize = 5;

/// Whether a walk writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum Mode {
    /// Moves what can be moved.
    Apply,
    /// Only reads.
    DryRun,
}

/// A walk over one table of users.
#[derive(Clone, Debug)]
pub struct AddressWalk {
    client: Client,
    table: String,
    mode: Mode,
    page_size: NonZeroU16,
}

/// What DynamoDB says of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableFacts {
    /// About how many rows it has; counted every six hours or so.
    pub rows: Option<u64>,
    /// What tells it from others of its name, in other accounts, regions and times.
    pub id: Option<String>,
}

impl AddressWalk {
    /// A walk over `table`, which has the key `email`. `page_size` rows are read at a time.
    pub fn new(
        client: Client,
        table: impl Into<String>,
        mode: Mode,
        page_size: NonZeroU16,
    ) -> Self {
        Self { client, table: table.into(), mode, page_size }
    }

    /// What is told of the table by `DescribeTable`. The walk itself needs neither the facts nor the
    /// permission.
    ///
    /// # Errors
    /// [`PortError`]: there is no such table, or no permission, or no answer.
    pub async fn table_facts(&self) -> Result<TableFacts, PortError> {
        let answer = self.client.describe_table().table_name(&self.table).send().await;
        let table = answer.map_err(|error| port_error("address_walk.describe", &error))?.table;
        let rows = table.as_ref().and_then(|table| table.item_count);
        Ok(TableFacts {
            rows: rows.and_then(|count| u64::try_from(count).ok()),
            id: table.and_then(|table| table.table_id),
        })
    }

    /// Goes one step: reads one page, or settles one address. Does nothing once
    /// [`Walked::is_complete`].
    ///
    /// `walked` changes only at the end of a step that succeeded, so a step that failed or was dropped is
    /// simply taken again.
    ///
    /// # Errors
    /// [`PortError`]: no permission, no answer, or a table of another kind. What one row is refused for is
    /// a [`Finding`] instead.
    pub async fn step(&self, walked: &mut Walked) -> Result<(), PortError> {
        if let Some(after) = walked.cursor() {
            let page = self.page(after.map(str::to_owned)).await?;
            walked.add_page(page.rows, page.next);
        } else if let Some((canonical, rows)) = walked.next_claim() {
            let finding = self.settle(canonical.to_owned(), rows).await?;
            walked.settle(finding);
        }
        Ok(())
    }

    async fn page(&self, after: Option<String>) -> Result<Page, PortError> {
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .projection_expression(KEY_AND_ID)
            .limit(self.page_size.get().into())
            .set_exclusive_start_key(after.map(key));
        let answer = scan.send().await.map_err(|error| port_error(SCAN, &error))?;
        let rows = answer.items.unwrap_or_default().into_iter().map(found_row).collect();
        let next = answer.last_evaluated_key.map(|key| found_row(key).map(|row| row.address));
        Ok(Page { rows: all(rows)?, next: next.transpose()? })
    }

    /// Decides by what is there now; the scan may be long past.
    async fn settle(&self, canonical: String, claims: &[FoundRow]) -> Result<Finding, PortError> {
        let occupant = self.find(&canonical).await?;
        let mut present = Vec::new();
        for claim in claims {
            present.extend(self.find(&claim.address).await?);
        }
        match (present.as_slice(), occupant) {
            ([], occupant) => Ok(vanished(canonical, claims, occupant.as_ref())),
            ([row], None) if self.mode == Mode::Apply => self.relocate(canonical, row).await,
            ([_], None) => Ok(Finding::new(Outcome::Movable, canonical, present)),
            (_, occupant) => {
                present.extend(occupant);
                Ok(Finding::new(Outcome::Collision, canonical, present))
            }
        }
    }

    async fn relocate(&self, canonical: String, row: &FoundRow) -> Result<Finding, PortError> {
        let mut rows = vec![row.clone()];
        for _ in 0..READINGS {
            let Some(item) = self.read(&row.address, None).await? else {
                let occupant = self.find(&canonical).await?;
                return Ok(vanished(canonical, &rows, occupant.as_ref()));
            };
            let mut moved = item.clone();
            moved.extend(key(canonical.clone()));
            let relocation = Relocation::new(&self.table, &item, moved, MOVE)?;
            match relocation.carry_out(&self.client).await? {
                Answer::Moved => return Ok(Finding::new(Outcome::Moved, canonical, rows)),
                Answer::Changed => {}
                Answer::Wait => break,
                Answer::Taken => {
                    rows.extend(self.find(&canonical).await?);
                    return Ok(Finding::new(Outcome::Collision, canonical, rows));
                }
                Answer::Refused(code) => return Ok(Finding::refused(code, canonical, rows)),
            }
        }
        Ok(Finding::new(Outcome::Busy, canonical, rows))
    }

    async fn find(&self, address: &str) -> Result<Option<FoundRow>, PortError> {
        self.read(address, Some(KEY_AND_ID)).await?.map(found_row).transpose()
    }

    async fn read(&self, address: &str, only: Option<&str>) -> Result<Option<Item>, PortError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(address.to_owned())))
            .consistent_read(true)
            .set_projection_expression(only.map(str::to_owned));
        let answer = get.send().await.map_err(|error| port_error("address_walk.read", &error))?;
        Ok(answer.item)
    }
}

const MOVE: &str = "address_walk.move";
const SCAN: &str = "address_walk.scan";

struct Page {
    rows: Vec<FoundRow>,
    next: Option<String>,
}

fn key(address: String) -> Item {
    HashMap::from([(EMAIL.to_owned(), AttributeValue::S(address))])
}

fn all(rows: Vec<Result<FoundRow, PortError>>) -> Result<Vec<FoundRow>, PortError> {
    rows.into_iter().collect()
}

/// Fails on a table whose key is another one.
fn found_row(mut item: Item) -> Result<FoundRow, PortError> {
    let user_id = item.remove(USER_ID).and_then(text);
    let address = item.remove(EMAIL).and_then(text);
    let no_key = || PortError::new(PortErrorKind::Corrupt, SCAN).caused_by(NO_KEY);
    Ok(FoundRow { address: address.ok_or_else(no_key)?, user_id })
}

const NO_KEY: &str = "a row without the text key `email`: this is no table of users";

fn text(value: AttributeValue) -> Option<String> {
    if let AttributeValue::S(text) = value { Some(text) } else { None }
}

/// Rows that were there and are not. That one has been moved shows in its id under the canonical key.
fn vanished(canonical: String, claims: &[FoundRow], occupant: Option<&FoundRow>) -> Finding {
    let id = occupant.and_then(|row| row.user_id.as_ref());
    let moved = id.is_some() && claims.iter().any(|claim| claim.user_id.as_ref() == id);
    let outcome = if moved { Outcome::Moved } else { Outcome::Gone };
    Finding::new(outcome, canonical, claims.to_vec())
}
