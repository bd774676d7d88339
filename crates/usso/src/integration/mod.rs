//! The integration layer: every tenant as an OAuth 2.0 authorization server and OpenID provider.
//!
//! ```text
//! clients/     who may ask: registration, secrets, and the one place where a client says who it is
//! authorize/   a browser comes with a request: checked, signed in, consented, sent back with a code
//! consents/    what a user has allowed which client, remembered and withdrawn
//! token/       codes, refresh tokens and credentials become tokens: one grant a file, one function that issues
//! access.rs    what an access token is worth now; userinfo/, introspect/ and http::Caller ask it
//! revoke/      tokens end before their time
//! discovery/   what is on, as metadata
//! par/         requests that clients push before a browser brings them
//! device/      devices without a browser
//! logout/      signing out: asked for by a client, and told to all of them
//! registration/ clients that register themselves
//! outbound.rs  asking the servers of clients; key_sets.rs remembers their keys
//! ```
//!
//! What a client is given is a session as any other, with a grant in it (`identity::sessions::model::ClientGrant`): it is
//! listed, ended, disabled and refreshed by the rules there. What only a client has, its credentials, has no session.

pub mod access;
pub mod authorize;
pub mod budget;
pub mod clients;
pub mod consents;
pub mod device;
pub mod discovery;
pub mod error;
pub mod introspect;
pub mod key_sets;
pub mod logout;
pub mod outbound;
pub mod par;
pub mod registration;
pub mod revoke;
pub mod token;
pub mod userinfo;

pub use error::{OauthCode, OauthError};

use crate::identity::Identity;
use crate::identity::sessions::model::Session;
use crate::identity::users::model::User;
use crate::tenant::{ClientInfo, Registry, TenantScope};
use kernel::{Internet, Stored};
use std::sync::Arc;

/// What the services of this layer share in one process.
#[derive(Default)]
pub struct Integration {
    clients: clients::memory::Clients,
    key_sets: key_sets::KeySets,
}

impl Integration {
    /// The clients in use.
    pub fn clients(&self) -> &clients::memory::Clients {
        &self.clients
    }

    /// The key sets of clients.
    pub fn key_sets(&self) -> &key_sets::KeySets {
        &self.key_sets
    }

    /// Forgets everything here.
    pub fn forget_all(&self) {
        self.clients.clear();
    }
}

impl std::fmt::Debug for Integration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Integration").finish_non_exhaustive()
    }
}

/// What every service of this layer is told of a request.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Makes keys.
    pub registry: &'a Registry,
    /// Users and sessions.
    pub identity: &'a Identity,
    /// Clients.
    pub integration: &'a Integration,
    /// The servers of clients.
    pub internet: &'a dyn Internet,
    /// The tenant.
    pub tenant: &'a TenantScope,
    /// The issuer to write.
    pub issuer: &'a str,
    /// The other end of the connection.
    pub peer: &'a ClientInfo,
}

/// A person who is signed in.
#[derive(Debug, Clone)]
pub struct Browser {
    /// Their session.
    pub session: Arc<Stored<Session>>,
    /// They.
    pub user: Arc<Stored<User>>,
}
