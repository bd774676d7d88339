//! The wire types of passkeys: the JSON forms of Web Authentication (Level 3 §5.1), bytes as base64url.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The relying party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RpView {
    /// The RP id.
    pub id: String,
    /// The tenant's name.
    pub name: String,
}

/// The user a passkey is made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyUserView {
    /// The bytes of the user's id.
    pub id: String,
    /// What the account is called in the authenticator.
    pub name: String,
    /// What the person is called.
    pub display_name: String,
}

/// A kind of key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyParameters {
    /// `public-key`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The COSE algorithm: -7 or -257.
    pub alg: i32,
}

/// A passkey, described.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PasskeyDescriptor {
    /// `public-key`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// How its authenticator may be reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transports: Vec<String>,
}

impl PasskeyDescriptor {
    /// A passkey with this id.
    pub fn new(id: String, transports: Vec<String>) -> Self {
        Self { kind: "public-key", id, transports }
    }
}

/// What the authenticator should be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticatorSelection {
    /// `preferred`: one that offers the passkey by itself, if there is one.
    pub resident_key: &'static str,
    /// The same for older clients.
    pub require_resident_key: bool,
    /// `preferred`.
    pub user_verification: &'static str,
}

/// Extensions asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreationExtensions {
    /// Whether the passkey will be offered without a user name.
    pub cred_props: bool,
}

/// The options of `navigator.credentials.create()`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreationOptions {
    /// The relying party.
    pub rp: RpView,
    /// The user.
    pub user: PasskeyUserView,
    /// To be signed; good once, for five minutes.
    pub challenge: String,
    /// Which keys are taken.
    pub pub_key_cred_params: Vec<KeyParameters>,
    /// Milliseconds.
    pub timeout: i64,
    /// The passkeys the user has.
    pub exclude_credentials: Vec<PasskeyDescriptor>,
    /// What the authenticator should be like.
    pub authenticator_selection: AuthenticatorSelection,
    /// `none`.
    pub attestation: &'static str,
    /// Extensions.
    pub extensions: CreationExtensions,
}

/// The options of `navigator.credentials.get()`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestOptions {
    /// To be signed; good once, for five minutes.
    pub challenge: String,
    /// The RP id.
    pub rp_id: String,
    /// The passkeys that would do; empty: any.
    pub allow_credentials: Vec<PasskeyDescriptor>,
    /// Milliseconds.
    pub timeout: i64,
    /// `required`, or `preferred` where the passkey is the second factor.
    pub user_verification: &'static str,
}

/// Options, plain and as browsers take them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CreationView {
    /// Plain.
    #[serde(flatten)]
    pub options: CreationOptions,
    /// The same as browsers take them.
    #[serde(rename = "publicKey")]
    pub public_key: CreationOptions,
}

impl From<CreationOptions> for CreationView {
    fn from(options: CreationOptions) -> Self {
        Self { public_key: options.clone(), options }
    }
}

/// Options, plain and as browsers take them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RequestView {
    /// Plain.
    #[serde(flatten)]
    pub options: RequestOptions,
    /// The same as browsers take them.
    #[serde(rename = "publicKey")]
    pub public_key: RequestOptions,
}

impl From<RequestOptions> for RequestView {
    fn from(options: RequestOptions) -> Self {
        Self { public_key: options.clone(), options }
    }
}

/// For whom options are asked.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PasskeyQuery {
    /// Who wants to sign in; without it the authenticator offers what it has.
    pub identifier: Option<String>,
}

/// What a new passkey answers, inside.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttestationResponse {
    /// Client data.
    #[serde(rename = "clientDataJSON")]
    pub client_data_json: String,
    /// The attestation object.
    pub attestation_object: String,
    /// How the authenticator may be reached.
    pub transports: Option<Vec<String>>,
}

/// A new passkey, as `PublicKeyCredential.toJSON()` gives it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewPasskey {
    /// The credential's id.
    pub id: String,
    /// The same.
    pub raw_id: Option<String>,
    /// `public-key`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What the authenticator answered.
    pub response: AttestationResponse,
    /// What its owner calls it.
    pub name: Option<String>,
}

/// What a passkey answers, inside.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssertionResponse {
    /// Client data.
    #[serde(rename = "clientDataJSON")]
    pub client_data_json: String,
    /// Authenticator data.
    pub authenticator_data: String,
    /// The signature.
    pub signature: String,
    /// The user's id.
    pub user_handle: Option<String>,
}

/// A sign-in with a passkey, as `PublicKeyCredential.toJSON()` gives it. Without a `response` it asks for options.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasskeySignIn {
    /// The credential's id.
    pub id: Option<String>,
    /// The same.
    pub raw_id: Option<String>,
    /// `public-key`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What the authenticator answered.
    pub response: Option<AssertionResponse>,
    /// For options: who wants to sign in.
    pub identifier: Option<String>,
    /// The audience of the access tokens.
    pub audience: Option<String>,
    /// The workspace to work in: one of the user's.
    #[serde(rename = "workspace_id")]
    pub workspace_id: Option<String>,
    /// `false`: the refresh token stays the same for the whole session.
    #[serde(rename = "refresh_token_rotation")]
    pub refresh_token_rotation: Option<bool>,
}

/// Another name for a credential.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct RenameCredential {
    /// The name; `null` for none.
    pub name: Option<String>,
}

/// The origins at which a tenant's passkeys may be used (Level 3 §5.11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RelatedOrigins {
    /// The origins.
    pub origins: Vec<String>,
}

/// What kinds of keys are taken (ruling D30).
pub fn key_parameters() -> Vec<KeyParameters> {
    [-7, -257].into_iter().map(|alg| KeyParameters { kind: "public-key", alg }).collect()
}

/// Whether a credential is called what it must be, if it is called at all.
pub fn is_public_key(kind: Option<&str>) -> bool {
    kind.is_none_or(|kind| kind == "public-key")
}
