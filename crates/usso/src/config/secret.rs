//! Secret values: never shown, never in a reason, wiped from memory when dropped.

use crate::config::setting::{Raw, Setting};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// What stands for a secret in everything that is shown.
const ASTERISKS: &str = "\"********\"";

/// A password.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The guarded text.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(SecretString::from(text))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret().as_bytes().ct_eq(other.0.expose_secret().as_bytes()).into()
    }
}

impl Setting for Secret {
    const SECRET: bool = true;

    fn read(raw: &Raw) -> Result<Self, String> {
        match raw.text()? {
            "" => Err("must not be empty".to_owned()),
            text => Ok(Self::from(text)),
        }
    }

    fn show(&self) -> Option<String> {
        Some(ASTERISKS.to_owned())
    }
}

/// The 32 bytes that seal private keys and the secrets of providers.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads base64 in either alphabet, padded or not. `None` unless it holds 32 bytes.
    pub fn from_base64(text: &str) -> Option<Self> {
        let text = text.trim();
        let decoded = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
            .iter()
            .find_map(|engine| engine.decode(text).ok())
            .map(Zeroizing::new)?;
        <[u8; 32]>::try_from(decoded.as_slice()).ok().map(Self::new)
    }

    /// The key itself.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey([REDACTED])")
    }
}

impl PartialEq for MasterKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Setting for MasterKey {
    const SECRET: bool = true;

    fn read(raw: &Raw) -> Result<Self, String> {
        Self::from_base64(raw.text()?).ok_or_else(|| "must be base64 of exactly 32 bytes".to_owned())
    }

    fn show(&self) -> Option<String> {
        Some(ASTERISKS.to_owned())
    }
}
