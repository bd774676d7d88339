//! A tenant's own validators: servers that are asked before somebody registers, signs in or gets a token.
//!
//! `integration.hooks` of the settings names them, by the moment: `{"before_login": {"url", "secret", "timeout_ms", "on_failure"}}`.

use crate::tenant::{TenantScope, sealed, signed_call};
use serde_json::{Map, Value};
use std::time::Duration;

/// How long an answer may take unless the tenant says otherwise, in milliseconds …
const USUAL_MS: u64 = 2_000;
/// … and what it may say.
const ALLOWED_MS: std::ops::RangeInclusive<u64> = 100..=5_000;

/// When a hook is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Before an account is made by who will have it.
    Registration,
    /// Before a session is opened, when everything that is needed was shown.
    Login,
    /// Before an access token of a user's session is written: at sign-in and at every refresh.
    Token,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Registration, Self::Login, Self::Token];

    /// Its name in settings and calls.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "before_registration",
            Self::Login => "before_login",
            Self::Token => "before_token",
        }
    }
}

/// A hook.
#[derive(Clone, PartialEq, Eq)]
pub struct Hook {
    /// Whom to ask.
    pub url: String,
    /// What the call is signed with. None can't be used: then nobody is asked, and that is a failure.
    pub secret: Option<String>,
    /// How long the answer may take.
    pub timeout: Duration,
    /// Whether a failure to ask lets people through.
    pub fails_open: bool,
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook").field("fails_open", &self.fails_open).finish_non_exhaustive()
    }
}

/// The tenant's hook for a moment.
pub fn of(tenant: &TenantScope, moment: Moment) -> Option<Hook> {
    let profile = tenant.profile();
    let own = all(profile.tenant.config.extra())?.get(moment.as_str())?.as_object()?;
    let timeout = own.get("timeout_ms").and_then(Value::as_u64).unwrap_or(USUAL_MS);
    Some(Hook {
        url: own.get("url").and_then(Value::as_str).unwrap_or_default().to_owned(),
        secret: own.get("secret").and_then(|secret| sealed::open(secret, &profile.seal)),
        timeout: Duration::from_millis(timeout.clamp(*ALLOWED_MS.start(), *ALLOWED_MS.end())),
        fails_open: own.get("on_failure").and_then(Value::as_str) == Some("allow"),
    })
}

fn all(config: &Map<String, Value>) -> Option<&Map<String, Value>> {
    config.get("integration")?.get("hooks")?.as_object()
}

/// What is wrong with the hooks in a tenant's settings, if anything: where, and in words.
///
/// # Errors
/// The first that is wrong.
pub fn check(config: &Map<String, Value>) -> Result<(), (String, &'static str)> {
    let hooks = config.get("integration").and_then(|own| own.get("hooks"));
    let Some(hooks) = hooks.filter(|hooks| !hooks.is_null()) else { return Ok(()) };
    let Some(hooks) = hooks.as_object() else { return Err((String::new(), "must be an object")) };
    for (name, hook) in hooks {
        if !Moment::ALL.iter().any(|moment| moment.as_str() == name) {
            return Err((name.clone(), "is none of before_registration, before_login and before_token"));
        }
        let Some(hook) = hook.as_object() else { return Err((name.clone(), "must be an object")) };
        check_one(hook).map_err(|(field, why)| (format!("{name}.{field}"), why))?;
    }
    Ok(())
}

fn check_one(hook: &Map<String, Value>) -> Result<(), (&'static str, &'static str)> {
    const NEEDED: &str = "is required: the address of the server to ask";
    let url = hook.get("url").and_then(Value::as_str).ok_or(("url", NEEDED))?;
    signed_call::check_address(url).map_err(|why| ("url", why))?;
    if !hook.get("secret").is_some_and(Value::is_object) {
        return Err(("secret", "is required: what the calls are signed with"));
    }
    let timeout = hook.get("timeout_ms").filter(|own| !own.is_null());
    if timeout.is_some_and(|own| !own.as_u64().is_some_and(|ms| ALLOWED_MS.contains(&ms))) {
        return Err(("timeout_ms", "must be from 100 to 5000"));
    }
    match hook.get("on_failure") {
        None | Some(Value::Null) => Ok(()),
        Some(own) if own == "deny" || own == "allow" => Ok(()),
        Some(_) => Err(("on_failure", "must be deny or allow")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrong(hooks: Value) -> String {
        let config = json!({"integration": {"hooks": hooks}});
        check(config.as_object().unwrap()).unwrap_err().0
    }

    #[test]
    fn a_hook_that_can_not_be_asked_is_refused() {
        let sealed = json!({"$sealed": "x"});
        let hook = |url: &str| json!({"url": url, "secret": sealed});
        assert_eq!(wrong(json!([])), "");
        assert_eq!(wrong(json!({"after_lunch": hook("https://a.example")})), "after_lunch");
        assert_eq!(wrong(json!({"before_login": {"secret": sealed}})), "before_login.url");
        assert_eq!(wrong(json!({"before_login": hook("a.example")})), "before_login.url");
        assert_eq!(wrong(json!({"before_login": {"url": "https://a.example"}})), "before_login.secret");
        for (name, value) in [("timeout_ms", json!(50)), ("timeout_ms", json!("1")), ("on_failure", json!(1))]
        {
            let mut own = hook("https://a.example");
            own[name] = value;
            assert_eq!(wrong(json!({"before_token": own})), format!("before_token.{name}"));
        }
        let config = json!({"integration": {"hooks": {"before_login": hook("https://a.example/x")}}});
        assert_eq!(check(config.as_object().unwrap()), Ok(()));
        assert_eq!(check(&Map::new()), Ok(()));
    }
}
