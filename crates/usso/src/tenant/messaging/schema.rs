//! What previewing a message looks like.

use super::render::Words;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A message to look at.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PreviewTemplate {
    /// Which: `verification`, `email_otp`, `sms_otp`, `magic_link`, `reset_password`, `account_exists` or `security_notice`.
    pub template: String,
    /// In which language; the tenant's own by default.
    pub language: Option<String>,
    /// Instead of the subject that is set.
    pub subject: Option<String>,
    /// Instead of the body that is set.
    pub inline_body: Option<String>,
    /// Instead of the examples put in.
    #[schema(value_type = Option<Object>)]
    pub variables: Option<Map<String, Value>>,
}

/// A message as it would be sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageView {
    /// What it is about.
    pub subject: String,
    /// As text.
    pub text: String,
    /// As a page.
    pub html: String,
}

impl From<Words> for MessageView {
    fn from(words: Words) -> Self {
        Self { subject: words.subject, text: words.text, html: words.html }
    }
}
