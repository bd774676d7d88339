//! Messages to people: codes, links, notices.
//!
//! A message is an effect of the write that made what it tells, so none is lost and none tells of what isn't there. It
//! waits in the database sealed with the tenant's key: whoever reads the database finds no code. A worker carries it out,
//! never a request, so a slow or dead provider slows nobody; what is too late to be of use is dropped.

pub mod budget;
pub mod mail;
pub mod post;
pub mod providers;
pub mod render;
pub mod routes;
pub mod schema;
pub mod service;
pub mod templates;

use kernel::MailServer;
use providers::Provider;

/// How messages leave when a tenant has no way of its own.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// The operator's mail server.
    pub mail: Option<MailServer>,
    /// Who texts for the operator.
    pub texts: Option<Provider>,
    /// Whether messages that have no other way are kept in the outbox directory.
    pub is_development: bool,
    /// What the installation calls itself.
    pub product: String,
}
