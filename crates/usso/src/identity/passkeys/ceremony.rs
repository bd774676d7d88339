//! What an authenticator answers, checked (WebAuthn Level 3 §7.1 and §7.2).
//!
//! `webauthn-rs` checks types, hashes, flags, algorithms, attestation and signatures. It keeps a ceremony's state in values
//! that can be serialised; they are written here, because the challenge is ours. What it leaves open is checked before it is
//! asked: client data with duplicate members, origins that only look alike, frames of other origins, and ids.

use super::model::{MAX_ID, PasskeyData};
use crate::tenant::TenantScope;
use protocol::b64url;
use protocol::jose::strict_json;
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use webauthn_rs::prelude::{
    AuthenticationResult, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, Webauthn, WebauthnBuilder, WebauthnError,
};

/// How deep client data may nest.
const MAX_DEPTH: usize = 8;

/// Who is being signed in to, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The RP id.
    pub rp_id: &'a str,
    /// The origin in the client data: exactly one of the tenant's own.
    pub origin: &'a str,
}

/// What the client says about a ceremony (§5.8.1).
#[derive(Debug, Clone, Deserialize)]
pub struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    /// Where it took place.
    pub origin: String,
    #[serde(rename = "crossOrigin", default)]
    is_cross_origin: bool,
    #[serde(rename = "topOrigin", default)]
    top_origin: Option<String>,
}

impl ClientData {
    /// Reads client data of this type from a page of the tenant, and the challenge in it.
    ///
    /// # Errors
    /// Why it isn't.
    pub fn read(
        tenant: &TenantScope,
        bytes: &[u8],
        kind: &str,
    ) -> Result<(Self, Vec<u8>), Cow<'static, str>> {
        let data: Self = strict_json::from_slice(bytes, MAX_DEPTH).map_err(|_| "no client data")?;
        if data.kind != kind {
            return Err("a ceremony of another type".into());
        }
        if !tenant.profile().issuers.is_own_origin(&data.origin) {
            return Err("the origin is not one of this tenant".into());
        }
        // Passkeys are not for frames of other sites: nobody sees whom they are used for.
        if data.is_cross_origin || data.top_origin.is_some() {
            return Err("used in a page of another origin".into());
        }
        let challenge = b64url::decode(&data.challenge).map_err(|_| "no challenge")?;
        Ok((data, challenge))
    }
}

/// What an authenticator answers to a registration, decoded from base64url.
#[derive(Debug, Clone)]
pub struct Attestation {
    /// The credential's id.
    pub raw_id: Vec<u8>,
    /// Client data.
    pub client_data: Vec<u8>,
    /// The attestation object.
    pub object: Vec<u8>,
    /// How the authenticator may be reached.
    pub transports: Vec<String>,
}

/// What an authenticator answers to a sign-in, decoded from base64url.
#[derive(Debug, Clone)]
pub struct Assertion {
    /// The credential's id.
    pub raw_id: Vec<u8>,
    /// Client data.
    pub client_data: Vec<u8>,
    /// Authenticator data.
    pub authenticator_data: Vec<u8>,
    /// The signature over both.
    pub signature: Vec<u8>,
    /// The user's id, of discoverable credentials.
    pub user_handle: Option<Vec<u8>>,
}

/// Why a ceremony failed.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    /// The counter went back or stayed: there may be a copy of the authenticator.
    #[error("the counter went back")]
    Cloned,
    /// Any other check.
    #[error("{0}")]
    Refused(Cow<'static, str>),
}

impl From<WebauthnError> for CeremonyError {
    fn from(error: WebauthnError) -> Self {
        match error {
            WebauthnError::CredentialPossibleCompromise => Self::Cloned,
            other => Self::Refused(other.to_string().into()),
        }
    }
}

impl From<serde_json::Error> for CeremonyError {
    fn from(error: serde_json::Error) -> Self {
        Self::Refused(error.to_string().into())
    }
}

fn relying_party(site: Site<'_>) -> Result<Webauthn, CeremonyError> {
    let url = |text: &str| Url::parse(text).map_err(|e| CeremonyError::Refused(e.to_string().into()));
    // The builder wants an origin of the RP id itself; a related one is none.
    let own = url(&format!("https://{}", site.rp_id))?;
    Ok(WebauthnBuilder::new(site.rp_id, &own)?.append_allowed_origin(&url(site.origin)?).build()?)
}

/// Checks a registration (§7.1).
///
/// # Errors
/// [`CeremonyError`].
pub fn register(site: Site<'_>, challenge: &[u8], answer: &Attestation) -> Result<Passkey, CeremonyError> {
    let id = b64url::encode(&answer.raw_id);
    let given: RegisterPublicKeyCredential = serde_json::from_value(json!({
        "id": id, "rawId": id, "type": "public-key",
        "response": {
            "clientDataJSON": b64url::encode(&answer.client_data),
            "attestationObject": b64url::encode(&answer.object),
        },
    }))?;
    let state: PasskeyRegistration = serde_json::from_value(json!({"rs": {
        "policy": "preferred",
        "exclude_credentials": [],
        "challenge": b64url::encode(challenge),
        "credential_algorithms": ["ES256", "RS256"],
        "require_resident_key": false,
        "authenticator_attachment": null,
        "extensions": {"credProps": true},
        "allow_synchronised_authenticators": true,
    }}))?;
    let passkey = relying_party(site)?.finish_passkey_registration(&given, &state)?;
    if *passkey.cred_id() != answer.raw_id {
        return Err(CeremonyError::Refused("the id is not the credential's".into()));
    }
    if answer.raw_id.is_empty() || answer.raw_id.len() > MAX_ID {
        return Err(CeremonyError::Refused("the id is too long".into()));
    }
    Ok(passkey)
}

/// Checks an assertion (§7.2).
///
/// # Errors
/// [`CeremonyError`].
pub fn authenticate(
    site: Site<'_>,
    challenge: &[u8],
    (known, must_verify): (&PasskeyData, bool),
    answer: &Assertion,
) -> Result<AuthenticationResult, CeremonyError> {
    let id = b64url::encode(&answer.raw_id);
    let given: PublicKeyCredential = serde_json::from_value(json!({
        "id": id, "rawId": id, "type": "public-key",
        "response": {
            "clientDataJSON": b64url::encode(&answer.client_data),
            "authenticatorData": b64url::encode(&answer.authenticator_data),
            "signature": b64url::encode(&answer.signature),
            "userHandle": answer.user_handle.as_ref().map(b64url::encode),
        },
    }))?;
    let passkey = serde_json::to_value(&known.passkey)?;
    let state: PasskeyAuthentication = serde_json::from_value(json!({"ast": {
        "credentials": [passkey.get("cred").unwrap_or(&Value::Null)],
        "policy": if must_verify { "required" } else { "preferred" },
        "challenge": b64url::encode(challenge),
        "appid": null,
        "allow_backup_eligible_upgrade": false,
    }}))?;
    Ok(relying_party(site)?.finish_passkey_authentication(&given, &state)?)
}
