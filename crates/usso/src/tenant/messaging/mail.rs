//! Mail: through whose server.

use crate::tenant::TenantScope;
use kernel::MailServer;
use serde_json::{Map, Value};

/// The tenant's own mail server, or the operator's.
pub fn server(tenant: &TenantScope) -> Option<MailServer> {
    let profile = tenant.profile();
    own_server(tenant).or_else(|| profile.delivery.mail.clone())
}

fn own_server(tenant: &TenantScope) -> Option<MailServer> {
    let own = tenant.profile().tenant.messaging.get("email")?.as_object()?;
    let text = |name: &str| own.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let host = text("smtp_host")?.to_owned();
    let secret = own
        .get("smtp_password")
        .and_then(|sealed| crate::tenant::sealed::open(sealed, &tenant.profile().seal));
    let account = text("smtp_username").zip(secret).map(|(name, secret)| (name.to_owned(), secret));
    let operator = &tenant.profile().delivery;
    Some(MailServer {
        host,
        port: own.get("smtp_port").and_then(Value::as_u64).and_then(|p| u16::try_from(p).ok()).unwrap_or(587),
        account,
        sender: text("from_address")?.to_owned(),
        use_tls: own.get("use_tls").and_then(Value::as_bool).unwrap_or(true),
        may_be_private: operator.is_development,
    })
}

/// A member, what it must be, and that in words.
type Rule = (&'static str, fn(&Value) -> bool, &'static str);

/// What is wrong with a tenant's mail server, if anything: where, and in words.
///
/// # Errors
/// The first that is wrong. What is missing is not: then the operator's server sends.
pub fn check(own: &Map<String, Value>) -> Result<(), (&'static str, &'static str)> {
    let fits =
        |name: &str, is_right: fn(&Value) -> bool| own.get(name).is_none_or(|v| v.is_null() || is_right(v));
    let rules: [Rule; 6] = [
        ("provider", |v| v == "smtp", "must be smtp"),
        ("smtp_host", |v| v.as_str().is_some_and(is_host), "must be a host name or an address"),
        (
            "smtp_port",
            |v| v.as_u64().is_some_and(|port| (1..=65_535).contains(&port)),
            "must be from 1 to 65535",
        ),
        ("smtp_username", |v| v.as_str().is_some_and(|name| name.len() <= 255), "must be a text"),
        (
            "from_address",
            |v| v.as_str().is_some_and(is_sender),
            "must be an address, alone or as Name <address>",
        ),
        ("use_tls", Value::is_boolean, "must be true or false"),
    ];
    rules
        .into_iter()
        .try_for_each(|(name, rule, why)| if fits(name, rule) { Ok(()) } else { Err((name, why)) })
}

fn is_host(text: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b);
    (1..=253).contains(&text.len()) && text.bytes().all(is_name)
}

/// An address, alone or as `Name <address>`. What a header can't hold is none.
fn is_sender(text: &str) -> bool {
    let address = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let is_plain = !address.contains(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';'));
    let is_line = text.len() <= 320 && !text.contains(char::is_control);
    is_plain && is_line && !local.is_empty() && !domain.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_that_can_not_be_right_are_refused() {
        let wrong = |settings: Value| check(settings.as_object().unwrap()).unwrap_err().0;
        assert_eq!(wrong(json!({"provider": "pigeon"})), "provider");
        assert_eq!(wrong(json!({"smtp_host": "mail example.com"})), "smtp_host");
        assert_eq!(wrong(json!({"smtp_port": 0})), "smtp_port");
        assert_eq!(wrong(json!({"from_address": "nobody"})), "from_address");
        assert_eq!(wrong(json!({"from_address": "A <a@b.c>\r\nBcc: x@y.z"})), "from_address");
        assert_eq!(wrong(json!({"use_tls": "yes"})), "use_tls");
        let guide = json!({"provider": "smtp", "smtp_host": "smtp.company-a.com", "smtp_port": 587,
            "smtp_username": "usso@company-a.com", "from_address": "Company A <no-reply@company-a.com>"});
        assert_eq!(check(guide.as_object().unwrap()), Ok(()));
    }
}
