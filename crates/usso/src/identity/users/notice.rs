//! Telling people what was changed about how they sign in, at the addresses that were theirs before.

use crate::identity::devices::Device;
use crate::identity::identifiers::IdentifierKind;
use crate::identity::users::model::User;
use crate::tenant::messaging::service::{Message, can_send, message};
use crate::tenant::messaging::templates::Template;
use crate::tenant::one_time::OneTime;
use crate::tenant::{ClientInfo, TenantScope};
use kernel::{Channel, Effect, StorageError, Stored};
use serde_json::{Map, Value};

/// Seconds after which a notice is of no use any more.
const USEFUL: i64 = 86_400;

/// The name under which a sign-in from a device that nobody knows is told.
const NEW_DEVICE: &str = "session.new_device";
/// Seconds a browser in a network is remembered that keeps no cookies.
const REMEMBERED: i64 = 90 * 86_400;
/// Seconds after its registration in which an account is used by who has just made it.
const JUST_MADE: i64 = 10;

/// What is told of an event; nothing of most.
fn what(event: &str, language: &str) -> Option<&'static str> {
    let (english, persian) = match event {
        "user.password_set" => ("A new password was set", "گذرواژهٔ تازه‌ای تعیین شد"),
        "user.authenticator_reset" => ("An authenticator was set up anew", "برنامهٔ رمزساز از نو تنظیم شد"),
        "user.authenticator_added" => ("An authenticator was added", "یک برنامهٔ رمزساز افزوده شد"),
        "user.backup_codes_made" => ("New backup codes were made", "کدهای پشتیبان تازه ساخته شد"),
        "user.backup_code_used" => ("A backup code was used", "یک کد پشتیبان به کار رفت"),
        "user.passkey_added" => ("A passkey was added", "یک گذرکلید افزوده شد"),
        "user.credential_linked" => ("An account elsewhere was linked", "یک حساب دیگر پیوند شد"),
        "user.credential_removed" => ("A way to sign in was removed", "یک راه ورود حذف شد"),
        "user.identifier_added" => ("An address or number was added", "نشانی یا شمارهٔ تازه‌ای افزوده شد"),
        "user.identifier_removed" => ("An address or number was removed", "یک نشانی یا شماره حذف شد"),
        "user.identifier_updated" => ("An address or number was changed", "یک نشانی یا شماره تغییر کرد"),
        NEW_DEVICE => ("Somebody signed in from a new device", "ورود از دستگاهی تازه"),
        _ => return None,
    };
    Some(if language == "fa" { persian } else { english })
}

/// The messages that tell a user of an event, to each address that is proven to be theirs.
pub fn notice(tenant: &TenantScope, user: &User, event: &str, client: &ClientInfo) -> Vec<Effect> {
    let own = &tenant.profile().settings.default_language;
    let language = user.language().unwrap_or(own);
    let Some(what) = what(event, language).filter(|_| can_send(tenant, Channel::Email)) else {
        return Vec::new();
    };
    let mut variables = Map::new();
    variables.insert("what".to_owned(), what.into());
    variables.insert("ip".to_owned(), client.ip.to_string().into());
    variables.insert("user_agent".to_owned(), client.user_agent.clone().into());
    variables.insert("time".to_owned(), tenant.now().to_rfc3339().into());
    let is_reached =
        |kind, is_proven: bool, is_active: bool| kind == IdentifierKind::Email && is_proven && is_active;
    let proven = user.identifiers.iter().filter(|i| is_reached(i.kind, i.verified_at.is_some(), i.is_active));
    let letters = proven.map(|address| Message {
        template: Template::SecurityNotice,
        channel: Channel::Email,
        to: &address.value,
        language: Some(language),
        variables: variables.clone(),
        valid_until: tenant.now().plus_seconds(USEFUL),
    });
    // What can't be sealed isn't sent: the change itself must not fail for it.
    letters.filter_map(|letter| message(tenant, letter).ok()).collect()
}

/// Tells a user of a sign-in from a device their account doesn't know. Whoever keeps no cookies, as programs do, is known again by
/// the network and the name of the browser: one message for each.
///
/// # Errors
/// When the database is away.
pub async fn tell_of_device(
    tenant: &TenantScope,
    user: &Stored<User>,
    client: &ClientInfo,
) -> Result<(), StorageError> {
    let device = Device::parse(client.device.as_deref());
    if device.known_to(tenant, &user.id).is_some() {
        return Ok(());
    }
    let mut letters = notice(tenant, user, NEW_DEVICE, client);
    if letters.is_empty() {
        return Ok(());
    }
    if tenant.now().seconds_since(user.created_at) <= JUST_MADE {
        letters.clear();
    }
    let agent = client.user_agent.as_deref().unwrap_or_default();
    let network = ClientInfo::network_of(client.ip);
    let seen = OneTime {
        id: OneTime::id_for("seen_device", &[user.id.as_str(), &network, agent]),
        data: Value::Null,
        expires_at: tenant.now().plus_seconds(REMEMBERED),
    };
    let records = tenant.records::<OneTime>();
    if records.get(&seen.id).await?.is_some() {
        return Ok(());
    }
    match records.insert(seen, letters).await {
        Ok(_) | Err(StorageError::Exists) => Ok(()),
        Err(e) => Err(e),
    }
}
