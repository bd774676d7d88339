//! The body of the fuzz target for tenant selection: what a stranger's request line and headers are read as.
//!
//! Input: a byte of flags (1: the peer is a trusted proxy, 2: it speaks TLS), then lines: request target, `Host`,
//! `X-Tenant-ID`, `X-Forwarded-Host`, `X-Forwarded-For`, `X-Forwarded-Proto`. An empty line is an absent header.

use crate::config::Network;
use crate::http::client_ip::{TrustedProxies, resolve};
use crate::http::edge::rewrite;
use crate::http::visit;
use crate::tenant::domain::normalise_host;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use kernel::TenantId;
use std::net::{IpAddr, Ipv4Addr};

const HEADERS: [&str; 5] =
    ["host", "x-tenant-id", "x-forwarded-host", "x-forwarded-for", "x-forwarded-proto"];

/// Reads a request's way of naming its tenant and checks what must hold for every request.
pub fn tenant_select(data: &[u8]) {
    let Some((&flags, rest)) = data.split_first() else { return };
    let mut lines = rest.split(|byte| *byte == b'\n');
    path(lines.next().unwrap_or_default());
    let mut headers = HeaderMap::new();
    for (name, value) in HEADERS.into_iter().zip(lines) {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_bytes(value)) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    forwarded(flags, &headers);
    if let Some(id) = text(&headers, "x-tenant-id").and_then(|id| TenantId::parse(id).ok()) {
        plain(id.as_str());
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A tenant's id goes into paths, keys and logs: it must be plain.
fn plain(id: &str) {
    assert!(
        id.len() <= 128 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)),
        "{id:?}"
    );
}

/// Whatever the target, the rewritten one is a path, has kept its query, and names a tenant only below `/t/`.
fn path(target: &[u8]) {
    let Ok(given) = Uri::try_from(target) else { return };
    let mut uri = given.clone();
    let tenant = rewrite(&mut uri);
    assert!(
        uri.path().starts_with('/') || uri.path() == "*" || uri.path().is_empty(),
        "{given} became {uri}"
    );
    assert_eq!(given.query(), uri.query(), "{given} became {uri}");
    let mut inner = uri.clone();
    if let Some(id) = visit::take(&mut inner) {
        assert!(!id.contains('/') && inner.path().starts_with("/api/sso/v1/"), "{given} became {inner}");
        assert_eq!(given.query(), inner.query(), "{given} became {inner}");
    }
    assert_eq!(tenant.is_some(), given.path().starts_with("/t/"), "{given}");
    if let Some(id) = &tenant {
        assert!(!id.contains('/'), "{id:?}");
        if let Ok(id) = TenantId::parse(id) {
            plain(id.as_str());
        }
    } else {
        let mut again = uri.clone();
        // What is no tenant's path can't become one.
        assert_eq!(rewrite(&mut again), None, "{given}");
        assert_eq!(again, uri, "rewriting twice must change nothing");
    }
}

/// Strangers can't forward, and whatever host comes out is normalised once and for all.
fn forwarded(flags: u8, headers: &HeaderMap) {
    let proxy = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let trusted = TrustedProxies::new(Network::parse("10.0.0.0/8").into_iter().collect());
    let (is_proxy, is_tls) = (flags & 1 != 0, flags & 2 != 0);
    let peer = if is_proxy { proxy } else { IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)) };
    let seen = resolve(peer, is_tls, headers, &trusted);
    if !is_proxy {
        assert_eq!(
            (seen.ip, seen.is_https),
            (peer, is_tls),
            "a stranger's forwarded headers count for nothing"
        );
        assert_eq!(seen.host.as_deref(), text(headers, "host"));
    }
    let Some(Ok(host)) = seen.host.as_deref().map(normalise_host) else { return };
    assert_eq!(normalise_host(&host), Ok(host.clone()), "normalising twice must change nothing");
    assert!(!host.is_empty() && host.len() <= 253 && !host.ends_with('.'));
    let is_literal = host.starts_with('[') && host.ends_with(']');
    assert!(
        is_literal
            || host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
    );
}
