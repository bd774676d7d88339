//! Making keys.

use crate::tenant::keys::keyring::sealing_context;
use crate::tenant::keys::{KeySet, KeyUse, Succession, TenantKey};
use kernel::{KeyId, Scope, TenantId};
use protocol::jose::{Algorithm, JoseError, SigningKey};
use protocol::seal::SealingKey;
use tokio::sync::Semaphore;

/// One slow key at a time: an RSA key costs a core a good part of a second, and sign-ins need the cores.
static SLOW: Semaphore = Semaphore::const_new(1);

/// Makes a key for a tenant, its private half sealed for this tenant and key id. RSA keys take a while, so the
/// work is done off the request threads.
///
/// # Errors
/// When the key can't be made or sealed.
pub async fn generate(
    scope: &Scope,
    tenant: &TenantId,
    (algorithm, usage): (Algorithm, KeyUse),
    (set, times): (&KeySet, &Succession),
    seal: &SealingKey,
) -> Result<TenantKey, JoseError> {
    let key = make(algorithm).await?;
    let now = scope.now();
    let id = KeyId::generate(now, scope.random());
    let sealed = seal
        .seal(sealing_context(tenant, id.as_str()).as_bytes(), &key.to_pkcs8()?)
        .map_err(|_| JoseError::Crypto)?;
    let public = key.public_jwk(id.as_str())?;
    Ok(TenantKey {
        sign_from: set.sign_from(usage, times, now),
        id,
        algorithm,
        usage,
        public,
        sealed,
        published_at: now,
    })
}

async fn make(algorithm: Algorithm) -> Result<SigningKey, JoseError> {
    if matches!(algorithm, Algorithm::EdDsa | Algorithm::Es256) {
        return SigningKey::generate(algorithm);
    }
    let turn = SLOW.acquire().await.map_err(|_| JoseError::Crypto)?;
    let work = move || {
        let key = SigningKey::generate(algorithm);
        // Given back by the work itself: it goes on when nobody waits for it any more.
        drop(turn);
        key
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| JoseError::Crypto)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn slow_keys_are_made_one_at_a_time_and_quick_ones_at_once() {
        let turn = SLOW.acquire().await.unwrap();
        let mut slow = Box::pin(make(Algorithm::Es384));
        assert!(slow.as_mut().now_or_never().is_none());
        assert_eq!(SLOW.available_permits(), 0);
        assert!(make(Algorithm::EdDsa).now_or_never().is_some_and(|key| key.is_ok()));
        assert!(slow.as_mut().now_or_never().is_none(), "it waits its turn");
        drop(turn);
        assert!(slow.await.is_ok());
    }
}
