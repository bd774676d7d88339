//! Redirection URIs: which may be registered, and which of them a request means (RFC 6749 §3.1.2, RFC 9700 §2.1,
//! RFC 8252 §7).
//!
//! A request means a registered URI when it is the same text, byte for byte. The one exception is the port of a native
//! application that listens on a loopback address, which it can't know beforehand.

/// The longest URI that is registered.
const MAX_LENGTH: usize = 2_048;

/// Schemes that run, show or read something instead of calling an application.
const NO_APPLICATION: [&str; 12] = [
    "about",
    "blob",
    "data",
    "file",
    "filesystem",
    "ftp",
    "javascript",
    "mailto",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

/// Why a URI can't be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriError {
    /// Not an absolute URI of plain characters.
    #[error("must be an absolute URI without spaces or control characters, of at most 2048 characters")]
    Malformed,
    /// With `#…` (RFC 6749 §3.1.2).
    #[error("must not have a fragment")]
    Fragment,
    /// With `user@`, which hides the host from people.
    #[error("must not have a user part")]
    UserInfo,
    /// `http` to another host than this one.
    #[error("http is for loopback addresses only; use https")]
    Insecure,
    /// A scheme that calls no application.
    #[error("this scheme can't be redirected to")]
    Scheme,
}

/// Checks a URI that is to be registered.
///
/// # Errors
/// [`RedirectUriError`].
pub fn check(uri: &str) -> Result<(), RedirectUriError> {
    use RedirectUriError as E;
    let is_plain =
        uri.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>' | b'`'));
    if uri.len() > MAX_LENGTH || !is_plain {
        return Err(E::Malformed);
    }
    if uri.contains('#') {
        return Err(E::Fragment);
    }
    let (scheme, rest) = uri.split_once(':').ok_or(E::Malformed)?;
    let is_scheme = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-');
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(is_scheme) {
        return Err(E::Malformed);
    }
    let scheme = scheme.to_ascii_lowercase();
    if NO_APPLICATION.contains(&scheme.as_str()) {
        return Err(E::Scheme);
    }
    let authority = rest.strip_prefix("//").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    if authority.is_some_and(|a| a.contains('@')) {
        return Err(E::UserInfo);
    }
    let host = authority.map(host_of).unwrap_or_default();
    match scheme.as_str() {
        "http" | "https" if host.is_empty() => Err(E::Malformed),
        "http" if !is_loopback(host) && host != "localhost" => Err(E::Insecure),
        _ if rest.is_empty() || rest == "//" => Err(E::Malformed),
        _ => Ok(()),
    }
}

/// Whether a request's URI is this registered one. `is_native`: of an application on the user's own device.
#[must_use]
pub fn matches(registered: &str, given: &str, is_native: bool) -> bool {
    registered == given
        || is_native
            && matches!(
                (without_port(registered), without_port(given)),
                (Some(own), Some(other)) if own == other
            )
}

/// A loopback URI taken apart around its port, if it is one: an address, never a name (RFC 8252 §8.3).
fn without_port(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let host = host_of(authority);
    let port = authority.strip_prefix(host)?;
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|p| {
            p.bytes().all(|b| b.is_ascii_digit()) && p.parse::<u16>().is_ok_and(|number| number != 0)
        });
    (is_loopback(host) && is_port).then_some((host, path))
}

fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.find(']')) {
        Some(end) => authority.get(..end + 2).unwrap_or(authority),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_applications_and_loopback_may_be_registered() {
        for uri in [
            "https://app.example.com/callback",
            "https://app.example.com",
            "https://app.example.com:8443/a?b=c",
            "http://127.0.0.1/callback",
            "http://127.0.0.1:8080/callback",
            "http://[::1]/callback",
            "http://localhost:3000/callback",
            "myapp://oauth/callback",
            "com.example.app:/callback",
        ] {
            assert_eq!(check(uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn what_is_unsafe_may_not() {
        use RedirectUriError as E;
        for (uri, why) in [
            ("", E::Malformed),
            ("/callback", E::Malformed),
            ("https://", E::Malformed),
            ("https:///x", E::Malformed),
            ("https:callback", E::Malformed),
            ("https://a b", E::Malformed),
            ("https://a\\@b/", E::Malformed),
            ("https://a/\u{e9}", E::Malformed),
            ("1a://x", E::Malformed),
            ("https://a/#", E::Fragment),
            ("https://a/x#y", E::Fragment),
            ("https://user@a/", E::UserInfo),
            ("https://a:b@c/", E::UserInfo),
            ("http://app.example.com/", E::Insecure),
            ("http://127.0.0.1.evil.example/", E::Insecure),
            ("http://localhost.evil.example/", E::Insecure),
            ("javascript:alert(1)", E::Scheme),
            ("JavaScript:alert(1)", E::Scheme),
            ("data:text/html,x", E::Scheme),
            ("file:///etc/passwd", E::Scheme),
            ("vbscript:x", E::Scheme),
        ] {
            assert_eq!(check(uri), Err(why), "{uri}");
        }
    }

    #[test]
    fn only_the_port_of_a_native_loopback_address_is_free() {
        let registered = "http://127.0.0.1:1/callback";
        for (given, fits) in [
            ("http://127.0.0.1:1/callback", true),
            ("http://127.0.0.1:49152/callback", true),
            ("http://127.0.0.1/callback", true),
            ("http://127.0.0.1:0/callback", false),
            ("http://127.0.0.1:65536/callback", false),
            ("http://127.0.0.1:+1/callback", false),
            ("http://127.0.0.1:/callback", false),
            ("http://127.0.0.1:1/Callback", false),
            ("http://127.0.0.1:1/callback?x", false),
            ("http://[::1]:1/callback", false),
            ("http://localhost:1/callback", false),
            ("https://127.0.0.1:2/callback", false),
            ("http://127.0.0.1:2@evil.example/callback", false),
        ] {
            assert_eq!(matches(registered, given, true), fits, "{given}");
            assert_eq!(matches(registered, given, false), given == registered, "{given}");
        }
        assert!(matches("http://[::1]/x", "http://[::1]:5/x", true));
        assert!(!matches("http://localhost/x", "http://localhost:5/x", true), "a name may be anybody's");
        assert!(!matches("https://a.com/x", "https://a.com:8443/x", true));
    }
}
