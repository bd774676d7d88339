//! What everybody may know of a tenant (contract 6.9).

pub mod routes;

use super::model::Tenant;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

// Named one by one: what a tenant keeps besides is nobody's business.
const BRANDING: [&str; 9] = [
    "logo_url",
    "logo",
    "primary_color",
    "secondary_color",
    "company_name",
    "support_email",
    "font_family",
    "favicon",
    "custom_css",
];
const LEGAL: [&str; 5] =
    ["terms_url", "privacy_url", "imprint_url", "cookie_policy_url", "data_processing_agreement_url"];
const AUTH: [&str; 9] = [
    "allowed_login_methods",
    "otp_length",
    "require_mfa",
    "password_min_length",
    "password_require_special",
    "password_require_numbers",
    "password_require_uppercase",
    "password_require_lowercase",
    "password_prevent_dictionary",
];

/// What everybody may know of a tenant.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PublicTenantConfig {
    /// Its id.
    pub tenant_id: String,
    /// For people.
    pub name: String,
    /// Logo, colours, address of the support.
    #[schema(value_type = Object)]
    pub branding: Map<String, Value>,
    /// Terms, privacy notice, imprint.
    #[schema(value_type = Object)]
    pub legal: Map<String, Value>,
    /// Where to go after signing in.
    pub default_redirect_url: String,
    /// How to sign in, and what a new password must be like.
    #[schema(value_type = Object)]
    pub auth: Map<String, Value>,
    /// Names of the providers one may sign in with.
    pub integration: Vec<String>,
    /// Whether there are workspaces.
    #[schema(value_type = Object)]
    pub workspace: Map<String, Value>,
    /// Whether people register themselves.
    #[schema(value_type = Object)]
    pub registration: Map<String, Value>,
    /// Whether a captcha is asked for.
    #[schema(value_type = Object)]
    pub captcha: Map<String, Value>,
}

impl From<&Tenant> for PublicTenantConfig {
    fn from(tenant: &Tenant) -> Self {
        let config = tenant.config.view();
        let part = |name: &str| config.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut branding = only(&part("branding"), &BRANDING);
        branding.extend(only(&tenant.branding, &BRANDING));
        let providers = part("integration").remove("oauth_providers");
        let names = providers.as_ref().and_then(Value::as_object).map(|p| p.keys().cloned().collect());
        let redirect = config.get("default_redirect_url").and_then(Value::as_str).unwrap_or("/");
        Self {
            tenant_id: tenant.id.as_str().to_owned(),
            name: tenant.name.clone(),
            branding,
            legal: only(&part("legal"), &LEGAL),
            default_redirect_url: redirect.to_owned(),
            auth: auth(&part("auth")),
            integration: names.unwrap_or_default(),
            workspace: only(&part("workspace"), &["enabled"]),
            registration: only(&part("registration"), &["is_allowed"]),
            captcha: captcha(&part("captcha")),
        }
    }
}

fn auth(part: &Map<String, Value>) -> Map<String, Value> {
    let mut shown = only(part, &AUTH);
    // A page must know what to ask for first.
    if let Some(flow) = part.get("login_flow") {
        shown.insert("login_flow".to_owned(), flow.clone());
    }
    shown
}

fn captcha(part: &Map<String, Value>) -> Map<String, Value> {
    let mut shown = only(part, &["mode"]);
    shown.insert("enabled".to_owned(), json!(part.get("mode").is_some_and(|mode| mode != "off")));
    shown
}

/// Plain values of these names.
fn only(part: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    let is_public = |name: &&String, value: &&Value| names.contains(&name.as_str()) && !value.is_object();
    part.iter().filter(|(name, value)| is_public(name, value)).map(|(n, v)| (n.clone(), v.clone())).collect()
}
