//! The ways in that begin without an identifier, as far as a tenant has them open.

use crate::http::Tenant;
use crate::identity::sign_in::proof::Method;
use crate::identity::social::{may_begin, provider, telegram};
use crate::tenant::tenants::relying_party;
use crate::web::page::Page;

/// A provider to sign in with.
pub struct Provider {
    /// Where the browser goes.
    pub url: String,
    /// What its button says.
    pub label: String,
}

/// What there is.
pub struct Ways {
    /// Passkeys.
    pub passkey: bool,
    /// A device that is signed in.
    pub qr: bool,
    /// Others' accounts.
    pub providers: Vec<Provider>,
    /// Telegram.
    pub telegram: Option<String>,
}

impl Ways {
    /// A tenant's.
    pub fn of(page: &Page, flow: &str, return_to: &str) -> Self {
        let settings = &page.scope().profile().settings;
        Self {
            passkey: has_passkeys(&page.tenant),
            qr: may_begin(settings, Method::Qr),
            providers: if may_begin(settings, Method::Oauth) {
                providers(page, return_to)
            } else {
                Vec::new()
            },
            telegram: telegram::bot_id(page.scope())
                .filter(|_| may_begin(settings, Method::Telegram))
                .map(|_| page.with("/login/telegram", &[("flow", flow)])),
        }
    }

    /// Whether there is any.
    pub fn any(&self) -> bool {
        self.passkey || self.qr || !self.providers.is_empty() || self.telegram.is_some()
    }
}

/// Whether somebody may begin with a passkey here.
pub fn has_passkeys(tenant: &Tenant) -> bool {
    may_begin(&tenant.scope.profile().settings, Method::Webauthn)
        && relying_party::rp_id(&tenant.scope, &tenant.addressed).is_some()
}

fn providers(page: &Page, return_to: &str) -> Vec<Provider> {
    let config = page.scope().profile().tenant.config.extra();
    let all =
        config.get("integration").and_then(|own| own.get("oauth_providers")).and_then(|all| all.as_object());
    let usable = all.into_iter().flatten().filter(|(name, _)| provider::find(page.scope(), name).is_ok());
    // By way of the page that notes who is signed in.
    let arrival = page.with("/signed-in", &[("return_to", return_to)]);
    let button = |(name, settings): (&String, &serde_json::Value)| {
        let title =
            settings.get("label").and_then(|label| label.as_str()).map_or_else(|| title(name), str::to_owned);
        let path = format!("/api/sso/v1/auth/oauth/{name}/authorize");
        Provider {
            url: page.with(&path, &[("return_to", arrival.as_str())]),
            label: page.put(page.t.with_provider, &[("provider", &title)]),
        }
    };
    usable.map(button).collect()
}

/// A provider's name as people write it.
fn title(name: &str) -> String {
    match name {
        "github" => "GitHub".to_owned(),
        "gitlab" => "GitLab".to_owned(),
        _ => {
            let mut letters = name.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        }
    }
}
