//! Codes that are sent: to sign in with, and to show that an address or number is somebody's.
//!
//! A code is a durable one-time thing, kept as a keyed digest. There is one at a time for an identifier and a purpose: a new
//! one voids the old. Five wrong guesses void it, too. For an identifier nobody has, the same is written and nothing sent,
//! so neither answer nor time tells (ruling D28).

pub mod request;
pub mod routes;
pub mod schema;

use crate::identity::identifiers::{Identifier, IdentifierKind};
use crate::tenant::TenantScope;
use crate::tenant::messaging::service::{Message, MessagingError, for_nobody, message};
use crate::tenant::messaging::templates::Template;
use crate::tenant::one_time::OneTime;
use kernel::{Change, Channel, Effect, StorageError};
use protocol::b64url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

/// How often a code may be guessed.
const TRIES: u64 = 5;

/// What a code is for. One for this is worth nothing for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Signing in.
    Login,
    /// Showing that an identifier is somebody's.
    Verify,
    /// Choosing a new password.
    Reset,
}

impl Purpose {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Verify => "verify_identifier",
            Self::Reset => "reset_password",
        }
    }

    /// Reads the name of one that can be asked for.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Login, Self::Verify].into_iter().find(|purpose| purpose.as_str() == name)
    }

    const fn template(self, channel: Channel) -> Template {
        match (self, channel) {
            (_, Channel::Sms) => Template::SmsOtp,
            (Self::Login, Channel::Email) => Template::EmailOtp,
            (Self::Verify | Self::Reset, Channel::Email) => Template::Verification,
        }
    }
}

/// Over what an identifier is reached.
pub fn channel_of(kind: IdentifierKind) -> Option<Channel> {
    match kind {
        IdentifierKind::Email => Some(Channel::Email),
        IdentifierKind::Phone => Some(Channel::Sms),
        _ => None,
    }
}

fn id(purpose: Purpose, identifier: &Identifier) -> String {
    OneTime::id_for("code", &[purpose.as_str(), &identifier.key()])
}

fn digest(tenant: &TenantScope, record: &str, code: &str) -> String {
    b64url::encode(tenant.profile().code_mac.tag(format!("{record}|{code}").as_bytes()))
}

/// A code of so many digits, each as likely as the others.
fn digits(tenant: &TenantScope, count: usize) -> String {
    let mut code = String::with_capacity(count);
    while code.len() < count {
        let drawn = tenant.token::<16>();
        // 250 is a multiple of ten: no digit is favoured.
        let fair = drawn.iter().filter(|byte| **byte < 250).map(|byte| char::from(b'0' + byte % 10));
        code.extend(fair.take(count - code.len()));
    }
    code
}

/// Makes a code in the place of any other, and sends it if there is somebody to send it to.
///
/// # Errors
/// When the database is away.
pub async fn send(
    tenant: &TenantScope,
    (purpose, identifier): (Purpose, &Identifier),
    (is_sent, language): (bool, Option<&str>),
) -> Result<(), CodeError> {
    let Some(channel) = channel_of(identifier.kind()) else { return Ok(()) };
    let settings = &tenant.profile().settings;
    let code = digits(tenant, settings.otp_length);
    let id = id(purpose, identifier);
    let made = OneTime {
        data: json!({ "mac": digest(tenant, &id, &code), "tries": 0 }),
        expires_at: tenant.now().plus_seconds(settings.otp_timeout),
        id,
    };
    let mut variables = Map::new();
    variables.insert("code".to_owned(), code.into());
    variables.insert("identifier".to_owned(), identifier.value().into());
    variables.insert("minutes".to_owned(), (settings.otp_timeout / 60).into());
    let valid_until = made.expires_at;
    let template = purpose.template(channel);
    let letter = Message { template, channel, to: identifier.value(), language, variables, valid_until };
    // Written either way, message and all.
    let effect = message(tenant, letter)?;
    put(tenant, made, if is_sent { effect } else { for_nobody(effect) }).await?;
    Ok(())
}

/// Writes a code over any other.
async fn put(tenant: &TenantScope, made: OneTime, effect: Effect) -> Result<(), StorageError> {
    let records = tenant.records::<OneTime>();
    let effects = vec![effect];
    match records.insert(made.clone(), effects.clone()).await {
        Err(StorageError::Exists) => {}
        other => return other.map(drop),
    }
    let id = made.id.clone();
    let replaced =
        records.update::<StorageError>(&id, |_| Ok(Change::Put(made.clone(), effects.clone()))).await?;
    match replaced {
        Some(_) => Ok(()),
        // It expired in between.
        None => records.insert(made, effects).await.map(drop),
    }
}

/// Whether a code is right; of parallel tries with the right one, one is told so. A wrong guess is counted.
///
/// # Errors
/// When the database is away.
pub async fn redeem(
    tenant: &TenantScope,
    (purpose, identifier): (Purpose, &Identifier),
    code: &SecretString,
) -> Result<bool, StorageError> {
    let id = id(purpose, identifier);
    let given = code.expose_secret().trim();
    let mac = &tenant.profile().code_mac;
    let message = format!("{id}|{given}");
    let mut is_right = false;
    let written = tenant
        .records::<OneTime>()
        .update::<StorageError>(&id, |old| {
            let tries = old.data.get("tries").and_then(Value::as_u64).unwrap_or(TRIES);
            let kept = old.data.get("mac").and_then(Value::as_str).unwrap_or_default();
            let kept = b64url::decode(kept).unwrap_or_default();
            is_right = tries < TRIES && mac.verify(message.as_bytes(), &kept);
            if tries >= TRIES {
                return Ok(Change::Keep);
            }
            // Used, it stays as a mark until it would have expired.
            let data = match is_right {
                true => json!({ "tries": TRIES }),
                false => json!({ "mac": old.data.get("mac"), "tries": tries + 1 }),
            };
            Ok(Change::Put(OneTime { data, ..old.record.clone() }, Vec::new()))
        })
        .await?;
    Ok(written.is_some() && is_right)
}

/// Why a code can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// The message can't be written.
    #[error(transparent)]
    Message(#[from] MessagingError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
