//! Texting: Twilio, Kavenegar, or whoever takes a signed call.
//!
//! Each provider is a request to write and an answer to judge; who is spoken to where is a tenant's setting,
//! `messaging.sms`. What a provider says is not repeated in logs: it may repeat the message.

use crate::tenant::TenantScope;
use crate::tenant::sealed;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::Serializer;
use kernel::{Internet, Letter, SendError, WebRequest};
use protocol::b64url;
use protocol::seal::MacKey;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How long a provider may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// A tenant's provider.
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
        /// The sender.
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
    /// The provider a tenant's settings name, if they say all it takes.
    pub fn of(tenant: &TenantScope) -> Option<Self> {
        let profile = tenant.profile();
        let own = profile.tenant.messaging.get("sms")?.as_object()?;
        let secret = |name: &str| own.get(name).and_then(|value| sealed::open(value, &profile.seal));
        Self::read(own, secret)
    }

    fn read(own: &Map<String, Value>, secret: impl Fn(&str) -> Option<String>) -> Option<Self> {
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
                from: owned("from").or_else(|| owned("sender")),
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
            Self::Twilio { base, account, token, from } => WebRequest {
                method: "POST",
                url: format!("{base}/2010-04-01/Accounts/{}/Messages.json", segment(account)),
                headers: vec![
                    ("authorization", format!("Basic {}", STANDARD.encode(format!("{account}:{token}")))),
                    kind,
                ],
                body: form(&[("To", to), ("From", from), ("Body", text)]).into_bytes(),
            },
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
                let body = json!({ "to": to, "message": text, "channel": "sms" }).to_string();
                let signed = MacKey::from_secret(secret.as_bytes()).tag(format!("{now}.{body}").as_bytes());
                WebRequest {
                    method: "POST",
                    url: url.clone(),
                    headers: vec![
                        ("content-type", "application/json".to_owned()),
                        ("x-usso-timestamp", now.to_string()),
                        ("x-usso-signature", format!("sha256={}", b64url::encode(signed))),
                    ],
                    body: body.into_bytes(),
                }
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
        match answer.status {
            200..=299 => Ok(()),
            429 | 500.. => Err(SendError::Later(format!("the provider answered {}", answer.status))),
            status => Err(SendError::Refused(format!("the provider answered {status}"))),
        }
    }
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
    fn a_webhook_is_signed_with_its_time() {
        let settings = json!({"provider": "webhook", "url": "https://gw.example/sms", "secret": "s"});
        let request = read(settings).unwrap().request("+98912", "hello", 1_800_000_000);
        let body = String::from_utf8(request.body.clone()).unwrap();
        let tag = MacKey::from_secret(b"s").tag(format!("1800000000.{body}").as_bytes());
        assert_eq!(header(&request, "x-usso-signature"), format!("sha256={}", b64url::encode(tag)));
        assert_eq!(header(&request, "x-usso-timestamp"), "1800000000");
    }

    #[test]
    fn a_provider_that_lacks_something_is_none() {
        assert_eq!(read(json!({"provider": "twilio", "account_sid": "AC1", "from": "+1555"})), None);
        assert_eq!(read(json!({"provider": "pigeon"})), None);
        assert_eq!(read(json!({})), None);
    }
}
