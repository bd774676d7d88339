//! Apple wants a client secret that is a token, signed with the key it has handed out: ES256 over team, client and a time.

use super::error::SocialError;
use super::provider::Provider;
use crate::tenant::TenantScope;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protocol::jose::{Algorithm, PreparedHeader, SigningKey, sign_compact};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use zeroize::Zeroizing;

/// Seconds such a secret is good.
const LIFETIME: i64 = 300;
/// For whom it is.
const AUDIENCE: &str = "https://appleid.apple.com";

/// The secret to redeem a code with.
pub(super) fn client_secret(tenant: &TenantScope, provider: &Provider) -> Result<SecretString, SocialError> {
    let Some((team, key_id)) = &provider.apple else { return Ok(provider.client_secret.clone()) };
    let wrong = SocialError::Misconfigured("client_secret");
    let Some(key) = private_key(&provider.client_secret) else { return Err(wrong) };
    let header = PreparedHeader::new(Algorithm::Es256, "JWT", key_id)
        .map_err(|_| SocialError::Misconfigured("key_id"))?;
    let now = tenant.now().unix_seconds();
    let claims =
        json!({"iss": team, "iat": now, "exp": now + LIFETIME, "aud": AUDIENCE, "sub": provider.client_id});
    Ok(sign_compact(&header, &claims, &key).map_err(|_| SocialError::Crypto)?.into())
}

/// The key in the `.p8` file that Apple hands out: PKCS#8 in PEM (RFC 7468).
fn private_key(pem: &SecretString) -> Option<SigningKey> {
    let text = pem.expose_secret();
    let inner = text.split_once("-----BEGIN PRIVATE KEY-----")?.1.split_once("-----END PRIVATE KEY-----")?.0;
    let inner: Zeroizing<String> = Zeroizing::new(inner.split_whitespace().collect());
    let der = Zeroizing::new(STANDARD.decode(inner.as_bytes()).ok()?);
    SigningKey::from_pkcs8(Algorithm::Es256, &der).ok()
}
