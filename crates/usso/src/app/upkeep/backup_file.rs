//! The file of a backup: a line that says what it is, a line about it, the database, and a tag over all of that.
//!
//! The tag is HMAC-SHA-256 under a key derived from the master key, so that nobody without that key can make or alter a
//! backup that would be restored. The master key itself is not inside.

use kernel::Timestamp;
use protocol::seal::{MacStream, SealError, SealingKey};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read, Write};
use subtle::ConstantTimeEq;

/// The first line.
const MAGIC: &str = "USSO-BACKUP 1\n";
const MAGIC_START: &str = "USSO-BACKUP ";
/// How long the second line may be.
const MAX_HEADER: u64 = 4_096;
const TAG: usize = 32;
const CHUNK: usize = 1 << 16;

/// What a backup says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// When it was made.
    pub created_at: Timestamp,
    /// Which version made it.
    pub usso: String,
    /// The id of the master key of the installation: not secret.
    pub master_key_id: String,
    /// How long the database is.
    pub database_bytes: u64,
}

/// Why a file is no backup to restore.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Something else.
    #[error("this file is not a backup made by `usso backup`")]
    NotABackup,
    /// Made by a later version.
    #[error("this backup was made by a newer version of usso: use that one")]
    Newer,
    /// Made under another key.
    #[error(
        "this backup was made under another master key (its id is {found}, the present one's {present}): give the key \
         of that time as MASTER_KEY"
    )]
    OtherKey {
        /// Of the backup.
        found: String,
        /// Of the configuration.
        present: String,
    },
    /// Bytes are missing, or there are too many.
    #[error("this backup is not complete: it has {found} bytes of {expected}")]
    Truncated {
        /// How many there are.
        found: u64,
        /// How many there should be.
        expected: u64,
    },
    /// Bytes have changed.
    #[error("this backup was altered after it was made, or is damaged: its authentication code is wrong")]
    Altered,
    /// A file can't be read or written.
    #[error(transparent)]
    File(#[from] io::Error),
    /// Cryptography failed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

fn mac(key: &SealingKey) -> Result<MacStream, SealError> {
    Ok(key.derive_mac("backup", "")?.begin())
}

/// Writes a backup.
///
/// # Errors
/// When the file system refuses, or the database hasn't the length that the header says.
pub fn write(
    header: &Header,
    database: &mut impl Read,
    key: &SealingKey,
    to: &mut impl Write,
) -> Result<(), FileError> {
    let mut mac = mac(key)?;
    let head = format!("{MAGIC}{}\n", serde_json::to_string(header).map_err(io::Error::from)?);
    mac.update(head.as_bytes());
    to.write_all(head.as_bytes())?;
    transfer(database, header.database_bytes, to, &mut mac)?;
    to.write_all(&mac.tag())?;
    Ok(to.flush()?)
}

/// Reads a backup of `bytes` bytes and writes its database to `to`, which is of use only if this succeeds.
///
/// # Errors
/// [`FileError`] says what is wrong with the backup.
pub fn read(
    backup: &mut impl BufRead,
    bytes: u64,
    key: &SealingKey,
    to: &mut impl Write,
) -> Result<Header, FileError> {
    let mut head = String::new();
    match backup.by_ref().take(MAGIC.len() as u64).read_to_string(&mut head) {
        Err(e) if e.kind() == io::ErrorKind::InvalidData => return Err(FileError::NotABackup),
        other => other?,
    };
    if head != MAGIC {
        let is_ours = head.starts_with(MAGIC_START) && head.len() == MAGIC.len();
        return Err(if is_ours { FileError::Newer } else { FileError::NotABackup });
    }
    let mut line = Vec::new();
    backup.by_ref().take(MAX_HEADER).read_until(b'\n', &mut line)?;
    let header: Header = serde_json::from_slice(&line).map_err(|_| FileError::Altered)?;
    if header.master_key_id != key.key_id() {
        let present = key.key_id().to_owned();
        // Not yet authenticated: nothing of it may reach a terminal but what an id is made of.
        let is_of_ids = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let found = header.master_key_id.chars().filter(is_of_ids).take(64).collect();
        return Err(FileError::OtherKey { found, present });
    }
    let around = (MAGIC.len() + line.len() + TAG) as u64;
    let expected = around.saturating_add(header.database_bytes);
    if bytes != expected {
        return Err(FileError::Truncated { found: bytes, expected });
    }
    let mut mac = mac(key)?;
    mac.update(head.as_bytes());
    mac.update(&line);
    transfer(backup, header.database_bytes, to, &mut mac)?;
    let mut tag = [0; TAG];
    backup.read_exact(&mut tag)?;
    if !bool::from(mac.tag().ct_eq(&tag)) {
        return Err(FileError::Altered);
    }
    to.flush()?;
    Ok(header)
}

fn transfer(
    from: &mut impl Read,
    bytes: u64,
    to: &mut impl Write,
    mac: &mut MacStream,
) -> Result<(), FileError> {
    let mut chunk = vec![0; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let read = from.read(chunk.get_mut(..wanted).unwrap_or_default())?;
        if read == 0 {
            return Err(FileError::Truncated { found: bytes - left, expected: bytes });
        }
        let part = chunk.get(..read).unwrap_or_default();
        mac.update(part);
        to.write_all(part)?;
        left -= read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SealingKey {
        SealingKey::from_master(&[byte; 32]).unwrap()
    }

    fn backup(database: &[u8]) -> Vec<u8> {
        let header = Header {
            created_at: Timestamp::from_unix_seconds(1_800_000_000),
            usso: "0".to_owned(),
            master_key_id: key(1).key_id().to_owned(),
            database_bytes: database.len() as u64,
        };
        let mut file = Vec::new();
        write(&header, &mut &*database, &key(1), &mut file).unwrap();
        file
    }

    fn restored(mut file: &[u8], key: &SealingKey) -> Result<Vec<u8>, FileError> {
        let mut database = Vec::new();
        let bytes = file.len() as u64;
        read(&mut file, bytes, key, &mut database).map(|_| database)
    }

    #[test]
    fn what_is_written_is_read_again() {
        for length in [0, 1, CHUNK, CHUNK * 2 + 7] {
            let database: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
            assert_eq!(restored(&backup(&database), &key(1)).unwrap(), database);
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let file = backup(&[7; 300]);
        for bit in 0..file.len() * 8 {
            let mut altered = file.clone();
            *altered.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
            assert!(restored(&altered, &key(1)).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_other_length_is_refused() {
        let file = backup(&[7; 300]);
        for length in 0..file.len() {
            assert!(restored(file.get(..length).unwrap(), &key(1)).is_err(), "{length}");
        }
        assert!(restored(&[file.as_slice(), b"x"].concat(), &key(1)).is_err());
    }

    #[test]
    fn another_key_is_named() {
        let refused = restored(&backup(b"x"), &key(2)).unwrap_err();
        assert!(
            matches!(&refused, FileError::OtherKey { found, .. } if found == key(1).key_id()),
            "{refused}"
        );
        assert!(matches!(restored(b"SQLite format 3\0 and more", &key(1)), Err(FileError::NotABackup)));
        assert!(matches!(restored(b"USSO-BACKUP 2\n{}\n", &key(1)), Err(FileError::Newer)));
    }
}
