//! What a device asked for, and where that stands.

use kernel::{ClientId, Key, Record, SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// Seconds somebody has to enter the code.
pub const LIFETIME: i64 = 600;
/// Seconds a device waits between two questions, unless told to slow down.
pub const INTERVAL: i64 = 5;
/// Seconds an answered or outdated request is remembered, so that its device hears what became of it.
const REMEMBERED: i64 = 600;

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Nobody has answered.
    Pending,
    /// Somebody has approved.
    Approved {
        /// Who.
        user_id: UserId,
        /// In which session.
        session_id: SessionId,
    },
    /// Somebody has refused.
    Denied,
    /// The device has its tokens.
    Spent,
}

/// A request of a device (RFC 8628).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRequest {
    /// A digest of the device's code.
    pub id: String,
    /// A digest of the code that is typed.
    pub user_code: String,
    /// The client.
    pub client_id: ClientId,
    /// The words of `scope` it asked for.
    pub scope: Vec<String>,
    /// The thumbprint of the key its tokens will be bound to (RFC 9449 §5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jkt: Option<String>,
    /// The address it asked from.
    pub ip: String,
    /// With what.
    pub user_agent: Option<String>,
    /// Where it stands.
    #[serde(flatten)]
    pub state: State,
    /// Seconds to wait between two questions.
    pub interval: i64,
    /// When it last asked.
    pub asked_at: Option<Timestamp>,
    /// Until when the code can be typed.
    pub until: Timestamp,
}

impl Record for DeviceRequest {
    const KIND: &'static str = "device_request";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        &self.id
    }

    fn keys(&self) -> Vec<Key> {
        vec![user_code_key(&self.user_code)]
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.until.plus_seconds(REMEMBERED))
    }
}

/// The unique key of a code that is typed.
pub fn user_code_key(digest: &str) -> Key {
    Key::new("user_code", digest)
}

/// What a device hears that asks (RFC 8628 §3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Wait, and store this.
    Pending(Box<DeviceRequest>),
    /// Wait longer, and store this.
    SlowDown(Box<DeviceRequest>),
    /// Somebody refused.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// It was told already.
    Spent,
    /// Approved: store this, and hand out tokens.
    Approved {
        /// The request, spent.
        next: Box<DeviceRequest>,
        /// Who approved.
        user_id: UserId,
        /// In which session.
        session_id: SessionId,
    },
}

impl DeviceRequest {
    /// Judges a question of the device.
    pub fn asked(&self, now: Timestamp) -> Asked {
        match &self.state {
            State::Denied => Asked::Denied,
            State::Spent => Asked::Spent,
            _ if now >= self.until => Asked::Expired,
            State::Approved { user_id, session_id } => Asked::Approved {
                next: Box::new(Self { state: State::Spent, ..self.clone() }),
                user_id: user_id.clone(),
                session_id: session_id.clone(),
            },
            State::Pending => {
                let is_early = self.asked_at.is_some_and(|at| now.seconds_since(at) < self.interval);
                let next = Self { asked_at: Some(now), ..self.clone() };
                if is_early {
                    let interval = self.interval.saturating_add(INTERVAL);
                    Asked::SlowDown(Box::new(Self { interval, ..next }))
                } else {
                    Asked::Pending(Box::new(next))
                }
            }
        }
    }

    /// The request, answered; none if it was answered before, or is too old.
    pub fn answered(&self, state: State, now: Timestamp) -> Option<Self> {
        let is_open = self.state == State::Pending && now < self.until;
        is_open.then(|| Self { state, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn request() -> DeviceRequest {
        DeviceRequest {
            id: "a".into(),
            user_code: "b".into(),
            client_id: ClientId::parse("client_a").unwrap(),
            scope: vec!["openid".into()],
            jkt: None,
            ip: "127.0.0.1".into(),
            user_agent: None,
            state: State::Pending,
            interval: INTERVAL,
            asked_at: None,
            until: NOW.plus_seconds(LIFETIME),
        }
    }

    fn approved() -> State {
        State::Approved {
            user_id: UserId::parse("user:a").unwrap(),
            session_id: SessionId::parse("session:a").unwrap(),
        }
    }

    #[test]
    fn dev_02_who_asks_too_often_waits_five_seconds_more_each_time() {
        let Asked::Pending(first) = request().asked(NOW) else { panic!("pending") };
        let Asked::SlowDown(second) = first.asked(NOW.plus_seconds(4)) else { panic!("slow down") };
        assert_eq!(second.interval, 10);
        let Asked::SlowDown(third) = second.asked(NOW.plus_seconds(13)) else { panic!("slow down") };
        assert_eq!(third.interval, 15);
        assert!(matches!(third.asked(NOW.plus_seconds(28)), Asked::Pending(_)));
    }

    #[test]
    fn dev_02_an_approval_is_handed_out_once() {
        let answered = request().answered(approved(), NOW).unwrap();
        let Asked::Approved { next, .. } = answered.asked(NOW) else { panic!("approved") };
        assert_eq!(next.asked(NOW), Asked::Spent);
        assert_eq!(next.answered(State::Denied, NOW), None);
    }

    #[test]
    fn dev_02_refusal_and_age_are_told() {
        let denied = request().answered(State::Denied, NOW).unwrap();
        assert_eq!(denied.asked(NOW), Asked::Denied);
        let late = NOW.plus_seconds(LIFETIME);
        assert_eq!(request().asked(late), Asked::Expired);
        assert_eq!(request().answered(approved(), late), None);
    }

    #[test]
    fn the_record_reads_back() {
        for state in [State::Pending, approved(), State::Denied, State::Spent] {
            let request = DeviceRequest { state, ..request() };
            let text = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<DeviceRequest>(&text).unwrap(), request);
        }
    }
}
