//! Texting: Twilio, Kavenegar, or whoever takes a signed call.
//!
//! Each provider is a request to write and an answer to judge; who is spoken to where is a tenant's setting,
//! `messaging.sms`, or the operator's. What a provider says is not repeated in logs: it may repeat the message.

use crate::tenant::{TenantScope, sealed, signed_call};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::Serializer;
use kernel::{Internet, Letter, SendError, WebAnswer, WebRequest};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How long a provider may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// The providers there are, by the names of settings.
pub const NAMES: [&str; 3] = ["twilio", "kavenegar", "webhook"];

/// Who texts.
#[derive(Clone, PartialEq, Eq)]
pub enum Provider {
    /// Twilio's Messages resource.
    Twilio {
        /// Where it is.
        base: String,
        /// The account …
        account: String,
        /// … and its secret.
        token: String,
        /// The sender's number, or the id of a messaging service.
        from: String,
    },
    /// Kavenegar's `sms/send`.
    Kavenegar {
        /// Where it is.
        base: String,
        /// The key.
        key: String,
        /// The sender, if not the account's own.
        from: Option<String>,
    },
    /// A call to the tenant's own gateway, signed.
    Webhook {
        /// Where it is.
        url: String,
        /// What the signature is made with.
        secret: String,
    },
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Twilio { .. } => "Twilio",
            Self::Kavenegar { .. } => "Kavenegar",
            Self::Webhook { .. } => "Webhook",
        })
    }
}

impl Provider {
    /// The provider a tenant's settings name, if they say all it takes; else the operator's.
    pub fn of(tenant: &TenantScope) -> Option<Self> {
        let profile = tenant.profile();
        let own = profile.tenant.messaging.get("sms").and_then(Value::as_object);
        match own {
            Some(own) if own.contains_key("provider") => {
                Self::read(own, |name| own.get(name).and_then(|value| sealed::open(value, &profile.seal)))
            }
            _ => profile.delivery.texts.clone(),
        }
    }

    /// Reads settings; none when something is missing.
    pub fn read(own: &Map<String, Value>, secret: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let text = |name: &str| own.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let owned = |name: &str| text(name).map(str::to_owned);
        let base = |default: &str| text("base_url").unwrap_or(default).trim_end_matches('/').to_owned();
        Some(match text("provider")? {
            "twilio" => Self::Twilio {
                base: base("https://api.twilio.com"),
                account: owned("account_sid")?,
                token: secret("auth_token")?,
                from: owned("from").or_else(|| owned("from_number"))?,
            },
            "kavenegar" => Self::Kavenegar {
                base: base("https://api.kavenegar.com"),
                key: secret("api_key")?,
                from: owned("sender").or_else(|| owned("from")),
            },
            "webhook" => Self::Webhook { url: owned("url")?, secret: secret("secret")? },
            _ => return None,
        })
    }

    /// The request that sends a text. `now`: Unix seconds, for the signature.
    pub fn request(&self, to: &str, text: &str, now: i64) -> WebRequest {
        let form = |fields: &[(&str, &str)]| Serializer::new(String::new()).extend_pairs(fields).finish();
        let kind = ("content-type", "application/x-www-form-urlencoded".to_owned());
        match self {
            Self::Twilio { base, account, token, from } => {
                let sender = if from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
                WebRequest {
                    method: "POST",
                    url: format!("{base}/2010-04-01/Accounts/{}/Messages.json", segment(account)),
                    headers: vec![
                        ("authorization", format!("Basic {}", STANDARD.encode(format!("{account}:{token}")))),
                        kind,
                    ],
                    body: form(&[("To", to), (sender, from), ("Body", text)]).into_bytes(),
                }
            }
            Self::Kavenegar { base, key, from } => {
                let mut fields = vec![("receptor", to), ("message", text)];
                fields.extend(from.as_deref().map(|from| ("sender", from)));
                WebRequest {
                    method: "POST",
                    url: format!("{base}/v1/{}/sms/send.json", segment(key)),
                    headers: vec![kind],
                    body: form(&fields).into_bytes(),
                }
            }
            Self::Webhook { url, secret } => {
                signed_call::post(url, secret, &json!({ "to": to, "message": text, "channel": "sms" }), now)
            }
        }
    }

    /// Sends a text.
    ///
    /// # Errors
    /// Later, when nobody answers or the provider is busy; never, when it refuses.
    pub async fn send(&self, internet: &dyn Internet, letter: &Letter, now: i64) -> Result<(), SendError> {
        let request = self.request(&letter.to, &letter.text, now);
        let answer = tokio::time::timeout(PATIENCE, internet.send(request)).await;
        let Some(answer) = answer.ok().and_then(Result::ok) else {
            return Err(SendError::Later("the provider doesn't answer".to_owned()));
        };
        self.judge(&answer)
    }

    /// Kavenegar tells in the body how it went, and 409 when it is busy.
    fn judge(&self, answer: &WebAnswer) -> Result<(), SendError> {
        let told = match self {
            Self::Kavenegar { .. } => serde_json::from_slice::<Value>(&answer.body).ok(),
            _ => None,
        };
        let told = told.and_then(|body| body.get("return")?.get("status")?.as_u64());
        let status = told.and_then(|status| u16::try_from(status).ok()).unwrap_or(answer.status);
        let is_busy = matches!(self, Self::Kavenegar { .. }) && status == 409;
        match status {
            200..=299 => Ok(()),
            429 | 500.. => Err(SendError::Later(format!("the provider answered {status}"))),
            status if is_busy => Err(SendError::Later(format!("the provider answered {status}"))),
            status => Err(SendError::Refused(format!("the provider answered {status}"))),
        }
    }
}

/// What is wrong with a tenant's way to text, if anything: where, and in words.
///
/// # Errors
/// The first that is wrong. What is missing is not: then nothing is sent, and who asks for a text is told so.
pub fn check(own: &Map<String, Value>) -> Result<(), (&'static str, &'static str)> {
    let provider = own.get("provider").filter(|name| !name.is_null());
    if provider.is_some_and(|name| !NAMES.iter().any(|known| name == known)) {
        return Err(("provider", "must be twilio, kavenegar or webhook"));
    }
    for name in ["base_url", "url"] {
        match own.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(url)) => signed_call::check_address(url).map_err(|why| (name, why))?,
            Some(_) => return Err((name, "must be a text")),
        }
    }
    for name in ["account_sid", "from", "from_number", "sender"] {
        let is_text = |own: &Value| own.as_str().is_some_and(|text| (1..=64).contains(&text.len()));
        if own.get(name).is_some_and(|own| !own.is_null() && !is_text(own)) {
            return Err((name, "must be a text of 1 to 64 characters"));
        }
    }
    Ok(())
}

/// A part of a path, whatever it holds.
fn segment(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: Value) -> Option<Provider> {
        let own = settings.as_object().cloned().unwrap();
        let secrets = own.clone();
        Provider::read(&own, |name| secrets.get(name).and_then(Value::as_str).map(str::to_owned))
    }

    fn header<'a>(request: &'a WebRequest, name: &str) -> &'a str {
        request.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str()).unwrap()
    }

    #[test]
    fn twilio_is_called_as_it_wants() {
        let provider =
            read(json!({"provider": "twilio", "account_sid": "AC1", "auth_token": "t", "from": "+1555"}));
        let request = provider.unwrap().request("+98912", "123456 is your code", 0);
        assert_eq!(request.url, "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json");
        assert_eq!(header(&request, "authorization"), "Basic QUMxOnQ=");
        assert_eq!(request.body, b"To=%2B98912&From=%2B1555&Body=123456+is+your+code");
    }

    #[test]
    fn kavenegar_is_called_as_it_wants() {
        let settings =
            json!({"provider": "kavenegar", "api_key": "k/1", "sender": "1000", "base_url": "http://x/"});
        let request = read(settings).unwrap().request("+98912", "کد", 0);
        assert_eq!(request.url, "http://x/v1/k%2F1/sms/send.json");
        assert_eq!(request.body, "receptor=%2B98912&message=%DA%A9%D8%AF&sender=1000".as_bytes());
    }

    #[test]
    fn a_messaging_service_is_no_number() {
        let settings = json!({"provider": "twilio", "account_sid": "AC1", "auth_token": "t", "from": "MG7"});
        let request = read(settings).unwrap().request("+98912", "x", 0);
        assert_eq!(request.body, b"To=%2B98912&MessagingServiceSid=MG7&Body=x");
    }

    #[test]
    fn what_a_provider_answers_says_whether_to_try_again() {
        let twilio = json!({"provider": "twilio", "account_sid": "A", "auth_token": "t", "from": "+1"});
        let kavenegar = json!({"provider": "kavenegar", "api_key": "k"});
        let told = |status: u16| json!({"return": {"status": status, "message": "x"}}).to_string();
        let judged = |settings: &Value, status: u16, body: &str| {
            let answer = WebAnswer { status, body: body.as_bytes().to_vec() };
            match read(settings.clone()).unwrap().judge(&answer) {
                Ok(()) => "sent",
                Err(SendError::Later(_)) => "later",
                Err(SendError::Refused(_)) => "never",
            }
        };
        assert_eq!(judged(&twilio, 201, "{}"), "sent");
        assert_eq!(judged(&twilio, 429, "{}"), "later");
        assert_eq!(judged(&twilio, 503, ""), "later");
        assert_eq!(judged(&twilio, 400, "{}"), "never");
        assert_eq!(judged(&kavenegar, 200, &told(200)), "sent");
        assert_eq!(judged(&kavenegar, 200, &told(411)), "never");
        assert_eq!(judged(&kavenegar, 409, &told(409)), "later");
        assert_eq!(judged(&kavenegar, 200, "no JSON"), "sent");
    }

    #[test]
    fn settings_that_can_not_be_right_are_refused() {
        let wrong = |settings: Value| check(settings.as_object().unwrap()).unwrap_err().0;
        assert_eq!(wrong(json!({"provider": "pigeon"})), "provider");
        assert_eq!(wrong(json!({"provider": "webhook", "url": "gw.example"})), "url");
        assert_eq!(wrong(json!({"base_url": "https://u:p@x.example"})), "base_url");
        assert_eq!(wrong(json!({"from": 1})), "from");
        // The example of the multi-tenancy guide.
        let guide = json!({"provider": "twilio", "account_sid": "...", "auth_token": "..."});
        assert_eq!(check(guide.as_object().unwrap()), Ok(()));
    }

    #[test]
    fn a_provider_that_lacks_something_is_none() {
        assert_eq!(read(json!({"provider": "twilio", "account_sid": "AC1", "from": "+1555"})), None);
        assert_eq!(read(json!({"provider": "pigeon"})), None);
        assert_eq!(read(json!({})), None);
    }
}
