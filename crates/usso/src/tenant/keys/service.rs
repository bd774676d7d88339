//! Making keys.

use crate::tenant::keys::keyring::sealing_context;
use crate::tenant::keys::{KeySet, KeyUse, TenantKey};
use kernel::{KeyId, Scope, TenantId};
use protocol::jose::{Algorithm, JoseError, SigningKey};
use protocol::seal::SealingKey;

/// Makes a key for a tenant, its private half sealed for this tenant and key id. RSA keys take a while, so the
/// work is done off the request threads.
///
/// # Errors
/// When the key can't be made or sealed.
pub async fn generate(
    scope: &Scope,
    tenant: &TenantId,
    (algorithm, usage): (Algorithm, KeyUse),
    set: &KeySet,
    seal: &SealingKey,
) -> Result<TenantKey, JoseError> {
    let key = match algorithm {
        Algorithm::EdDsa | Algorithm::Es256 => SigningKey::generate(algorithm)?,
        _ => tokio::task::spawn_blocking(move || SigningKey::generate(algorithm))
            .await
            .map_err(|_| JoseError::Crypto)??,
    };
    let now = scope.now();
    let id = KeyId::generate(now, scope.random());
    let sealed = seal
        .seal(sealing_context(tenant, id.as_str()).as_bytes(), &key.to_pkcs8()?)
        .map_err(|_| JoseError::Crypto)?;
    let public = key.public_jwk(id.as_str())?;
    Ok(TenantKey {
        sign_from: set.sign_from(usage, now),
        id,
        algorithm,
        usage,
        public,
        sealed,
        published_at: now,
    })
}
