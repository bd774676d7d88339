//! The wire types of captchas (contract 5.10).

use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A puzzle of the Altcha protocol, version 1.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChallengeView {
    /// `SHA-256`.
    pub algorithm: &'static str,
    /// The hex hash of the salt followed by the number to find.
    pub challenge: String,
    /// The largest the number may be.
    pub maxnumber: u64,
    /// The same, as other clients spell it.
    #[serde(rename = "maxNumber")]
    pub max_number: u64,
    /// What the hash begins with.
    pub salt: String,
    /// The tenant's signature.
    pub signature: String,
    /// The same as `maxnumber`.
    pub difficulty: u64,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// A solution.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct SolveCaptcha {
    /// What the widget made: base64 of JSON.
    pub payload: String,
    /// The code of a picture, for clients that send one. There are no pictures, so it changes only how a failure is
    /// told: by `verified: false`.
    pub code: Option<String>,
}

/// What became of a solution.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CaptchaView {
    /// Whether it counts.
    pub verified: bool,
    /// The proof: for the cookie `usso-captcha`, the header `X-Captcha-Token`, or the field `captcha` or `altcha`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// The same as `payload`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'static str>,
    /// Seconds the proof is good for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<i64>,
    /// Why it doesn't count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl CaptchaView {
    /// A solution that counts.
    pub fn verified(proof: String, expires_in: i64) -> Self {
        Self {
            verified: true,
            token: Some(proof.clone()),
            payload: Some(proof),
            message: Some("Verified"),
            expires_in: Some(expires_in),
            reason: None,
        }
    }

    /// One that doesn't.
    pub fn refused(reason: String) -> Self {
        Self {
            verified: false,
            payload: None,
            token: None,
            message: None,
            expires_in: None,
            reason: Some(reason),
        }
    }
}
