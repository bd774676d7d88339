//! Sending a message: as an effect of a write, and carrying it out.

use super::mail;
use super::providers::Provider;
use super::render::{Own, Words, write};
use super::templates::Template;
use crate::tenant::TenantScope;
use kernel::{
    Channel, Effect, Internet, Letter, Messenger, Problem, ProblemKind, SendError, Timestamp, Topic,
};
use protocol::seal::SealError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// What sealed messages are bound to.
const BOUND: &[u8] = b"message";
/// What marks a message that goes to nobody.
const NOBODY: &str = "nobody";

/// Why a message can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum MessagingError {
    /// There is no way to send over this channel (ruling D18).
    #[error("there is no delivery by {}", .0.as_str())]
    Unavailable(Channel),
    /// It can't be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl Problem for MessagingError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Unavailable(_) => ProblemKind::Unavailable { retry_after: 3_600 },
            Self::Seal(_) => ProblemKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "DELIVERY_UNAVAILABLE",
            Self::Seal(_) => "INTERNAL_ERROR",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Unavailable(channel) => {
                format!("Messages by {} can't be sent here: no delivery is configured", channel.as_str())
                    .into()
            }
            Self::Seal(_) => "Internal error".into(),
        }
    }
}

/// A message to send.
#[derive(Debug)]
pub struct Message<'a> {
    /// Which.
    pub template: Template,
    /// Over what.
    pub channel: Channel,
    /// To which address or number.
    pub to: &'a str,
    /// In which language; the tenant's own by default.
    pub language: Option<&'a str>,
    /// What the template needs to know.
    pub variables: Map<String, Value>,
    /// From when on it is of no use.
    pub valid_until: Timestamp,
}

/// A message as it waits, sealed.
#[derive(Serialize, Deserialize)]
struct Waiting {
    template: String,
    channel: String,
    to: String,
    language: String,
    variables: Map<String, Value>,
}

/// Whether there is a way to send over a channel.
pub fn can_send(tenant: &TenantScope, channel: Channel) -> bool {
    let delivery = &tenant.profile().delivery;
    let is_set = match channel {
        Channel::Email => mail::server(tenant).is_some(),
        Channel::Sms => Provider::of(tenant).is_some(),
    };
    is_set || delivery.is_development
}

/// Refuses a channel nothing can be sent over.
///
/// # Errors
/// [`MessagingError::Unavailable`].
pub fn check(tenant: &TenantScope, channel: Channel) -> Result<(), MessagingError> {
    if can_send(tenant, channel) { Ok(()) } else { Err(MessagingError::Unavailable(channel)) }
}

/// The effect that sends a message.
///
/// # Errors
/// When it can't be sealed.
pub fn message(tenant: &TenantScope, message: Message<'_>) -> Result<Effect, MessagingError> {
    let own = tenant.profile().settings.default_language.clone();
    let waiting = Waiting {
        template: message.template.as_str().to_owned(),
        channel: message.channel.as_str().to_owned(),
        to: message.to.to_owned(),
        language: message.language.map_or(own, str::to_owned),
        variables: message.variables,
    };
    let plain = serde_json::to_vec(&waiting).unwrap_or_default();
    let sealed = tenant.profile().seal.seal(BOUND, &plain)?;
    let payload = json!({
        "template": message.template.as_str(), "valid_until": message.valid_until, "sealed": sealed,
    });
    Ok(Effect { topic: Topic::Message, payload, due_at: tenant.now() })
}

/// A message that is dropped instead of sent: where nobody may learn from the time a request takes whether there is somebody to
/// write to, what is written is the same.
#[must_use]
pub fn for_nobody(mut message: Effect) -> Effect {
    if let Some(payload) = message.payload.as_object_mut() {
        payload.insert(NOBODY.to_owned(), true.into());
    }
    message
}

/// Carries a message out. One that is of no use any more is dropped.
///
/// # Errors
/// [`SendError`]: later, or never.
pub async fn deliver(
    tenant: &TenantScope,
    (messenger, internet): (&dyn Messenger, &dyn Internet),
    (name, payload): (&str, &Value),
) -> Result<(), SendError> {
    let broken = |what: &str| SendError::Refused(format!("the message {what}"));
    if payload.get(NOBODY).is_some() {
        return Ok(());
    }
    let valid_until = payload.get("valid_until").cloned().unwrap_or_default();
    let valid_until: Timestamp = serde_json::from_value(valid_until).map_err(|_| broken("has no end"))?;
    if valid_until <= tenant.now() {
        return Err(SendError::Refused("too late".to_owned()));
    }
    let sealed = payload.get("sealed").and_then(Value::as_str).unwrap_or_default();
    let plain = tenant.profile().seal.open(BOUND, sealed).map_err(|_| broken("can't be opened"))?;
    let waiting: Waiting = serde_json::from_slice(&plain).map_err(|_| broken("can't be read"))?;
    let template = Template::parse(&waiting.template).ok_or_else(|| broken("has no template"))?;
    let channel = Channel::parse(&waiting.channel).ok_or_else(|| broken("has no channel"))?;
    let words = words(tenant, template, &waiting.language, waiting.variables);
    let html = (channel == Channel::Email).then_some(words.html);
    let letter = Letter { channel, to: waiting.to, subject: words.subject, text: words.text, html };
    match (channel, mail::server(tenant), Provider::of(tenant)) {
        (Channel::Email, Some(server), _) => messenger.mail(&server, &letter).await,
        (Channel::Sms, _, Some(provider)) => {
            provider.send(internet, &letter, tenant.now().unix_seconds()).await
        }
        _ if tenant.profile().delivery.is_development => messenger.keep(name, &letter).await,
        _ => Err(SendError::Refused(format!("there is no delivery by {}", channel.as_str()))),
    }
}

/// The words of a message. A tenant's own that can't be used give way to ours: nobody must be locked out by a template.
fn words(tenant: &TenantScope, template: Template, language: &str, variables: Map<String, Value>) -> Words {
    let variables = with_tenant(tenant, variables);
    let own = own_words(tenant, template, language);
    write(template, language, &own, &variables)
        .or_else(|error| {
            tracing::warn!(%error, tenant = %tenant.id(), template = template.as_str(), "a template can't be used");
            write(template, language, &Own::default(), &variables)
        })
        .unwrap_or_else(|_| Words { subject: String::new(), text: String::new(), html: String::new() })
}

/// What a tenant's settings say instead of our words.
pub fn own_words(tenant: &TenantScope, template: Template, language: &str) -> Own {
    let templates = tenant.profile().tenant.config.extra().get("templates").and_then(Value::as_object);
    templates.map_or_else(Own::default, |templates| Own::find(templates, template, language))
}

/// The variables every template knows.
pub fn with_tenant(tenant: &TenantScope, mut variables: Map<String, Value>) -> Map<String, Value> {
    let record = &tenant.profile().tenant;
    let company = record.branding.get("company_name").and_then(Value::as_str).filter(|name| !name.is_empty());
    variables.insert("tenant_name".to_owned(), company.unwrap_or(&record.name).into());
    variables
}
