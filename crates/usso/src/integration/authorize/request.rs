//! The authorization request as a type (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1).

use crate::identity::sessions::model::RequestedClaims;
use crate::integration::userinfo::claims::word_of;
use kernel::{ClientId, UserId};
use protocol::oauth::pkce::Challenge;
use serde::{Deserialize, Serialize};

/// How the answer travels (OAuth 2.0 Multiple Response Types, OAuth 2.0 Form Post Response Mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirection URI.
    #[default]
    Query,
    /// In a form that the browser posts there.
    FormPost,
}

impl ResponseMode {
    /// Every mode there is.
    pub const ALL: [Self; 2] = [Self::Query, Self::FormPost];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::FormPost => "form_post",
        }
    }

    /// The mode of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }
}

/// What the user is to be asked, whatever is known already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Prompt {
    /// Nothing: no page may be shown.
    #[serde(default)]
    pub none: bool,
    /// To sign in again.
    #[serde(default)]
    pub login: bool,
    /// To consent again.
    #[serde(default)]
    pub consent: bool,
    /// Which account.
    #[serde(default)]
    pub select_account: bool,
}

/// What the `claims` parameter asks for (Core §5.5).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClaimsAsked {
    /// Single claims.
    #[serde(default)]
    pub names: RequestedClaims,
    /// Strengths of sign-in one of which is essential (§5.5.1.1).
    #[serde(default)]
    pub acr: Vec<String>,
    /// The one user the answer must be about.
    #[serde(default)]
    pub sub: Option<String>,
}

/// A request that passed every check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// From which client.
    pub client_id: ClientId,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// Whether the request named that.
    pub redirect_uri_was_named: bool,
    /// How the answer travels.
    pub response_mode: ResponseMode,
    /// Given back as it came.
    pub state: Option<String>,
    /// The words of `scope` that the client asks for and may.
    pub scope: Vec<String>,
    /// Repeated in the id token.
    pub nonce: Option<String>,
    /// The challenge of a proof key.
    pub challenge: Option<Challenge>,
    /// What the user is to be asked.
    pub prompt: Prompt,
    /// How many seconds ago they may have signed in.
    pub max_age: Option<i64>,
    /// Whom the client expects.
    pub login_hint: Option<String>,
    /// Whom an id token says it expects.
    pub hinted: Option<UserId>,
    /// The languages of pages, by preference.
    pub ui_locales: Option<String>,
    /// Strengths of sign-in, by preference.
    pub acr_values: Vec<String>,
    /// What else is asked for.
    pub claims: ClaimsAsked,
    /// For which resource.
    pub resource: Option<String>,
    /// The thumbprint of the key the code is to be bound to (RFC 9449 §10).
    pub dpop_jkt: Option<String>,
    /// The issuer the request was sent to (RFC 9207).
    pub issuer: String,
    /// What keeps it, if it was pushed (RFC 9126).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
}

impl AuthorizationRequest {
    /// Whether it asks for a word of `scope`.
    pub fn asks_for(&self, word: &str) -> bool {
        self.scope.iter().any(|own| own == word)
    }

    /// What the user has to allow: the words of `scope`, and those that would open the single claims.
    pub fn asked(&self) -> Vec<String> {
        let RequestedClaims { userinfo, id_token } = &self.claims.names;
        let single = userinfo.iter().chain(id_token).filter_map(|name| word_of(name)).map(str::to_owned);
        let mut asked = self.scope.clone();
        for word in single {
            if !asked.contains(&word) {
                asked.push(word);
            }
        }
        asked
    }
}
