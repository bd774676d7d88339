//! Sealing again what was sealed under another master key.
//!
//! What is sealed where: the private halves of tenants' keys, the secrets inside tenants' settings, the answers that
//! are kept for `Idempotency-Key`, and the keys of audit chains. A value says under which key it was sealed, so doing this twice does it once.

use crate::tenant::audit::chain::{AuditHead, KEY_CONTEXT};
use crate::tenant::keys::keyring::sealing_context;
use crate::tenant::one_time::OneTime;
use crate::tenant::tenants::model::Tenant;
use kernel::TenantId;
use protocol::seal::{SealError, SealingKey, sealed_key_id};
use serde_json::{Map, Value};

/// Why a value can't be sealed again.
#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    /// It doesn't open.
    #[error("{place}: {error}")]
    Closed {
        /// Where it stands.
        place: String,
        /// Why.
        error: SealError,
    },
    /// A record can't be taken apart or put together again: a defect.
    #[error("{0}")]
    Shape(#[from] serde_json::Error),
    /// Keys can't be derived.
    #[error(transparent)]
    Derive(#[from] SealError),
}

/// The key before and the key after.
#[derive(Debug)]
pub struct Keys {
    /// What opens.
    pub from: SealingKey,
    /// What seals.
    pub to: SealingKey,
}

impl Keys {
    /// The keys of one tenant's secrets.
    fn of_tenant(&self, tenant: &str) -> Result<Self, SealError> {
        let derive = |key: &SealingKey| key.derive("tenant-secrets", tenant);
        Ok(Self { from: derive(&self.from)?, to: derive(&self.to)? })
    }

    /// Seals a text again; answers whether it had to. What is sealed under the new key must open.
    fn text(&self, aad: &[u8], text: &mut String) -> Result<bool, SealError> {
        if sealed_key_id(text) == Some(self.to.key_id()) {
            return self.to.open(aad, text).map(|_| false);
        }
        let plain = self.from.open(aad, text)?;
        *text = self.to.seal(aad, &plain)?;
        Ok(true)
    }

    /// A tenant with everything sealed under the new key; `None` when it is so already.
    ///
    /// # Errors
    /// [`ResealError::Closed`] when something doesn't open under either key.
    pub fn tenant(&self, tenant: &Tenant) -> Result<Option<Tenant>, ResealError> {
        let mut body = serde_json::to_value(tenant)?;
        let secrets = self.of_tenant(tenant.id.as_str())?;
        let mut changed = false;
        each_sealed(&tenant.id, &mut body, &mut |sealed, text| {
            let keys = if sealed.is_secret { &secrets } else { self };
            changed |= keys.text(sealed.aad.as_bytes(), text)?;
            Ok(())
        })?;
        Ok(changed.then(|| serde_json::from_value(body)).transpose()?)
    }

    /// A one-time record with its kept answer sealed under the new key; `None` when it is so already or has none.
    ///
    /// # Errors
    /// [`ResealError::Closed`] when it doesn't open under either key.
    pub fn one_time(&self, tenant: &TenantId, record: &OneTime) -> Result<Option<OneTime>, ResealError> {
        let mut next = record.clone();
        let Some(Value::String(sealed)) = next.data.get_mut("answer") else { return Ok(None) };
        if sealed_key_id(sealed).is_none() {
            return Ok(None);
        }
        let changed = self
            .of_tenant(tenant.as_str())?
            .text(record.id.as_bytes(), sealed)
            .map_err(|error| ResealError::Closed { place: format!("an answer kept for {tenant}"), error })?;
        Ok(changed.then_some(next))
    }

    /// The head of an owner's audit chain with its key sealed under the new key; `None` when it is so already.
    ///
    /// # Errors
    /// [`ResealError::Closed`] when it doesn't open under either key.
    pub fn audit_head(&self, owner: &str, head: &AuditHead) -> Result<Option<AuditHead>, ResealError> {
        let mut next = head.clone();
        let place = || format!("the key of the audit chain of {owner}");
        let changed = self
            .of_tenant(owner)?
            .text(KEY_CONTEXT, &mut next.key)
            .map_err(|error| ResealError::Closed { place: place(), error })?;
        Ok(changed.then_some(next))
    }
}

/// A sealed text of a tenant's record.
#[derive(Debug)]
pub struct Sealed {
    /// Whether it is sealed under the key of the tenant's secrets, not the installation's.
    pub is_secret: bool,
    /// To what it is bound.
    pub aad: String,
}

/// Visits every sealed text of a tenant's record: the private halves of its keys, and every `{"$sealed": …}` inside.
///
/// # Errors
/// [`ResealError::Closed`] when a visit fails.
pub fn each_sealed(
    tenant: &TenantId,
    body: &mut Value,
    visit: &mut impl FnMut(&Sealed, &mut String) -> Result<(), SealError>,
) -> Result<(), ResealError> {
    let keys = body.pointer_mut("/keys/keys").and_then(Value::as_array_mut);
    for key in keys.into_iter().flatten() {
        let kid = key.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let sealed = Sealed { is_secret: false, aad: sealing_context(tenant, &kid) };
        if let Some(Value::String(text)) = key.get_mut("sealed") {
            let closed = |error| ResealError::Closed { place: format!("key {kid} of {tenant}"), error };
            visit(&sealed, text).map_err(closed)?;
        }
    }
    let place = format!("a secret in the settings of {tenant}");
    let sealed = Sealed { is_secret: true, aad: "provider-secret".to_owned() };
    each_secret(body, &mut |text| visit(&sealed, text)).map_err(|error| ResealError::Closed { place, error })
}

fn each_secret(
    value: &mut Value,
    visit: &mut impl FnMut(&mut String) -> Result<(), SealError>,
) -> Result<(), SealError> {
    match value {
        Value::Object(fields) => match sealed_text(fields) {
            Some(text) => visit(text),
            None => fields.values_mut().try_for_each(|inner| each_secret(inner, visit)),
        },
        Value::Array(items) => items.iter_mut().try_for_each(|item| each_secret(item, visit)),
        _ => Ok(()),
    }
}

fn sealed_text(fields: &mut Map<String, Value>) -> Option<&mut String> {
    match fields.get_mut("$sealed") {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}
