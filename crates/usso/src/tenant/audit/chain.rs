//! The chain of a tenant's audit events.
//!
//! Every event has a number, without gaps, and a keyed digest (HMAC-SHA-256) over itself and the digest of the event
//! before. The key is the tenant's own, random and sealed under the master key in the [`AuditHead`], so that another master
//! key leaves the chain as it is. The head says where the chain ends, under a digest of its own: what is cut off at the
//! end shows.
//!
//! Address, agent and further facts are covered by a salted digest only. Erasing them takes the salt along, so that they
//! can't be guessed from the digest, and leaves a keyed mark, so that only the server can have erased them.

use super::AuditEvent;
use super::checkpoint::Checkpoint;
use kernel::{Key, Record};
use protocol::b64url;
use protocol::seal::{MacKey, SealError, SealingKey};
use serde::{Deserialize, Serialize};

/// An event's place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its number, from 1.
    pub sequence: u64,
    /// The digest of the event before; empty for the first.
    pub prev: String,
    /// The digest of this event and, through `prev`, of all before it.
    pub mac: String,
    /// The salted digest of address, agent and further facts.
    pub commitment: String,
    /// The salt, until they are erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// The mark of the erasure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased: Option<String>,
}

/// Where a chain ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Always [`AuditHead::ID`]: there is one a tenant.
    pub id: String,
    /// The chain's key, sealed.
    pub key: String,
    /// How many events there were before the chain.
    pub unchained: u64,
    /// The number of the last event; 0 when there is none.
    pub sequence: u64,
    /// The digest of the last event.
    pub mac: String,
    /// Up to which event the log was removed because it was old; the chain begins after it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub removed: u64,
    /// The digest of that event.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub removed_mac: String,
    /// Up to which event all that was to be removed is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub swept: u64,
    /// The event of the last checkpoint; 0 before the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub checkpoint: u64,
    /// The digest of all the above but the key.
    pub seal: String,
    /// The last events, written here before they are written one by one: whatever happens in between, they are written
    /// as they are here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last: Vec<AuditEvent>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Record for AuditHead {
    const KIND: &'static str = "audit_head";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        &self.id
    }
}

impl AuditHead {
    /// The id of the one head.
    pub const ID: &'static str = "head";
}

/// The key an event is found by.
pub fn key(sequence: u64) -> Key {
    Key::new("sequence", &sequence.to_string())
}

/// What the chain's key is sealed with: bound to its use.
pub const KEY_CONTEXT: &[u8] = b"audit-chain";

/// What makes and checks the links of one chain.
#[derive(Debug)]
pub struct Chain {
    owner: String,
    mac: MacKey,
}

impl Chain {
    /// The sealing key of an owner's chain: a tenant's id, or the platform's name.
    ///
    /// # Errors
    /// When the library fails.
    pub fn seal_of(master: &SealingKey, owner: &str) -> Result<SealingKey, SealError> {
        master.derive("tenant-secrets", owner)
    }

    /// A new key, sealed.
    ///
    /// # Errors
    /// When the library fails.
    pub fn new_key(master: &SealingKey, owner: &str, secret: &[u8; 32]) -> Result<String, SealError> {
        Self::seal_of(master, owner)?.seal(KEY_CONTEXT, secret)
    }

    /// The chain of an owner, by the sealed key in its head.
    ///
    /// # Errors
    /// When the key doesn't open: it isn't this owner's, or of another master key.
    pub fn open(master: &SealingKey, owner: &str, sealed: &str) -> Result<Self, SealError> {
        let secret = Self::seal_of(master, owner)?.open(KEY_CONTEXT, sealed)?;
        Ok(Self { owner: owner.to_owned(), mac: MacKey::from_secret(&secret) })
    }

    fn tag(&self, label: &str, parts: &[&str]) -> String {
        b64url::encode(self.mac.tag(&joined(&[&[label, self.owner.as_str()], parts].concat())))
    }

    /// An event as the successor of what a head says is the last.
    pub fn link(&self, event: AuditEvent, sequence: u64, prev: &str) -> AuditEvent {
        // The same each time the same event is linked, and known to nobody without the key.
        let salt = self.tag("salt", &[&event.id]);
        let commitment = commitment(&event, &salt);
        let mut link = Link {
            sequence,
            prev: prev.to_owned(),
            mac: String::new(),
            commitment,
            salt: Some(salt),
            erased: None,
        };
        link.mac = self.mac_of(&event, &link);
        AuditEvent { link: Some(link), ..event }
    }

    fn mac_of(&self, event: &AuditEvent, link: &Link) -> String {
        let (sequence, at) = (link.sequence.to_string(), event.at.to_rfc3339());
        self.tag(
            "event",
            &[
                &sequence,
                &link.prev,
                &event.id,
                &event.event,
                &at,
                &event.actor,
                &event.target,
                &event.result,
                &event.request_id,
                &link.commitment,
            ],
        )
    }

    /// Whether an event is as it was written, or was erased by the server.
    pub fn is_genuine(&self, event: &AuditEvent, link: &Link) -> bool {
        let is_covered = match (&link.salt, &link.erased) {
            (Some(salt), None) => commitment(event, salt) == link.commitment,
            (None, Some(mark)) => *mark == self.mark(link) && is_bare(event),
            _ => false,
        };
        is_covered && self.mac_of(event, link) == link.mac
    }

    fn mark(&self, link: &Link) -> String {
        self.tag("erased", &[&link.sequence.to_string(), &link.mac])
    }

    /// An event without address, agent and further facts.
    pub fn erase(&self, event: &AuditEvent) -> AuditEvent {
        let mut bare = event.clone();
        bare.ip.clear();
        bare.user_agent = None;
        bare.data.clear();
        bare.link = bare.link.map(|link| Link { salt: None, erased: Some(self.mark(&link)), ..link });
        bare
    }

    /// The digest of a head.
    pub fn seal_head(&self, head: &AuditHead) -> String {
        let (unchained, sequence) = (head.unchained.to_string(), head.sequence.to_string());
        let mut parts = vec![unchained.as_str(), &sequence, &head.mac];
        let (removed, checkpoint) = (head.removed.to_string(), head.checkpoint.to_string());
        // Heads of before there were checkpoints keep their digest.
        if head.removed > 0 || head.checkpoint > 0 {
            parts.extend([removed.as_str(), &head.removed_mac, &checkpoint]);
        }
        self.tag("head", &parts)
    }

    /// The digest of a checkpoint.
    pub fn seal_checkpoint(&self, checkpoint: &Checkpoint) -> String {
        let Checkpoint { sequence, previous, mac, token, .. } = checkpoint;
        self.tag("checkpoint", &[&sequence.to_string(), &previous.to_string(), mac, token])
    }
}

fn is_bare(event: &AuditEvent) -> bool {
    event.ip.is_empty() && event.user_agent.is_none() && event.data.is_empty()
}

fn commitment(event: &AuditEvent, salt: &str) -> String {
    let mut facts: Vec<(&String, String)> =
        event.data.iter().map(|(name, value)| (name, canonical(value))).collect();
    facts.sort();
    let agent = event.user_agent.as_ref().map_or("none".to_owned(), |agent| format!("agent:{agent}"));
    let mut parts = vec![salt, event.ip.as_str(), agent.as_str()];
    parts.extend(facts.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]));
    b64url::encode(protocol::sha256(&joined(&parts)))
}

/// A value in one form: a database may keep names in another order.
fn canonical(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value)))
                .collect();
            fields.sort();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// Parts with their lengths before them, so that no two lists of parts give the same bytes.
fn joined(parts: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part.as_bytes());
    }
    out
}
