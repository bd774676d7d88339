//! Logout tokens: what a client is told when a session of its user has ended (OpenID Connect Back-Channel Logout §2.4).

use serde::Serialize;
use serde_json::{Map, Value, json};

/// The media type in the header.
pub const TYPE: &str = "logout+jwt";

/// The one member of `events`.
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Seconds a logout token is valid.
pub const LIFETIME: i64 = 120;

/// The claims of a logout token. There is no `nonce`: without it nobody takes it for an id token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogoutClaims {
    /// The issuer.
    pub iss: String,
    /// The user.
    pub sub: String,
    /// The client.
    pub aud: String,
    /// Issued at, seconds.
    pub iat: i64,
    /// Expires at, seconds.
    pub exp: i64,
    /// Unique id.
    pub jti: String,
    /// The session.
    pub sid: String,
    /// What kind of token it is among those signed with the same key.
    pub token_type: &'static str,
    /// What happened.
    pub events: Map<String, Value>,
}

/// Whose session ended, and who is told.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// The issuer the client knows.
    pub issuer: &'a str,
    /// The client.
    pub client_id: &'a str,
    /// The user.
    pub subject: &'a str,
    /// The session, as the `sid` of its id tokens.
    pub session: &'a str,
}

impl LogoutClaims {
    /// Tells a client, at this second, that a session has ended.
    #[must_use]
    pub fn new(ended: &Ended<'_>, jti: &str, now: i64) -> Self {
        let mut events = Map::new();
        events.insert(EVENT.to_owned(), json!({}));
        Self {
            iss: ended.issuer.to_owned(),
            sub: ended.subject.to_owned(),
            aud: ended.client_id.to_owned(),
            iat: now,
            exp: now.saturating_add(LIFETIME),
            jti: jti.to_owned(),
            sid: ended.session.to_owned(),
            token_type: "logout",
            events,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_04_a_logout_token_has_one_event_and_no_nonce() {
        let ended = Ended {
            issuer: "https://id.example",
            client_id: "client_1",
            subject: "user:1",
            session: "session:1",
        };
        let claims = serde_json::to_value(LogoutClaims::new(&ended, "jwt_1", 1_000)).unwrap();
        let expected = json!({
            "iss": "https://id.example", "sub": "user:1", "aud": "client_1", "iat": 1_000, "exp": 1_120,
            "jti": "jwt_1", "sid": "session:1", "token_type": "logout", "events": { EVENT: {} },
        });
        assert_eq!(claims, expected);
    }
}
