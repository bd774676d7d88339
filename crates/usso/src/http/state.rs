//! What every handler can reach.

use crate::http::client_ip::TrustedProxies;
use crate::http::request_info::RequestId;
use crate::http::tenant::Asked;
use crate::identity::Identity;
use crate::integration::{Context, Integration};
use crate::tenant::Registry;
use crate::tenant::TenantScope;
use crate::tenant::messaging::post::Post;
use bytes::Bytes;
use kernel::{Internet, Messenger};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How the edge behaves.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Largest request body in bytes.
    pub body_limit: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// Whose forwarded headers count.
    pub trusted_proxies: TrustedProxies,
    /// Whether every request is logged, not only those that fail.
    pub access_log: bool,
}

/// The services of an instance.
pub struct Services {
    /// Opens tenants.
    pub registry: Registry,
    /// Users, sessions, tokens.
    pub identity: Identity,
    /// OAuth and OpenID Connect.
    pub integration: Integration,
    /// How the edge behaves.
    pub http: HttpConfig,
    /// Where others prove that a domain is theirs.
    pub internet: Arc<dyn Internet>,
    /// Takes messages to people.
    pub messenger: Arc<dyn Messenger>,
    /// Messages on their way.
    pub post: Post,
    /// The OpenAPI document, serialised.
    pub openapi: std::sync::OnceLock<Bytes>,
    /// The paths of `/auth`.
    pub auth_paths: std::sync::OnceLock<Vec<String>>,
    draining: AtomicBool,
    request_prefix: u32,
    requests: AtomicU64,
}

/// The services, shared by all handlers.
pub type AppState = Arc<Services>;

impl Services {
    /// The services of an instance.
    pub fn new(
        registry: Registry,
        identity: Identity,
        http: HttpConfig,
        (internet, messenger): (Arc<dyn Internet>, Arc<dyn Messenger>),
    ) -> Self {
        let request_prefix = u32::from_be_bytes(registry.system().token::<4>());
        Self {
            registry,
            identity,
            integration: Integration::default(),
            http,
            internet,
            messenger,
            post: Post::default(),
            openapi: std::sync::OnceLock::new(),
            auth_paths: std::sync::OnceLock::new(),
            draining: AtomicBool::new(false),
            request_prefix,
            requests: AtomicU64::new(0),
        }
    }

    /// What the services of OAuth are told of a request.
    pub fn context<'a>(&'a self, tenant: &'a TenantScope, asked: &'a Asked) -> Context<'a> {
        let (registry, identity, integration) = (&self.registry, &self.identity, &self.integration);
        let internet = self.internet.as_ref();
        Context {
            registry,
            identity,
            integration,
            internet,
            tenant,
            issuer: &asked.issuer,
            peer: &asked.peer,
        }
    }

    /// A request id: unique in the installation, and cheap.
    pub fn next_request_id(&self) -> RequestId {
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        RequestId::new((u64::from(self.request_prefix) << 32) | (count & 0xffff_ffff))
    }

    /// How many requests were begun so far, within the width of the counter.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// From now on the instance wants no new work.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Whether the instance is shutting down.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}
