//! The rules that need more of a tenant than one field.

use super::model::Tenant;
use super::service::{TenantError, invalid, invalid_at};
use crate::tenant::hooks;
use crate::tenant::messaging::{mail, providers};
use crate::tenant::registry::Registry;
use crate::tenant::settings::Config;
use serde_json::{Map, Value};

/// What is wrong with an object of settings: in which field, and in words.
type Wrong = (&'static str, &'static str);

/// Sizes; that its cookies stay within its own domains; that what it says of others can be right.
pub(super) fn check_parts(tenant: &Tenant, registry: &Registry) -> Result<(), TenantError> {
    if let Some(name) = tenant.oversized() {
        return Err(invalid(name, "at most 64 KiB of JSON"));
    }
    check_messaging(&tenant.messaging)?;
    hooks::check(tenant.config.extra()).map_err(|(name, why)| {
        let place =
            ["config", "integration", "hooks"].into_iter().chain(name.split('.')).filter(|p| !p.is_empty());
        invalid_at(&place.collect::<Vec<_>>(), why)
    })?;
    match tenant.config.settings().cookie_domain {
        Some(domain) if !tenant.may_share_cookies_within(&domain, registry.base().host()) => {
            let msg = "must be one of the tenant's domains or what one of them lies below";
            Err(invalid_at(&["config", "cookie_domain"], msg))
        }
        _ => Ok(()),
    }
}

/// Where each way's messages go, and the secrets that are shown there.
const WAYS: [(&str, &[&str], &[&str]); 2] = [
    ("email", &["smtp_host", "smtp_username", "use_tls"], &["smtp_password"]),
    ("sms", &["provider", "base_url", "url", "account_sid"], &["auth_token", "api_key", "secret"]),
];

/// Takes out the secrets that were given for another place: who may change where messages go need not know them, and would
/// have them sent there.
pub(super) fn forget_moved(old: &Map<String, Value>, next: &mut Map<String, Value>) {
    for (way, places, secrets) in WAYS {
        let Some(Value::Object(before)) = old.get(way) else { continue };
        let Some(Value::Object(now)) = next.get_mut(way) else { continue };
        if places.iter().any(|name| before.get(*name) != now.get(*name)) {
            // One that came with the change is sealed anew, and differs.
            now.retain(|name, value| !secrets.contains(&name.as_str()) || before.get(name) != Some(value));
        }
    }
}

fn check_messaging(messaging: &Map<String, Value>) -> Result<(), TenantError> {
    /// What finds a mistake in the settings of one way.
    type Check = fn(&Map<String, Value>) -> Result<(), Wrong>;
    let ways: [(&str, Check); 2] = [("email", mail::check), ("sms", providers::check)];
    for (way, check) in ways {
        match messaging.get(way) {
            None | Some(Value::Null) => {}
            Some(Value::Object(own)) => {
                check(own).map_err(|(name, why)| invalid_at(&["messaging", way, name], why))?;
            }
            Some(_) => return Err(invalid_at(&["messaging", way], "must be an object")),
        }
    }
    Ok(())
}

/// The default tenant's hosts carry the system administrator's session, so who may reach it is theirs to say.
pub(super) fn check_shared(old: &Config, next: &Config) -> Result<(), TenantError> {
    let (old, next) = (old.settings(), next.settings());
    if old.cookie_domain != next.cookie_domain {
        return Err(TenantError::SystemOnly("cookie_domain"));
    }
    if old.cors_origins != next.cors_origins {
        return Err(TenantError::SystemOnly("cors_origins"));
    }
    Ok(())
}
