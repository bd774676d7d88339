//! The secret of an API key: `usso_sk_`, 256 random bits and a checksum, without dots (contract 6.6).
//!
//! The checksum tells a mistyped or made-up secret from a real one without asking the database, and lets scanners find
//! leaked ones.

use protocol::{b64url, sha256};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// What every secret begins with.
pub const PREFIX: &str = "usso_sk_";

/// Characters of the checksum: 32 bits.
const CHECKSUM: usize = 6;

/// Characters of a secret: the prefix, 32 bytes and the checksum.
const LENGTH: usize = PREFIX.len() + 43 + CHECKSUM;

/// The digest a key is stored and found under. The secret has 256 random bits, so a plain digest can't be guessed.
pub type Digest = [u8; 32];

/// Makes a secret of 32 random bytes.
pub fn make(random: [u8; 32]) -> SecretString {
    let body = format!("{PREFIX}{}", b64url::encode(random));
    let sum = checksum(&body);
    (body + &sum).into()
}

/// The digest of a secret; none for what can't be one.
pub fn digest(secret: &str) -> Option<Digest> {
    if secret.len() != LENGTH || !secret.starts_with(PREFIX) {
        return None;
    }
    let (body, sum) = secret.split_at_checked(LENGTH - CHECKSUM)?;
    let is_sound: bool = checksum(body).as_bytes().ct_eq(sum.as_bytes()).into();
    is_sound.then(|| sha256(secret.as_bytes()))
}

/// What of a secret may be shown: its first ten and last four characters.
pub fn pattern(secret: &SecretString) -> String {
    let text = secret.expose_secret();
    let (head, tail) = (text.get(..10), text.get(text.len().saturating_sub(4)..));
    format!("{}…{}", head.unwrap_or_default(), tail.unwrap_or_default())
}

fn checksum(body: &str) -> String {
    let digest = sha256(body.as_bytes());
    b64url::encode(digest.get(..4).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_its_form_and_a_digest() {
        let secret = make([7; 32]);
        let text = secret.expose_secret();
        assert_eq!((text.len(), text.starts_with("usso_sk_"), text.contains('.')), (LENGTH, true, false));
        assert_eq!(digest(text), Some(sha256(text.as_bytes())));
        let shown = pattern(&secret);
        assert_eq!(shown.chars().count(), 15);
        assert!(shown.starts_with("usso_sk_Bw…") && text.ends_with(&shown[shown.len() - 4..]), "{shown}");
    }

    #[test]
    fn what_was_mistyped_or_made_up_has_no_digest() {
        let text = make([7; 32]).expose_secret().to_owned();
        let other = text.replacen("Bwc", "Bwd", 1);
        let long = format!("{text}a");
        for wrong in ["", "usso_sk_", &other, &long, &text[1..], "é".repeat(LENGTH / 2).as_str()] {
            assert_eq!(digest(wrong), None, "{wrong}");
        }
    }
}
