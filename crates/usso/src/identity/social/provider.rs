//! The providers a tenant has set up: `integration.oauth_providers` of its settings.

use super::error::SocialError;
use crate::tenant::{TenantScope, sealed};
use secrecy::SecretString;
use serde_json::{Map, Value};

/// How a provider speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialect {
    /// OpenID Connect Core 1.0: endpoints and keys by discovery, the user in an id token.
    Oidc {
        /// The issuer.
        issuer: String,
    },
    /// OAuth 2.0: the user behind an endpoint.
    OAuth {
        /// Where people agree.
        authorize: String,
        /// Where codes are redeemed.
        token: String,
        /// Where the user is told of.
        userinfo: String,
        /// Where their addresses are, if apart (GitHub).
        emails: Option<String>,
    },
}

/// A provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name in paths.
    pub name: String,
    /// How it speaks.
    pub dialect: Dialect,
    /// What we are called there.
    pub client_id: String,
    /// What proves it; of Apple the private key that signs it.
    pub client_secret: SecretString,
    /// Where it sends browsers back to, if not to our own address.
    pub redirect_uri: Option<String>,
    /// What is asked for.
    pub scopes: String,
    /// Team and key id at Apple, whose secrets are signed.
    pub apple: Option<(String, String)>,
}

/// What the well-known ones are like: kind, issuer or endpoints, scopes.
struct Known {
    kind: &'static str,
    issuer: Option<&'static str>,
    scopes: &'static str,
}

const KNOWN: [Known; 4] = [
    Known { kind: "google", issuer: Some("https://accounts.google.com"), scopes: "openid email profile" },
    Known { kind: "gitlab", issuer: Some("https://gitlab.com"), scopes: "openid email profile" },
    Known { kind: "apple", issuer: Some("https://appleid.apple.com"), scopes: "openid email name" },
    Known { kind: "github", issuer: None, scopes: "read:user user:email" },
];

const GITHUB: [(&str, &str); 4] = [
    ("authorize_url", "https://github.com/login/oauth/authorize"),
    ("token_url", "https://github.com/login/oauth/access_token"),
    ("userinfo_url", "https://api.github.com/user"),
    ("emails_url", "https://api.github.com/user/emails"),
];

/// A provider of the tenant.
///
/// # Errors
/// [`SocialError::NotFound`]; [`SocialError::Misconfigured`] with what is missing.
pub fn find(tenant: &TenantScope, name: &str) -> Result<Provider, SocialError> {
    let config = tenant.profile().tenant.config.extra();
    let providers = config.get("integration").and_then(|own| own.get("oauth_providers"));
    let is_name = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    let found = providers.and_then(|all| all.get(name)).and_then(Value::as_object);
    let settings = found.filter(|_| is_name).ok_or(SocialError::NotFound)?;
    let secret = settings.get("client_secret").and_then(|own| sealed::open(own, &tenant.profile().seal));
    read(name, settings, secret)
}

fn read(name: &str, settings: &Map<String, Value>, secret: Option<String>) -> Result<Provider, SocialError> {
    let text = |key: &str| settings.get(key).and_then(Value::as_str).map(str::to_owned);
    let kind = text("kind").unwrap_or_else(|| name.to_owned());
    let known = KNOWN.iter().find(|known| known.kind == kind);
    let needed = |key: &'static str| text(key).ok_or(SocialError::Misconfigured(key));
    let is_github = kind == "github";
    let endpoint = |key: &'static str| {
        let usual = GITHUB.iter().find(|(own, _)| is_github && *own == key);
        text(key).or_else(|| usual.map(|(_, url)| (*url).to_owned()))
    };
    let issuer = text("issuer").or_else(|| known.and_then(|known| known.issuer).map(str::to_owned));
    let dialect = match issuer {
        Some(issuer) => Dialect::Oidc { issuer: issuer.trim_end_matches('/').to_owned() },
        None => Dialect::OAuth {
            authorize: endpoint("authorize_url").ok_or(SocialError::Misconfigured("authorize_url"))?,
            token: endpoint("token_url").ok_or(SocialError::Misconfigured("token_url"))?,
            userinfo: endpoint("userinfo_url").ok_or(SocialError::Misconfigured("userinfo_url"))?,
            emails: endpoint("emails_url"),
        },
    };
    let usual = match &dialect {
        Dialect::Oidc { .. } => "openid email profile",
        Dialect::OAuth { .. } => "",
    };
    let apple = if kind == "apple" { Some((needed("team_id")?, needed("key_id")?)) } else { None };
    Ok(Provider {
        name: name.to_owned(),
        client_id: needed("client_id")?,
        client_secret: secret.ok_or(SocialError::Misconfigured("client_secret"))?.into(),
        redirect_uri: text("redirect_uri"),
        scopes: scopes(settings).unwrap_or_else(|| known.map_or(usual, |known| known.scopes).to_owned()),
        apple,
        dialect,
    })
}

/// The scopes as a list or as one text. Without `openid` there is no id token.
fn scopes(settings: &Map<String, Value>) -> Option<String> {
    let named = match settings.get("scopes")? {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => return None,
    };
    (!named.trim().is_empty()).then_some(named)
}

impl Provider {
    /// Under whose name its subjects are kept: two providers never share one.
    pub fn authority(&self) -> &str {
        match &self.dialect {
            Dialect::Oidc { issuer } => issuer,
            Dialect::OAuth { .. } => &self.name,
        }
    }

    /// Whether it answers by a form that the browser posts from its page (Apple).
    pub fn posts(&self) -> bool {
        self.apple.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn provider(name: &str, settings: Value) -> Result<Provider, SocialError> {
        read(name, settings.as_object().unwrap(), Some("secret".to_owned()))
    }

    #[test]
    fn the_well_known_ones_need_no_addresses() {
        for (name, authority) in [
            ("google", "https://accounts.google.com"),
            ("gitlab", "https://gitlab.com"),
            ("github", "github"),
        ] {
            assert_eq!(provider(name, json!({"client_id": "a"})).unwrap().authority(), authority);
        }
        let apple = json!({"client_id": "a", "team_id": "T", "key_id": "K"});
        assert!(provider("apple", apple).unwrap().posts());
    }

    #[test]
    fn any_other_needs_an_issuer_or_three_addresses() {
        let refused = provider("corp", json!({"client_id": "a"})).unwrap_err();
        assert!(matches!(refused, SocialError::Misconfigured("authorize_url")), "{refused}");
        let oidc = provider("corp", json!({"client_id": "a", "issuer": "https://id.corp.example/"})).unwrap();
        assert_eq!(oidc.dialect, Dialect::Oidc { issuer: "https://id.corp.example".to_owned() });
        let refused = provider("corp", json!({"issuer": "https://id.corp.example"})).unwrap_err();
        assert!(matches!(refused, SocialError::Misconfigured("client_id")), "{refused}");
    }
}
