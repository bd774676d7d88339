//! `/tenants/config`: what everybody may know of a tenant.

use crate::app::{Requests, TestApp};
use serde_json::json;

#[tokio::test]
async fn a_sign_in_page_learns_what_it_needs_without_a_credential() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let change = json!({
        "branding": {"logo_url": "https://company-a.com/logo.svg", "internal_note": "canary-branding"},
        "config": {
            "password_min_length": 12,
            "allowed_login_methods": ["password", "totp"],
            "default_redirect_url": "/home",
            "legal": {"terms_url": "https://company-a.com/terms", "lawyer": "canary-legal"},
            "registration": {"is_allowed": false, "note": "canary-registration"},
            "integration": {"oauth_providers": {"google": {"client_id": "canary-id", "client_secret": "canary-secret"}}},
        },
        "messaging": {"email": {"smtp_host": "canary-host", "smtp_password": "canary-password"}},
        "custom_payload": {"plan": "canary-plan"},
    });
    tenant.admin().patch("/tenants/org_company_a", change).await.expect(200);
    let config = app.on_host("company-a.com").get("/tenants/config").await.expect(200);
    assert_eq!((&config["tenant_id"], &config["name"]), (&json!("org_company_a"), &json!("Company A")));
    assert_eq!(config["branding"], json!({"logo_url": "https://company-a.com/logo.svg"}));
    assert_eq!(config["legal"], json!({"terms_url": "https://company-a.com/terms"}));
    assert_eq!(config["default_redirect_url"], "/home");
    assert_eq!(
        (&config["auth"]["password_min_length"], &config["auth"]["require_mfa"]),
        (&json!(12), &json!(false))
    );
    assert_eq!(config["auth"]["allowed_login_methods"], json!(["password", "totp"]));
    assert_eq!(config["registration"], json!({"is_allowed": false}));
    assert_eq!(config["integration"], json!(["google"]));
    assert!(!config.text().contains("canary"), "{}", config.text());
}

#[tokio::test]
async fn each_tenant_has_its_own() {
    let app = TestApp::new().await;
    app.tenant("Company A", &["company-a.com"]).await;
    let own = app.on_host("localhost:8000").get("/tenants/config").await.expect(200);
    assert_eq!((&own["tenant_id"], &own["default_redirect_url"]), (&json!("org_default"), &json!("/")));
    let named = app.anonymous().with_header("x-tenant-id", "org_company_a").get("/tenants/config").await;
    assert_eq!(named.expect(200)["tenant_id"], "org_company_a");
}

#[tokio::test]
async fn an_unknown_host_gets_none() {
    let app = TestApp::new().await;
    app.on_host("stranger.example").get("/tenants/config").await.problem(400, "TENANT_NOT_FOUND");
}
