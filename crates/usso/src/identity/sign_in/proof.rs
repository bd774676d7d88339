//! Proofs: what somebody has shown so far, and what it is worth.

use crate::identity::identifiers::{Identifier, IdentifierKind};
use serde::{Deserialize, Serialize};

/// A way to prove who one is, by the name clients know (contract 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Method {
    /// A password.
    #[serde(rename = "password")]
    Password,
    /// A code sent by e-mail.
    #[serde(rename = "email/otp")]
    EmailOtp,
    /// A code sent to a phone.
    #[serde(rename = "phone/otp")]
    PhoneOtp,
    /// A link sent by e-mail.
    #[serde(rename = "magic_link")]
    MagicLink,
    /// A code of an authenticator app (RFC 6238).
    #[serde(rename = "totp")]
    Totp,
    /// One of the codes kept for the day the authenticator is lost.
    #[serde(rename = "backup_codes")]
    BackupCodes,
    /// A passkey (Web Authentication Level 3).
    #[serde(rename = "webauthn")]
    Webauthn,
    /// A provider's word.
    #[serde(rename = "oauth")]
    Oauth,
    /// Telegram's word.
    #[serde(rename = "telegram_token")]
    Telegram,
    /// A device that is signed in.
    #[serde(rename = "qr")]
    Qr,
}

impl Method {
    /// All of them, in the order they are offered.
    pub const ALL: [Self; 10] = [
        Self::Password,
        Self::EmailOtp,
        Self::PhoneOtp,
        Self::MagicLink,
        Self::Totp,
        Self::BackupCodes,
        Self::Webauthn,
        Self::Oauth,
        Self::Telegram,
        Self::Qr,
    ];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::EmailOtp => "email/otp",
            Self::PhoneOtp => "phone/otp",
            Self::MagicLink => "magic_link",
            Self::Totp => "totp",
            Self::BackupCodes => "backup_codes",
            Self::Webauthn => "webauthn",
            Self::Oauth => "oauth",
            Self::Telegram => "telegram_token",
            Self::Qr => "qr",
        }
    }

    /// Reads a name or one of its synonyms; `otp` means the code that fits the identifier.
    pub fn parse(name: &str, kind: IdentifierKind) -> Option<Self> {
        match name {
            "otp" if kind == IdentifierKind::Phone => Some(Self::PhoneOtp),
            "otp" => Some(Self::EmailOtp),
            "passkey" => Some(Self::Webauthn),
            "telegram" => Some(Self::Telegram),
            "id_token" => Some(Self::Oauth),
            _ => Self::ALL.into_iter().find(|method| method.as_str() == name),
        }
    }

    /// Whether a name in a list of allowed methods, or one of its synonyms, means this one.
    pub fn is_named(self, name: &str) -> bool {
        match name {
            "otp" => matches!(self, Self::EmailOtp | Self::PhoneOtp),
            // Whoever allows authenticators allows the codes that replace a lost one.
            "totp" => matches!(self, Self::Totp | Self::BackupCodes),
            _ => Self::parse(name, IdentifierKind::Email) == Some(self),
        }
    }

    /// Whether it can begin a sign-in. An authenticator alone proves no account.
    pub const fn may_begin(self) -> bool {
        !matches!(self, Self::Totp | Self::BackupCodes)
    }
}

/// Something that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// How.
    pub method: Method,
    /// Over which channel: two proofs over one are one factor (ruling D31).
    pub channel: String,
    /// The identifier it shows to be the user's: the address a code was sent to.
    pub proves: Option<Identifier>,
    /// How many factors it is by itself: two for a passkey whose user was verified.
    pub factors: u8,
}

impl Proof {
    /// A proof that is one factor and shows no identifier, over a channel named after its method.
    pub fn of(method: Method) -> Self {
        let channel = match method {
            // The codes stand in for the authenticator.
            Method::BackupCodes => Method::Totp.as_str(),
            other => other.as_str(),
        };
        Self { method, channel: channel.to_owned(), proves: None, factors: 1 }
    }

    /// Something that was sent to an identifier and came back.
    pub fn received(method: Method, at: Identifier) -> Self {
        Self { channel: channel_of(&at), proves: Some(at), ..Self::of(method) }
    }
}

/// The channel to an address or number. Not the address itself: it travels in tokens.
pub fn channel_of(identifier: &Identifier) -> String {
    let digest = protocol::sha256(identifier.key().as_bytes());
    protocol::b64url::encode(digest.get(..9).unwrap_or_default())
}

/// What a proof is worth later in the same sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// How.
    #[serde(rename = "m")]
    pub method: Method,
    /// Over which channel.
    #[serde(rename = "c")]
    pub channel: String,
    /// How many factors it is.
    #[serde(rename = "f")]
    pub factors: u8,
}

impl From<&Proof> for Shown {
    fn from(proof: &Proof) -> Self {
        Self { method: proof.method, channel: proof.channel.clone(), factors: proof.factors }
    }
}

/// How many factors these proofs are together: each channel counts once.
pub fn factors(shown: &[Shown]) -> u8 {
    let first = |at: usize, own: &Shown| !shown.iter().take(at).any(|other| other.channel == own.channel);
    shown.iter().enumerate().filter(|(at, own)| first(*at, own)).map(|(_, own)| own.factors).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(method: Method, channel: &str) -> Shown {
        Shown { method, channel: channel.to_owned(), factors: 1 }
    }

    #[test]
    fn two_proofs_over_one_channel_are_one_factor() {
        let link_and_code = [shown(Method::MagicLink, "a"), shown(Method::EmailOtp, "a")];
        assert_eq!(factors(&link_and_code), 1);
        assert_eq!(factors(&[shown(Method::Password, "password"), shown(Method::EmailOtp, "a")]), 2);
        assert_eq!(factors(&[shown(Method::Password, "password"), shown(Method::Password, "password")]), 1);
    }

    #[test]
    fn a_verified_passkey_is_two_factors() {
        let passkey = Shown { factors: 2, ..shown(Method::Webauthn, "webauthn") };
        assert_eq!(factors(&[passkey]), 2);
    }

    #[test]
    fn backup_codes_stand_in_for_the_authenticator_and_add_nothing_to_it() {
        let both = [(&Proof::of(Method::Totp)).into(), (&Proof::of(Method::BackupCodes)).into()];
        assert_eq!(factors(&both), 1);
    }

    #[test]
    fn every_method_has_one_name_and_is_read_by_it() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.as_str(), IdentifierKind::Email), Some(method));
            assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
        }
        assert_eq!(Method::parse("otp", IdentifierKind::Phone), Some(Method::PhoneOtp));
        assert_eq!(Method::parse("telepathy", IdentifierKind::Email), None);
    }
}
