//! What proves who somebody is: today, passwords.
//!
//! [`Hasher`] computes Argon2id hashes (RFC 9106) on a bounded pool of low-priority threads behind a queue
//! that is fair between tenants, so that a storm of sign-ins can't starve other requests; [`phc`] is the
//! stored form; [`PasswordPolicy`] says which passwords may be set. Called by sign-in, sign-up and recovery.

pub mod breached;
pub mod fair_queue;
pub mod hasher;
pub mod phc;
pub mod policy;

pub use breached::BreachedList;
pub use hasher::{HashError, Hasher, HasherConfig, HasherStats, SALT_BYTES, Verdict};
pub use phc::{Cost, PhcError};
pub use policy::{PasswordPolicy, PasswordRule, PolicyViolation};

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use zeroize::Zeroizing;

/// The longest password, in bytes of UTF-8 after normalisation.
pub const MAX_PASSWORD_BYTES: usize = 1_024;
/// Composing never shrinks a text that much, so anything longer is refused before it is normalised.
const MAX_INPUT_BYTES: usize = 4 * MAX_PASSWORD_BYTES;
/// Composing grows no text by more than this factor in UTF-8 (Unicode Standard Annex 15, section 9).
const MAX_GROWTH: usize = 3;

/// The password in normalisation form C, so that it doesn't matter which keyboard typed it; nothing is cut
/// off or trimmed. `None` if it is longer than [`MAX_PASSWORD_BYTES`]. Wiped when dropped.
fn normalise(password: &SecretString) -> Option<Zeroizing<String>> {
    let text = password.expose_secret();
    if text.len() > MAX_INPUT_BYTES {
        return None;
    }
    // Room for everything at once: a string that grows leaves unwiped copies behind.
    let mut normalised = Zeroizing::new(String::with_capacity(text.len() * MAX_GROWTH));
    if is_nfc_quick(text.chars()) == IsNormalized::Yes {
        normalised.push_str(text);
    } else {
        normalised.extend(text.nfc());
    }
    (normalised.len() <= MAX_PASSWORD_BYTES).then_some(normalised)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_is_composed_and_otherwise_untouched() {
        let composed = |text: &str| normalise(&text.into()).map(|normalised| normalised.to_string());
        assert_eq!(composed("cafe\u{301}").as_deref(), Some("caf\u{e9}"));
        assert_eq!(composed(" a\0b ").as_deref(), Some(" a\0b "));
        assert_eq!(composed("\u{2126}").as_deref(), Some("\u{3a9}"));
    }

    #[test]
    fn normalising_never_reallocates() {
        // U+1D160 has the largest growth of all: four bytes become twelve.
        let normalised = normalise(&"\u{1d160}".repeat(80).into()).unwrap();
        assert_eq!((normalised.len(), normalised.capacity()), (960, 960));
    }

    #[test]
    fn password_beyond_1024_bytes_is_refused() {
        assert!(normalise(&"a".repeat(1_024).into()).is_some());
        assert!(normalise(&"a".repeat(1_025).into()).is_none());
        assert!(normalise(&"a".repeat(1_000_000).into()).is_none());
    }
}
