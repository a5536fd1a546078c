use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Mode, Walked};

const FORMAT: u32 = 1;

/// Saving takes at most this part of the time: the file grows with what was found, and is written whole.
const SHARE: u32 = 20;

/// Where a walk is kept between two runs. It holds addresses: only its owner may read it.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    walk: Walk,
    saved: Option<Saved>,
}

/// Which walk it is. Another one's state would skip rows that this one has to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Walk {
    table: String,
    table_id: Option<String>,
    mode: Mode,
}

#[derive(Debug)]
struct Saved {
    at: Instant,
    took: Duration,
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    walk: &'a Walk,
    walked: &'a Walked,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Deserialize)]
struct Read {
    walk: Walk,
    walked: Walked,
}

/// Why a state file is of no use. Never carries an address.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StateError {
    /// It cannot be read.
    #[error("the state file cannot be read")]
    NotRead(#[source] io::Error),
    /// It cannot be written, or not be removed.
    #[error("the state file cannot be written")]
    NotWritten(#[source] io::Error),
    /// It is none of this program, or of another version of it.
    #[error("the state file is not one of this program's, in format {FORMAT}")]
    OtherFormat,
    /// It belongs to a walk of the other mode.
    #[error("the state file is of a walk with the other setting of --apply")]
    OtherMode,
    /// It belongs to a walk over another table.
    #[error("the state file is of another table")]
    OtherTable,
}

impl StateFile {
    /// The state of a walk over `table` in the file `path`. `table_id` tells tables of one name apart,
    /// where it is known.
    pub fn new(
        path: impl Into<PathBuf>,
        table: impl Into<String>,
        table_id: Option<String>,
        mode: Mode,
    ) -> Self {
        let walk = Walk { table: table.into(), table_id, mode };
        Self { path: path.into(), walk, saved: None }
    }

    /// What was kept. `None` if there is no such file.
    ///
    /// # Errors
    /// [`StateError`]: it cannot be read, or is not of this walk.
    pub fn load(&self) -> Result<Option<Walked>, StateError> {
        match fs::read(&self.path) {
            Ok(bytes) => self.accept(&bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StateError::NotRead(error)),
        }
    }

    fn accept(&self, bytes: &[u8]) -> Result<Walked, StateError> {
        let format = serde_json::from_slice::<Format>(bytes).map(|read| read.format);
        if !matches!(format, Ok(FORMAT)) {
            return Err(StateError::OtherFormat);
        }
        let read: Read = serde_json::from_slice(bytes).map_err(|_| StateError::OtherFormat)?;
        if !self.walk.is_over_the_table_of(&read.walk) {
            Err(StateError::OtherTable)
        } else if self.walk.mode != read.walk.mode {
            Err(StateError::OtherMode)
        } else {
            Ok(read.walked)
        }
    }

    /// Keeps `walked`, unless that was done so lately that saving would take more than a twentieth of the
    /// time.
    ///
    /// # Errors
    /// [`StateError::NotWritten`].
    pub fn save_if_due(&mut self, walked: &Walked) -> Result<(), StateError> {
        let due = self.saved.as_ref().is_none_or(|saved| saved.at.elapsed() >= saved.took * SHARE);
        if due { self.save(walked) } else { Ok(()) }
    }

    /// Keeps `walked`. Whenever this ends, the file is whole: the old one or the new one.
    ///
    /// # Errors
    /// [`StateError::NotWritten`].
    pub fn save(&mut self, walked: &Walked) -> Result<(), StateError> {
        let start = Instant::now();
        let written = Written { format: FORMAT, walk: &self.walk, walked };
        let bytes = serde_json::to_vec(&written).map_err(io::Error::from);
        let replaced = bytes.and_then(|bytes| replace(&self.path, &bytes));
        replaced.map_err(StateError::NotWritten)?;
        self.saved = Some(Saved { at: Instant::now(), took: start.elapsed() });
        Ok(())
    }

    /// Removes the file, if there is one.
    ///
    /// # Errors
    /// [`StateError::NotWritten`].
    pub fn remove(&self) -> Result<(), StateError> {
        remove(&self.path).map_err(StateError::NotWritten)
    }
}

impl Walk {
    fn is_over_the_table_of(&self, other: &Self) -> bool {
        let same_id = match (&self.table_id, &other.table_id) {
            (Some(id), Some(other)) => id == other,
            _ => true,
        };
        self.table == other.table && same_id
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = OsString::from(path);
    name.push(".new");
    let new = PathBuf::from(name);
    // Left by a run that was killed. Made anew below, so that no other's file or link is written to.
    remove(&new)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
