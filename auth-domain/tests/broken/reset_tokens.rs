use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::{Put, ResetTokenStore};
use auth_domain::{
    CredentialVersion, Email, PortError, ResetRecord, Timestamp, TokenDigest, UserId,
};

use super::{locked, whole_seconds, without_accents};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowsFault {
    ComparesHalfOfTheDigest,
    ConsumeLooksFirst,
    ConsumeMarksNothing,
    ConsumesAllRows,
    ConsumesByAddress,
    ConsumesByDigest,
    CutsTimesToSeconds,
    DeleteLeavesUsed,
    DeleteStopsAtABatch,
    DeleteTakesAll,
    DeleteTakesTheNextAccounts,
    DiesASecondEarly,
    ForgetsExpiry,
    KeepsOneRow,
    KeepsVersionsIn32Bits,
    MakesUpRows,
    NewestAlternates,
    NewestIsTheLastArrived,
    NewestPassesOverUsed,
    OrdersBySeconds,
    PutLooksFirst,
    PutOverwrites,
    PutRevives,
    ReadsAccentsAway,
    ReturnsTheRowAsItWas,
    TakesTheLastMomentForGood,
}

use RowsFault::*;

/// Each law, and the faults that it catches.
pub(crate) const CAUGHT: &[(&str, &[RowsFault])] = &[
    ("an_address_without_links_has_no_newest", &[MakesUpRows]),
    (
        "a_row_is_read_back_whole",
        &[CutsTimesToSeconds, KeepsVersionsIn32Bits, ReturnsTheRowAsItWas],
    ),
    ("the_newest_goes_by_created_at_not_by_arrival", &[NewestIsTheLastArrived, OrdersBySeconds]),
    ("rows_of_one_moment_have_one_newest", &[NewestAlternates]),
    ("the_newest_shows_that_it_was_used", &[NewestPassesOverUsed]),
    ("addresses_do_not_mix", &[ReadsAccentsAway]),
    ("a_link_is_consumed_once", &[ConsumeMarksNothing]),
    ("a_link_is_good_until_just_before_it_expires", &[DiesASecondEarly]),
    ("an_expired_link_is_not_consumed", &[ForgetsExpiry, TakesTheLastMomentForGood]),
    ("an_unknown_digest_consumes_nothing", &[ConsumesByAddress, ComparesHalfOfTheDigest]),
    ("the_digest_of_another_address_consumes_nothing", &[ConsumesByDigest]),
    ("putting_a_row_again_alters_nothing", &[PutOverwrites]),
    ("putting_a_used_row_again_does_not_revive_it", &[PutRevives]),
    ("consuming_one_row_leaves_the_others", &[ConsumesAllRows, KeepsOneRow]),
    (
        "deleting_all_rows_of_an_account_leaves_those_of_others",
        &[
            DeleteStopsAtABatch,
            DeleteLeavesUsed,
            DeleteTakesAll,
            DeleteTakesTheNextAccounts,
            ReadsAccentsAway,
        ],
    ),
    ("of_concurrent_consumers_at_most_one_wins", &[ConsumeLooksFirst]),
    ("of_concurrent_puts_of_one_row_one_stores_it", &[PutLooksFirst]),
];

pub(crate) struct Rows {
    fault: Option<RowsFault>,
    rows: Mutex<Vec<ResetRecord>>,
    reads: AtomicUsize,
}

impl Rows {
    pub(crate) fn new(fault: Option<RowsFault>) -> Self {
        Self { fault, rows: Mutex::default(), reads: AtomicUsize::new(0) }
    }

    fn has(&self, fault: RowsFault) -> bool {
        self.fault == Some(fault)
    }

    fn is_of(&self, row: &ResetRecord, email: &Email) -> bool {
        if self.has(ReadsAccentsAway) {
            without_accents(&row.email) == without_accents(email)
        } else {
            row.email == *email
        }
    }

    fn kept(&self, mut row: ResetRecord) -> ResetRecord {
        match self.fault {
            Some(CutsTimesToSeconds) => row.expires_at = whole_seconds(row.expires_at),
            Some(KeepsVersionsIn32Bits) => {
                let low = row.credential_version.get() & u64::from(u32::MAX);
                row.credential_version = CredentialVersion::new(low);
            }
            _ => {}
        }
        row
    }

    fn age(&self, row: &ResetRecord) -> (Timestamp, [u8; 32]) {
        match self.fault {
            // `max_by_key` takes the last of equals.
            Some(NewestIsTheLastArrived) => (Timestamp::from_seconds(0), [0; 32]),
            Some(OrdersBySeconds) => (whole_seconds(row.created_at), [0; 32]),
            _ => (row.created_at, *row.digest.as_bytes()),
        }
    }

    fn is_live(&self, row: &ResetRecord, now: Timestamp) -> bool {
        let unexpired = match self.fault {
            Some(ForgetsExpiry) => true,
            Some(TakesTheLastMomentForGood) => now <= row.expires_at,
            Some(DiesASecondEarly) => now + Duration::from_secs(1) < row.expires_at,
            _ => now < row.expires_at,
        };
        unexpired && !row.used
    }

    fn is_named(&self, row: &ResetRecord, email: &Email, digest: TokenDigest) -> bool {
        let half = |digest: &TokenDigest| digest.as_bytes()[..16].to_vec();
        let of_address = self.is_of(row, email);
        match self.fault {
            Some(ComparesHalfOfTheDigest) => of_address && half(&row.digest) == half(&digest),
            Some(ConsumesByAddress) => of_address,
            Some(ConsumesByDigest) => row.digest == digest,
            _ => of_address && row.digest == digest,
        }
    }

    /// Marks the row at `place`, and returns it.
    fn mark(&self, rows: &mut [ResetRecord], place: usize) -> ResetRecord {
        let as_it_was = rows[place].clone();
        if self.has(ConsumesAllRows) {
            let of_address = rows.iter_mut().filter(|row| row.email == as_it_was.email);
            of_address.for_each(|row| row.used = true);
        }
        rows[place].used = !self.has(ConsumeMarksNothing);
        let mut marked = rows[place].clone();
        marked.used = !self.has(ReturnsTheRowAsItWas);
        marked
    }
}

#[async_trait]
impl ResetTokenStore for Rows {
    async fn put(&self, record: ResetRecord) -> Result<Put, PortError> {
        let record = self.kept(record);
        let is_same =
            |row: &ResetRecord| self.is_of(row, &record.email) && row.digest == record.digest;
        if self.has(PutLooksFirst) {
            if locked(&self.rows).iter().any(is_same) {
                return Ok(Put::AlreadyThere);
            }
            tokio::task::yield_now().await;
            locked(&self.rows).push(record);
            return Ok(Put::Stored);
        }
        let mut rows = locked(&self.rows);
        if let Some(row) = rows.iter_mut().find(|row| is_same(row)) {
            if self.has(PutOverwrites) || self.has(PutRevives) && row.used {
                *row = record;
            }
            return Ok(Put::AlreadyThere);
        }
        if self.has(KeepsOneRow) {
            rows.retain(|row| row.email != record.email);
        }
        rows.push(record);
        Ok(Put::Stored)
    }

    async fn newest(&self, email: &Email) -> Result<Option<ResetRecord>, PortError> {
        let rows = locked(&self.rows);
        let mut of_address = rows
            .iter()
            .filter(|row| self.is_of(row, email) && !(row.used && self.has(NewestPassesOverUsed)));
        let found =
            if self.has(NewestAlternates) && self.reads.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
                of_address.min_by_key(|row| self.age(row))
            } else {
                of_address.by_ref().max_by_key(|row| self.age(row))
            };
        if found.is_none() && self.has(MakesUpRows) {
            return Ok(Some(made_up(email)));
        }
        Ok(found.cloned())
    }

    async fn consume(
        &self,
        email: &Email,
        digest: TokenDigest,
        now: Timestamp,
    ) -> Result<Option<ResetRecord>, PortError> {
        let live = |row: &ResetRecord| self.is_named(row, email, digest) && self.is_live(row, now);
        if self.has(ConsumeLooksFirst) {
            let found = locked(&self.rows).iter().position(live);
            tokio::task::yield_now().await;
            return Ok(found.map(|place| self.mark(&mut locked(&self.rows), place)));
        }
        let mut rows = locked(&self.rows);
        let found = rows.iter().position(live);
        Ok(found.map(|place| self.mark(&mut rows, place)))
    }

    async fn delete_all(&self, email: &Email, user_id: UserId) -> Result<(), PortError> {
        let mut left = if self.has(DeleteStopsAtABatch) { 25 } else { usize::MAX };
        locked(&self.rows).retain(|row| {
            let of_address = self.is_of(row, email) || self.has(DeleteTakesAll);
            let of_account = row.user_id == user_id || self.has(DeleteTakesTheNextAccounts);
            let is_left = row.used && self.has(DeleteLeavesUsed);
            let goes = of_address && of_account && !is_left && left > 0;
            left -= usize::from(goes);
            !goes
        });
        Ok(())
    }
}

fn made_up(email: &Email) -> ResetRecord {
    ResetRecord {
        email: email.clone(),
        digest: TokenDigest::from_bytes([0; 32]),
        user_id: UserId::from_entropy_bytes([0; 16]),
        credential_version: CredentialVersion::FIRST,
        created_at: Timestamp::from_seconds(0),
        expires_at: Timestamp::from_seconds(0),
        used: true,
    }
}
