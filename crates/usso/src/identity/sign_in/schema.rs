//! What sign-in accepts and answers (contract 5.2).

use crate::identity::identifiers::IdentifierKind;
use crate::identity::sessions::service::SignedIn;
use crate::identity::sign_in::proof::Method;
use crate::identity::tokens::TokenPair;
use crate::identity::users::schema::UserView;
use crate::tenant::patch::given;
use crate::tenant::verify::{Act, Claims, TokenType};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A sign-in.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Login {
    /// E-mail address, phone number or user name.
    pub identifier: Option<String>,
    /// What the identifier is, if it shall not be guessed.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<IdentifierKind>,
    /// How to prove it; `password` when a secret is given.
    pub method: Option<String>,
    /// The proof. Without it the answer tells which methods there are.
    #[schema(value_type = Option<String>, format = Password)]
    pub secret: Option<SecretString>,
    /// The same as `secret`.
    #[schema(value_type = Option<String>, format = Password)]
    pub password: Option<SecretString>,
    /// The same as `identifier` of type `email`.
    pub email: Option<String>,
    /// The same as `identifier` of type `phone`.
    pub phone: Option<String>,
    /// The same as `identifier` of type `username`.
    pub username: Option<String>,
    /// Make the account if it doesn't exist.
    #[serde(default)]
    pub register: bool,
    /// Display name of a new account.
    pub name: Option<String>,
    /// The code by which somebody brought the new account.
    pub referral_code: Option<String>,
    /// The proof of a solved captcha, where one is asked for.
    pub captcha: Option<String>,
    /// The same as `captcha`.
    pub altcha: Option<String>,
    /// The audience of the access tokens.
    pub audience: Option<String>,
    /// The workspace to work in: one of the user's.
    pub workspace_id: Option<String>,
    /// `false`: the refresh token stays the same for the whole session, for processes that keep it in their
    /// environment.
    pub refresh_token_rotation: Option<bool>,
}

/// A refresh, when the token comes in the body.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Refresh {
    /// The refresh token; without it the cookie counts.
    pub refresh_token: Option<String>,
    /// The workspace to go on in, `null` for none; absent: the session stays where it is.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub workspace_id: Option<Option<String>>,
}

/// A logout, when the token comes in the body.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Logout {
    /// A refresh token of the session to end.
    pub refresh_token: Option<String>,
}

/// Where to go after a logout by link.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogoutTarget {
    /// A page of the tenant; anything else is ignored.
    pub callback: Option<String>,
    /// The same as `callback`.
    pub redirect_url: Option<String>,
}

/// A token to verify.
#[derive(Debug, Deserialize, ToSchema)]
pub struct VerifyToken {
    /// The token.
    pub token: String,
    /// The kind it must be; access or refresh by default.
    pub token_type: Option<TokenType>,
}

/// The two tokens under their short names.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokensView {
    /// The access token.
    pub access: String,
    /// The refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<String>,
}

/// The two tokens under their long names.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenView {
    /// The access token.
    pub access_token: String,
    /// The refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// The access token's claims, but for `token_type`, whose name means `Bearer` in this answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClaimsView {
    iss: String,
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    iat: i64,
    exp: i64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    tenant_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<String>,
    roles: Vec<String>,
    scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    amr: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Act>,
    #[schema(value_type = Object)]
    claims: Map<String, Value>,
}

impl From<Claims> for ClaimsView {
    fn from(claims: Claims) -> Self {
        Self {
            iss: claims.iss,
            sub: claims.sub,
            aud: claims.aud,
            iat: claims.iat,
            exp: claims.exp,
            jti: claims.jti,
            session_id: claims.session_id,
            tenant_id: claims.tenant_id,
            workspace_id: claims.workspace_id,
            roles: claims.roles.unwrap_or_default(),
            scopes: claims.scopes.unwrap_or_default(),
            acr: claims.acr,
            amr: claims.amr.unwrap_or_default(),
            act: claims.act,
            claims: claims.claims.unwrap_or_default(),
        }
    }
}

/// A completed sign-in, under every name the published clients read.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoginView {
    /// The access token.
    pub access_token: String,
    /// The refresh token.
    pub refresh_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds the access token lives.
    pub expires_in: i64,
    /// The user.
    pub user: UserView,
    /// `completed`.
    pub status: &'static str,
    /// Null: nothing more is needed.
    #[schema(value_type = Option<Object>)]
    pub next_step: Option<NextStep>,
    /// The tokens under their short names.
    pub tokens: TokensView,
    /// The tokens under their long names.
    pub token: TokenView,
    /// The access token's claims.
    #[serde(flatten)]
    pub claims: ClaimsView,
}

impl LoginView {
    /// A completed sign-in in a tenant.
    pub fn of(tenant_id: &str, signed_in: SignedIn) -> Self {
        let SignedIn { user, tokens } = signed_in;
        Self {
            token_type: "Bearer",
            expires_in: tokens.expires_in,
            user: UserView::of(tenant_id, &user),
            status: "completed",
            next_step: None,
            tokens: TokensView { access: tokens.access.clone(), refresh: Some(tokens.refresh.clone()) },
            token: TokenView {
                access_token: tokens.access.clone(),
                refresh_token: Some(tokens.refresh.clone()),
            },
            access_token: tokens.access,
            refresh_token: tokens.refresh,
            claims: tokens.claims.into(),
        }
    }
}

/// What an unfinished sign-in needs.
#[derive(Debug, Serialize, ToSchema)]
pub struct NextStep {
    /// The methods that would do.
    pub methods: Vec<&'static str>,
    /// How many of them.
    pub required_num: usize,
    /// The methods that may be set up now, by who has none of those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enrol: Vec<&'static str>,
}

fn names(methods: &[Method]) -> Vec<&'static str> {
    methods.iter().map(|method| method.as_str()).collect()
}

/// A sign-in that has not begun.
#[derive(Debug, Serialize, ToSchema)]
pub struct PendingView {
    /// `verification_required`.
    pub status: &'static str,
    /// What is needed.
    pub next_step: NextStep,
    /// `temporary`.
    pub token_type: &'static str,
    /// Nothing is proven yet.
    pub amr: Vec<String>,
    /// Null: there are no tokens yet.
    #[schema(value_type = Option<Object>)]
    pub tokens: Option<TokensView>,
}

impl PendingView {
    /// An account is needed, and this tenant's people don't make them themselves.
    pub fn registration() -> Self {
        Self { status: "registration_required", ..Self::verify(&[]) }
    }

    /// One of these methods is needed.
    pub fn verify(methods: &[Method]) -> Self {
        Self {
            status: "verification_required",
            next_step: NextStep { methods: names(methods), required_num: 1, enrol: Vec::new() },
            token_type: "temporary",
            amr: Vec::new(),
            tokens: None,
        }
    }
}

/// A sign-in that needs more.
#[derive(Debug, Serialize, ToSchema)]
pub struct MoreView {
    /// `mfa_required`.
    pub status: &'static str,
    /// What is needed.
    pub next_step: NextStep,
    /// `temporary`.
    pub token_type: &'static str,
    /// What was shown so far.
    pub amr: Vec<String>,
    /// What to go on with: nothing but the next step takes it.
    pub tokens: TemporaryView,
    /// Seconds it is good.
    pub expires_in: i64,
}

/// The token of an unfinished sign-in.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemporaryView {
    /// The token.
    pub temporary: String,
}

impl MoreView {
    /// The identifier is to be proven before anything else is told.
    pub fn awaiting(token: (String, i64), methods: &[Method]) -> Self {
        Self { status: "verification_required", ..Self::of(token, Vec::new(), (methods, 1), &[]) }
    }

    /// So many of these methods are needed.
    pub fn of(
        (temporary, expires_in): (String, i64),
        amr: Vec<String>,
        (methods, required_num): (&[Method], usize),
        enrol: &[Method],
    ) -> Self {
        Self {
            status: "mfa_required",
            next_step: NextStep { methods: names(methods), required_num, enrol: names(enrol) },
            token_type: "temporary",
            amr,
            tokens: TemporaryView { temporary },
            expires_in,
        }
    }
}

/// A refresh. The refresh token is in the body only if it came in the body.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefreshView {
    /// The access token.
    pub access_token: String,
    /// The refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds the access token lives.
    pub expires_in: i64,
    /// `refreshed`.
    pub status: &'static str,
    /// The tokens under their short names.
    pub tokens: TokensView,
    /// The tokens under their long names.
    pub token: TokenView,
}

impl RefreshView {
    /// The new tokens.
    pub fn of(tokens: TokenPair, in_body: bool) -> Self {
        let refresh = in_body.then_some(tokens.refresh);
        Self {
            tokens: TokensView { access: tokens.access.clone(), refresh: refresh.clone() },
            token: TokenView { access_token: tokens.access.clone(), refresh_token: refresh.clone() },
            access_token: tokens.access,
            refresh_token: refresh,
            token_type: "Bearer",
            expires_in: tokens.expires_in,
            status: "refreshed",
        }
    }
}

/// Something was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageView {
    /// What.
    pub message: &'static str,
}

/// The caller: the user, and what the access token says.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeView {
    /// The user.
    #[serde(flatten)]
    pub user: UserView,
    /// Issuer.
    pub iss: String,
    /// Subject.
    pub sub: String,
    /// Audience.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// Issued at.
    pub iat: i64,
    /// Expires at.
    pub exp: i64,
    /// Token id.
    pub jti: String,
    /// `access`.
    pub token_type: TokenType,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The active workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// How the user proved who they are.
    pub amr: Vec<String>,
    /// How strongly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// The user.
    pub user_id: String,
    /// `user`.
    pub sub_type: String,
    /// Who really acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
    /// The token's custom claims.
    #[schema(value_type = Object)]
    pub claims: Map<String, Value>,
}

impl MeView {
    /// The caller; roles and scopes are the token's, not the record's.
    pub fn of(mut user: UserView, claims: Claims) -> Self {
        user.roles = claims.roles.unwrap_or_default();
        user.scopes = claims.scopes.unwrap_or_default();
        Self {
            user_id: claims.user_id.unwrap_or_else(|| claims.sub.clone()),
            sub_type: claims.sub_type.unwrap_or_else(|| "user".to_owned()),
            iss: claims.iss,
            sub: claims.sub,
            aud: claims.aud,
            iat: claims.iat,
            exp: claims.exp,
            jti: claims.jti,
            token_type: claims.token_type,
            session_id: claims.session_id,
            workspace_id: claims.workspace_id,
            amr: claims.amr.unwrap_or_default(),
            acr: claims.acr,
            act: claims.act,
            claims: claims.claims.unwrap_or_default(),
            user,
        }
    }
}

/// A verified token.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerifiedView {
    /// Always true: an invalid token is a 401.
    pub valid: bool,
    /// The same as `valid`.
    pub active: bool,
    /// What the token says.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub claims: Value,
}
