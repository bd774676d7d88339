//! A tenant's settings in both vocabularies (contract 6.9).

use crate::app::{Requests, TestApp};
use serde_json::{Value, json};

/// Each pair that is one setting, its default, and another value.
fn pairs() -> Vec<(&'static str, &'static str, Value, Value)> {
    vec![
        (
            "allowed_login_methods",
            "/auth/allowed_login_methods",
            json!([
                "password",
                "email/otp",
                "phone/otp",
                "magic_link",
                "totp",
                "backup_codes",
                "webauthn",
                "oauth",
                "telegram_token",
                "qr"
            ]),
            json!(["password", "passkey"]),
        ),
        ("require_mfa", "/auth/require_mfa", json!(false), json!(false)),
        ("password_min_length", "/auth/password_min_length", json!(8), json!(12)),
        ("password_require_special", "/auth/password_require_special", json!(true), json!(false)),
        ("session_timeout", "/token/access_timeout", json!(3600), json!(900)),
        ("refresh_token_ttl", "/token/refresh_timeout", json!(2_592_000), json!(86_400)),
        ("login_attempts_limit", "/auth/login_attempts_limit", json!(5), json!(9)),
        ("login_attempts_window", "/auth/login_attempts_window", json!(300), json!(60)),
    ]
}

fn nested(path: &str, value: &Value) -> Value {
    let (group, name) = path.trim_start_matches('/').split_once('/').expect("a group");
    json!({ group: { name: value } })
}

#[tokio::test]
async fn each_pair_is_one_setting_under_either_name() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let admin = tenant.admin();
    let patch = async |config: &Value| {
        let body = json!({ "config": config });
        admin.patch("/tenants/org_company_a", body).await.expect(200)["config"].clone()
    };
    for (flat, path, default, other) in pairs() {
        for (set, reset) in [
            (json!({ flat: other }), nested(path, &Value::Null)),
            (nested(path, &other), json!({ flat: null })),
        ] {
            let config = patch(&set).await;
            assert_eq!((&config[flat], config.pointer(path)), (&other, Some(&other)), "{set}");
            let config = patch(&reset).await;
            assert_eq!((&config[flat], config.pointer(path)), (&default, Some(&default)), "{reset}");
        }
    }
}

#[tokio::test]
async fn settings_can_be_sent_back_as_they_were_shown() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let admin = tenant.admin();
    let mut config = json!({
        "templates": {"welcome": {"subject": "Hello"}}, "image_captcha_tries": 3, "auth": {"otp_length": 8},
        "integration": {"oauth_providers": {"g": {"client_id": "x", "client_secret": "canary-oauth-21"}}},
    });
    for (flat, path, _, other) in pairs() {
        config[flat] = other.clone();
        let (group, name) = path.trim_start_matches('/').split_once('/').expect("a group");
        config[group][name] = other;
    }
    let set = json!({ "config": config });
    let shown = admin.patch("/tenants/org_company_a", set).await.expect(200);
    assert!(!shown.text().contains("canary-oauth-21"));
    let back = json!({ "config": shown["config"] });
    let again = admin.patch("/tenants/org_company_a", back).await.expect(200);
    assert_eq!(shown["config"], again["config"]);
    let read = admin.get("/tenants/org_company_a").await.expect(200);
    assert_eq!(shown["config"], read["config"]);
}
