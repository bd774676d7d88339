//! `[keys]`: how signing keys follow one another.

use crate::config::setting::{Invalid, section};

/// How long another instance may not have heard of a new key yet.
const UNHEARD_SECONDS: u32 = 2;
const A_DAY: u32 = 86_400;

section! {
    /// How signing keys follow one another. The defaults suit every verifier that heeds the key set's `max-age`.
    Keys keys {
        /// How long verifiers may keep the key set, in seconds: its `max-age`.
        jwks_max_age_seconds: u32 = 300;
        /// How long a new key is published before it signs, in seconds; at least two more than the key set may be kept.
        publish_lead_seconds: u32 = 360;
        /// How long a superseded key stays published after the last token it may have signed has expired, in seconds.
        retire_grace_seconds: u32 = 60;
    }
}

impl Keys {
    /// Checks that no token is signed with a key a verifier may not know.
    ///
    /// # Errors
    /// [`Invalid`] for times that are too short or too long.
    pub fn validate(&self) -> Result<(), Invalid> {
        let day = "must be from 1 to 86400 seconds";
        let is_within = |seconds| (1..=A_DAY).contains(&seconds);
        Invalid::unless(is_within(self.jwks_max_age_seconds), "keys.jwks_max_age_seconds", day)?;
        Invalid::unless(is_within(self.publish_lead_seconds), "keys.publish_lead_seconds", day)?;
        Invalid::unless(is_within(self.retire_grace_seconds), "keys.retire_grace_seconds", day)?;
        Invalid::unless(
            self.publish_lead_seconds >= self.jwks_max_age_seconds + UNHEARD_SECONDS,
            "keys.publish_lead_seconds",
            "must be at least two seconds more than jwks_max_age_seconds",
        )
    }
}
