//! Usernames: 3 to 30 ASCII letters, digits and separators, in lower case.

use super::IdentifierError;

/// How long a username may be, in characters.
const LENGTH: std::ops::RangeInclusive<usize> = 3..=30;

/// Names that people take for the operator's own, or that have a meaning in addresses and programs.
/// Compared without separators, so that `ad.min` is as reserved as `admin`.
const RESERVED: [&str; 43] = [
    "abuse",
    "account",
    "admin",
    "administrator",
    "anonymous",
    "api",
    "auth",
    "billing",
    "everyone",
    "false",
    "guest",
    "help",
    "hostmaster",
    "info",
    "login",
    "logout",
    "mail",
    "mailerdaemon",
    "me",
    "moderator",
    "nobody",
    "none",
    "noreply",
    "null",
    "official",
    "operator",
    "owner",
    "postmaster",
    "register",
    "root",
    "security",
    "self",
    "staff",
    "superadmin",
    "superuser",
    "support",
    "sysadmin",
    "system",
    "true",
    "undefined",
    "usso",
    "webmaster",
    "www",
];

pub(super) fn normalise(input: &str, allow_reserved: bool) -> Result<String, IdentifierError> {
    let name = input.to_ascii_lowercase();
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_separator(byte))
        || !is_well_separated(&name)
    {
        return Err(IdentifierError::UsernameSyntax);
    }
    if !allow_reserved && is_reserved(&name) {
        return Err(IdentifierError::UsernameReserved);
    }
    if LENGTH.contains(&name.len()) { Ok(name) } else { Err(IdentifierError::UsernameLength) }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'.' | b'_' | b'-')
}

/// Separators stand one at a time between letters and digits; only an underscore may stand in front.
fn is_well_separated(name: &str) -> bool {
    let inner = name.strip_prefix('_').unwrap_or(name);
    inner.split(['.', '_', '-']).all(|part| !part.is_empty())
}

fn is_reserved(name: &str) -> bool {
    let bare: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    RESERVED.binary_search(&bare.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_are_sorted_for_the_search() {
        assert!(RESERVED.is_sorted());
    }
}
