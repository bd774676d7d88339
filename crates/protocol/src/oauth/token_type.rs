//! The names of kinds of tokens in a token exchange (RFC 8693 §3).

/// A kind of token that may be exchanged, or asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenTypeUri {
    /// An access token.
    AccessToken,
    /// A JWT, here an access token as well (RFC 9068).
    Jwt,
    /// An id token.
    IdToken,
    /// A refresh token.
    RefreshToken,
}

impl TokenTypeUri {
    /// Reads the name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name.strip_prefix("urn:ietf:params:oauth:token-type:")? {
            "access_token" => Some(Self::AccessToken),
            "jwt" => Some(Self::Jwt),
            "id_token" => Some(Self::IdToken),
            "refresh_token" => Some(Self::RefreshToken),
            _ => None,
        }
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::RefreshToken => "urn:ietf:params:oauth:token-type:refresh_token",
        }
    }

    /// Whether an access token is meant.
    #[must_use]
    pub const fn is_access(self) -> bool {
        matches!(self, Self::AccessToken | Self::Jwt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_and_others_are_unknown() {
        use TokenTypeUri::{AccessToken, IdToken, Jwt, RefreshToken};
        for kind in [AccessToken, Jwt, IdToken, RefreshToken] {
            assert_eq!(TokenTypeUri::parse(kind.as_str()), Some(kind));
            assert_eq!(kind.is_access(), matches!(kind, AccessToken | Jwt));
        }
        for name in [
            "",
            "access_token",
            "urn:ietf:params:oauth:token-type:saml2",
            "URN:ietf:params:oauth:token-type:jwt",
        ] {
            assert_eq!(TokenTypeUri::parse(name), None, "{name}");
        }
    }
}
