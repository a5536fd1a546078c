use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use auth_domain::ports::{CredentialUpdate, Insert, Update, UserKey, UserStore};
use auth_domain::{
    CredentialVersion, DisplayName, Email, PasswordHash, PortError, Timestamp, User, UserId,
};

use super::{locked, whole_seconds, without_accents};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserFault {
    ChangeClearsLastLogin,
    ChangeDemandsNewVersion,
    ChangeForgetsUpdatedAt,
    ChangeIgnoresVersion,
    ChangeLooksFirst,
    ChangeMakesRows,
    ChangeTakesOlderVersions,
    CutsTimesToSeconds,
    DeleteKeepsTheAddressTaken,
    DeleteLeavesTheRow,
    ForgetsThatItIsDisabled,
    GivesAnAddressItsFirstId,
    IgnoresIds,
    InsertLooksFirst,
    InsertOverwrites,
    KeepsNoIndexById,
    KeepsVersionsIn32Bits,
    MakesUpAccounts,
    ReadsAccentsAway,
    ReadsKeysAsPatterns,
    ReadsNoPasswordAsEmpty,
    TouchBumpsVersion,
    TouchMakesRows,
    TouchMovesUpdatedAt,
    TouchWritesBackWhatItRead,
}

use UserFault::*;

/// Each law, and the faults that it catches.
pub(crate) const CAUGHT: &[(&str, &[UserFault])] = &[
    ("absent_accounts_are_none", &[MakesUpAccounts]),
    (
        "an_account_is_read_back_whole",
        &[
            CutsTimesToSeconds,
            KeepsVersionsIn32Bits,
            ReadsNoPasswordAsEmpty,
            ForgetsThatItIsDisabled,
        ],
    ),
    ("an_account_is_found_by_its_id", &[KeepsNoIndexById]),
    ("a_taken_address_is_refused_and_nothing_changes", &[InsertOverwrites]),
    (
        "a_change_of_credentials_is_read_back_and_leaves_the_rest",
        &[ChangeForgetsUpdatedAt, ChangeClearsLastLogin],
    ),
    (
        "a_change_from_another_version_changes_nothing",
        &[ChangeIgnoresVersion, ChangeTakesOlderVersions],
    ),
    ("a_change_for_another_account_changes_nothing", &[IgnoresIds, ChangeMakesRows]),
    ("a_rehash_keeps_the_version", &[ChangeDemandsNewVersion]),
    ("a_login_makes_no_change_of_credentials_stale", &[TouchBumpsVersion]),
    ("a_touch_writes_the_last_login_and_nothing_else", &[TouchMovesUpdatedAt]),
    ("a_touch_makes_no_row", &[TouchMakesRows]),
    (
        "a_deleted_account_is_gone_and_its_address_free",
        &[DeleteLeavesTheRow, DeleteKeepsTheAddressTaken],
    ),
    ("a_delete_for_another_account_removes_nothing", &[IgnoresIds]),
    ("an_account_made_anew_is_not_reached_by_the_old_key", &[GivesAnAddressItsFirstId, IgnoresIds]),
    ("accounts_do_not_mix", &[ReadsAccentsAway, ReadsKeysAsPatterns]),
    ("of_concurrent_inserts_one_wins", &[InsertLooksFirst]),
    ("of_concurrent_changes_from_one_version_one_wins", &[ChangeLooksFirst]),
    ("a_change_among_concurrent_logins_is_kept", &[TouchWritesBackWhatItRead]),
];

pub(crate) struct Users {
    fault: Option<UserFault>,
    rows: Mutex<HashMap<Email, User>>,
    first_ids: Mutex<HashMap<Email, UserId>>,
}

impl Users {
    pub(crate) fn new(fault: Option<UserFault>) -> Self {
        Self { fault, rows: Mutex::default(), first_ids: Mutex::default() }
    }

    fn has(&self, fault: UserFault) -> bool {
        self.fault == Some(fault)
    }

    fn row_key(&self, email: &Email) -> Email {
        if self.has(ReadsAccentsAway) { without_accents(email) } else { email.clone() }
    }

    fn kept(&self, mut user: User) -> User {
        match self.fault {
            Some(CutsTimesToSeconds) => user.created_at = whole_seconds(user.created_at),
            Some(ForgetsThatItIsDisabled) => user.disabled = false,
            Some(KeepsVersionsIn32Bits) => {
                let low = user.credential_version.get() & u64::from(u32::MAX);
                user.credential_version = CredentialVersion::new(low);
            }
            Some(ReadsNoPasswordAsEmpty) => {
                user.password_hash.get_or_insert_with(|| PasswordHash::from_stored(""));
            }
            Some(GivesAnAddressItsFirstId) => {
                let mut first_ids = locked(&self.first_ids);
                user.id = *first_ids.entry(user.email.clone()).or_insert(user.id);
            }
            _ => {}
        }
        user
    }

    fn matches(&self, pattern: &Email, email: &Email) -> bool {
        let (pattern, email) = (pattern.as_str(), email.as_str());
        let blank = |(p, e): (char, char)| p == '_' || p == e;
        pattern == email
            || self.has(ReadsKeysAsPatterns)
                && pattern.chars().count() == email.chars().count()
                && pattern.chars().zip(email.chars()).all(blank)
    }

    fn find(&self, email: &Email) -> Option<User> {
        let rows = locked(&self.rows);
        let key = self.row_key(email);
        let mut found: Vec<_> = rows.keys().filter(|kept| self.matches(&key, kept)).collect();
        // The most literal match last, so that a pattern shows.
        found.sort_unstable_by_key(|kept| **kept == key);
        found.first().map(|kept| rows[*kept].clone())
    }

    fn write(&self, key: &UserKey, change: impl FnOnce(&mut User) -> Update) -> Update {
        let mut rows = locked(&self.rows);
        let row = rows.get_mut(&self.row_key(&key.email));
        let row = row.filter(|user| user.id == key.id || self.has(IgnoresIds));
        row.map_or(Update::Stale, change)
    }

    fn fits(&self, update: &CredentialUpdate, kept: CredentialVersion) -> bool {
        let demanded = !self.has(ChangeDemandsNewVersion) || update.next != kept;
        match self.fault {
            Some(ChangeIgnoresVersion | ChangeMakesRows) => true,
            Some(ChangeTakesOlderVersions) => kept <= update.expected,
            _ => kept == update.expected && demanded,
        }
    }
}

fn made_up(email: &Email, id: UserId) -> User {
    let never = Timestamp::from_seconds(0);
    User {
        id,
        email: email.clone(),
        name: DisplayName::from_stored("Nobody".to_owned()),
        password_hash: None,
        credential_version: CredentialVersion::FIRST,
        disabled: false,
        created_at: never,
        updated_at: never,
        last_login: None,
    }
}

#[async_trait]
impl UserStore for Users {
    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, PortError> {
        let found = self.find(email);
        if self.has(MakesUpAccounts) {
            let id = UserId::from_entropy_bytes([0; 16]);
            return Ok(found.or_else(|| Some(made_up(email, id))));
        }
        Ok(found)
    }

    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, PortError> {
        let rows = locked(&self.rows);
        let found = rows.values().find(|user| user.id == id).cloned();
        Ok(found.filter(|_| !self.has(KeepsNoIndexById)))
    }

    async fn insert(&self, user: User) -> Result<Insert, PortError> {
        let user = self.kept(user);
        let key = self.row_key(&user.email);
        if self.has(InsertLooksFirst) {
            if locked(&self.rows).contains_key(&key) {
                return Ok(Insert::EmailTaken);
            }
            tokio::task::yield_now().await;
            locked(&self.rows).insert(key, user);
            return Ok(Insert::Inserted);
        }
        let mut rows = locked(&self.rows);
        let burnt =
            self.has(DeleteKeepsTheAddressTaken) && locked(&self.first_ids).contains_key(&key);
        if burnt || rows.contains_key(&key) && !self.has(InsertOverwrites) {
            return Ok(Insert::EmailTaken);
        }
        rows.insert(key, user);
        Ok(Insert::Inserted)
    }

    async fn update_credentials(&self, update: CredentialUpdate) -> Result<Update, PortError> {
        if self.has(ChangeLooksFirst) {
            let found = self.find(&update.key.email);
            if found.is_none_or(|user| user.credential_version != update.expected) {
                return Ok(Update::Stale);
            }
            tokio::task::yield_now().await;
        }
        if self.has(ChangeMakesRows) {
            let row = made_up(&update.key.email, update.key.id);
            locked(&self.rows).entry(update.key.email.clone()).or_insert(row);
        }
        Ok(self.write(&update.key, |user| {
            if !self.has(ChangeLooksFirst) && !self.fits(&update, user.credential_version) {
                return Update::Stale;
            }
            user.password_hash = Some(update.password_hash.clone());
            user.credential_version = update.next;
            if !self.has(ChangeForgetsUpdatedAt) {
                user.updated_at = update.updated_at;
            }
            if self.has(ChangeClearsLastLogin) {
                user.last_login = None;
            }
            Update::Updated
        }))
    }

    async fn touch_last_login(&self, key: &UserKey, at: Timestamp) -> Result<Update, PortError> {
        if self.has(TouchWritesBackWhatItRead) {
            let Some(mut row) = self.find(&key.email) else {
                return Ok(Update::Stale);
            };
            tokio::task::yield_now().await;
            row.last_login = Some(at);
            locked(&self.rows).insert(key.email.clone(), row);
            return Ok(Update::Updated);
        }
        if self.has(TouchMakesRows) {
            let row = made_up(&key.email, key.id);
            locked(&self.rows).entry(key.email.clone()).or_insert(row);
        }
        Ok(self.write(key, |user| {
            user.last_login = Some(at);
            match self.fault {
                Some(TouchBumpsVersion) => user.credential_version = user.credential_version.next(),
                Some(TouchMovesUpdatedAt) => user.updated_at = at,
                _ => {}
            }
            Update::Updated
        }))
    }

    async fn delete(&self, key: &UserKey) -> Result<Update, PortError> {
        let answer = self.write(key, |_| Update::Updated);
        if answer == Update::Updated && !self.has(DeleteLeavesTheRow) {
            locked(&self.rows).remove(&self.row_key(&key.email));
        }
        if self.has(DeleteKeepsTheAddressTaken) {
            locked(&self.first_ids).insert(key.email.clone(), key.id);
        }
        Ok(answer)
    }
}
