//! What registration keys look like on the wire (contract 5.6).

use kernel::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A new registration key.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CreateRegistrationKey {
    /// What to call it.
    pub name: Option<String>,
    /// What the agent may at most; all that the caller may by default.
    pub scopes: Option<Vec<String>>,
    /// In how many seconds it ends: 86400 by default, 60 to 2592000.
    pub expires_in: Option<i64>,
}

/// A registration key; it is shown in this answer and nowhere else.
#[derive(Serialize, ToSchema)]
pub struct RegistrationKeyView {
    /// The key.
    pub registration_key: String,
    /// What it is called.
    pub name: Option<String>,
    /// What the agent may at most.
    pub scopes: Vec<String>,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// A service that registers itself.
#[derive(Deserialize, ToSchema)]
pub struct RegisterAgent {
    /// The key a user handed over.
    #[schema(value_type = String)]
    pub registration_key: SecretString,
    /// Display name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it wants to do; it gets of it what the key, and who made the key, may. All of that by default.
    pub scopes: Option<Vec<String>>,
    /// `EdDSA` or `Ed25519`, in any case: the only algorithm of agents.
    pub alg: Option<String>,
    /// Its public key, SPKI in PEM.
    pub verify_key: String,
}
