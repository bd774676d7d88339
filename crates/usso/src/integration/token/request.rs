//! The request of the token endpoint as a type.

use crate::integration::clients::model::{Client, GrantType};
use crate::integration::{Context, OauthCode, OauthError};
use protocol::oauth::token_type::TokenTypeUri;
use protocol::oauth::{Params, scope};

/// A code and what belongs to it (RFC 6749 §4.1.3, RFC 7636 §4.5).
#[derive(Debug, Clone)]
pub struct CodeGrant {
    /// The code.
    pub code: String,
    /// Where it was sent, as the authorization request said it.
    pub redirect_uri: Option<String>,
    /// The proof key.
    pub verifier: Option<String>,
}

/// A refresh token (RFC 6749 §6).
#[derive(Debug, Clone)]
pub struct RefreshGrant {
    /// The token.
    pub token: String,
    /// What of the grant is wanted; all of it by default.
    pub scope: Option<Vec<String>>,
}

/// The client's own credentials (RFC 6749 §4.4).
#[derive(Debug, Clone)]
pub struct CredentialsGrant {
    /// What is wanted; all the client may by default.
    pub scope: Option<Vec<String>>,
}

/// A device's code (RFC 8628 §3.4).
#[derive(Debug, Clone)]
pub struct DeviceGrant {
    /// The code.
    pub device_code: String,
}

/// A token of somebody, to be used in their name (RFC 8693 §2.1).
#[derive(Debug, Clone)]
pub struct ExchangeGrant {
    /// The token.
    pub subject: String,
    /// What of it is wanted; all of it by default.
    pub scope: Option<Vec<String>>,
}

/// What is traded for tokens.
#[derive(Debug, Clone)]
pub enum Grant {
    /// `authorization_code`.
    AuthorizationCode(CodeGrant),
    /// `refresh_token`.
    RefreshToken(RefreshGrant),
    /// `client_credentials`.
    ClientCredentials(CredentialsGrant),
    /// `urn:ietf:params:oauth:grant-type:device_code`.
    DeviceCode(DeviceGrant),
    /// `urn:ietf:params:oauth:grant-type:token-exchange`.
    Exchange(ExchangeGrant),
}

impl Grant {
    /// Its kind.
    pub const fn kind(&self) -> GrantType {
        match self {
            Self::AuthorizationCode(_) => GrantType::AuthorizationCode,
            Self::RefreshToken(_) => GrantType::RefreshToken,
            Self::ClientCredentials(_) => GrantType::ClientCredentials,
            Self::DeviceCode(_) => GrantType::DeviceCode,
            Self::Exchange(_) => GrantType::TokenExchange,
        }
    }
}

/// Whom the token is for: the one resource a request names (RFC 8707 §2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target(pub Option<String>);

/// A request.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// What is traded.
    pub grant: Grant,
    /// For whom.
    pub target: Target,
}

/// Refuses what is there twice (RFC 6749 §3.2).
///
/// # Errors
/// `invalid_request`.
pub fn once(params: &Params) -> Result<(), OauthError> {
    match params.repeated() {
        Some(name) => Err(OauthError::invalid_request(format!("{name} is there twice"))),
        None => Ok(()),
    }
}

impl TokenRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// `invalid_request` for what is missing or malformed, `unsupported_grant_type`, `invalid_scope`, `invalid_target`.
    pub fn parse(params: &Params) -> Result<Self, OauthError> {
        let name = required(params, "grant_type")?;
        let unknown =
            || OauthError::Refused(OauthCode::UnsupportedGrantType, "There is no such grant here".into());
        let grant = match GrantType::parse(name).ok_or_else(unknown)? {
            GrantType::AuthorizationCode => Grant::AuthorizationCode(CodeGrant {
                code: required(params, "code")?.to_owned(),
                redirect_uri: params.get("redirect_uri").map(str::to_owned),
                verifier: params.get("code_verifier").map(str::to_owned),
            }),
            GrantType::DeviceCode => {
                Grant::DeviceCode(DeviceGrant { device_code: required(params, "device_code")?.to_owned() })
            }
            GrantType::TokenExchange => Grant::Exchange(exchange(params)?),
            GrantType::RefreshToken => Grant::RefreshToken(RefreshGrant {
                token: required(params, "refresh_token")?.to_owned(),
                scope: asked_scope(params)?,
            }),
            GrantType::ClientCredentials => {
                Grant::ClientCredentials(CredentialsGrant { scope: asked_scope(params)? })
            }
        };
        Ok(Self { grant, target: Target::parse(params)? })
    }
}

/// Access tokens are exchanged, for access tokens, and who acts is the client.
fn exchange(params: &Params) -> Result<ExchangeGrant, OauthError> {
    let is_access = |name: &str| TokenTypeUri::parse(name).is_some_and(TokenTypeUri::is_access);
    if !is_access(required(params, "subject_token_type")?) {
        return Err(OauthError::invalid_request("subject_token_type must be an access token's"));
    }
    if params.get("requested_token_type").is_some_and(|name| !is_access(name)) {
        return Err(OauthError::invalid_request("requested_token_type must be an access token's"));
    }
    if params.has("actor_token") || params.has("actor_token_type") {
        return Err(OauthError::invalid_request("Actor tokens are not read here: the client acts"));
    }
    Ok(ExchangeGrant { subject: required(params, "subject_token")?.to_owned(), scope: asked_scope(params)? })
}

/// A parameter that must be there.
///
/// # Errors
/// `invalid_request`.
pub fn required<'a>(params: &'a Params, name: &str) -> Result<&'a str, OauthError> {
    params.get(name).ok_or_else(|| OauthError::invalid_request(format!("{name} is missing")))
}

/// The words of `scope`, if any were sent.
///
/// # Errors
/// `invalid_scope`.
pub fn asked_scope(params: &Params) -> Result<Option<Vec<String>>, OauthError> {
    let words = params.get("scope").map(scope::parse).transpose();
    words.map_err(|e| OauthError::invalid_scope(e.to_string()))
}

impl Target {
    /// Reads `resource` (RFC 8707), or `audience`, its older name.
    ///
    /// # Errors
    /// `invalid_target` for two of them, since a token has one audience here, and for what can't be one.
    pub fn parse(params: &Params) -> Result<Self, OauthError> {
        let mut named: Vec<&str> = params.all("resource").chain(params.all("audience")).collect();
        named.dedup();
        match named.as_slice() {
            [] => Ok(Self(None)),
            [one] if one.len() <= 255 && one.bytes().all(|b| b.is_ascii_graphic()) && !one.contains('#') => {
                Ok(Self(Some((*one).to_owned())))
            }
            _ => Err(invalid_target("One resource, of at most 255 printable characters, without a fragment")),
        }
    }

    /// The audience of a token for this client: the resource named, if the client may ask for it, or the client itself.
    ///
    /// # Errors
    /// `invalid_target`.
    pub fn audience(&self, ctx: Context<'_>, client: &Client) -> Result<String, OauthError> {
        let Some(named) = &self.0 else { return Ok(client.id.as_str().to_owned()) };
        let is_tenants = ctx.tenant.profile().settings.audience.as_ref() == Some(named);
        if is_tenants || client.audiences.contains(named) || named == client.id.as_str() {
            Ok(named.clone())
        } else {
            Err(invalid_target("This client may not ask tokens for this resource"))
        }
    }

    /// What was named when a code was asked for, or now; both, if they agree.
    ///
    /// # Errors
    /// `invalid_target` when they don't.
    pub fn or(self, earlier: Option<String>) -> Result<Self, OauthError> {
        match (self.0, earlier) {
            (Some(now), Some(then)) if now != then => {
                Err(invalid_target("The grant is for another resource"))
            }
            (now, then) => Ok(Self(now.or(then))),
        }
    }
}

fn invalid_target(detail: &'static str) -> OauthError {
    OauthError::Refused(OauthCode::InvalidTarget, detail.into())
}
