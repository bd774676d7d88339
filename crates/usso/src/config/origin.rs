//! Origins (RFC 6454 §4) and host names as configured.

use crate::config::setting::{Raw, Setting};
use crate::config::value::quoted;
use crate::tenant::domain::normalise_host;
use std::net::IpAddr;

/// Scheme, host and perhaps a port: what a browser sees of the server, without a path. The default port of the scheme
/// is left out, so that equal origins are written alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    is_https: bool,
    host: HostName,
    port: Option<u16>,
}

impl Origin {
    /// Reads an origin such as `https://sso.example.com`.
    ///
    /// # Errors
    /// The reason as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let no_origin = || format!("{text:?} is not an origin like https://sso.example.com");
        // Before anything is repeated: what stands before an `@` would be a password.
        if text.contains('@') {
            return Err("must not contain a user name or password".to_owned());
        }
        let (scheme, authority) = text.split_once("://").ok_or_else(no_origin)?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(format!("{text:?} must begin with https:// or http://")),
        };
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(format!("{text:?} must end after the host or port, without a slash or path"));
        }
        let (host, port) = split_port(authority).ok_or_else(no_origin)?;
        let host = HostName::parse(host).ok_or_else(no_origin)?;
        let usual = if is_https { 443 } else { 80 };
        Ok(Self { is_https, host, port: port.filter(|port| *port != usual) })
    }

    /// The origin that a host name alone stands for: `https`, and `http` on this machine.
    ///
    /// # Errors
    /// The reason as the end of a sentence.
    pub(super) fn of_domain(domain: &str) -> Result<Self, String> {
        let host = split_port(domain).and_then(|(host, _)| HostName::parse(host));
        let host = host.ok_or_else(|| format!("{domain:?} is not a host name like sso.example.com"))?;
        Self::parse(&format!("{}://{domain}", if host.is_loopback() { "http" } else { "https" }))
    }

    /// `localhost` with the listener's own scheme and port.
    pub(super) fn local(is_https: bool, port: u16) -> Self {
        let host = HostName("localhost".to_owned());
        Self { is_https, host, port: Some(port).filter(|port| *port != if is_https { 443 } else { 80 }) }
    }

    /// The same host at the listener's own scheme and port, if it is this machine and no port was given.
    pub(super) fn at_listener(&self, is_https: bool, port: u16) -> Self {
        if !self.host.is_loopback() || self.port.is_some() {
            return self.clone();
        }
        Self { host: self.host.clone(), ..Self::local(is_https, port) }
    }

    /// Whether the origin is reached over TLS.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// The host.
    pub fn host(&self) -> &HostName {
        &self.host
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.is_https { "https" } else { "http" }, self.host.as_str())?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Setting for Origin {
    fn read(raw: &Raw) -> Result<Self, String> {
        Self::parse(raw.text()?)
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

/// Host and port of an authority; `None` for a port that is none.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    match authority.rsplit_once(':') {
        Some((host, _)) if host.starts_with('[') && !host.ends_with(']') => Some((authority, None)),
        Some((host, port)) => {
            let is_number = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            let port = port.parse().ok().filter(|port| is_number && *port != 0)?;
            Some((host, Some(port)))
        }
        None => Some((authority, None)),
    }
}

/// A host name or address, lower case, IPv6 in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(String);

impl HostName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hosts of the default tenant unless configured otherwise.
    pub(super) fn defaults() -> Vec<Self> {
        ["localhost", "127.0.0.1", "dev.usso.io"].map(|name| Self(name.to_owned())).to_vec()
    }

    /// Reads a name without a port.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim() != text || (text.contains(':') && !text.ends_with(']')) {
            return None;
        }
        normalise_host(text).ok().map(|host| Self(host.into_owned()))
    }

    fn is_loopback(&self) -> bool {
        let address = self.0.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        self.0 == "localhost" || self.0.ends_with(".localhost") || address.is_ok_and(|a| a.is_loopback())
    }
}

impl Setting for HostName {
    fn read(raw: &Raw) -> Result<Self, String> {
        let text = raw.text()?;
        Self::parse(text).ok_or_else(|| format!("{text:?} is not a host name like sso.example.com"))
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_normalised() {
        for (text, written) in [
            ("https://SSO.Example.com", "https://sso.example.com"),
            ("HTTPS://sso.example.com:443", "https://sso.example.com"),
            ("http://localhost:80", "http://localhost"),
            ("http://localhost:8000", "http://localhost:8000"),
            ("https://[::1]:8443", "https://[::1]:8443"),
            ("http://[::1]", "http://[::1]"),
            ("http://192.0.2.1", "http://192.0.2.1"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().to_string(), written);
        }
    }

    #[test]
    fn url_that_is_no_origin_is_refused() {
        for text in [
            "",
            "example.com",
            "https://",
            "https://example.com/",
            "https://example.com/sso",
            "https://example.com?x",
            "https://example.com#x",
            "ftp://example.com",
            "https://user:pw@example.com",
            "https://example.com:0",
            "https://example.com:",
            "https://example.com:70000",
            "https://exa mple.com",
            "https://example..com",
            "https://::1",
            "https://[::1",
            "https://example.com:+80",
            "javascript://example.com",
            "https:// example.com",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
        assert!(!Origin::parse("https://user:canary@example.com").unwrap_err().contains("canary"));
    }

    #[test]
    fn domain_means_https_and_http_on_this_machine() {
        for (domain, origin) in [
            ("sso.example.com", "https://sso.example.com"),
            ("localhost", "http://localhost"),
            ("localhost:9000", "http://localhost:9000"),
            ("app.localhost", "http://app.localhost"),
            ("127.0.0.1", "http://127.0.0.1"),
        ] {
            assert_eq!(Origin::of_domain(domain).unwrap().to_string(), origin);
        }
        assert!(Origin::of_domain("https://sso.example.com").is_err());
        assert!(Origin::of_domain("sso.example.com/").is_err());
    }
}
