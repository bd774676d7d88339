//! Addresses of the web that clients register or sign: what they may be (RFC 7591 §2, RFC 8707 §2), and when two of them
//! are the same (RFC 3986 §6.2). Where answers are sent to has rules of its own, see [`super::redirect_uri`].

use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest address that may be registered, in bytes.
pub const MAX_LENGTH: usize = 2_048;

/// Why an address may not be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Too long, or with characters no address has.
    #[error("is not a URI")]
    Malformed,
    /// Relative, or without a host where one is needed.
    #[error("must be absolute")]
    Relative,
    /// With a fragment (RFC 6749 §3.1.2).
    #[error("must not have a fragment")]
    Fragment,
    /// With a user name or password.
    #[error("must not contain credentials")]
    Credentials,
    /// Plain `http` to another machine.
    #[error("must use https")]
    Insecure,
    /// Not an address of the web.
    #[error("must be an https address")]
    Scheme,
}

/// The parts of an address that matter here.
struct Parts<'a> {
    scheme: &'a str,
    /// What stands between `//` and the path, if `//` does.
    authority: Option<&'a str>,
    /// Path, query and fragment.
    rest: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, UriError> {
        let is_plain = |byte: u8| {
            byte.is_ascii_graphic()
                && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
        };
        if text.is_empty() || text.len() > MAX_LENGTH || !text.bytes().all(is_plain) || !escapes_well(text) {
            return Err(UriError::Malformed);
        }
        let (scheme, after) = text.split_once(':').ok_or(UriError::Relative)?;
        let mut letters = scheme.bytes();
        let is_scheme = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
            && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        if !is_scheme {
            return Err(UriError::Relative);
        }
        let Some(after) = after.strip_prefix("//") else {
            return Ok(Self { scheme, authority: None, rest: after });
        };
        let end = after.find(['/', '?', '#']).unwrap_or(after.len());
        let (authority, rest) = after.split_at_checked(end).ok_or(UriError::Malformed)?;
        Ok(Self { scheme, authority: Some(authority), rest })
    }

    fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    fn path(&self) -> &'a str {
        let end = self.rest.find(['?', '#']).unwrap_or(self.rest.len());
        self.rest.get(..end).unwrap_or_default()
    }

    /// Host and port of an authority without credentials.
    fn host_and_port(&self) -> Result<(&'a str, Option<u16>), UriError> {
        let authority = self.authority.ok_or(UriError::Relative)?;
        if authority.contains('@') {
            return Err(UriError::Credentials);
        }
        let host_end = match authority.find(']') {
            Some(bracket) if authority.starts_with('[') => bracket + 1,
            Some(_) => return Err(UriError::Malformed),
            None => authority.find(':').unwrap_or(authority.len()),
        };
        let (host, port) = authority.split_at_checked(host_end).ok_or(UriError::Malformed)?;
        if host.is_empty() {
            return Err(UriError::Relative);
        }
        match port.strip_prefix(':') {
            None if port.is_empty() => Ok((host, None)),
            Some("") => Ok((host, None)),
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map(|port| (host, Some(port))).map_err(|_| UriError::Malformed)
            }
            _ => Err(UriError::Malformed),
        }
    }
}

/// Whether every `%` begins an escape.
fn escapes_well(text: &str) -> bool {
    text.split('%').skip(1).all(|after| after.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2)
}

/// Whether a host is the machine itself: the addresses of RFC 8252 §7.3, and `localhost`.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || (host.starts_with('[') && literal.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()))
}

/// Whether an address may be registered as one of a page, a key set or a notice.
///
/// # Errors
/// The first rule that is broken.
pub fn check_web(uri: &str) -> Result<(), UriError> {
    let parts = Parts::of(uri)?;
    if !parts.is("https") && !parts.is("http") {
        return Err(UriError::Scheme);
    }
    if uri.contains('#') {
        return Err(UriError::Fragment);
    }
    let (host, _) = parts.host_and_port()?;
    if parts.is("http") && !is_loopback(host) { Err(UriError::Insecure) } else { Ok(()) }
}

/// Whether an address may be that of a resource (RFC 8707 §2): absolute, of any scheme, without a fragment.
///
/// # Errors
/// The first rule that is broken.
pub fn check_resource(uri: &str) -> Result<(), UriError> {
    let parts = Parts::of(uri)?;
    match (uri.contains('#'), parts.authority, parts.rest) {
        (true, ..) => Err(UriError::Fragment),
        (_, Some("") | None, "") => Err(UriError::Relative),
        _ => Ok(()),
    }
}

/// An address of the web in normal form without query and fragment: lower-case scheme and host, no port that goes without
/// saying, no dot segments, escapes in capitals and only where needed. None for what is no address of the web, or names a
/// user.
#[must_use]
pub fn normalised(uri: &str) -> Option<String> {
    let parts = Parts::of(uri).ok()?;
    let default_port = match parts.scheme.to_ascii_lowercase().as_str() {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let (host, port) = parts.host_and_port().ok()?;
    let port = match port {
        Some(port) if port != default_port => format!(":{port}"),
        _ => String::new(),
    };
    let (scheme, host) = (parts.scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
    Some(format!("{scheme}://{host}{port}{}", resolved(&unescaped(parts.path()))))
}

/// A path whose unreserved characters are written plainly, and all escapes in capitals (RFC 3986 §6.2.2.1, §6.2.2.2).
fn unescaped(path: &str) -> String {
    let mut pieces = path.split('%');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).unwrap_or((piece, ""));
        match u8::from_str_radix(digits, 16) {
            Ok(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') => {
                plain.push(char::from(byte));
            }
            _ => {
                plain.push('%');
                plain.push_str(&digits.to_ascii_uppercase());
            }
        }
        plain.push_str(rest);
    }
    plain
}

/// A path without dot segments (RFC 3986 §5.2.4).
fn resolved(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            other => {
                kept.push(other);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_in_its_normal_form() {
        for (uri, normal) in [
            ("HTTPS://Id.Example:443", "https://id.example/"),
            ("https://id.example/oauth/token?a=b#c", "https://id.example/oauth/token"),
            ("http://id.example:80/%7Ea/%2f/%c3%a9", "http://id.example/~a/%2F/%C3%A9"),
            ("https://id.example:8443/a/./b/../c", "https://id.example:8443/a/c"),
            ("https://id.example/a/b/..", "https://id.example/a/"),
            ("https://id.example/../..", "https://id.example/"),
            ("https://[::1]:8000/x", "https://[::1]:8000/x"),
            ("https://id.example:/x", "https://id.example/x"),
        ] {
            assert_eq!(normalised(uri).as_deref(), Some(normal), "{uri}");
            assert_eq!(normalised(normal).as_deref(), Some(normal), "{normal}");
        }
        for uri in [
            "",
            "/oauth/token",
            "ftp://id.example/",
            "https://a@id.example/",
            "https:///x",
            "https://id.example:x/",
            "https://id.example/ a",
            "https://id.example/%2",
            "https://id.example/é",
            "https://[::1/",
        ] {
            assert_eq!(normalised(uri), None, "{uri}");
        }
    }

    #[test]
    fn cli_09_a_safe_address_may_be_registered() {
        for uri in [
            "https://app.example/logo.png",
            "https://app.example/terms?lang=en",
            "https://app.example:8443/",
            "http://localhost:3000/jwks.json",
            "http://127.0.0.1/jwks.json",
            "http://[::1]/jwks.json",
        ] {
            assert_eq!(check_web(uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn cli_09_an_unsafe_address_is_refused() {
        use UriError::{Credentials, Fragment, Insecure, Malformed, Relative, Scheme};
        for (uri, error) in [
            ("", Malformed),
            ("logo.png", Relative),
            ("/logo.png", Relative),
            ("//app.example/logo.png", Relative),
            ("https:///logo.png", Relative),
            ("https:logo.png", Relative),
            ("https://app.example/#", Fragment),
            ("https://user@app.example/", Credentials),
            ("https://app.example@evil.example/", Credentials),
            ("http://app.example/", Insecure),
            ("http://127.0.0.1.evil.example/", Insecure),
            ("http://10.0.0.1/", Insecure),
            ("http://localhost.evil.example/", Insecure),
            ("javascript:alert(1)", Scheme),
            ("JavaScript://x/%0aalert(1)", Scheme),
            ("data:text/html,x", Scheme),
            ("file:///etc/passwd", Scheme),
            ("myapp://logo", Scheme),
            ("https://app.example/a b", Malformed),
            ("https://app.example/\\evil.example", Malformed),
            ("https://app.example/%zz", Malformed),
            ("https://app.example/\n", Malformed),
            ("https://äpp.example/", Malformed),
            ("https://app.example:99999/", Malformed),
        ] {
            assert_eq!(check_web(uri), Err(error), "{uri}");
        }
        let long = format!("https://app.example/{}", "a".repeat(MAX_LENGTH));
        assert_eq!(check_web(&long), Err(Malformed));
    }

    #[test]
    fn tok_08_a_resource_is_absolute_and_has_no_fragment() {
        for uri in ["https://api.example", "https://api.example/v1?x=1", "urn:example:api"] {
            assert_eq!(check_resource(uri), Ok(()), "{uri}");
        }
        for (uri, error) in [
            ("https://api.example/#a", UriError::Fragment),
            ("/v1", UriError::Relative),
            ("urn:", UriError::Relative),
        ] {
            assert_eq!(check_resource(uri), Err(error), "{uri}");
        }
    }
}
