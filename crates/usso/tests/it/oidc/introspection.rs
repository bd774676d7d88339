//! Introspection (RFC 7662).

use super::{Rp, oauth_error, signed_in};
use crate::app::{ORIGIN, Requests, TestApp};
use serde_json::json;

#[tokio::test]
async fn int_01_only_clients_that_prove_who_they_are_may_ask() {
    let app = TestApp::new().await;
    let rp = Rp::public(&app.system_admin().await).await;
    let tokens = rp.tokens(&signed_in(&app, "alice").await, &[]).await;
    oauth_error(
        &rp.post("introspect", &[("token", tokens.str("access_token"))]).await,
        401,
        "invalid_client",
    );
    let nobody =
        app.anonymous().form("ROOT/oauth/introspect", &[("token", tokens.str("access_token"))]).await;
    oauth_error(&nobody, 401, "invalid_client");
    let user =
        app.user("alice").await.form("ROOT/oauth/introspect", &[("token", tokens.str("access_token"))]).await;
    oauth_error(&user, 401, "invalid_client");
}

#[tokio::test]
async fn int_02_what_is_worth_nothing_or_somebody_elses_is_inactive_and_nothing_more() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let (rp, other) = (Rp::new(&admin, json!({})).await, Rp::new(&admin, json!({})).await);
    let b = app.tenant("Company B", &["company-b.com"]).await;
    let foreign = Rp::new(&b.admin(), json!({})).await;
    let browser = signed_in(&app, "alice").await;
    let tokens = rp.tokens(&browser, &[]).await;
    let inactive = json!({"active": false});
    for (asker, token) in [
        (&rp, "x"),
        (&rp, tokens.str("id_token")),
        (&rp, app.user("alice").await.refresh()),
        (&other, tokens.str("access_token")),
        (&other, tokens.str("refresh_token")),
        (&foreign, tokens.str("access_token")),
        (&foreign, tokens.str("refresh_token")),
    ] {
        assert_eq!(asker.post("introspect", &[("token", token)]).await.expect(200).json, inactive);
    }
    app.wait(3_601);
    assert_eq!(
        rp.post("introspect", &[("token", tokens.str("access_token"))]).await.expect(200).json,
        inactive
    );
    oauth_error(&rp.post("introspect", &[]).await, 400, "invalid_request");
    let json = app.anonymous().post("ROOT/oauth/introspect", json!({"token": "x"})).await;
    oauth_error(&json, 415, "invalid_request");
}

#[tokio::test]
async fn int_03_what_is_active_is_described() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let rp = Rp::new(&admin, json!({"audiences": ["https://api.example.com"]})).await;
    let api = Rp::new(&admin, json!({"audiences": ["https://api.example.com"]})).await;
    let browser = signed_in(&app, "alice").await;
    let tokens =
        rp.tokens(&browser, &[("scope", "openid email"), ("resource", "https://api.example.com")]).await;
    for asker in [&rp, &api] {
        let told = asker.post("introspect", &[("token", tokens.str("access_token"))]).await.expect(200);
        assert_eq!(
            (&told["active"], told.str("scope"), told.str("client_id")),
            (&json!(true), "openid email", &rp.id[..])
        );
        assert_eq!((told.str("iss"), told.str("aud")), (ORIGIN, "https://api.example.com"));
        assert_eq!((told.str("token_type"), told.str("tenant_id")), ("Bearer", "org_default"));
        assert!(told["exp"].is_i64() && told["iat"].is_i64() && told.str("sub").starts_with("user:"));
        assert!(told.str("jti").starts_with("jwt_") && !told.str("username").is_empty());
        assert_eq!(told.header("cache-control"), Some("no-store"));
    }
    let refresh = rp.post("introspect", &[("token", tokens.str("refresh_token"))]).await.expect(200);
    assert_eq!(refresh["active"], true);
    // A first-party token without an audience is for every application of the tenant.
    let alice = app.user("alice").await;
    assert_eq!(rp.post("introspect", &[("token", alice.access())]).await.expect(200)["active"], true);
}
