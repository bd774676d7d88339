//! What the edge found out about a request before any handler ran.

use crate::http::{cookie, dpop};
use crate::tenant::{Actor, ClientInfo, Selection, TenantScope};
use http::HeaderValue;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// How much of a `User-Agent` is kept, in characters.
const MAX_USER_AGENT: usize = 256;

/// The id of a request: text of a fixed size, so that it costs no memory of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 20]);

impl RequestId {
    /// The id of this number.
    pub fn new(number: u64) -> Self {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let mut id = *b"req_0000000000000000";
        for (place, digit) in id.iter_mut().skip(4).zip((0..16).rev()) {
            let nibble = usize::try_from((number >> (4 * digit)) & 15).unwrap_or(0);
            *place = DIGITS.get(nibble).copied().unwrap_or(b'0');
        }
        Self(id)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// As a header's value.
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or(HeaderValue::from_static("req_"))
    }
}

/// Facts about a request, kept in its extensions.
#[derive(Debug, Clone)]
pub struct RequestInfo {
    /// Its id, as it will stand in the answer's `X-Request-ID`.
    pub id: RequestId,
    /// The client's address.
    pub ip: IpAddr,
    /// Whether the client spoke TLS.
    pub is_https: bool,
    /// Its `User-Agent`.
    pub user_agent: Option<HeaderValue>,
    /// Its cookies.
    pub cookies: Option<HeaderValue>,
    /// The largest body it may have, in bytes.
    pub body_limit: usize,
    /// What it says about its tenant.
    pub selection: Selection,
    /// Whether it carried more than one `X-Tenant-ID` or `Host`.
    pub is_ambiguous: bool,
    /// The proof of possession that came along.
    pub proof: Option<dpop::Presented>,
    /// Whether the system administrator acts here from outside.
    pub is_visit: bool,
    /// Who turned out to ask, and where.
    pub asker: OnceLock<(Arc<TenantScope>, Actor)>,
}

impl RequestInfo {
    /// The id as text.
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// The other end, for audit events. The agent is cut to 256 characters.
    pub fn client(&self) -> ClientInfo {
        let agent = self.user_agent.as_ref().and_then(|agent| agent.to_str().ok());
        ClientInfo {
            ip: self.ip,
            user_agent: agent.map(|agent| agent.chars().take(MAX_USER_AGENT).collect()),
            request_id: self.id().to_owned(),
            device: self
                .cookies
                .as_ref()
                .and_then(|all| cookie::find(all, cookie::DEVICE))
                .map(str::to_owned),
        }
    }
}

/// The facts of a request.
pub type SharedInfo = Arc<RequestInfo>;
