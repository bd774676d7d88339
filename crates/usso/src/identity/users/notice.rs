//! Telling people what was changed about how they sign in, at the addresses that were theirs before.

use crate::identity::identifiers::IdentifierKind;
use crate::identity::users::model::User;
use crate::tenant::messaging::service::{Message, can_send, message};
use crate::tenant::messaging::templates::Template;
use crate::tenant::{ClientInfo, TenantScope};
use kernel::{Channel, Effect};
use serde_json::Map;

/// Seconds after which a notice is of no use any more.
const USEFUL: i64 = 86_400;

/// What is told of an event; nothing of most.
fn what(event: &str, language: &str) -> Option<&'static str> {
    let (english, persian) = match event {
        "user.password_set" => ("A new password was set", "گذرواژهٔ تازه‌ای تعیین شد"),
        "user.authenticator_reset" => ("An authenticator was set up anew", "برنامهٔ رمزساز از نو تنظیم شد"),
        "user.authenticator_added" => ("An authenticator was added", "یک برنامهٔ رمزساز افزوده شد"),
        "user.backup_codes_made" => ("New backup codes were made", "کدهای پشتیبان تازه ساخته شد"),
        "user.backup_code_used" => ("A backup code was used", "یک کد پشتیبان به کار رفت"),
        "user.passkey_added" => ("A passkey was added", "یک گذرکلید افزوده شد"),
        "user.account_linked" => ("An account elsewhere was linked", "یک حساب دیگر پیوند شد"),
        "user.credential_removed" => ("A way to sign in was removed", "یک راه ورود حذف شد"),
        "user.identifier_added" => ("An address or number was added", "نشانی یا شمارهٔ تازه‌ای افزوده شد"),
        "user.identifier_removed" => ("An address or number was removed", "یک نشانی یا شماره حذف شد"),
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
