//! `[sms]`: who texts when a tenant has nobody of its own.

use crate::config::secret::Secret;
use crate::config::setting::{Invalid, section};
use crate::tenant::messaging::providers::{NAMES, Provider};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

section! {
    /// Who texts when a tenant has nobody of its own. The names mean what they mean in a tenant's `messaging.sms`.
    Sms sms {
        /// `twilio`, `kavenegar`, or `webhook`: a signed call to a gateway of your own. Without it nothing is texted.
        provider: Option<String> = None, shown "none", example "\"twilio\"", env "SMS_PROVIDER";
        /// The account at Twilio.
        account_sid: Option<String> = None, shown "none", example "\"AC0123\"", env "SMS_ACCOUNT_SID";
        /// The account's secret at Twilio.
        auth_token: Option<Secret> = None, shown "none", env "SMS_AUTH_TOKEN";
        /// The key at Kavenegar.
        api_key: Option<Secret> = None, shown "none", env "SMS_API_KEY";
        /// The number that texts come from; at Twilio also the id of a messaging service.
        sender: Option<String> = None, shown "none", example "\"+15550100\"", env "SMS_SENDER";
        /// The gateway that a signed call goes to.
        url: Option<String> = None, shown "none", example "\"https://sms.example.com/send\"", env "SMS_URL";
        /// What that call is signed with.
        secret: Option<Secret> = None, shown "none", env "SMS_SECRET";
        /// Where the provider is, if not at its own address.
        base_url: Option<String> = None, shown "the provider's", example "\"https://sms-proxy.example.com\"";
    }
}

impl Sms {
    /// Checks that the provider is known and has what it needs.
    ///
    /// # Errors
    /// [`Invalid`] for an unknown provider, or one that lacks something.
    pub fn validate(&self) -> Result<(), Invalid> {
        let Some(name) = &self.provider else { return Ok(()) };
        let is_known = NAMES.contains(&name.as_str());
        Invalid::unless(is_known, "sms.provider", "must be twilio, kavenegar or webhook")?;
        let needs = match name.as_str() {
            "twilio" => "needs sms.account_sid, sms.auth_token and sms.sender as well",
            "kavenegar" => "needs sms.api_key as well",
            _ => "needs sms.url and sms.secret as well",
        };
        Invalid::unless(self.texts().is_some(), "sms.provider", needs)
    }

    /// Who texts.
    pub fn texts(&self) -> Option<Provider> {
        let plain = [
            ("provider", &self.provider),
            ("account_sid", &self.account_sid),
            ("from", &self.sender),
            ("url", &self.url),
            ("base_url", &self.base_url),
        ];
        let plain: Map<String, Value> = plain
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())))
            .collect();
        Provider::read(&plain, |name| {
            let secret = match name {
                "auth_token" => &self.auth_token,
                "api_key" => &self.api_key,
                _ => &self.secret,
            };
            secret.as_ref().map(|secret| secret.secret().expose_secret().to_owned())
        })
    }
}
