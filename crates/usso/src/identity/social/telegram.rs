//! Telegram's login widget: it hands a page what Telegram says of somebody, with a tag under the digest of the bot's token.
//!
//! The bot's token stands in `integration.telegram.bot_token` of the tenant's settings.

use super::account::{self, Label};
use super::error::SocialError;
use super::exchange::Account;
use super::may_begin;
use super::schema::TelegramLogin;
use crate::identity::identifiers::{Identifier, IdentifierKind};
use crate::identity::sign_in::proof::{Method, Proof};
use crate::identity::sign_in::{Carried, Context, Step, proven};
use crate::identity::users::links;
use crate::tenant::one_time::OneTime;
use crate::tenant::{TenantScope, sealed};
use kernel::{StorageError, Timestamp};
use protocol::seal::MacKey;
use serde_json::Value;
use std::fmt::Write;
use zeroize::Zeroizing;

/// Seconds what the widget hands out is good.
const MAX_AGE: i64 = 300;
/// Seconds clocks may differ.
const SKEW: i64 = 60;
/// Under whose name accounts are kept. No provider's name or issuer looks like this.
const AUTHORITY: &str = "telegram.org";

/// Signs in whoever an account of Telegram belongs to; an unknown one makes an account where people register themselves.
///
/// # Errors
/// [`SocialError::NotFound`] where Telegram isn't set up; [`SocialError::Invalid`]; [`SocialError::State`] for what was used.
pub async fn sign_in(
    context: Context<'_>,
    login: &TelegramLogin,
    carried: Carried,
) -> Result<Step, SocialError> {
    let account = shown(context.tenant, login).await?;
    let user = match links::linked(context.tenant, &account.authority, &account.subject).await? {
        Some(user) => user,
        None => {
            let identifier = Identifier::stored(IdentifierKind::TelegramId, &account.subject);
            let credential = account::credential(context.tenant, &account, LABEL);
            account::newcomer(context, (identifier, account), credential).await?
        }
    };
    Ok(proven(context, user, Proof::of(Method::Telegram), carried).await?)
}

const LABEL: Label<'_> = Label { method: Method::Telegram, name: "telegram" };

/// Whom what the widget handed out is about: checked, and used up.
///
/// # Errors
/// As [`sign_in`].
async fn shown(tenant: &TenantScope, login: &TelegramLogin) -> Result<Account, SocialError> {
    let token = bot_token(tenant).ok_or(SocialError::NotFound)?;
    if !may_begin(&tenant.profile().settings, Method::Telegram) {
        return Err(SocialError::NotOpen);
    }
    let key = MacKey::from_secret(&protocol::sha256(token.as_bytes()));
    let tag = hex(&login.hash).ok_or(SocialError::Invalid("the tag"))?;
    if !key.verify(checked(login).as_bytes(), &tag) {
        return Err(SocialError::Invalid("the tag"));
    }
    let age = tenant.now().unix_seconds().saturating_sub(login.auth_date);
    if !(-SKEW..=MAX_AGE).contains(&age) {
        return Err(SocialError::Invalid("the age"));
    }
    use_up(tenant, login).await?;
    let names = [login.first_name.as_deref(), login.last_name.as_deref()];
    let name: String = names.into_iter().flatten().collect::<Vec<_>>().join(" ").chars().take(200).collect();
    Ok(Account {
        authority: AUTHORITY.to_owned(),
        subject: login.id.to_string(),
        email: None,
        name: (!name.trim().is_empty()).then_some(name),
        picture: login.photo_url.clone().filter(|url| url.starts_with("https://") && url.len() <= 2_048),
    })
}

fn bot_token(tenant: &TenantScope) -> Option<Zeroizing<String>> {
    let config = tenant.profile().tenant.config.extra();
    let own = config.get("integration")?.get("telegram")?.get("bot_token")?;
    sealed::open(own, &tenant.profile().seal).map(Zeroizing::new)
}

/// The bot's id, which its token begins with and which is no secret; none where Telegram isn't set up.
pub fn bot_id(tenant: &TenantScope) -> Option<String> {
    let token = bot_token(tenant)?;
    let (id, _) = token.split_once(':')?;
    id.bytes().all(|b| b.is_ascii_digit()).then(|| id.to_owned())
}

/// What the tag is over: the fields there are, by name, one a line.
fn checked(login: &TelegramLogin) -> String {
    let (id, at) = (login.id.to_string(), login.auth_date.to_string());
    let fields = [
        ("auth_date", Some(at.as_str())),
        ("first_name", login.first_name.as_deref()),
        ("id", Some(id.as_str())),
        ("last_name", login.last_name.as_deref()),
        ("photo_url", login.photo_url.as_deref()),
        ("username", login.username.as_deref()),
    ];
    let mut text = String::new();
    for (name, value) in fields.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        let break_before = if text.is_empty() { "" } else { "\n" };
        // Writing to a text can't fail.
        let _ = write!(text, "{break_before}{name}={value}");
    }
    text
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_hex = digits.len() == 64 && digits.iter().all(u8::is_ascii_hexdigit);
    is_hex.then(|| digits.chunks(2).filter_map(pair).collect())
}

async fn use_up(tenant: &TenantScope, login: &TelegramLogin) -> Result<(), SocialError> {
    let used = OneTime {
        id: OneTime::id_for("telegram", &[&login.hash.to_ascii_lowercase()]),
        data: Value::Null,
        expires_at: Timestamp::from_unix_seconds(login.auth_date).plus_seconds(MAX_AGE + SKEW),
    };
    match tenant.records::<OneTime>().insert(used, Vec::new()).await {
        Ok(_) => Ok(()),
        Err(StorageError::Exists) => Err(SocialError::State),
        Err(e) => Err(e.into()),
    }
}
