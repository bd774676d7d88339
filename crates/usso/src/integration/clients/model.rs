//! The client record and what it allows (RFC 7591 §2, contract 5.9).

use super::secret::Digest;
use kernel::{ClientId, Record, Timestamp};
use protocol::b64url;
use protocol::jose::Algorithm;
use protocol::oauth::redirect_uri;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq;

/// A grant a client may use. A variant that exists is one that works: the token endpoint has an arm for each, and discovery
/// lists them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 8628 §3.4.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
    /// RFC 8693 §2.1.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
}

impl GrantType {
    /// Every grant there is.
    pub const ALL: [Self; 5] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::DeviceCode,
        Self::TokenExchange,
    ];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    /// The grant of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == name)
    }
}

/// How a client says who it is (RFC 6749 §2.3, OpenID Connect Core §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// Its secret in the `Authorization` header.
    ClientSecretBasic,
    /// Its secret in the body.
    ClientSecretPost,
    /// A JWT under a key it registered (RFC 7523 §2.2).
    PrivateKeyJwt,
    /// Not at all: it keeps no secret.
    None,
}

impl AuthMethod {
    /// Every method there is.
    pub const ALL: [Self; 4] =
        [Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt, Self::None];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }

    /// The method of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    /// Whether it proves a shared secret.
    pub const fn needs_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// Where an application runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationType {
    /// On a server, or in a browser.
    #[default]
    Web,
    /// On the user's own device (RFC 8252).
    Native,
}

/// A secret of a client, as its digest.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSecret {
    /// The digest.
    pub digest: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends: once there is a successor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// What people are shown of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Display {
    /// Its home page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// Its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// What it does with data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// Its terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// Whom to write to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
}

/// How a client hears that a user signed out (OpenID Connect Back-Channel and Front-Channel Logout, RP-Initiated Logout).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogoutUris {
    /// Where a browser may be sent after signing out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    /// Told from server to server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// Whether it needs the session's id.
    #[serde(default)]
    pub backchannel_logout_session_required: bool,
    /// Told through the browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontchannel_logout_uri: Option<String>,
    /// Whether it needs the session's id.
    #[serde(default)]
    pub frontchannel_logout_session_required: bool,
}

/// A client.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// `client_…`.
    pub id: ClientId,
    /// Who made it; none if it registered itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What people are shown besides.
    #[serde(default)]
    pub display: Display,
    /// Whether it may do anything.
    pub is_active: bool,
    /// Whether it is the tenant's own: users aren't asked, and tokens name their roles.
    #[serde(default)]
    pub is_first_party: bool,
    /// The words of `scope` it may ask for.
    pub scopes: Vec<String>,
    /// The resources it may ask tokens for (RFC 8707), and whose tokens it may look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// The grants it may use.
    pub grant_types: Vec<GrantType>,
    /// How it may say who it is: one way, or either with a secret when it never said which.
    pub auth_methods: Vec<AuthMethod>,
    /// Its secrets: one, or two while one succeeds the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<ClientSecret>,
    /// The algorithm of its assertions, if it is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion_alg: Option<Algorithm>,
    /// Its public keys …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// … or where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Where codes may be sent.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Where it runs.
    #[serde(default)]
    pub application_type: ApplicationType,
    /// What id tokens are signed with (ruling D9).
    pub id_token_alg: Algorithm,
    /// What userinfo is signed with; not at all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_alg: Option<Algorithm>,
    /// How it hears of signing out.
    #[serde(default)]
    pub logout: LogoutUris,
    /// Where a sign-in can be begun from elsewhere (Core §4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,
    /// How old a sign-in may be, in seconds, when a request doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u32>,
    /// Whether requests need a proof key, although the client keeps a secret (ruling D25).
    #[serde(default)]
    pub require_pkce: bool,
    /// Whether requests must be pushed first (RFC 9126 §6).
    #[serde(default)]
    pub require_pushed_authorization_requests: bool,
    /// Whether tokens must be bound to a key (RFC 9449 §5.2).
    #[serde(default)]
    pub dpop_bound_access_tokens: bool,
    /// Whether the FAPI 2.0 Security Profile applies to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fapi2: bool,
    /// What software it is (RFC 7591 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// In which version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// The digest of the token it manages itself with (RFC 7592).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_digest: Option<String>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Record for Client {
    const KIND: &'static str = "oauth_client";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn tags(&self) -> Vec<String> {
        let maker = self.user_id.iter().map(|id| format!("user:{id}"));
        maker.chain([format!("active:{}", self.is_active)]).collect()
    }

    fn sorts(&self) -> Vec<(&'static str, String)> {
        vec![("name", self.name.clone().unwrap_or_default())]
    }
}

/// Most secrets that are good at a time.
const LIVE_SECRETS: usize = 2;

impl Client {
    /// A client as the standards' defaults describe it.
    pub fn new(id: ClientId, user_id: Option<String>) -> Self {
        Self {
            id,
            user_id,
            name: None,
            description: None,
            display: Display::default(),
            is_active: true,
            is_first_party: false,
            scopes: protocol::oauth::scope::OPENID.map(str::to_owned).to_vec(),
            audiences: Vec::new(),
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            auth_methods: vec![AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost],
            secrets: Vec::new(),
            assertion_alg: None,
            jwks: None,
            jwks_uri: None,
            redirect_uris: Vec::new(),
            application_type: ApplicationType::Web,
            id_token_alg: Algorithm::Rs256,
            userinfo_alg: None,
            logout: LogoutUris::default(),
            initiate_login_uri: None,
            default_max_age: None,
            require_pkce: false,
            require_pushed_authorization_requests: false,
            dpop_bound_access_tokens: false,
            fapi2: false,
            software_id: None,
            software_version: None,
            registration_digest: None,
        }
    }

    /// Whether nobody made it but itself (RFC 7591).
    pub fn registered_itself(&self) -> bool {
        self.user_id.is_none()
    }

    /// Whether it keeps no secret (RFC 6749 §2.1).
    pub fn is_public(&self) -> bool {
        self.auth_methods == [AuthMethod::None]
    }

    /// Whether it may say who it is this way.
    pub fn may_authenticate_by(&self, method: AuthMethod) -> bool {
        self.auth_methods.contains(&method)
    }

    /// Whether it may use a grant.
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }

    /// Whether requests without a proof key are refused (ruling D25).
    pub fn needs_pkce(&self) -> bool {
        self.is_public() || self.require_pkce || self.fapi2
    }

    /// Whether its requests must be pushed (RFC 9126 §6, FAPI 2.0 §5.3.2.2).
    pub fn needs_par(&self) -> bool {
        self.require_pushed_authorization_requests || self.fapi2
    }

    /// Whether its tokens must be bound to a key (RFC 9449 §5.2, FAPI 2.0 §5.3.2.1).
    pub fn needs_dpop(&self) -> bool {
        self.dpop_bound_access_tokens || self.fapi2
    }

    /// Whether a secret with this digest is one of its own and still good.
    pub fn has_secret(&self, digest: &Digest, now: Timestamp) -> bool {
        let digest = b64url::encode(digest);
        // All of them are compared, whichever fits.
        self.secrets.iter().filter(|secret| secret.is_live(now)).fold(false, |found, secret| {
            found | bool::from(secret.digest.as_bytes().ct_eq(digest.as_bytes()))
        })
    }

    /// The client with a new secret; the one before is good until `until`, older ones are gone.
    #[must_use]
    pub fn with_secret(&self, digest: &Digest, (now, until): (Timestamp, Timestamp)) -> Self {
        let new = ClientSecret { digest: b64url::encode(digest), created_at: now, expires_at: None };
        let mut older: Vec<_> = self.secrets.iter().filter(|secret| secret.is_live(now)).cloned().collect();
        older.sort_by_key(|secret| std::cmp::Reverse(secret.created_at));
        older.truncate(LIVE_SECRETS - 1);
        for secret in &mut older {
            secret.expires_at = Some(secret.expires_at.map_or(until, |end| end.min(until)));
        }
        older.retain(|secret| secret.is_live(now));
        Self { secrets: std::iter::once(new).chain(older).collect(), ..self.clone() }
    }

    /// The registered URI that a request's means.
    pub fn redirect_uri(&self, given: &str) -> Option<&str> {
        let is_native = self.application_type == ApplicationType::Native;
        self.redirect_uris.iter().map(String::as_str).find(|own| redirect_uri::matches(own, given, is_native))
    }

    /// Which of these words of `scope` it may ask for, in their order. A scope of our grammar may also be narrower than what is
    /// registered.
    pub fn allowed(&self, asked: &[String]) -> Vec<String> {
        use protocol::scope::{Scope, is_narrower};
        let may = |word: &String| {
            self.scopes.contains(word)
                || protocol::oauth::scope::is_permission(word)
                    && self.scopes.iter().filter(|own| protocol::oauth::scope::is_permission(own)).any(
                        |own| {
                            Scope::validate_new(word)
                                .is_ok_and(|child| is_narrower(&child, &Scope::parse(own)))
                        },
                    )
        };
        asked.iter().filter(|word| may(word)).cloned().collect()
    }

    /// What people call it, or its id.
    pub fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(self.id.as_str())
    }
}

impl ClientSecret {
    fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn client() -> Client {
        Client::new(ClientId::parse("client_a").unwrap(), None)
    }

    #[test]
    fn two_secrets_are_good_while_one_succeeds_the_other() {
        let (first, second, third) = ([1; 32], [2; 32], [3; 32]);
        let one = client().with_secret(&first, (NOW, NOW));
        let later = NOW.plus_seconds(60);
        let two = one.with_secret(&second, (later, later.plus_seconds(100)));
        assert!(two.has_secret(&first, later.plus_seconds(99)) && two.has_secret(&second, later));
        assert!(!two.has_secret(&first, later.plus_seconds(100)));
        let three = two.with_secret(&third, (later.plus_seconds(1), later.plus_seconds(500)));
        assert!(!three.has_secret(&first, later.plus_seconds(1)), "never more than two");
        assert!(three.has_secret(&second, later.plus_seconds(499)) && three.has_secret(&third, later));
        assert!(!three.has_secret(&[4; 32], later));
    }

    #[test]
    fn a_secret_is_replaced_at_once_when_no_time_is_given() {
        let client = client().with_secret(&[1; 32], (NOW, NOW)).with_secret(&[2; 32], (NOW, NOW));
        assert!(!client.has_secret(&[1; 32], NOW) && client.has_secret(&[2; 32], NOW));
    }

    #[test]
    fn a_client_may_ask_for_what_is_registered_and_for_narrower_scopes() {
        let own = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let client = Client { scopes: own(&["openid", "read:posts", "api"]), ..client() };
        let asked = own(&["email", "openid", "read:posts?user_id=1", "update:posts", "api"]);
        assert_eq!(client.allowed(&asked), own(&["openid", "read:posts?user_id=1", "api"]));
    }
}
