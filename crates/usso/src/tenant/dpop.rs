//! Proofs of possession (RFC 9449): which came before, at whatever instance.

use crate::tenant::TenantScope;
use crate::tenant::one_time::OneTime;
use kernel::{Problem, ProblemKind, StorageError, Timestamp};
use protocol::oauth::dpop::{DpopError, Proof};
use std::borrow::Cow;

/// Why a proof of possession isn't accepted.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// A check of RFC 9449 §4.3 failed.
    #[error(transparent)]
    Invalid(#[from] DpopError),
    /// The same proof was accepted before.
    #[error("the DPoP proof was used before")]
    Replayed,
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for ProofError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Invalid(_) | Self::Replayed => ProblemKind::Unauthenticated,
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) | Self::Replayed => "INVALID_DPOP_PROOF",
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Storage(_) => "The service is temporarily unavailable".into(),
            invalid => invalid.to_string().into(),
        }
    }
}

/// Accepts a proof once: its `jti` is remembered for as long as it would be accepted again. The record is durable, so
/// that neither a restart nor another instance does so.
///
/// # Errors
/// [`ProofError::Replayed`].
pub async fn use_up(tenant: &TenantScope, proof: &Proof) -> Result<(), ProofError> {
    let used = OneTime {
        id: OneTime::id_for("dpop_jti", &[&proof.jkt, &proof.jti]),
        data: serde_json::Value::Null,
        // It is accepted within the very second, too.
        expires_at: Timestamp::from_unix_seconds(proof.until).plus_seconds(1),
    };
    match tenant.records::<OneTime>().insert(used, Vec::new()).await {
        Ok(_) => Ok(()),
        Err(StorageError::Exists) => Err(ProofError::Replayed),
        Err(e) => Err(e.into()),
    }
}
