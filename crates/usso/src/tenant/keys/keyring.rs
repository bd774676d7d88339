//! The parsed keys of a tenant: what signs and verifies without reading a key again.

use crate::tenant::keys::{KeySet, KeyUse, Succession};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use kernel::{KeyId, TenantId, Timestamp};
use protocol::jose::{
    Algorithm, JoseError, Jwk, JwkSet, PreparedHeader, SigningKey, VerifyingKey, sign_compact,
};
use protocol::seal::SealingKey;
use serde::Serialize;

/// Why a key ring can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// A private key doesn't open: another master key, another tenant or another key id.
    #[error("a private key of {tenant} can't be opened with this master key")]
    Sealed {
        /// Whose key it is.
        tenant: TenantId,
    },
    /// The tenant has no key for this.
    #[error("no signing key")]
    NoKey,
    /// A key is unusable.
    #[error(transparent)]
    Key(#[from] JoseError),
}

struct Signer {
    usage: KeyUse,
    sign_from: Timestamp,
    header: PreparedHeader,
    /// Of access tokens for OAuth clients.
    client_header: PreparedHeader,
    public: Jwk,
    key: SigningKey,
}

/// A tenant's keys, parsed once.
pub struct KeyRing {
    signers: Box<[Signer]>,
    /// By id. They are few.
    verifiers: Box<[(KeyId, VerifyingKey)]>,
    published: Published,
}

/// The published key set, ready to send.
#[derive(Debug, Clone)]
pub struct Published {
    /// `{"keys":[…]}`.
    pub body: Bytes,
    /// Its headers: type, caching, entity tag.
    pub headers: HeaderMap,
    /// From when on the set must be made anew.
    pub until: Option<Timestamp>,
}

/// The associated data a private key is sealed with: it opens only for this tenant and key id.
pub fn sealing_context(tenant: &TenantId, kid: &str) -> String {
    format!("signing-key|{tenant}|{kid}")
}

impl KeyRing {
    /// Opens the keys that are published at `now`.
    ///
    /// # Errors
    /// When a private key doesn't open under this master key, tenant and key id.
    pub fn open(
        set: &KeySet,
        tenant: &TenantId,
        seal: &SealingKey,
        (times, now): (&Succession, Timestamp),
    ) -> Result<Self, KeyRingError> {
        let (mut signers, mut verifiers, mut published) = (Vec::new(), Vec::new(), Vec::new());
        for key in set.keys().iter().filter(|k| set.is_published(k, times, now)) {
            let private = seal
                .open(sealing_context(tenant, key.id.as_str()).as_bytes(), &key.sealed)
                .map_err(|_| KeyRingError::Sealed { tenant: tenant.clone() })?;
            signers.push(Signer {
                usage: key.usage,
                sign_from: key.sign_from,
                header: PreparedHeader::new(key.algorithm, "JWT", key.id.as_str())?,
                client_header: PreparedHeader::new(key.algorithm, "at+jwt", key.id.as_str())?,
                public: key.public.clone(),
                key: SigningKey::from_pkcs8(key.algorithm, &private)?,
            });
            verifiers.push((key.id.clone(), VerifyingKey::from_jwk(&key.public)?));
            published.push(key.public.clone());
        }
        let published = publish(published, times.max_age, set.next_change(times, now))?;
        Ok(Self { signers: signers.into(), verifiers: verifiers.into(), published })
    }

    /// Signs claims with the key whose turn it is.
    ///
    /// # Errors
    /// When the tenant has no key of this use, or signing fails.
    pub fn sign(
        &self,
        usage: KeyUse,
        claims: &impl Serialize,
        now: Timestamp,
    ) -> Result<String, KeyRingError> {
        let signer = self.signer(usage, now)?;
        Ok(sign_compact(&signer.header, claims, &signer.key)?)
    }

    /// Signs claims of another type than tokens have; answers the public half of the key, too.
    ///
    /// # Errors
    /// As [`KeyRing::sign`].
    pub fn sign_as(
        &self,
        typ: &str,
        usage: KeyUse,
        claims: &impl Serialize,
        now: Timestamp,
    ) -> Result<(String, Jwk), KeyRingError> {
        let signer = self.signer(usage, now)?;
        let kid = signer.public.kid().ok_or(KeyRingError::NoKey)?;
        let header = PreparedHeader::new(signer.header.algorithm(), typ, kid)?;
        Ok((sign_compact(&header, claims, &signer.key)?, signer.public.clone()))
    }

    /// As [`KeyRing::sign_as`] with a certain algorithm: that of the tenant's tokens, or of its id tokens. None: it has no key
    /// for it.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign_with(
        &self,
        algorithm: Algorithm,
        typ: &str,
        claims: &impl Serialize,
        now: Timestamp,
    ) -> Result<Option<String>, KeyRingError> {
        let fits = |signer: &Signer| signer.header.algorithm() == algorithm;
        let uses = [KeyUse::Access, KeyUse::IdToken].into_iter();
        let mut signers = uses.filter_map(|usage| self.signer(usage, now).ok());
        let Some(signer) = signers.find(|signer| fits(signer)) else { return Ok(None) };
        let kid = signer.public.kid().ok_or(KeyRingError::NoKey)?;
        let header = PreparedHeader::new(algorithm, typ, kid)?;
        Ok(Some(sign_compact(&header, claims, &signer.key)?))
    }

    /// Signs an access token of an OAuth client (RFC 9068 section 2.1).
    ///
    /// # Errors
    /// As [`KeyRing::sign`].
    pub fn sign_for_client(&self, claims: &impl Serialize, now: Timestamp) -> Result<String, KeyRingError> {
        let signer = self.signer(KeyUse::Access, now)?;
        Ok(sign_compact(&signer.client_header, claims, &signer.key)?)
    }

    fn signer(&self, usage: KeyUse, now: Timestamp) -> Result<&Signer, KeyRingError> {
        let turns = self.signers.iter().filter(|s| s.usage == usage && s.sign_from <= now);
        turns.max_by_key(|s| s.sign_from).ok_or(KeyRingError::NoKey)
    }

    /// The key published under this id.
    pub fn verifier(&self, kid: &str) -> Option<&VerifyingKey> {
        self.verifiers.iter().find(|(id, _)| id.as_str() == kid).map(|(_, key)| key)
    }

    /// The published key set.
    pub fn published(&self) -> &Published {
        &self.published
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kids: Vec<&KeyId> = self.verifiers.iter().map(|(id, _)| id).collect();
        f.debug_struct("KeyRing").field("kids", &kids).finish_non_exhaustive()
    }
}

fn publish(keys: Vec<Jwk>, max_age: i64, until: Option<Timestamp>) -> Result<Published, KeyRingError> {
    let body = serde_json::to_vec(&JwkSet::new(keys)?).map_err(|_| JoseError::Serialize)?;
    let digest = protocol::sha256(&body);
    let tag = protocol::b64url::encode(digest.get(..16).unwrap_or_default());
    let etag = HeaderValue::try_from(format!("\"{tag}\"")).map_err(|_| JoseError::Serialize)?;
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let caching = HeaderValue::try_from(format!("public, max-age={max_age}"));
    headers.insert(header::CACHE_CONTROL, caching.map_err(|_| JoseError::Serialize)?);
    headers.insert(header::VARY, HeaderValue::from_static("Host, X-Tenant-ID"));
    headers.insert(header::ETAG, etag);
    // What the edge and the router add to every answer stands here already: then they only replace values, and the
    // busiest route of all needn't grow its headers.
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("x-request-id", HeaderValue::from_static("req_"));
    // A copy has room for no more values than there are, and every open tenant has one.
    Ok(Published { body: body.into(), headers: headers.clone(), until })
}
