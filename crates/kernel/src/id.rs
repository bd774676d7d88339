//! Typed, prefixed identifiers.
//!
//! An id is a prefix and 32 characters of base32hex (RFC 4648 §7, lower case): 32 bits of seconds, so that
//! new records land beside each other in an index, then 128 random bits, so that an id can't be guessed.
//! An id names something and is never a credential.

use crate::{Random, Timestamp};
use serde::{Deserialize, Serialize};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
const MAX_LENGTH: usize = 96;

/// Why a string isn't an id of the asked type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id: expected the prefix `{prefix}` followed by letters, digits, `_` or `-`")]
pub struct IdError {
    prefix: &'static str,
}

fn suffix(now: Timestamp, random: &dyn Random) -> String {
    let mut raw = [0u8; 20];
    let seconds = u32::try_from(now.unix_seconds().max(0)).unwrap_or(u32::MAX);
    let (head, tail) = raw.split_at_mut(4);
    head.copy_from_slice(&seconds.to_be_bytes());
    random.fill(tail);
    base32hex(&raw)
}

fn base32hex(raw: &[u8]) -> String {
    let mut text = String::with_capacity(raw.len() * 8 / 5 + 1);
    let (mut buffer, mut bits) = (0u32, 0u32);
    for byte in raw {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let index = ((buffer >> bits) & 31) as usize;
            text.push(char::from(*ALPHABET.get(index).unwrap_or(&b'0')));
        }
        buffer &= (1 << bits) - 1;
    }
    text
}

fn well_formed(prefix: &'static str, text: &str) -> Result<(), IdError> {
    let rest = text.strip_prefix(prefix).ok_or(IdError { prefix })?;
    let allowed = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if rest.is_empty() || text.len() > MAX_LENGTH || !allowed { Err(IdError { prefix }) } else { Ok(()) }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The prefix every id of this type starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A new, unguessable id (128 random bits after the time in seconds).
            pub fn generate(now: Timestamp, random: &dyn Random) -> Self {
                Self(format!("{}{}", $prefix, suffix(now, random)).into())
            }

            /// Reads an id, checking prefix, length and character set.
            ///
            /// # Errors
            /// [`IdError`] when the text can't be an id of this type.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                well_formed($prefix, text)?;
                Ok(Self(text.into()))
            }

            /// The wire form.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }
        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }
    };
}

id!(/// A tenant: `org_…`, derived from its slug.
    TenantId, "org_");
id!(/// A user: `user:…`.
    UserId, "user:");
id!(/// An agent, a program with a key of its own: `service:…`.
    AgentId, "service:");
id!(/// A session: `session:…`.
    SessionId, "session:");
id!(/// A workspace: `ws_…`.
    WorkspaceId, "ws_");
id!(/// A referral code: `referral_…`.
    ReferralId, "referral_");
id!(/// A route of a gateway: `gatewayroute_…`.
    GatewayRouteId, "gatewayroute_");
id!(/// A role: `role_…`.
    RoleId, "role_");
id!(/// An invitation to a workspace: `invitation_…`.
    InvitationId, "invitation_");
id!(/// A signing key, and the `kid` it is published under: `key_…`.
    KeyId, "key_");
id!(/// An OAuth client: `client_…`.
    ClientId, "client_");
id!(/// The `jti` of a token: `jwt_…`.
    TokenId, "jwt_");

impl TenantId {
    /// The tenant made at first start.
    pub fn default_tenant() -> Self {
        Self("org_default".into())
    }

    /// Derives the id from a slug or a name: lower case, every run of other characters one `_`.
    ///
    /// # Errors
    /// [`IdError`] when nothing usable remains.
    pub fn from_slug(slug: &str) -> Result<Self, IdError> {
        Self::parse(&slugged(Self::PREFIX, slug))
    }
}

impl WorkspaceId {
    /// Derives the id from a slug or a name, as [`TenantId::from_slug`] does.
    ///
    /// # Errors
    /// [`IdError`] when nothing usable remains.
    pub fn from_slug(slug: &str) -> Result<Self, IdError> {
        Self::parse(&slugged(Self::PREFIX, slug))
    }
}

fn slugged(prefix: &str, slug: &str) -> String {
    let mut text = String::from(prefix);
    for c in slug.trim().chars() {
        if c.is_ascii_alphanumeric() {
            text.push(c.to_ascii_lowercase());
        } else if !text.ends_with('_') {
            text.push('_');
        }
    }
    text.truncate(text.trim_end_matches('_').len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestRandom;

    #[test]
    fn ids_carry_their_prefix_and_sort_by_time() {
        let random = TestRandom::new(1);
        let early = UserId::generate(Timestamp::from_unix_seconds(1_000), &random);
        let late = UserId::generate(Timestamp::from_unix_seconds(2_000), &random);
        assert!(early.as_str().starts_with("user:") && early.as_str().len() == 5 + 32);
        assert!(early < late);
        assert_eq!(UserId::parse(early.as_str()).unwrap(), early);
    }

    #[test]
    fn an_id_of_another_type_is_refused() {
        assert!(UserId::parse("session:abc").is_err());
        assert!(UserId::parse("user:").is_err());
        assert!(UserId::parse("user:a/b").is_err());
        assert!(UserId::parse(&format!("user:{}", "a".repeat(100))).is_err());
    }

    #[test]
    fn tenant_ids_come_from_slugs() {
        assert_eq!(TenantId::from_slug("Company A").unwrap().as_str(), "org_company_a");
        assert_eq!(TenantId::from_slug("my-company").unwrap().as_str(), "org_my_company");
        assert!(TenantId::from_slug("--").is_err());
        assert_eq!(WorkspaceId::from_slug(" Engineering ").unwrap().as_str(), "ws_engineering");
        assert!(WorkspaceId::from_slug("-").is_err());
    }
}
