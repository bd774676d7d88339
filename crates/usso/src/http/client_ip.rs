//! Whose request it is, behind proxies too.
//!
//! Forwarded headers count only from configured proxies; of `X-Forwarded-For` the last address that isn't one of them
//! is the client, because everything left of it may be invented. So the list is read from the right, and what stands
//! left of the client isn't even looked at.

use crate::config::Network;
use http::{HeaderMap, header};
use std::net::{IpAddr, SocketAddr};

/// The proxies in front.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// The proxies of these networks.
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether an address is one of the proxies.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(ip))
    }
}

/// What the edge knows of the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// The client's address.
    pub ip: IpAddr,
    /// Whether the client spoke TLS.
    pub is_https: bool,
    /// The host the client asked for.
    pub host: Option<String>,
}

/// Reads the forwarded headers, if the peer may send them.
pub fn resolve(peer: IpAddr, peer_is_tls: bool, headers: &HeaderMap, trusted: &TrustedProxies) -> Forwarded {
    let own_host = text(headers, &header::HOST);
    if !trusted.contains(peer) {
        return Forwarded { ip: peer.to_canonical(), is_https: peer_is_tls, host: own_host };
    }
    // A proxy appends, to the line or as a line of its own: only the very last entry is its word.
    let last = |name: &str| {
        let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
        line.rsplit(',').next().map(|v| v.trim().to_owned())
    };
    Forwarded {
        ip: forwarded_for(headers, trusted).unwrap_or_else(|| peer.to_canonical()),
        is_https: last("x-forwarded-proto").map_or(peer_is_tls, |proto| proto.eq_ignore_ascii_case("https")),
        host: last("x-forwarded-host").or(own_host),
    }
}

fn forwarded_for(headers: &HeaderMap, trusted: &TrustedProxies) -> Option<IpAddr> {
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let mut nearest = None;
    for hop in lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
        // Nobody vouches for what is left of a hop that can't be read.
        let Some(ip) = address(hop) else { break };
        nearest = Some(ip);
        if !trusted.contains(ip) {
            break;
        }
    }
    nearest
}

/// An address, with or without its port; IPv6 also in brackets.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let bare = hop.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(hop);
    let ip = bare.parse::<IpAddr>().or_else(|_| hop.parse::<SocketAddr>().map(|socket| socket.ip()));
    ip.ok().map(|ip| ip.to_canonical())
}

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (http::HeaderName::from_static(n), v.parse().unwrap())).collect()
    }

    fn trusted() -> TrustedProxies {
        TrustedProxies::new(vec![Network::parse("10.0.0.0/8").unwrap()])
    }

    #[test]
    fn forwarded_headers_are_ignored_from_strangers() {
        let spoofed = headers(&[
            ("host", "a.com"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "victim.com"),
        ]);
        let seen = resolve("8.8.8.8".parse().unwrap(), false, &spoofed, &trusted());
        let wanted =
            Forwarded { ip: "8.8.8.8".parse().unwrap(), is_https: false, host: Some("a.com".into()) };
        assert_eq!(seen, wanted);
    }

    #[test]
    fn behind_a_proxy_the_last_untrusted_hop_is_the_client() {
        let forwarded =
            headers(&[("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.9"), ("x-forwarded-proto", "https")]);
        let seen = resolve("10.0.0.1".parse().unwrap(), false, &forwarded, &trusted());
        assert_eq!((seen.ip, seen.is_https), ("1.2.3.4".parse().unwrap(), true));
    }

    fn client_of(chain: &[&str]) -> IpAddr {
        let mut forwarded = HeaderMap::new();
        for line in chain {
            forwarded.append("x-forwarded-for", http::HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        resolve("10.0.0.1".parse().unwrap(), false, &forwarded, &trusted()).ip
    }

    #[test]
    fn garbage_to_the_left_changes_nothing() {
        let client: IpAddr = "1.2.3.4".parse().unwrap();
        for chain in [
            &["banana, 1.2.3.4"][..],
            &["\u{fc}, , 1.2.3.4, 10.0.0.9"],
            &["banana", "10.0.0.7, 1.2.3.4", "10.0.0.9"],
            &["6.6.6.6:99999", "1.2.3.4:443"],
        ] {
            assert_eq!(client_of(chain), client, "{chain:?}");
        }
    }

    #[test]
    fn a_hop_may_carry_its_port() {
        for (hop, ip) in [
            ("1.2.3.4:5678", "1.2.3.4"),
            ("[2001:db8::1]:5678", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:1.2.3.4, 10.0.0.9:80", "1.2.3.4"),
        ] {
            assert_eq!(client_of(&[hop]), ip.parse::<IpAddr>().unwrap(), "{hop}");
        }
    }

    #[test]
    fn an_unreadable_hop_ends_the_search_at_the_last_trusted_one() {
        assert_eq!(client_of(&["1.2.3.4, banana, 10.0.0.9"]), "10.0.0.9".parse::<IpAddr>().unwrap());
        assert_eq!(client_of(&["1.2.3.4", "10.0.0.8, 10.0.0.9:x"]), "10.0.0.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn an_unreadable_chain_falls_back_to_the_proxy() {
        let garbage = headers(&[("x-forwarded-for", "1.2.3.4, banana")]);
        assert_eq!(
            resolve("10.0.0.1".parse().unwrap(), false, &garbage, &trusted()).ip,
            "10.0.0.1".parse::<IpAddr>().unwrap()
        );
    }
}
