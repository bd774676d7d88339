//! A tenant's settings, in both vocabularies.
//!
//! The flat names of the multi-tenancy guide (`session_timeout`) and the nested ones of the production API
//! (`token.access_timeout`) name the same settings; either is accepted, both are returned. `SETTINGS` is the one
//! list. Keys that are not in it are kept as they came, for features that give them a meaning later.

use crate::tenant::domain::normalise_host;
use crate::tenant::patch::merge;
use kernel::problem::FieldError;
use serde_json::{Map, Value, json};

mod captcha;
mod client_registration;
mod login_flow;
mod nested;

pub use captcha::CaptchaMode;
pub use client_registration::ClientRegistration;
pub use login_flow::{LoginFlow, LoginStep};
use nested::{put_nested, take_nested};

/// What values a setting takes.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// A whole number within bounds.
    Int(i64, i64),
    /// `true` or `false`.
    Bool,
    /// A text or null.
    Text,
    /// A text that passes a check, or null.
    Checked(Check),
    /// A list of at least so many texts, each of which passes a check.
    Each(usize, Check),
    /// A whole number within bounds, or null for "no limit".
    IntOrNull(i64, i64),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A flow of sign-in steps, or null.
    Flow,
}

/// What is wrong with a text, if anything.
type Check = fn(&str) -> Result<(), &'static str>;

/// One setting.
struct Setting {
    /// The name of the multi-tenancy guide, if it has one.
    flat: Option<&'static str>,
    /// The nested name.
    nested: &'static str,
    shape: Shape,
    default: fn() -> Value,
}

const fn setting(
    flat: Option<&'static str>,
    nested: &'static str,
    shape: Shape,
    default: fn() -> Value,
) -> Setting {
    Setting { flat, nested, shape, default }
}

/// Every setting with a meaning.
const SETTINGS: &[Setting] = &[
    setting(Some("password_min_length"), "auth.password_min_length", Shape::Int(1, 128), || json!(8)),
    setting(Some("password_require_special"), "auth.password_require_special", Shape::Bool, || json!(true)),
    setting(None, "auth.password_require_numbers", Shape::Bool, || json!(false)),
    setting(None, "auth.password_require_uppercase", Shape::Bool, || json!(false)),
    setting(None, "auth.password_require_lowercase", Shape::Bool, || json!(false)),
    setting(None, "auth.password_prevent_dictionary", Shape::Bool, || json!(true)),
    setting(Some("require_mfa"), "auth.require_mfa", Shape::Bool, || json!(false)),
    setting(
        Some("allowed_login_methods"),
        "auth.allowed_login_methods",
        Shape::Each(1, login_method),
        || json!(EVERY_METHOD),
    ),
    setting(None, "auth.login_flow", Shape::Flow, || Value::Null),
    setting(None, "auth.mfa_timeout", Shape::Int(60, 3_600), || json!(300)),
    setting(None, "auth.otp_length", Shape::Int(6, 10), || json!(6)),
    setting(None, "auth.otp_timeout", Shape::Int(60, 600), || json!(300)),
    setting(None, "auth.magic_link_timeout", Shape::Int(60, 900), || json!(900)),
    setting(None, "auth.require_recent_authentication", Shape::Bool, || json!(false)),
    setting(Some("login_attempts_limit"), "auth.login_attempts_limit", Shape::Int(1, 100), || json!(5)),
    setting(Some("login_attempts_window"), "auth.login_attempts_window", Shape::Int(1, 86_400), || {
        json!(300)
    }),
    setting(None, "auth.session_inactivity_timeout", Shape::IntOrNull(60, 31_536_000), || Value::Null),
    setting(Some("session_timeout"), "token.access_timeout", Shape::Int(60, 86_400), || json!(3600)),
    setting(Some("refresh_token_ttl"), "token.refresh_timeout", Shape::Int(60, 31_536_000), || {
        json!(2_592_000)
    }),
    setting(None, "token.secure_session_timeout", Shape::Int(60, 86_400), || json!(600)),
    setting(None, "token.refresh_token_rotation", Shape::Bool, || json!(true)),
    setting(None, "token.audience", Shape::Text, || Value::Null),
    setting(None, "registration.is_allowed", Shape::Bool, || json!(true)),
    setting(
        None,
        "registration.approval_mode",
        Shape::OneOf(&["none", "identifier", "manual_review"]),
        || json!("none"),
    ),
    setting(None, "registration.invite_only", Shape::Bool, || json!(false)),
    setting(None, "registration.allow_self_deactivate", Shape::Bool, || json!(false)),
    setting(None, "workspace.enabled", Shape::Bool, || json!(true)),
    setting(None, "phone.default_country_code", Shape::Checked(country_code), || Value::Null),
    setting(None, "default_language", Shape::Checked(language), || json!("en")),
    setting(None, "messages_per_day", Shape::Int(1, 10_000_000), || json!(10_000)),
    setting(None, "captcha.mode", Shape::OneOf(&["off", "risk", "always"]), || json!("off")),
    setting(None, "captcha.max_number", Shape::Int(1_000, 10_000_000), || json!(100_000)),
    setting(None, "image_captcha_tries", Shape::Int(0, 100), || json!(2)),
    setting(None, "cookie_domain", Shape::Checked(cookie_domain), || Value::Null),
    setting(None, "audit.retention_days", Shape::IntOrNull(30, 36_500), || Value::Null),
    setting(None, "cors_origins", Shape::Each(0, origin), || json!([])),
    setting(None, "oauth.registration", Shape::OneOf(&["off", "token", "open"]), || json!("off")),
    setting(None, "oauth_public_base", Shape::Checked(public_base), || Value::Null),
];

/// The settings as the record keeps them: nested names to values, only what was set, and unknown keys as they came.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Config {
    #[serde(default)]
    set: Map<String, Value>,
    #[serde(default)]
    extra: Map<String, Value>,
}

impl Config {
    /// Applies a partial update: given settings replace, unknown objects are merged deeply, `null` resets.
    ///
    /// # Errors
    /// Every field that doesn't fit, none of them applied.
    pub fn apply(&mut self, patch: &Map<String, Value>) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut next = self.clone();
        let mut rest = patch.clone();
        for setting in SETTINGS {
            let flat = setting
                .flat
                .and_then(|name| rest.remove(name))
                .map(|v| (setting.flat.unwrap_or_default(), v));
            let nested = take_nested(&mut rest, setting.nested).map(|v| (setting.nested, v));
            for (name, value) in nested.into_iter().chain(flat) {
                match check(setting.shape, &value) {
                    Ok(()) if value.is_null() => drop(next.set.remove(setting.nested)),
                    Ok(()) => drop(next.set.insert(setting.nested.to_owned(), value)),
                    Err(msg) => errors.push(field_error(name, msg)),
                }
            }
        }
        for group in SETTINGS.iter().filter_map(|s| s.nested.split_once('.').map(|(group, _)| group)) {
            // Anything else in a group's place would hide its settings.
            if rest.get(group).is_some_and(|v| !v.is_object() && !v.is_null()) {
                rest.remove(group);
                errors.push(field_error(group, "must be an object".to_owned()));
            }
        }
        merge(&mut next.extra, rest);
        if errors.is_empty() {
            *self = next;
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// Whether every setting is one that could have been set.
    ///
    /// # Errors
    /// The name of one that could not.
    pub fn check(&self) -> Result<(), String> {
        for (name, value) in &self.set {
            let known = SETTINGS.iter().find(|setting| setting.nested == name);
            known.filter(|setting| check(setting.shape, value).is_ok()).ok_or_else(|| name.clone())?;
        }
        Ok(())
    }

    /// What was stored without a meaning.
    pub fn extra(&self) -> &Map<String, Value> {
        &self.extra
    }

    /// The effective settings under both names, with whatever else was stored.
    pub fn view(&self) -> Map<String, Value> {
        let mut view = self.extra.clone();
        for setting in SETTINGS {
            let value = self.value(setting);
            if let Some(flat) = setting.flat {
                view.insert(flat.to_owned(), value.clone());
            }
            put_nested(&mut view, setting.nested, value);
        }
        view
    }

    fn value(&self, setting: &Setting) -> Value {
        // A flow of several steps is the other way to ask for several factors.
        if setting.nested == "auth.require_mfa" && self.takes_steps() {
            return Value::Bool(true);
        }
        self.set.get(setting.nested).cloned().unwrap_or_else(setting.default)
    }

    fn takes_steps(&self) -> bool {
        let steps = self.set.get("auth.login_flow").and_then(|flow| flow.get("steps")?.as_array());
        steps.is_some_and(|steps| steps.len() > 1)
    }

    fn by_name(&self, nested: &str) -> Value {
        SETTINGS.iter().find(|s| s.nested == nested).map_or(Value::Null, |s| self.value(s))
    }

    fn int(&self, nested: &str) -> i64 {
        self.by_name(nested).as_i64().unwrap_or_default()
    }

    fn flag(&self, nested: &str) -> bool {
        self.by_name(nested).as_bool().unwrap_or_default()
    }

    fn text(&self, nested: &str) -> Option<String> {
        self.by_name(nested).as_str().map(str::to_owned)
    }

    fn texts(&self, nested: &str) -> Vec<String> {
        let value = self.by_name(nested);
        value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    }

    /// Whether nothing was set.
    pub fn is_default(&self) -> bool {
        self.set.is_empty()
    }

    /// The effective settings, typed.
    pub fn settings(&self) -> Settings {
        Settings {
            password_min_length: usize::try_from(self.int("auth.password_min_length")).unwrap_or(8),
            password_require_special: self.flag("auth.password_require_special"),
            password_require_numbers: self.flag("auth.password_require_numbers"),
            password_require_uppercase: self.flag("auth.password_require_uppercase"),
            password_require_lowercase: self.flag("auth.password_require_lowercase"),
            password_prevent_dictionary: self.flag("auth.password_prevent_dictionary"),
            allowed_login_methods: self.texts("auth.allowed_login_methods"),
            login_flow: LoginFlow::parse(&self.by_name("auth.login_flow")).ok(),
            require_mfa: self.flag("auth.require_mfa"),
            mfa_timeout: self.int("auth.mfa_timeout"),
            recent_seconds: self.int("token.secure_session_timeout"),
            wants_recent: self.flag("auth.require_recent_authentication"),
            otp_length: usize::try_from(self.int("auth.otp_length")).unwrap_or(6),
            otp_timeout: self.int("auth.otp_timeout"),
            magic_link_timeout: self.int("auth.magic_link_timeout"),
            approval: match self.text("registration.approval_mode").as_deref() {
                Some("identifier") => Approval::Identifier,
                Some("manual_review") => Approval::ManualReview,
                _ => Approval::None,
            },
            invite_only: self.flag("registration.invite_only"),
            login_attempts_limit: u32::try_from(self.int("auth.login_attempts_limit")).unwrap_or(5),
            login_attempts_window: self.int("auth.login_attempts_window"),
            session_inactivity_timeout: self.by_name("auth.session_inactivity_timeout").as_i64(),
            access_timeout: self.int("token.access_timeout"),
            refresh_timeout: self.int("token.refresh_timeout"),
            refresh_token_rotation: self.flag("token.refresh_token_rotation"),
            audience: self.text("token.audience"),
            registration_is_allowed: self.flag("registration.is_allowed"),
            allow_self_deactivate: self.flag("registration.allow_self_deactivate"),
            workspace_enabled: self.flag("workspace.enabled"),
            default_language: self.text("default_language").unwrap_or_else(|| "en".to_owned()),
            messages_per_day: self.int("messages_per_day").unsigned_abs(),
            default_country_code: self.text("phone.default_country_code"),
            captcha_mode: CaptchaMode::parse(&self.text("captcha.mode").unwrap_or_default()),
            captcha_max_number: u64::try_from(self.int("captcha.max_number")).unwrap_or(100_000),
            captcha_tries: u64::try_from(self.int("image_captcha_tries")).unwrap_or(2),
            cookie_domain: self.text("cookie_domain"),
            cors_origins: self.texts("cors_origins"),
            oauth_registration: ClientRegistration::parse(
                &self.text("oauth.registration").unwrap_or_default(),
            ),
            oauth_public_base: self.text("oauth_public_base"),
            audit_retention_days: self.by_name("audit.retention_days").as_i64(),
        }
    }
}

/// What an account that somebody registered waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// Nothing.
    None,
    /// Proof that its address or number is theirs.
    Identifier,
    /// An administrator.
    ManualReview,
}

/// The settings a tenant's behaviour depends on. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Fewest code points of a new password.
    pub password_min_length: usize,
    /// Whether a new password needs a special character.
    pub password_require_special: bool,
    /// Whether a new password needs a digit.
    pub password_require_numbers: bool,
    /// Whether a new password needs an upper-case letter.
    pub password_require_uppercase: bool,
    /// Whether a new password needs a lower-case letter.
    pub password_require_lowercase: bool,
    /// Whether a new password must withstand the strength estimator.
    pub password_prevent_dictionary: bool,
    /// The ways in that are open.
    pub allowed_login_methods: Vec<String>,
    /// The steps of signing in, if the tenant configured any.
    pub login_flow: Option<LoginFlow>,
    /// Whether one factor is never enough.
    pub require_mfa: bool,
    /// How long an unfinished sign-in may take.
    pub mfa_timeout: i64,
    /// For how many seconds after signing in a session may do what could take an account over.
    pub recent_seconds: i64,
    /// Whether whatever hands on what the user holds needs such a session, too.
    pub wants_recent: bool,
    /// Digits of a code that is sent.
    pub otp_length: usize,
    /// How long such a code is good.
    pub otp_timeout: i64,
    /// How long a link to sign in with is good.
    pub magic_link_timeout: i64,
    /// What a new account waits for.
    pub approval: Approval,
    /// Whether only who was invited or brought may register.
    pub invite_only: bool,
    /// Failed attempts per identifier and client …
    pub login_attempts_limit: u32,
    /// … within this many seconds.
    pub login_attempts_window: i64,
    /// Seconds without a refresh after which a session ends; none: never.
    pub session_inactivity_timeout: Option<i64>,
    /// Lifetime of access tokens.
    pub access_timeout: i64,
    /// Lifetime of sessions and their refresh tokens.
    pub refresh_timeout: i64,
    /// Whether refreshing advances the generation.
    pub refresh_token_rotation: bool,
    /// The `aud` of access tokens when the request names none.
    pub audience: Option<String>,
    /// Whether people may register themselves.
    pub registration_is_allowed: bool,
    /// Whether users may delete their own account.
    pub allow_self_deactivate: bool,
    /// Whether there are workspaces.
    pub workspace_enabled: bool,
    /// The language messages are written in.
    pub default_language: String,
    /// How many messages may be sent in a day.
    pub messages_per_day: u64,
    /// Prefixed to national phone numbers.
    pub default_country_code: Option<String>,
    /// When a captcha is asked for.
    pub captcha_mode: CaptchaMode,
    /// The largest number a captcha may hide: twice as many hashes as solving one takes on average.
    pub captcha_max_number: u64,
    /// Failures after which one is asked for, where that depends on them.
    pub captcha_tries: u64,
    /// The `Domain` of the access-token cookie.
    pub cookie_domain: Option<String>,
    /// Further origins that may call with credentials.
    pub cors_origins: Vec<String>,
    /// After how many days events are removed; none: never.
    pub audit_retention_days: Option<i64>,
    /// Whether applications register themselves.
    pub oauth_registration: ClientRegistration,
    /// Where the authorization endpoint is advertised, if not at the host's root (contract 9.7).
    pub oauth_public_base: Option<String>,
}

fn check(shape: Shape, value: &Value) -> Result<(), String> {
    let whole = |low: i64, high: i64| match value.as_i64() {
        Some(n) if (low..=high).contains(&n) => Ok(()),
        _ => Err(format!("must be a whole number from {low} to {high}")),
    };
    match shape {
        _ if value.is_null() => Ok(()),
        Shape::Int(low, high) | Shape::IntOrNull(low, high) => whole(low, high),
        Shape::Bool if value.is_boolean() => Ok(()),
        Shape::Bool => Err("must be true or false".to_owned()),
        Shape::OneOf(names) if value.as_str().is_some_and(|text| names.contains(&text)) => Ok(()),
        Shape::OneOf(names) => Err(format!("must be one of {}", names.join(", "))),
        Shape::Flow => LoginFlow::parse(value).map(drop),
        Shape::Text if value.as_str().is_some_and(|t| !t.is_empty() && t.len() <= 512) => Ok(()),
        Shape::Text => Err("must be a text of 1 to 512 characters, or null".to_owned()),
        Shape::Checked(check) => {
            value.as_str().map_or(Err("must be a text or null"), check).map_err(str::to_owned)
        }
        Shape::Each(fewest, check) => {
            let items = value.as_array().filter(|items| (fewest..=100).contains(&items.len()));
            let items = items.ok_or_else(|| format!("must be a list of {fewest} to 100 texts"))?;
            let each = |item: &Value| item.as_str().map_or(Err("each must be a text"), check);
            items.iter().try_for_each(each).map_err(str::to_owned)
        }
    }
}

/// The ways to sign in that have a name, whether this version has them or not.
const LOGIN_METHODS: &str = "password magic_link oauth passkey webauthn otp email/otp phone/otp totp backup_codes \
                             id_token qr telegram telegram_token";

/// What is open unless a tenant says otherwise.
const EVERY_METHOD: [&str; 10] = [
    "password",
    "email/otp",
    "phone/otp",
    "magic_link",
    "totp",
    "backup_codes",
    "webauthn",
    "oauth",
    "telegram_token",
    "qr",
];

fn login_method(text: &str) -> Result<(), &'static str> {
    let is_known = LOGIN_METHODS.split(' ').any(|known| known == text);
    if is_known { Ok(()) } else { Err("names an unknown way to sign in") }
}

/// A language tag as far as one needs it: `en`, `fa`, `pt-BR` (RFC 5646 section 2.1).
fn language(text: &str) -> Result<(), &'static str> {
    let is_part =
        |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    if text.len() <= 16 && text.split('-').all(is_part) {
        Ok(())
    } else {
        Err("must be a language such as en or fa")
    }
}

fn country_code(text: &str) -> Result<(), &'static str> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let fits = (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if fits { Ok(()) } else { Err("must be 1 to 4 digits, with or without +") }
}

/// A host name of two labels or more. Addresses can't be shared with siblings (RFC 6265 §5.1.3), and no top-level
/// domain begins with a digit.
fn cookie_domain(text: &str) -> Result<(), &'static str> {
    let is_normal = normalise_host(text).is_ok_and(|host| host == text);
    let top = text.rsplit_once('.').map(|(_, top)| top);
    let is_named = top.is_some_and(|top| top.starts_with(|c: char| c.is_ascii_alphabetic()));
    if is_normal && is_named {
        Ok(())
    } else {
        Err("must be a host name in lower case with at least two labels")
    }
}

/// Where the authorization endpoint is advertised, if not at the host's root.
fn public_base(text: &str) -> Result<(), &'static str> {
    if text == "/api/sso/v1" { Ok(()) } else { Err("must be /api/sso/v1, the other place it is at") }
}

/// An origin exactly as browsers send it (RFC 6454 §6.2).
fn origin(text: &str) -> Result<(), &'static str> {
    const WRONG: &str = "each must be an origin as browsers send it: https://app.example.com, with the port unless \
                         it is the scheme's own";
    let (scheme, authority) = text.split_once("://").ok_or(WRONG)?;
    let own_port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return Err(WRONG),
    };
    let host = normalise_host(authority).map_err(|_| WRONG)?;
    let port = match authority.strip_prefix(&*host) {
        Some("") => return Ok(()),
        Some(rest) => rest.strip_prefix(':').ok_or(WRONG)?,
        None => return Err(WRONG),
    };
    let is_exact = port.parse::<u16>().is_ok_and(|n| n != 0 && n != own_port && n.to_string() == port);
    if is_exact { Ok(()) } else { Err(WRONG) }
}

fn field_error(name: &str, msg: String) -> FieldError {
    let mut loc = vec!["body".into(), "config".into()];
    loc.extend(name.split('.').map(|part| part.to_owned().into()));
    FieldError { loc, msg, kind: "value".into() }
}

#[cfg(test)]
mod tests;
