//! The file of a tenant: a line that says what it is, a line about it, and the records in sealed pieces, a line each.
//!
//! Everything is sealed under a key made of a passphrase (Argon2id, RFC 9106). Each piece is bound to the line about the
//! file, to its place, and to whether it is the last one, so that nothing can be altered, exchanged or cut off.

use argon2::{Algorithm, Argon2, Params, Version};
use kernel::Timestamp;
use protocol::b64url;
use protocol::seal::{SealError, SealingKey};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The first line.
const MAGIC: &str = "USSO-TENANT 1";
const MAGIC_START: &str = "USSO-TENANT ";
/// How much is sealed at once, in bytes.
const PIECE: usize = 1 << 20;
/// Least characters of a passphrase.
pub const MIN_PASSPHRASE: usize = 12;
/// What making a key of a passphrase costs: memory in KiB, and passes.
const COST: (u32, u32) = (65_536, 3);
/// What it may cost at most, whatever a file says.
const MAX_COST: (u32, u32) = (1_048_576, 16);

/// What the file of a tenant says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Whose records these are.
    pub tenant_id: String,
    /// When they were read.
    pub created_at: Timestamp,
    /// Which version wrote the file.
    pub usso: String,
    /// Memory of making the key, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// The salt.
    pub salt: String,
}

/// Why a file is none to import.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Something else.
    #[error("this is not an archive made by an export of a tenant")]
    NotAnArchive,
    /// Made by a later version.
    #[error("this archive was made by a newer version of usso")]
    Newer,
    /// The passphrase is too short to be one.
    #[error("a passphrase needs at least 12 characters")]
    ShortPassphrase,
    /// The wrong passphrase.
    #[error("this is not the passphrase of the archive")]
    WrongPassphrase,
    /// Bytes have changed or are missing.
    #[error("this archive is not complete, or was altered after it was made")]
    Altered,
    /// Cryptography failed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl Header {
    /// A header with a new salt.
    pub fn new(tenant_id: &str, created_at: Timestamp, salt: [u8; 16]) -> Self {
        Self {
            tenant_id: tenant_id.to_owned(),
            created_at,
            usso: env!("CARGO_PKG_VERSION").to_owned(),
            memory_kib: COST.0,
            passes: COST.1,
            salt: b64url::encode(salt),
        }
    }

    /// The key of a passphrase. Takes some tenths of a second.
    fn key(&self, passphrase: &SecretString) -> Result<SealingKey, FileError> {
        if self.memory_kib > MAX_COST.0 || self.passes > MAX_COST.1 {
            return Err(FileError::NotAnArchive);
        }
        let salt = b64url::decode(&self.salt).map_err(|_| FileError::NotAnArchive)?;
        let params =
            Params::new(self.memory_kib, self.passes, 1, Some(32)).map_err(|_| FileError::NotAnArchive)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose_secret().as_bytes(), &salt, key.as_mut_slice())
            .map_err(|_| FileError::NotAnArchive)?;
        Ok(SealingKey::from_master(&key)?)
    }
}

fn check(passphrase: &SecretString) -> Result<(), FileError> {
    let is_long = passphrase.expose_secret().chars().count() >= MIN_PASSPHRASE;
    if is_long { Ok(()) } else { Err(FileError::ShortPassphrase) }
}

fn context(header: &str, place: usize, is_last: bool) -> String {
    let digest = b64url::encode(protocol::sha256(header.as_bytes()));
    format!("tenant archive|{digest}|{place}|{}", if is_last { "last" } else { "more" })
}

/// Writes a file.
///
/// # Errors
/// [`FileError::ShortPassphrase`]; when cryptography fails.
pub fn write(header: &Header, records: &[u8], passphrase: &SecretString) -> Result<String, FileError> {
    check(passphrase)?;
    let key = header.key(passphrase)?;
    let line = serde_json::to_string(header).map_err(|_| FileError::NotAnArchive)?;
    let pieces: Vec<&[u8]> = if records.is_empty() { vec![records] } else { records.chunks(PIECE).collect() };
    let mut out = format!("{MAGIC}\n{line}\n");
    for (place, piece) in pieces.iter().enumerate() {
        let context = context(&line, place, place + 1 == pieces.len());
        out.push_str(&key.seal(context.as_bytes(), piece)?);
        out.push('\n');
    }
    Ok(out)
}

/// Reads a file: what it says about itself, and the records.
///
/// # Errors
/// [`FileError`].
pub fn read(file: &str, passphrase: &SecretString) -> Result<(Header, Zeroizing<Vec<u8>>), FileError> {
    check(passphrase)?;
    let mut lines = file.split('\n');
    match lines.next() {
        Some(MAGIC) => {}
        Some(line) if line.starts_with(MAGIC_START) => return Err(FileError::Newer),
        _ => return Err(FileError::NotAnArchive),
    }
    let line = lines.next().unwrap_or_default();
    let header: Header = serde_json::from_str(line).map_err(|_| FileError::NotAnArchive)?;
    let key = header.key(passphrase)?;
    let mut pieces: Vec<&str> = lines.collect();
    // A line ends with its newline; what comes after the last one is nothing.
    if pieces.pop() != Some("") || pieces.is_empty() {
        return Err(FileError::Altered);
    }
    let mut records = Zeroizing::new(Vec::new());
    for (place, piece) in pieces.iter().enumerate() {
        let context = context(line, place, place + 1 == pieces.len());
        let opened = key.open(context.as_bytes(), piece).map_err(|error| match error {
            SealError::OtherKey(_) if place == 0 => FileError::WrongPassphrase,
            SealError::Crypto => FileError::Seal(error),
            _ => FileError::Altered,
        })?;
        records.extend_from_slice(&opened);
    }
    Ok((header, records))
}
