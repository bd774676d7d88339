//! What an import takes is what this version would have written: each record is read as what it says it is, and what it is
//! found by is made of it again. Nothing in an archive can hide a record, or give it another's name.

use super::ArchiveError;
use crate::access_control::catalog::model::ServiceScopes;
use crate::access_control::gateway::model::GatewayRoute;
use crate::access_control::roles::model::Role;
use crate::identity::agents::model::Agent;
use crate::identity::agents::usage::AgentUsage;
use crate::identity::api_keys::model::{ApiKey, ApiKeyUsage};
use crate::identity::referrals::model::Referral;
use crate::identity::sessions::model::Session;
use crate::identity::users::consents::Consent;
use crate::identity::users::model::User;
use crate::identity::users::removal::Erasure;
use crate::identity::workspaces::invitations::model::Invitation;
use crate::identity::workspaces::model::Workspace;
use crate::integration::clients::model::Client;
use crate::integration::device::model::DeviceRequest;
use crate::tenant::audit::AuditEvent;
use crate::tenant::audit::chain::AuditHead;
use crate::tenant::audit::checkpoint::Checkpoint;
use crate::tenant::one_time::OneTime;
use crate::tenant::usage::TenantUsage;
use kernel::collection::encode;
use kernel::{Document, Record, TenantId};

/// The largest record, in bytes. None of ours comes near it.
const LARGEST: usize = 1 << 20;

type Reader = fn(&Document) -> Result<Document, String>;

/// How each kind is read.
pub const READERS: &[(&str, Reader)] = &[
    (Agent::KIND, again::<Agent>),
    (AgentUsage::KIND, again::<AgentUsage>),
    (ApiKey::KIND, again::<ApiKey>),
    (ApiKeyUsage::KIND, again::<ApiKeyUsage>),
    (AuditEvent::KIND, again::<AuditEvent>),
    (AuditHead::KIND, again::<AuditHead>),
    (Checkpoint::KIND, again::<Checkpoint>),
    (Client::KIND, again::<Client>),
    (Consent::KIND, again::<Consent>),
    (DeviceRequest::KIND, again::<DeviceRequest>),
    (Erasure::KIND, again::<Erasure>),
    (GatewayRoute::KIND, again::<GatewayRoute>),
    (Invitation::KIND, again::<Invitation>),
    (OneTime::KIND, again::<OneTime>),
    (Referral::KIND, again::<Referral>),
    (Role::KIND, again::<Role>),
    (ServiceScopes::KIND, again::<ServiceScopes>),
    (Session::KIND, again::<Session>),
    (TenantUsage::KIND, again::<TenantUsage>),
    (User::KIND, again::<User>),
    (Workspace::KIND, again::<Workspace>),
];

/// A document as this version would have written it.
///
/// # Errors
/// [`ArchiveError::Content`] for one that is none of its kind, too large, or a reminder about another tenant's user.
pub fn read(document: &Document, tenant: &TenantId) -> Result<Document, ArchiveError> {
    let bad = |what: &str| ArchiveError::Content(format!("{} {}: {what}", document.kind, document.id));
    if document.body.len() > LARGEST {
        return Err(bad("too large"));
    }
    let reader = READERS.iter().find(|(kind, _)| *kind == document.kind);
    let (_, reader) = reader.ok_or_else(|| bad("nobody knows how to read it"))?;
    let read = reader(document).map_err(|what| bad(&what))?;
    if document.kind == Erasure::KIND {
        let reminder: Erasure = serde_json::from_str(&read.body).map_err(|e| bad(&e.to_string()))?;
        let is_own = reminder.tenant == *tenant && reminder.id.split('|').next() == Some(tenant.as_str());
        return if is_own { Ok(read) } else { Err(bad("about another tenant")) };
    }
    Ok(read)
}

fn again<R: Record>(document: &Document) -> Result<Document, String> {
    let body = serde_json::from_str(&document.body).map_err(|e| e.to_string())?;
    let body = R::upgrade(document.version, body)?;
    let record: R = serde_json::from_value(body).map_err(|e| e.to_string())?;
    if record.id() != document.id {
        return Err("another id than it says".to_owned());
    }
    encode(&record, document.revision, document.created_at, document.updated_at).map_err(|e| e.to_string())
}
