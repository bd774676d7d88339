//! The session record and the refresh rule.

use kernel::{AgentId, ClientId, Record, SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Seconds in which the generation before the last is still answered, and of public clients the last.
const SECOND_GRACE: i64 = 60;

/// A signed-in device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// `session:…`.
    pub id: SessionId,
    /// Whose it is; of an agent's session, who made the agent.
    pub user_id: UserId,
    /// The agent that acts in it. Then it is no session of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// What its tokens may at most; all that is held by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// The active workspace.
    pub workspace_id: Option<String>,
    /// The refresh generation: rises by one with every advancing refresh.
    pub generation: u32,
    /// Whether refreshing advances the generation.
    pub is_rotating: bool,
    /// When the generation last advanced.
    pub used_at: Timestamp,
    /// When the user signed in.
    pub authenticated_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub revoked_at: Option<Timestamp>,
    /// The user's session epoch when it began.
    pub user_epoch: u64,
    /// The tenant's session epoch when it began.
    pub tenant_epoch: u64,
    /// How the user proved who they are.
    pub amr: Vec<String>,
    /// How strongly.
    pub acr: String,
    /// The audience of its access tokens.
    pub aud: Option<String>,
    /// The device's agent.
    pub user_agent: Option<String>,
    /// The address it signed in from.
    pub ip: String,
    /// `regular_login` …
    pub session_type: String,
    /// The administrator who acts as the user (RFC 8693 section 4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<UserId>,
    /// The OAuth client that acts in it, and what for. Then it is no first-party session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Box<ClientGrant>>,
    /// Claims of its tokens that a validator of the tenant asked for when it was opened.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
    /// Whatever the user keeps with it.
    #[serde(default)]
    pub meta_data: Map<String, Value>,
}

/// What a user has given an OAuth client for a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientGrant {
    /// The client.
    pub client_id: ClientId,
    /// The words of `scope` that were granted.
    pub scope: Vec<String>,
    /// Whether the client is the tenant's own: then its tokens name the user's roles.
    #[serde(default)]
    pub is_first_party: bool,
    /// Whether the client keeps no secret: then a refresh token is repeated for a short time only (ruling D2).
    #[serde(default)]
    pub is_public: bool,
    /// The session the user gave it in.
    pub browser: Option<SessionId>,
    /// The issuer the client knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Whether it goes on after that session (`offline_access`, OpenID Connect Core section 11).
    #[serde(default)]
    pub is_offline: bool,
    /// Single claims that were asked for (Core section 5.5).
    #[serde(default, skip_serializing_if = "RequestedClaims::is_empty")]
    pub claims: RequestedClaims,
    /// The thumbprint of the key its tokens are bound to (RFC 9449 section 6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jkt: Option<String>,
}

/// The names of single claims that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedClaims {
    /// For the userinfo endpoint.
    #[serde(default)]
    pub userinfo: Vec<String>,
    /// For id tokens.
    #[serde(default)]
    pub id_token: Vec<String>,
}

impl RequestedClaims {
    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.userinfo.is_empty() && self.id_token.is_empty()
    }
}

impl Record for Session {
    const KIND: &'static str = "session";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn tags(&self) -> Vec<String> {
        let agent = self.agent_id.iter().map(|id| format!("agent:{id}"));
        let client = self.grant.iter().map(|grant| client_tag(&grant.client_id));
        let browser = self.grant.iter().filter_map(|grant| grant.browser.as_ref()).map(browser_tag);
        let common = [format!("user:{}", self.user_id), format!("active:{}", self.revoked_at.is_none())];
        common.into_iter().chain(agent).chain(client).chain(browser).collect()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// The tag by which what clients were given in a session is found.
pub fn browser_tag(id: &SessionId) -> String {
    format!("browser:{id}")
}

/// The tag by which the sessions of a client are found.
pub fn client_tag(id: &ClientId) -> String {
    format!("client:{id}")
}

/// What presenting a refresh token of some generation means (ruling D2).
#[derive(Debug, Clone, PartialEq)]
pub enum Presented {
    /// The current generation: store this session, answer with its generation.
    Advance(Box<Session>),
    /// Accepted, and nothing changes: answer with the current generation.
    Repeat,
    /// A generation that was left behind long ago: somebody copied the token.
    Reused,
    /// A generation this session never had.
    Unknown,
}

impl Session {
    /// Who acts in it.
    pub fn subject(&self) -> &str {
        self.agent_id.as_ref().map_or(self.user_id.as_str(), AgentId::as_str)
    }

    /// Judges a refresh token's generation.
    pub fn present(&self, generation: u32, now: Timestamp) -> Presented {
        if generation > self.generation {
            return Presented::Unknown;
        }
        if !self.is_rotating {
            return Presented::Repeat;
        }
        let is_recent = now.seconds_since(self.used_at) <= SECOND_GRACE;
        let is_patient = self.grant.as_ref().is_none_or(|grant| !grant.is_public);
        match self.generation - generation {
            0 => Presented::Advance(Box::new(Self {
                generation: self.generation.saturating_add(1),
                used_at: now,
                ..self.clone()
            })),
            1 if is_patient || is_recent => Presented::Repeat,
            2 if is_recent => Presented::Repeat,
            _ => Presented::Reused,
        }
    }

    /// The session without which this one is over.
    pub fn belongs_to(&self) -> Option<&SessionId> {
        self.grant.as_ref().filter(|grant| !grant.is_offline)?.browser.as_ref()
    }

    /// Whether a person opened it for themself: no agent, no client, and nobody in their name.
    pub fn is_personal(&self) -> bool {
        self.agent_id.is_none() && self.grant.is_none() && self.actor.is_none()
    }

    /// Whether a person opened it with one factor only. An administrator's session in a user's name is none of theirs.
    pub fn is_weak(&self) -> bool {
        self.acr == "usso:acr:1" && self.actor.is_none() && self.agent_id.is_none()
    }

    /// The session, ended.
    #[must_use]
    pub fn revoked(&self, now: Timestamp) -> Self {
        Self { revoked_at: Some(self.revoked_at.unwrap_or(now)), ..self.clone() }
    }

    /// Whether it lives, given the epochs of its user and tenant and the tenant's idle limit in seconds.
    pub fn is_live(
        &self,
        user_epoch: u64,
        tenant_epoch: u64,
        idle_limit: Option<i64>,
        now: Timestamp,
    ) -> bool {
        let is_idle =
            self.is_rotating && idle_limit.is_some_and(|limit| now.seconds_since(self.used_at) > limit);
        self.revoked_at.is_none()
            && now < self.expires_at
            && self.user_epoch == user_epoch
            && self.tenant_epoch == tenant_epoch
            && !is_idle
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    pub(crate) fn session() -> Session {
        Session {
            id: SessionId::parse("session:abc").unwrap(),
            user_id: UserId::parse("user:abc").unwrap(),
            agent_id: None,
            scopes: None,
            workspace_id: None,
            generation: 0,
            is_rotating: true,
            used_at: NOW,
            authenticated_at: NOW,
            expires_at: NOW.plus_seconds(2_592_000),
            revoked_at: None,
            user_epoch: 0,
            tenant_epoch: 0,
            amr: vec!["password".into()],
            acr: "usso:acr:1".into(),
            aud: None,
            user_agent: None,
            ip: "127.0.0.1".into(),
            session_type: "regular_login".into(),
            actor: None,
            grant: None,
            claims: Map::new(),
            meta_data: Map::new(),
        }
    }

    fn at_generation(generation: u32) -> Session {
        Session { generation, ..session() }
    }

    #[test]
    fn the_current_generation_advances_by_exactly_one() {
        let Presented::Advance(next) = at_generation(7).present(7, NOW.plus_seconds(5)) else {
            panic!("advance")
        };
        assert_eq!((next.generation, next.used_at), (8, NOW.plus_seconds(5)));
    }

    #[test]
    fn the_previous_generation_is_answered_for_ever() {
        assert_eq!(at_generation(7).present(6, NOW.plus_seconds(1_000_000)), Presented::Repeat);
    }

    #[test]
    fn the_generation_before_that_is_answered_for_sixty_seconds() {
        assert_eq!(at_generation(7).present(5, NOW.plus_seconds(60)), Presented::Repeat);
        assert_eq!(at_generation(7).present(5, NOW.plus_seconds(61)), Presented::Reused);
    }

    #[test]
    fn a_public_client_gets_the_previous_generation_answered_for_sixty_seconds() {
        let grant = ClientGrant {
            client_id: ClientId::parse("client_a").unwrap(),
            scope: Vec::new(),
            is_first_party: false,
            is_public: true,
            browser: None,
            issuer: None,
            is_offline: true,
            claims: RequestedClaims::default(),
            jkt: None,
        };
        let session = Session { grant: Some(Box::new(grant)), ..at_generation(7) };
        assert_eq!(session.present(6, NOW.plus_seconds(60)), Presented::Repeat);
        assert_eq!(session.present(6, NOW.plus_seconds(61)), Presented::Reused);
    }

    #[test]
    fn anything_older_is_reuse() {
        assert_eq!(at_generation(7).present(4, NOW), Presented::Reused);
        assert_eq!(at_generation(7).present(0, NOW), Presented::Reused);
    }

    #[test]
    fn a_generation_from_the_future_is_unknown() {
        assert_eq!(at_generation(7).present(8, NOW), Presented::Unknown);
    }

    #[test]
    fn a_non_rotating_session_never_advances() {
        let session = Session { is_rotating: false, ..session() };
        assert_eq!(session.present(0, NOW.plus_seconds(1_000_000)), Presented::Repeat);
    }

    #[test]
    fn epochs_revocation_expiry_and_idleness_end_a_session() {
        let live = session();
        assert!(live.is_live(0, 0, Some(60), NOW.plus_seconds(60)));
        assert!(!live.is_live(1, 0, None, NOW));
        assert!(!live.is_live(0, 1, None, NOW));
        assert!(!live.is_live(0, 0, Some(60), NOW.plus_seconds(61)));
        assert!(!live.is_live(0, 0, None, live.expires_at));
        assert!(!live.revoked(NOW).is_live(0, 0, None, NOW));
    }

    proptest::proptest! {
        #[test]
        fn honest_clients_are_never_taken_for_thieves(steps in proptest::collection::vec((0u8..3, 0i64..200), 1..60)) {
            // Two tabs share a token; replies get lost; each tab presents the newest token it received.
            let (mut session, mut tabs, mut now) = (session(), [0u32, 0], NOW);
            for (what, wait) in steps {
                now = now.plus_seconds(wait);
                let tab = usize::from(what % 2);
                let held = tabs.get(tab).copied().unwrap_or(0);
                // A tab that fell behind by more than one picks the shared cookie up, as browsers do.
                let held = if session.generation - held > 1 { session.generation - 1 } else { held };
                match session.present(held, now) {
                    Presented::Advance(next) => session = *next,
                    Presented::Repeat => {}
                    other => panic!("{other:?}"),
                }
                if what < 2 && let Some(slot) = tabs.get_mut(tab) {
                    *slot = session.generation;
                }
            }
        }
    }
}
