//! What the product keeps in memory beside an open tenant.

use crate::tenant::audit::tally::Tallies;
use crate::tenant::issuer::IssuerSet;
use crate::tenant::keys::KeyRing;
use crate::tenant::messaging::Delivery;
use crate::tenant::settings::Settings;
use crate::tenant::tenants::model::Tenant;
use kernel::{Stored, Timestamp};
use protocol::seal::{MacKey, SealingKey};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A tenant, ready for requests. Made by the registry, replaced when the record changes or `valid_until` passes.
#[derive(Debug)]
pub struct Profile {
    /// The record.
    pub tenant: Stored<Tenant>,
    /// The effective settings, shared by tenants that set nothing.
    pub settings: Arc<Settings>,
    /// The parsed keys.
    pub keys: KeyRing,
    /// The issuers.
    pub issuers: IssuerSet,
    /// Seals what this tenant keeps secret at rest.
    pub seal: SealingKey,
    /// Marks devices that have signed in before.
    pub device_mac: MacKey,
    /// Fingerprints requests that may hold a password.
    pub request_mac: MacKey,
    /// How messages leave when the tenant has no way of its own.
    pub delivery: Arc<Delivery>,
    /// Hides codes that are kept until they come back.
    pub code_mac: MacKey,
    /// How many requests named the tenant since that was last written.
    pub requests: Arc<AtomicU64>,
    /// Failures that wait to be written with others.
    pub tallies: Arc<Tallies>,
    /// When the published keys change by time alone.
    pub valid_until: Option<Timestamp>,
}
