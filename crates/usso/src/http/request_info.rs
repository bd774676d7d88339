//! What the edge found out about a request before any handler ran.

use crate::tenant::{ClientInfo, Selection};
use std::net::IpAddr;
use std::sync::Arc;

/// Facts about a request, kept in its extensions.
#[derive(Debug, Clone)]
pub struct RequestInfo {
    /// Its id, also in the answer's `X-Request-ID`.
    pub id: String,
    /// The client's address.
    pub ip: IpAddr,
    /// Whether the client spoke TLS.
    pub is_https: bool,
    /// Its `User-Agent`, cut to 256 bytes.
    pub user_agent: Option<String>,
    /// What it says about its tenant.
    pub selection: Selection,
    /// Whether it carried more than one `X-Tenant-ID`.
    pub is_ambiguous: bool,
}

impl RequestInfo {
    /// The other end, for audit events.
    pub fn client(&self) -> ClientInfo {
        ClientInfo { ip: self.ip, user_agent: self.user_agent.clone(), request_id: self.id.clone() }
    }
}

/// The facts of a request.
pub type SharedInfo = Arc<RequestInfo>;
