//! Secrets at rest: authenticated encryption under a master key, and message authentication, with one derived key
//! per purpose.
//!
//! A sealed value is text, `v1.<master key id>.<base64url of nonce and ciphertext>`. The associated data binds it to
//! its place (tenant, record, field), so a value moved elsewhere does not open. Keys are derived with HKDF-SHA256
//! (RFC 5869): every label and context gives an independent key, and the master key itself encrypts nothing.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use aws_lc_rs::{hmac, rand};
use zeroize::Zeroizing;

use crate::b64url;

const VERSION: &str = "v1";
const SALT: &[u8] = b"usso.seal.v1";
const KEY_ID_BYTES: usize = 9;

/// Why a value could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The text is not a sealed value of a known version.
    #[error("not a sealed value")]
    Malformed,
    /// The value was sealed under another master key; gives its id, which is not secret.
    #[error("sealed under another master key ({0})")]
    OtherKey(String),
    /// The value was altered, or sealed for another place or purpose.
    #[error("the sealed value does not open")]
    Rejected,
    /// The cryptographic library failed, for instance for lack of randomness.
    #[error("the cryptographic operation failed")]
    Crypto,
}

/// A key that seals and opens, and from which keys for narrower purposes are derived. Cheap to share between threads,
/// and small, as every open tenant has some: what the library computes of a key is made when it is used. Its `Debug`
/// shows the id only.
pub struct SealingKey {
    root: Prk,
    key_id: Arc<str>,
}

impl SealingKey {
    /// The key of a whole installation, from 32 random bytes.
    ///
    /// # Errors
    /// [`SealError::Crypto`] if the library fails.
    pub fn from_master(master: &[u8; 32]) -> Result<Self, SealError> {
        let root = Salt::new(HKDF_SHA256, SALT).extract(master);
        let id = expand(&root, &["key id"])?;
        Ok(Self { root, key_id: b64url::encode(id.split_at(KEY_ID_BYTES).0).into() })
    }

    fn aead(&self) -> Result<LessSafeKey, SealError> {
        let bytes = expand(&self.root, &["aes-256-gcm"])?;
        let unbound = UnboundKey::new(&AES_256_GCM, bytes.as_ref()).map_err(|_| SealError::Crypto)?;
        Ok(LessSafeKey::new(unbound))
    }

    /// The id of the master key this key descends from: not secret, part of every sealed value.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// A value by which a database recognises its key. It reveals nothing about the key and need not be kept secret;
    /// compare it before opening anything.
    ///
    /// # Errors
    /// [`SealError::Crypto`] if the library fails.
    pub fn check_value(&self) -> Result<String, SealError> {
        Ok(b64url::encode(expand(&self.root, &["check value"])?.as_ref()))
    }

    /// An independent key for one purpose (`label`, e.g. "signing-key") in one place (`context`, e.g. a tenant id).
    ///
    /// # Errors
    /// [`SealError::Crypto`] if the library fails.
    pub fn derive(&self, label: &str, context: &str) -> Result<Self, SealError> {
        let bytes = expand(&self.root, &["seal", label, context])?;
        Ok(Self { root: Salt::new(HKDF_SHA256, SALT).extract(bytes.as_ref()), key_id: self.key_id.clone() })
    }

    /// An independent authentication key for one purpose in one place.
    ///
    /// # Errors
    /// [`SealError::Crypto`] if the library fails.
    pub fn derive_mac(&self, label: &str, context: &str) -> Result<MacKey, SealError> {
        let bytes = expand(&self.root, &["mac", label, context])?;
        Ok(MacKey::from_secret(bytes.as_ref()))
    }

    /// Encrypts and authenticates with AES-256-GCM under a random 96-bit nonce. `aad` names the place the value
    /// belongs to and must be given again to open it.
    ///
    /// # Errors
    /// [`SealError::Crypto`] if the library fails or has no randomness.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<String, SealError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| SealError::Crypto)?;
        // The plaintext is copied once, into the buffer that the ciphertext overwrites.
        let mut ciphertext = Zeroizing::new(plaintext.to_vec());
        let tag = self
            .aead()?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                ciphertext.as_mut_slice(),
            )
            .map_err(|_| SealError::Crypto)?;
        let sealed = [nonce.as_slice(), ciphertext.as_slice(), tag.as_ref()].concat();
        let mut text = format!("{VERSION}.{}.", self.key_id);
        b64url::encode_into(&sealed, &mut text);
        Ok(text)
    }

    /// Opens a sealed value; the plaintext is erased when dropped.
    ///
    /// # Errors
    /// [`SealError::Malformed`], [`SealError::OtherKey`] or [`SealError::Rejected`]; [`SealError::Crypto`] if the
    /// library fails.
    pub fn open(&self, aad: &[u8], sealed: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (key_id, body) = split(sealed).ok_or(SealError::Malformed)?;
        if *key_id != *self.key_id {
            return Err(SealError::OtherKey(key_id.to_owned()));
        }
        let bytes = b64url::decode(body).map_err(|_| SealError::Malformed)?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Malformed)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let length = self
            .aead()?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), buffer.as_mut_slice())
            .map_err(|_| SealError::Rejected)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// The id of the master key under which a value was sealed, to find what a rotation has still to re-wrap.
#[must_use]
pub fn sealed_key_id(sealed: &str) -> Option<&str> {
    split(sealed).map(|(key_id, _)| key_id)
}

/// Key id and body of a sealed text. Base64url has no dot, so the split is unambiguous.
fn split(sealed: &str) -> Option<(&str, &str)> {
    let (key_id, body) = sealed.strip_prefix(VERSION)?.strip_prefix('.')?.split_once('.')?;
    (!key_id.is_empty() && b64url::decode(key_id).is_ok()).then_some((key_id, body))
}

/// HKDF-Expand over length-prefixed parts, so that no two lists of parts give the same input.
fn expand(root: &Prk, parts: &[&str]) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let mut info = Vec::new();
    for part in parts {
        info.extend_from_slice(&(part.len() as u64).to_be_bytes());
        info.extend_from_slice(part.as_bytes());
    }
    let mut out = Zeroizing::new([0; 32]);
    root.expand(&[&info], HKDF_SHA256)
        .and_then(|okm| okm.fill(out.as_mut()))
        .map_err(|_| SealError::Crypto)?;
    Ok(out)
}

/// An HMAC-SHA256 key (RFC 2104). Its `Debug` shows nothing.
pub struct MacKey {
    secret: Zeroizing<Box<[u8]>>,
}

impl MacKey {
    /// A key agreed with somebody else, such as a webhook secret.
    #[must_use]
    pub fn from_secret(secret: &[u8]) -> Self {
        Self { secret: Zeroizing::new(secret.into()) }
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.secret)
    }

    /// The 32-byte tag of a message.
    #[must_use]
    pub fn tag(&self, message: &[u8]) -> [u8; 32] {
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(hmac::sign(&self.key(), message).as_ref()) {
            *to = *from;
        }
        out
    }

    /// Begins the tag of a message that comes in parts.
    #[must_use]
    pub fn begin(&self) -> MacStream {
        MacStream(hmac::Context::with_key(&self.key()))
    }

    /// True if this is the whole tag of the message; takes the same time wherever they differ.
    #[must_use]
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.key(), message, tag).is_ok()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacKey").finish_non_exhaustive()
    }
}

/// The tag of a message that comes in parts: that of all parts in one.
pub struct MacStream(hmac::Context);

impl MacStream {
    /// Adds a part.
    pub fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    /// The 32-byte tag of the parts so far. Compare it in constant time.
    #[must_use]
    pub fn tag(self) -> [u8; 32] {
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(self.0.sign().as_ref()) {
            *to = *from;
        }
        out
    }
}

impl fmt::Debug for MacStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacStream").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn master(byte: u8) -> SealingKey {
        SealingKey::from_master(&[byte; 32]).unwrap()
    }

    #[test]
    fn sealed_text_names_version_and_master_key() {
        let key = master(1).derive("signing-key", "org_a").unwrap();
        let sealed = key.seal(b"org_a/key_1", b"secret").unwrap();
        assert!(sealed.starts_with(&format!("v1.{}.", master(1).key_id())));
        assert_eq!(sealed_key_id(&sealed), Some(master(1).key_id()));
        assert_eq!(key.open(b"org_a/key_1", &sealed).unwrap().as_slice(), b"secret");
        assert_ne!(sealed, key.seal(b"org_a/key_1", b"secret").unwrap(), "the nonce is random");
    }

    #[test]
    fn value_moved_to_another_place_is_rejected() {
        let root = master(1);
        let sealed = root.derive("signing-key", "org_a").unwrap().seal(b"org_a/k", b"secret").unwrap();
        let open = |label, context, aad: &[u8]| root.derive(label, context).unwrap().open(aad, &sealed);
        assert_eq!(open("signing-key", "org_a", b"org_b/k"), Err(SealError::Rejected));
        assert_eq!(open("signing-key", "org_b", b"org_a/k"), Err(SealError::Rejected));
        assert_eq!(open("signing-keyorg", "_a", b"org_a/k"), Err(SealError::Rejected));
        assert_eq!(root.open(b"org_a/k", &sealed), Err(SealError::Rejected));
    }

    #[test]
    fn other_master_key_is_named_and_check_values_differ() {
        let sealed = master(1).seal(b"", b"x").unwrap();
        assert_eq!(master(2).open(b"", &sealed), Err(SealError::OtherKey(master(1).key_id().to_owned())));
        assert_eq!(master(1).check_value(), master(1).check_value());
        assert_ne!(master(1).check_value(), master(2).check_value());
        assert_ne!(master(1).check_value().unwrap(), master(1).key_id());
    }

    #[test]
    fn every_altered_character_is_rejected() {
        let key = master(3);
        let sealed = key.seal(b"aad", b"plaintext").unwrap();
        for index in 0..sealed.len() {
            let mut altered = sealed.clone().into_bytes();
            let byte = altered.get_mut(index).unwrap();
            *byte = if *byte == b'A' { b'B' } else { b'A' };
            assert!(key.open(b"aad", std::str::from_utf8(&altered).unwrap()).is_err(), "character {index}");
        }
    }

    #[test]
    fn malformed_text_is_rejected() {
        let key = master(1);
        let id = key.key_id().to_owned();
        for text in ["", "v1", "v1.", "v1..AAAA", "v2.AAAA.AAAA", "v1.===.AAAA", "v1.AAAA"] {
            assert_eq!(key.open(b"", text), Err(SealError::Malformed), "{text}");
            assert_eq!(sealed_key_id(text), None);
        }
        assert_eq!(key.open(b"", &format!("v1.{id}.AAAA")), Err(SealError::Malformed));
        assert_eq!(key.open(b"", &format!("v1.{id}.A=")), Err(SealError::Malformed));
        assert_eq!(key.open(b"", &format!("v1.{id}.AAAAAAAAAAAAAAAA")), Err(SealError::Rejected));
    }

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?} {:?}", master(1), MacKey::from_secret(b"webhook"));
        assert_eq!(shown, format!("SealingKey {{ key_id: {:?}, .. }} MacKey {{ .. }}", master(1).key_id()));
    }

    /// RFC 4231 §4.3, test case 2.
    #[test]
    fn mac_is_hmac_sha256() {
        let key = MacKey::from_secret(b"Jefe");
        let message = b"what do ya want for nothing?";
        let tag = key.tag(message);
        assert_eq!(hex(&tag), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let mut parts = key.begin();
        message.chunks(5).for_each(|part| parts.update(part));
        assert_eq!(parts.tag(), tag);
        assert!(key.verify(message, &tag));
        assert!(!key.verify(message, tag.get(..31).unwrap()));
        assert!(!key.verify(b"another message", &tag));
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn derived_mac_keys_differ_by_label_and_context() {
        let tag = |label, context| master(1).derive_mac(label, context).unwrap().tag(b"m");
        assert_eq!(tag("api-key", "org_a"), tag("api-key", "org_a"));
        assert_ne!(tag("api-key", "org_a"), tag("api-key", "org_b"));
        assert_ne!(tag("api-key", "org_a"), tag("otp", "org_a"));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(aad: Vec<u8>, plaintext: Vec<u8>) {
            let key = master(9);
            let sealed = key.seal(&aad, &plaintext).unwrap();
            let opened = key.open(&aad, &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), plaintext.as_slice());
        }
    }
}
