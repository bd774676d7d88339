//! Stored password hashes as PHC strings: `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`.
//!
//! The parser is strict, and refuses parameters whose only purpose could be to exhaust the server: a hash
//! that was imported or tampered with decides how much memory and time a sign-in takes (RFC 9106 section 3.1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::fmt::Write;

/// The most memory a stored hash may ask for, in KiB (64 MiB).
pub const MAX_MEMORY_KIB: u32 = 64 * 1024;
/// The most passes a stored hash may ask for.
pub const MAX_PASSES: u32 = 16;
/// The most lanes a stored hash may ask for.
pub const MAX_LANES: u32 = 4;
/// The longest PHC string that is looked at, in bytes.
const MAX_PHC_BYTES: usize = 256;
/// What a salt may measure, in bytes (RFC 9106 recommends 16).
const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=64;
/// What a hash may measure, in bytes.
const HASH_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// What computing one Argon2id hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB (`m`).
    pub memory_kib: u32,
    /// Passes over the memory (`t`).
    pub passes: u32,
    /// Lanes (`p`), computed one after the other.
    pub lanes: u32,
}

impl Default for Cost {
    /// 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

impl Cost {
    /// Whether it stays within the bounds above.
    pub fn is_acceptable(&self) -> bool {
        (1..=MAX_LANES).contains(&self.lanes)
            && (1..=MAX_PASSES).contains(&self.passes)
            && (8 * self.lanes..=MAX_MEMORY_KIB).contains(&self.memory_kib)
    }

    /// The work relative to `other`, rounded up; at least 1.
    pub fn relative_to(&self, other: &Self) -> u32 {
        let work = |cost: &Self| u64::from(cost.memory_kib) * u64::from(cost.passes);
        u32::try_from(work(self).div_ceil(work(other).max(1))).unwrap_or(u32::MAX).max(1)
    }
}

/// A stored hash, taken apart. It doesn't show itself: the salt and the hash are secrets.
pub struct StoredHash {
    /// What computing it costs.
    pub cost: Cost,
    /// The salt.
    pub salt: Vec<u8>,
    /// The hash.
    pub hash: Vec<u8>,
}

/// Why a stored hash can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhcError {
    /// Not a well-formed PHC string.
    #[error("the stored password hash is malformed")]
    Malformed,
    /// Not Argon2id version 19.
    #[error("the stored password hash is of an unsupported kind")]
    Unsupported,
    /// Asks for more memory, passes or lanes than this server spends on one password.
    #[error("the stored password hash asks for more work than is allowed")]
    TooExpensive,
}

impl StoredHash {
    /// Takes a PHC string apart.
    pub fn parse(phc: &str) -> Result<Self, PhcError> {
        if phc.len() > MAX_PHC_BYTES {
            return Err(PhcError::Malformed);
        }
        let mut fields = phc.split('$');
        if fields.next() != Some("") {
            return Err(PhcError::Malformed);
        }
        let algorithm = fields.next().ok_or(PhcError::Malformed)?;
        if algorithm != "argon2id" {
            return Err(PhcError::Unsupported);
        }
        let version = fields.next().and_then(|field| field.strip_prefix("v=")).ok_or(PhcError::Malformed)?;
        if version != "19" {
            return Err(PhcError::Unsupported);
        }
        let (Some(cost), Some(salt), Some(hash), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(PhcError::Malformed);
        };
        let cost = parse_cost(cost).ok_or(PhcError::Malformed)?;
        if !cost.is_acceptable() {
            return Err(PhcError::TooExpensive);
        }
        let decode = |text: &str, allowed: &std::ops::RangeInclusive<usize>| {
            let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| PhcError::Malformed)?;
            if allowed.contains(&bytes.len()) { Ok(bytes) } else { Err(PhcError::Malformed) }
        };
        Ok(Self { cost, salt: decode(salt, &SALT_BYTES)?, hash: decode(hash, &HASH_BYTES)? })
    }

    /// Whether it is weaker than what is written now, and should be replaced at the next sign-in.
    pub fn is_weaker_than(&self, cost: &Cost, salt_bytes: usize, hash_bytes: usize) -> bool {
        self.cost.memory_kib < cost.memory_kib
            || self.cost.passes < cost.passes
            || self.salt.len() < salt_bytes
            || self.hash.len() < hash_bytes
    }
}

impl std::fmt::Debug for StoredHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StoredHash").field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// Writes a PHC string.
pub fn format(cost: &Cost, salt: &[u8], hash: &[u8]) -> String {
    let mut phc = format!("$argon2id$v=19$m={},t={},p={}$", cost.memory_kib, cost.passes, cost.lanes);
    STANDARD_NO_PAD.encode_string(salt, &mut phc);
    // Writing to a String can't fail.
    let _ = phc.write_char('$');
    STANDARD_NO_PAD.encode_string(hash, &mut phc);
    phc
}

/// `m=…,t=…,p=…`, in that order and nothing else.
fn parse_cost(text: &str) -> Option<Cost> {
    let mut fields = text.split(',');
    let mut number = |name: &str| {
        let digits = fields.next()?.strip_prefix(name)?.strip_prefix('=')?;
        let is_canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        if is_canonical { digits.parse().ok() } else { None }
    };
    let cost = Cost { memory_kib: number("m")?, passes: number("t")?, lanes: number("p")? };
    fields.next().is_none().then_some(cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &str = "AAECAwQFBgcICQoLDA0ODw";
    const HASH: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    fn with_cost(cost: &str) -> Result<StoredHash, PhcError> {
        StoredHash::parse(&format!("$argon2id$v=19${cost}${SALT}${HASH}"))
    }

    #[test]
    fn written_hash_is_read_back() {
        let salt: Vec<u8> = (0..16).collect();
        let hash: Vec<u8> = (0..32).collect();
        let text = format(&Cost::default(), &salt, &hash);
        assert_eq!(text, format!("$argon2id$v=19$m=19456,t=2,p=1${SALT}${HASH}"));
        let stored = StoredHash::parse(&text).unwrap();
        assert_eq!((stored.cost, stored.salt, stored.hash), (Cost::default(), salt, hash));
    }

    #[test]
    fn pw_06_hostile_parameters_of_a_stored_hash_are_refused() {
        for cost in [
            "m=4194304,t=2,p=1",
            "m=65537,t=2,p=1",
            "m=19456,t=17,p=1",
            "m=19456,t=4294967295,p=1",
            "m=19456,t=2,p=5",
            "m=7,t=2,p=1",
            "m=31,t=2,p=4",
        ] {
            assert_eq!(with_cost(cost).err(), Some(PhcError::TooExpensive), "{cost}");
        }
        assert!(with_cost("m=65536,t=16,p=4").is_ok());
    }

    #[test]
    fn malformed_strings_are_refused() {
        for cost in [
            "m=19456,t=2",
            "t=2,m=19456,p=1",
            "m=19456,t=2,p=1,data=AA",
            "m=+19456,t=2,p=1",
            "m=019456,t=2,p=1",
            "m=99999999999,t=2,p=1",
            "m=,t=2,p=1",
            "m=0,t=2,p=1",
            "",
        ] {
            assert_eq!(with_cost(cost).err(), Some(PhcError::Malformed), "{cost}");
        }
        for text in [
            String::new(),
            "password".into(),
            "$argon2id".into(),
            format!("$argon2id$m=19456,t=2,p=1${SALT}${HASH}"),
            format!("argon2id$v=19$m=19456,t=2,p=1${SALT}${HASH}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1${SALT}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1${SALT}${HASH}$"),
            format!("$argon2id$v=19$m=19456,t=2,p=1${SALT}==${HASH}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1$AAAA${HASH}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1${SALT}$AAAA"),
            format!("$argon2id$v=19$m=19456,t=2,p=1${SALT}${}", "A".repeat(300)),
        ] {
            assert_eq!(StoredHash::parse(&text).err(), Some(PhcError::Malformed), "{text}");
        }
    }

    #[test]
    fn other_algorithms_and_versions_are_refused() {
        for text in [
            format!("$argon2i$v=19$m=19456,t=2,p=1${SALT}${HASH}"),
            format!("$argon2id$v=16$m=19456,t=2,p=1${SALT}${HASH}"),
            "$2b$12$abcdefghijklmnopqrstuv".into(),
            "$".into(),
        ] {
            assert_eq!(StoredHash::parse(&text).err(), Some(PhcError::Unsupported), "{text}");
        }
    }

    #[test]
    fn stored_hash_does_not_show_its_secrets() {
        let shown = format!("{:?}", with_cost("m=19456,t=2,p=1").unwrap());
        assert!(shown.contains("19456") && !shown.contains("salt"), "{shown}");
    }
}
