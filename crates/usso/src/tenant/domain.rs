//! Host names as tenants own them: lower case, without port, without trailing dot.

use std::borrow::Cow;

/// Why a text isn't a host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a host name: letters, digits, `-` and `.` only, each label 1 to 63 characters")]
pub struct HostError;

/// Normalises the authority of a request (`Host`, RFC 9110 §7.2) or a configured domain: the port and a trailing
/// dot are removed, letters lowered. IPv6 literals keep their brackets.
///
/// # Errors
/// [`HostError`] when the text can't be a host name or address.
pub fn normalise_host(authority: &str) -> Result<Cow<'_, str>, HostError> {
    let host = strip_port(authority.trim())?;
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.starts_with('[') {
        return if is_ipv6_literal(host) { Ok(lowered(host)) } else { Err(HostError) };
    }
    let label_is_fine = |label: &[u8]| match label {
        [] | [b'-', ..] | [.., b'-'] => false,
        _ => label.len() <= 63 && label.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-'),
    };
    if host.len() > 253 || !host.as_bytes().split(|b| *b == b'.').all(label_is_fine) {
        return Err(HostError);
    }
    Ok(lowered(host))
}

fn lowered(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|b| b.is_ascii_uppercase()) { host.to_ascii_lowercase().into() } else { host.into() }
}

fn is_ipv6_literal(host: &str) -> bool {
    host.strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok())
}

fn strip_port(authority: &str) -> Result<&str, HostError> {
    let port_is_fine = |port: &str| port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    if let Some(end) = authority.find(']') {
        let (literal, rest) = authority.split_at(end + 1);
        return match rest.strip_prefix(':') {
            None if rest.is_empty() => Ok(literal),
            Some(port) if port_is_fine(port) => Ok(literal),
            _ => Err(HostError),
        };
    }
    match authority.split_once(':') {
        None => Ok(authority),
        Some((host, port)) if port_is_fine(port) => Ok(host),
        Some(_) => Err(HostError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_normalised_once() {
        for (given, wanted) in [
            ("Company-A.com", "company-a.com"),
            ("company-a.com:8443", "company-a.com"),
            ("company-a.com.", "company-a.com"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:8000", "[::1]"),
        ] {
            assert_eq!(normalise_host(given).as_deref(), Ok(wanted));
            assert_eq!(normalise_host(wanted).as_deref(), Ok(wanted));
        }
    }

    #[test]
    fn host_is_rejected_when_it_is_no_host_name() {
        for bad in
            ["", "a b", "a/b", "a@b", "-a.com", "a..b", "a:b:c", "a:99x", "[::1", "[zz]", "*.com", "a_b.com"]
        {
            assert_eq!(normalise_host(bad), Err(HostError), "{bad:?}");
        }
        assert_eq!(normalise_host(&"a.".repeat(200)), Err(HostError));
    }

    proptest::proptest! {
        #[test]
        fn normalising_never_panics_and_is_idempotent(text in ".{0,300}") {
            if let Ok(host) = normalise_host(&text) {
                proptest::prop_assert_eq!(normalise_host(&host), Ok(host.clone()));
            }
        }
    }
}
