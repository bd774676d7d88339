//! Identifiers: the names by which a user signs in.
//!
//! An e-mail address, phone number or username is normalised exactly once, by [`Identifier::parse`], before it
//! is stored, looked up or counted against a limit; two spellings of one identifier are equal afterwards, and
//! normalising again changes nothing. Called by sign-in, sign-up, recovery and user administration.

mod email;
mod phone;
mod username;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest input that is looked at, in bytes.
pub const MAX_INPUT_BYTES: usize = 320;

/// What kind of name an identifier is. Only [`Self::Email`], [`Self::Phone`] and [`Self::Username`] can be
/// typed by a user; the others are given by the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierKind {
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// A name of the user's choice.
    Username,
    /// An account of Telegram.
    TelegramId,
    /// An account of Bale.
    BaleId,
    /// A passkey.
    PasskeyId,
    /// A sign-in by QR code.
    QrSession,
    /// A citizen's number.
    NationalId,
    /// A company's number.
    CompanyId,
    /// An OAuth client.
    ClientId,
    /// A service.
    ServiceId,
}

impl IdentifierKind {
    /// Every kind, in the order of the wire contract.
    pub const ALL: [Self; 11] = [
        Self::Email,
        Self::Phone,
        Self::Username,
        Self::TelegramId,
        Self::BaleId,
        Self::PasskeyId,
        Self::QrSession,
        Self::NationalId,
        Self::CompanyId,
        Self::ClientId,
        Self::ServiceId,
    ];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Username => "username",
            Self::TelegramId => "telegram_id",
            Self::BaleId => "bale_id",
            Self::PasskeyId => "passkey_id",
            Self::QrSession => "qr_session",
            Self::NationalId => "national_id",
            Self::CompanyId => "company_id",
            Self::ClientId => "client_id",
            Self::ServiceId => "service_id",
        }
    }
}

impl fmt::Display for IdentifierKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for IdentifierKind {
    type Err = IdentifierError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or(IdentifierError::UnknownKind)
    }
}

/// Why an input is no identifier. The texts are meant for the user and don't repeat the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// Nothing but blanks.
    #[error("The identifier is empty.")]
    Empty,
    /// More than [`MAX_INPUT_BYTES`].
    #[error("The identifier is longer than 320 bytes.")]
    TooLong,
    /// Contains a control character, such as a line break.
    #[error("The identifier contains a control character.")]
    ControlCharacter,
    /// The name of the kind isn't one of [`IdentifierKind`].
    #[error("The identifier type is unknown.")]
    UnknownKind,
    /// The kind can't be typed by a user.
    #[error("Identifiers of this type can't be entered; use an e-mail address, phone number or username.")]
    UnsupportedKind,
    /// Not `local@domain`, or a part of it is malformed.
    #[error("The e-mail address is not valid.")]
    EmailSyntax,
    /// More than 254 bytes, or more than 64 before the `@` (RFC 5321 section 4.5.3.1).
    #[error("The e-mail address is too long.")]
    EmailTooLong,
    /// Something else than digits, a leading `+` and the usual separators.
    #[error("The phone number may contain only digits, a leading + and separators.")]
    PhoneSyntax,
    /// Not 7 to 15 digits (E.164).
    #[error("The phone number needs 7 to 15 digits.")]
    PhoneLength,
    /// Not 3 to 30 characters.
    #[error("The username needs 3 to 30 characters.")]
    UsernameLength,
    /// Other characters than allowed, or separators in the wrong places.
    #[error(
        "The username may contain letters a to z, digits and single separators . _ - between them; \
         it may start with an underscore."
    )]
    UsernameSyntax,
    /// A name that only the product itself uses.
    #[error("The username is reserved.")]
    UsernameReserved,
}

/// What normalising depends on besides the input.
#[derive(Debug, Clone, Copy, Default)]
pub struct NormaliseOptions<'a> {
    /// The tenant's country calling code (`98` or `+98`), given to national phone numbers.
    pub default_country_code: Option<&'a str>,
    /// Whether reserved usernames are accepted: when signing in and for the system, not in self-service.
    pub allow_reserved: bool,
}

/// A normalised identifier. `Deserialize` is for values that were normalised before they were stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identifier {
    kind: IdentifierKind,
    value: String,
}

impl Identifier {
    /// Normalises what a user typed. Without a kind it is inferred: an e-mail address, otherwise a phone
    /// number, otherwise a username.
    ///
    /// # Errors
    /// [`IdentifierError`] says which rule the input breaks.
    pub fn parse(
        kind: Option<IdentifierKind>,
        input: &str,
        options: &NormaliseOptions<'_>,
    ) -> Result<Self, IdentifierError> {
        if input.len() > MAX_INPUT_BYTES {
            return Err(IdentifierError::TooLong);
        }
        if input.chars().any(char::is_control) {
            return Err(IdentifierError::ControlCharacter);
        }
        let input = input.trim();
        if input.is_empty() {
            return Err(IdentifierError::Empty);
        }
        let as_email = || email::normalise(input).map(|value| Self { kind: IdentifierKind::Email, value });
        let as_phone = || {
            phone::normalise(input, options.default_country_code)
                .map(|value| Self { kind: IdentifierKind::Phone, value })
        };
        let as_username = || {
            username::normalise(input, options.allow_reserved)
                .map(|value| Self { kind: IdentifierKind::Username, value })
        };
        match kind {
            Some(IdentifierKind::Email) => as_email(),
            Some(IdentifierKind::Phone) => as_phone(),
            Some(IdentifierKind::Username) => as_username(),
            Some(_) => Err(IdentifierError::UnsupportedKind),
            // Neither of the other two may contain an @, so the reason given is that of the e-mail address.
            None if input.contains('@') => as_email(),
            None if input.contains('+') => as_phone(),
            None => as_phone().or_else(|_| as_username()),
        }
    }

    /// One that was normalised before it was stored.
    pub fn stored(kind: IdentifierKind, value: &str) -> Self {
        Self { kind, value: value.to_owned() }
    }

    /// Its kind.
    pub fn kind(&self) -> IdentifierKind {
        self.kind
    }

    /// The normalised spelling.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Kind and value as one string, unique within a tenant: `email:alice@example.com`. Stable: it is stored.
    pub fn key(&self) -> String {
        format!("{}:{}", self.kind, self.value)
    }

    /// The kind and the normalised spelling, taken apart.
    pub fn into_parts(self) -> (IdentifierKind, String) {
        (self.kind, self.value)
    }
}

/// Entry points for fuzzing.
#[doc(hidden)]
pub mod fuzzing {
    use super::{Identifier, IdentifierKind, NormaliseOptions};

    /// Parses `data` and checks that parsing again changes nothing. The low four bits of the first byte choose
    /// the kind (0 inferred, 1 e-mail, 2 phone, 3 username), a country code (4) and reserved names (8).
    pub fn fuzz_identifier(data: &[u8]) {
        let Some((&choice, rest)) = data.split_first() else { return };
        let Ok(input) = std::str::from_utf8(rest) else { return };
        let kind = match choice & 3 {
            1 => Some(IdentifierKind::Email),
            2 => Some(IdentifierKind::Phone),
            3 => Some(IdentifierKind::Username),
            _ => None,
        };
        let default_country_code = (choice & 4 != 0).then_some("98");
        let options = NormaliseOptions { default_country_code, allow_reserved: choice & 8 != 0 };
        let Ok(first) = Identifier::parse(kind, input, &options) else { return };
        let again = Identifier::parse(kind, first.value(), &options);
        assert_eq!(again.as_ref(), Ok(&first), "normalising twice must change nothing");
        let named = Identifier::parse(Some(first.kind()), first.value(), &options);
        assert_eq!(named.as_ref(), Ok(&first), "naming the inferred kind must change nothing");
        assert!(first.value().len() <= 254, "stored identifiers are short");
        assert!(!first.value().chars().any(|c| c.is_control() || c.is_whitespace()));
    }
}

#[cfg(test)]
mod tests;
