//! The key set record and its pure transitions.

use kernel::{KeyId, Timestamp};
use protocol::jose::{Algorithm, Jwk};
use serde::{Deserialize, Serialize};

/// How keys follow one another, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Succession {
    /// How long verifiers may keep the key set: its `max-age`.
    pub max_age: i64,
    /// Between publishing a key and signing with it.
    pub lead: i64,
    /// How long a superseded key stays published after the last token it signed has expired.
    pub grace: i64,
}

impl Default for Succession {
    fn default() -> Self {
        Self { max_age: 300, lead: 360, grace: 60 }
    }
}

/// Most keys of one use that are published at a time. Every verifier fetches them all.
pub const MAX_PUBLISHED: usize = 4;

/// Why no further key can be published now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// The newest key is published, but its turn hasn't begun.
    #[error("a new key has been published and doesn't sign yet; try again in a few minutes")]
    Waiting,
    /// As many are published as may be.
    #[error("{MAX_PUBLISHED} keys are published; the oldest must expire first")]
    Full,
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyUse {
    /// Access, refresh and the other tokens of the tenant itself.
    Access,
    /// OpenID Connect id tokens of clients that ask for another algorithm.
    IdToken,
}

/// One signing key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TenantKey {
    /// Its id, and the `kid` it is published under.
    pub id: KeyId,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// What it signs.
    #[serde(rename = "use")]
    pub usage: KeyUse,
    /// The public half as published.
    pub public: Jwk,
    /// The private half, sealed for this tenant and key id.
    pub sealed: String,
    /// When it was made and published.
    pub published_at: Timestamp,
    /// From when on it signs.
    pub sign_from: Timestamp,
}

/// A tenant's keys, oldest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct KeySet {
    keys: Vec<TenantKey>,
    /// The longest lifetime in seconds a token of this tenant was ever given; only grows.
    longest_lifetime: i64,
}

impl KeySet {
    /// Every key still kept.
    pub fn keys(&self) -> &[TenantKey] {
        &self.keys
    }

    /// Gives back what the list has in reserve.
    pub fn shrink(&mut self) {
        self.keys.shrink_to_fit();
    }

    /// From when a key published at `now` may sign: at once when it is the first of its use.
    pub fn sign_from(&self, usage: KeyUse, times: &Succession, now: Timestamp) -> Timestamp {
        if self.keys.iter().any(|k| k.usage == usage) { now.plus_seconds(times.lead) } else { now }
    }

    /// Whether a further key of this use may be published at `now`.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn has_room(&self, usage: KeyUse, times: &Succession, now: Timestamp) -> Result<(), NoRoom> {
        let of_use = || self.keys.iter().filter(|k| k.usage == usage);
        if of_use().any(|k| k.sign_from > now) {
            Err(NoRoom::Waiting)
        } else if of_use().filter(|k| self.is_published(k, times, now)).count() >= MAX_PUBLISHED {
            Err(NoRoom::Full)
        } else {
            Ok(())
        }
    }

    /// Publishes a key and drops those whose last token has expired.
    pub fn publish(&mut self, key: TenantKey, times: &Succession, now: Timestamp) {
        self.drop_unpublished(times, now);
        self.keys.push(key);
    }

    fn drop_unpublished(&mut self, times: &Succession, now: Timestamp) {
        let kept: Vec<bool> = self.keys.iter().map(|k| self.is_published(k, times, now)).collect();
        let mut kept = kept.into_iter();
        self.keys.retain(|_| kept.next().unwrap_or(true));
    }

    /// Takes a published key away at once: what it signed is worth nothing from now on. Somebody has to sign: an older
    /// key that is still published until the successor's turn comes, else the successor at once. The successor is the
    /// key that waits already, or `spare`. False: no such key is published.
    pub fn revoke(&mut self, id: &str, spare: TenantKey, times: &Succession, now: Timestamp) -> bool {
        // First, or what a key has taken out of the set would come back with its end.
        self.drop_unpublished(times, now);
        let Some(at) = self.keys.iter().position(|k| k.id.as_str() == id) else { return false };
        let gone = self.keys.remove(at);
        let is_of_use = |k: &TenantKey| k.usage == gone.usage;
        if !self.keys.iter().any(|k| is_of_use(k) && k.sign_from > gone.sign_from) {
            self.keys.push(TenantKey { sign_from: now.plus_seconds(times.lead), ..spare });
        }
        if self.signer(gone.usage, now).is_none()
            && let Some(next) = self.keys.iter_mut().filter(|k| is_of_use(k)).min_by_key(|k| k.sign_from)
        {
            next.sign_from = now;
        }
        true
    }

    /// Remembers that tokens may live this many seconds, so keys stay published long enough.
    pub fn allow_lifetime(&mut self, seconds: i64) {
        self.longest_lifetime = self.longest_lifetime.max(seconds);
    }

    /// The key that signs now: the one whose turn began last.
    pub fn signer(&self, usage: KeyUse, now: Timestamp) -> Option<&TenantKey> {
        self.keys.iter().filter(|k| k.usage == usage && k.sign_from <= now).max_by_key(|k| k.sign_from)
    }

    /// The newest key of a use, whether it signs yet or not.
    pub fn newest(&self, usage: KeyUse) -> Option<&TenantKey> {
        self.keys.iter().filter(|k| k.usage == usage).max_by_key(|k| k.sign_from)
    }

    /// Whether verifiers should see the key at `now`.
    pub fn is_published(&self, key: &TenantKey, times: &Succession, now: Timestamp) -> bool {
        self.unpublished_at(key, times).is_none_or(|end| now < end)
    }

    /// When the key leaves the published set; `None` while no successor is known.
    pub fn unpublished_at(&self, key: &TenantKey, times: &Succession) -> Option<Timestamp> {
        let successor = self
            .keys
            .iter()
            .filter(|k| k.usage == key.usage && k.sign_from > key.sign_from)
            .map(|k| k.sign_from)
            .min()?;
        Some(successor.plus_seconds(self.longest_lifetime + times.grace))
    }

    /// When the published set changes next by the passing of time alone.
    pub fn next_change(&self, times: &Succession, now: Timestamp) -> Option<Timestamp> {
        self.keys.iter().filter_map(|k| self.unpublished_at(k, times)).filter(|end| *end > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::TestRandom;
    use protocol::jose::SigningKey;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
    const TIMES: Succession = Succession { max_age: 300, lead: 360, grace: 60 };

    fn key(set: &KeySet, seed: u64, usage: KeyUse, now: Timestamp) -> TenantKey {
        let id = KeyId::generate(now, &TestRandom::new(seed));
        let public = SigningKey::generate(Algorithm::EdDsa).unwrap().public_jwk(id.as_str()).unwrap();
        TenantKey {
            id,
            algorithm: Algorithm::EdDsa,
            usage,
            public,
            sealed: "sealed".into(),
            published_at: now,
            sign_from: set.sign_from(usage, &TIMES, now),
        }
    }

    fn with_two_keys() -> (KeySet, KeyId, KeyId, Timestamp) {
        let mut set = KeySet::default();
        set.allow_lifetime(3600);
        let first = key(&set, 1, KeyUse::Access, NOW);
        let first_id = first.id.clone();
        set.publish(first, &TIMES, NOW);
        let rotated = NOW.plus_seconds(1000);
        let second = key(&set, 2, KeyUse::Access, rotated);
        let second_id = second.id.clone();
        set.publish(second, &TIMES, rotated);
        (set, first_id, second_id, rotated)
    }

    #[test]
    fn the_first_key_of_each_use_signs_at_once() {
        let mut set = KeySet::default();
        let access = key(&set, 1, KeyUse::Access, NOW);
        assert_eq!(access.sign_from, NOW);
        set.publish(access, &TIMES, NOW);
        assert_eq!(key(&set, 2, KeyUse::IdToken, NOW).sign_from, NOW);
        assert_eq!(key(&set, 3, KeyUse::Access, NOW).sign_from, NOW.plus_seconds(360));
    }

    #[test]
    fn the_old_key_signs_until_the_new_one_has_been_published_for_360_seconds() {
        let (set, first, second, rotated) = with_two_keys();
        let signer = |at| set.signer(KeyUse::Access, at).map(|k| k.id.clone()).unwrap();
        assert_eq!(signer(rotated.plus_seconds(359)), first);
        assert_eq!(signer(rotated.plus_seconds(360)), second);
    }

    #[test]
    fn a_superseded_key_stays_published_until_its_last_token_expired() {
        let (set, _, second, rotated) = with_two_keys();
        let published = |at: Timestamp| set.keys().iter().filter(|k| set.is_published(k, &TIMES, at)).count();
        let end = rotated.plus_seconds(TIMES.lead + 3600 + TIMES.grace);
        assert_eq!(published(rotated), 2);
        assert_eq!(published(end.plus_seconds(-1)), 2);
        assert_eq!(published(end), 1);
        assert_eq!(set.next_change(&TIMES, rotated), Some(end));
        assert!(set.keys().iter().any(|k| k.id == second && set.is_published(k, &TIMES, end)));
    }

    #[test]
    fn no_key_follows_one_that_does_not_sign_yet() {
        let (set, _, _, rotated) = with_two_keys();
        assert_eq!(set.has_room(KeyUse::Access, &TIMES, rotated), Err(NoRoom::Waiting));
        assert_eq!(
            set.has_room(KeyUse::Access, &TIMES, rotated.plus_seconds(TIMES.lead - 1)),
            Err(NoRoom::Waiting)
        );
        assert_eq!(set.has_room(KeyUse::Access, &TIMES, rotated.plus_seconds(TIMES.lead)), Ok(()));
        assert_eq!(set.has_room(KeyUse::IdToken, &TIMES, rotated), Ok(()), "each use for itself");
    }

    #[test]
    fn at_most_four_keys_of_a_use_are_published() {
        let (mut set, _, _, rotated) = with_two_keys();
        set.allow_lifetime(1_000_000);
        let mut now = rotated;
        for seed in 3..=4 {
            now = now.plus_seconds(TIMES.lead);
            assert_eq!(set.has_room(KeyUse::Access, &TIMES, now), Ok(()));
            let next = key(&set, seed, KeyUse::Access, now);
            set.publish(next, &TIMES, now);
        }
        assert_eq!(set.has_room(KeyUse::Access, &TIMES, now.plus_seconds(TIMES.lead)), Err(NoRoom::Full));
        let end = set.next_change(&TIMES, now).unwrap();
        assert_eq!(set.has_room(KeyUse::Access, &TIMES, end), Ok(()));
    }

    fn revoked(set: &mut KeySet, id: &KeyId, now: Timestamp) -> Option<KeyId> {
        let spare = key(set, 99, KeyUse::Access, now);
        let spare_id = spare.id.clone();
        assert!(set.revoke(id.as_str(), spare, &TIMES, now));
        assert!(set.keys().iter().all(|k| k.id != *id));
        set.keys().iter().any(|k| k.id == spare_id).then_some(spare_id)
    }

    fn signer(set: &KeySet, at: Timestamp) -> KeyId {
        set.signer(KeyUse::Access, at).map(|k| k.id.clone()).unwrap()
    }

    #[test]
    fn when_the_only_key_is_revoked_a_new_one_signs_at_once() {
        let mut set = KeySet::default();
        let first = key(&set, 1, KeyUse::Access, NOW);
        let id = first.id.clone();
        set.publish(first, &TIMES, NOW);
        let now = NOW.plus_seconds(5);
        let spare = revoked(&mut set, &id, now).unwrap();
        assert_eq!(signer(&set, now), spare);
        assert!(!set.revoke(id.as_str(), key(&set, 3, KeyUse::Access, now), &TIMES, now), "it is gone");
    }

    #[test]
    fn when_the_signing_key_is_revoked_the_one_that_waits_signs_at_once() {
        let (mut set, first, second, rotated) = with_two_keys();
        assert_eq!(revoked(&mut set, &first, rotated.plus_seconds(1)), None);
        assert_eq!(signer(&set, rotated.plus_seconds(1)), second);
    }

    #[test]
    fn when_the_waiting_key_is_revoked_another_takes_its_turn_later() {
        let (mut set, first, second, rotated) = with_two_keys();
        let spare = revoked(&mut set, &second, rotated.plus_seconds(1)).unwrap();
        assert_eq!(signer(&set, rotated.plus_seconds(TIMES.lead)), first);
        assert_eq!(signer(&set, rotated.plus_seconds(TIMES.lead + 1)), spare);
    }

    #[test]
    fn when_the_newest_key_is_revoked_its_published_predecessor_signs_until_the_successors_turn() {
        let (mut set, first, second, rotated) = with_two_keys();
        let now = rotated.plus_seconds(TIMES.lead + 10);
        let spare = revoked(&mut set, &second, now).unwrap();
        assert_eq!(signer(&set, now), first);
        assert_eq!(signer(&set, now.plus_seconds(TIMES.lead)), spare);
    }

    #[test]
    fn a_key_that_left_the_published_set_does_not_come_back_with_its_successors_end() {
        let (mut set, first, second, rotated) = with_two_keys();
        let end = rotated.plus_seconds(TIMES.lead + 3600 + TIMES.grace);
        let spare = revoked(&mut set, &second, end).unwrap();
        assert!(set.keys().iter().all(|k| k.id != first));
        assert_eq!(signer(&set, end), spare);
    }

    #[test]
    fn revoking_a_superseded_key_changes_nothing_else() {
        let (mut set, first, second, rotated) = with_two_keys();
        let now = rotated.plus_seconds(TIMES.lead + 10);
        assert_eq!(revoked(&mut set, &first, now), None);
        assert_eq!((signer(&set, now), set.keys().len()), (second, 1));
    }

    #[test]
    fn a_shorter_lifetime_does_not_unpublish_a_key_early() {
        let (mut set, ..) = with_two_keys();
        let before = set.next_change(&TIMES, NOW);
        set.allow_lifetime(60);
        assert_eq!(set.next_change(&TIMES, NOW), before);
    }
}
