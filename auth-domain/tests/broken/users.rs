use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use async_trait::async_trait;
use auth_domain::ports::{
    CredentialChange, CredentialUpdate, EmailChange, EmailUpdate, Insert, Update, UserKey,
    UserStore,
};
use auth_domain::{
    CredentialVersion, DisplayName, Email, PasswordHash, PortError, Timestamp, User, UserId,
};

use super::{locked, whole_seconds, without_accents};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserFault {
    ByMailForgetsTheAddress,
    ByMailOverwritesTheConfirmation,
    ChangeClearsLastLogin,
    ChangeDemandsNewVersion,
    ChangeForgetsUpdatedAt,
    ChangeIgnoresVersion,
    ChangeLooksFirst,
    ChangeMakesRows,
    ChangeTakesOlderVersions,
    ChangeWritesBackWhatItRead,
    CutsTimesToSeconds,
    DeleteIgnoresTheVersion,
    DeleteKeepsTheAddressTaken,
    DeleteLeavesTheRow,
    EnableIsForgotten,
    ForgetsThatItIsDisabled,
    GivesAnAddressItsFirstId,
    IgnoresIds,
    InsertLooksFirst,
    InsertOverwrites,
    KeepsNoIndexById,
    KeepsVersionsIn32Bits,
    MakesUpAccounts,
    MoveCarriesOverWhatItRead,
    MoveDeletesFirst,
    MoveForgetsLastLogin,
    MoveForgetsTheIndex,
    MoveIgnoresVersion,
    MoveInTwoSteps,
    MoveLeavesTheConfirmation,
    MoveLeavesTheOldRow,
    MoveLooksWhetherItIsFree,
    MoveOverwrites,
    NothingWritesNothing,
    PasswordRemovedIsEmpty,
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
    ("a_delete_from_another_version_removes_nothing", &[DeleteIgnoresTheVersion]),
    ("an_account_made_anew_is_not_reached_by_the_old_key", &[GivesAnAddressItsFirstId, IgnoresIds]),
    ("accounts_do_not_mix", &[ReadsAccentsAway, ReadsKeysAsPatterns]),
    (
        "each_change_writes_what_it_says_and_leaves_the_rest",
        &[
            ByMailForgetsTheAddress,
            ByMailOverwritesTheConfirmation,
            EnableIsForgotten,
            NothingWritesNothing,
            PasswordRemovedIsEmpty,
        ],
    ),
    (
        "a_moved_account_is_at_its_new_address_whole",
        &[
            MoveLeavesTheOldRow,
            MoveLeavesTheConfirmation,
            MoveForgetsLastLogin,
            MoveForgetsTheIndex,
        ],
    ),
    ("a_move_to_a_taken_address_changes_nothing", &[MoveOverwrites, MoveDeletesFirst]),
    (
        "a_move_from_another_version_or_of_another_account_changes_nothing",
        &[MoveIgnoresVersion, IgnoresIds],
    ),
    ("of_concurrent_inserts_one_wins", &[InsertLooksFirst]),
    ("of_concurrent_changes_from_one_version_one_wins", &[ChangeLooksFirst]),
    ("a_change_among_concurrent_logins_is_kept", &[TouchWritesBackWhatItRead]),
    ("of_concurrent_moves_of_one_account_one_wins", &[MoveInTwoSteps]),
    ("of_concurrent_moves_to_one_address_one_wins", &[MoveLooksWhetherItIsFree]),
    (
        "what_is_written_beside_a_move_is_kept",
        &[MoveCarriesOverWhatItRead, ChangeWritesBackWhatItRead],
    ),
];

pub(crate) struct Users {
    fault: Option<UserFault>,
    rows: Mutex<HashMap<Email, User>>,
    first_ids: Mutex<HashMap<Email, UserId>>,
    lost_ids: Mutex<HashSet<UserId>>,
}

impl Users {
    pub(crate) fn new(fault: Option<UserFault>) -> Self {
        Self {
            fault,
            rows: Mutex::default(),
            first_ids: Mutex::default(),
            lost_ids: Mutex::default(),
        }
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

    fn apply(&self, user: &mut User, change: CredentialChange) {
        match change {
            CredentialChange::Nothing => {}
            CredentialChange::Disabled(false) if self.has(EnableIsForgotten) => {}
            CredentialChange::Disabled(disabled) => user.disabled = disabled,
            CredentialChange::EmailVerified(at) => user.email_verified_at = Some(at),
            CredentialChange::PasswordHash(hash) => user.password_hash = Some(hash),
            CredentialChange::PasswordHashByMail(hash, at) => {
                user.password_hash = Some(hash);
                match self.fault {
                    Some(ByMailForgetsTheAddress) => {}
                    Some(ByMailOverwritesTheConfirmation) => user.email_verified_at = Some(at),
                    _ => drop(user.email_verified_at.get_or_insert(at)),
                }
            }
            CredentialChange::PasswordRemoved if self.has(PasswordRemovedIsEmpty) => {
                user.password_hash = Some(PasswordHash::from_stored(""));
            }
            CredentialChange::PasswordRemoved => user.password_hash = None,
        }
    }

    /// The account that a move is for, if its condition holds.
    fn to_move(&self, rows: &HashMap<Email, User>, change: &EmailChange) -> Option<User> {
        let found = rows.get(&self.row_key(&change.key.email))?;
        let is_named = found.id == change.key.id || self.has(IgnoresIds);
        let fits = found.credential_version == change.expected || self.has(MoveIgnoresVersion);
        (is_named && fits).then(|| found.clone())
    }

    fn moved(&self, user: User, change: &EmailChange) -> User {
        let mut moved = User {
            email: change.new_email.clone(),
            credential_version: change.next,
            updated_at: change.at,
            email_verified_at: Some(change.at),
            ..user.clone()
        };
        match self.fault {
            Some(MoveForgetsLastLogin) => moved.last_login = None,
            Some(MoveForgetsTheIndex) => drop(locked(&self.lost_ids).insert(moved.id)),
            Some(MoveLeavesTheConfirmation) => moved.email_verified_at = user.email_verified_at,
            _ => {}
        }
        moved
    }

    /// Inserts at the new address, and removes at the old one a while later.
    async fn move_in_two_steps(&self, read: Option<User>, change: &EmailChange) -> EmailUpdate {
        let Some(user) = read else {
            return EmailUpdate::Stale;
        };
        let (old, new) = (self.row_key(&change.key.email), self.row_key(&change.new_email));
        if locked(&self.rows).contains_key(&new) {
            return EmailUpdate::EmailTaken;
        }
        locked(&self.rows).insert(new, self.moved(user, change));
        tokio::task::yield_now().await;
        match locked(&self.rows).remove(&old) {
            Some(_) => EmailUpdate::Updated,
            None => EmailUpdate::Stale,
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
        email_verified_at: None,
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
        let lost =
            |user: &User| self.has(KeepsNoIndexById) || locked(&self.lost_ids).contains(&user.id);
        Ok(found.filter(|user| !lost(user)))
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
        if self.has(ChangeWritesBackWhatItRead) {
            let found = self.find(&update.key.email);
            let Some(mut row) = found.filter(|user| self.fits(&update, user.credential_version))
            else {
                return Ok(Update::Stale);
            };
            tokio::task::yield_now().await;
            self.apply(&mut row, update.change.clone());
            row.credential_version = update.next;
            row.updated_at = update.updated_at;
            locked(&self.rows).insert(update.key.email.clone(), row);
            return Ok(Update::Updated);
        }
        if self.has(ChangeMakesRows) {
            let row = made_up(&update.key.email, update.key.id);
            locked(&self.rows).entry(update.key.email.clone()).or_insert(row);
        }
        Ok(self.write(&update.key, |user| {
            if !self.has(ChangeLooksFirst) && !self.fits(&update, user.credential_version) {
                return Update::Stale;
            }
            if self.has(NothingWritesNothing) && matches!(update.change, CredentialChange::Nothing)
            {
                return Update::Updated;
            }
            self.apply(user, update.change.clone());
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

    async fn change_email(&self, change: EmailChange) -> Result<EmailUpdate, PortError> {
        let read = self.to_move(&locked(&self.rows), &change);
        let was_free = !locked(&self.rows).contains_key(&self.row_key(&change.new_email));
        match self.fault {
            Some(MoveCarriesOverWhatItRead | MoveLooksWhetherItIsFree) => {
                tokio::task::yield_now().await;
            }
            Some(MoveInTwoSteps) => return Ok(self.move_in_two_steps(read, &change).await),
            _ => {}
        }
        let mut rows = locked(&self.rows);
        let Some(user) = self.to_move(&rows, &change) else {
            return Ok(EmailUpdate::Stale);
        };
        let is_free = match self.fault {
            Some(MoveLooksWhetherItIsFree) => was_free,
            Some(MoveOverwrites) => true,
            _ => !rows.contains_key(&self.row_key(&change.new_email)),
        };
        if is_free && !self.has(MoveLeavesTheOldRow) || self.has(MoveDeletesFirst) {
            rows.remove(&self.row_key(&change.key.email));
        }
        if !is_free {
            return Ok(EmailUpdate::EmailTaken);
        }
        let user = read.filter(|_| self.has(MoveCarriesOverWhatItRead)).unwrap_or(user);
        rows.insert(self.row_key(&change.new_email), self.moved(user, &change));
        Ok(EmailUpdate::Updated)
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

    async fn delete(
        &self,
        key: &UserKey,
        expected: Option<CredentialVersion>,
    ) -> Result<Update, PortError> {
        let expected = expected.filter(|_| !self.has(DeleteIgnoresTheVersion));
        let answer = self.write(key, |user| {
            let holds = expected.is_none_or(|version| version == user.credential_version);
            if holds { Update::Updated } else { Update::Stale }
        });
        if answer == Update::Updated && !self.has(DeleteLeavesTheRow) {
            locked(&self.rows).remove(&self.row_key(&key.email));
        }
        if self.has(DeleteKeepsTheAddressTaken) {
            locked(&self.first_ids).insert(key.email.clone(), key.id);
        }
        Ok(answer)
    }
}
