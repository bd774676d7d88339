//! Access tokens for clients (RFC 9068, RFC 8707, contract 2.3, 2.4).

use super::{Rp, claims, oauth_error, signed_in};
use crate::app::token::Jwt;
use crate::app::{ORIGIN, Requests, TestApp};
use serde_json::json;

#[tokio::test]
async fn tok_04_a_token_has_the_claims_of_the_profile_and_ours() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::foreign(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let asked = rp.authorize(&browser, &[("scope", "openid email")]).await;
    let decided = browser
        .post(&format!("/oauth/consent?state={}&consent=true", super::handle(&asked)), ())
        .await
        .expect(200);
    let code = decided.str("url").split_once("code=").unwrap().1.split('&').next().unwrap().to_owned();
    let tokens = rp.redeem(&code).await.expect(200);
    assert_eq!((tokens.str("token_type"), &tokens["expires_in"]), ("Bearer", &json!(3600)));
    assert_eq!(
        (tokens.header("cache-control"), tokens.header("pragma")),
        (Some("no-store"), Some("no-cache"))
    );
    let token = Jwt::decode(tokens.str("access_token"));
    assert_eq!((&token.header["typ"], &token.header["alg"]), (&json!("at+jwt"), &json!("EdDSA")));
    let said = token.claims;
    assert_eq!(
        (&said["iss"], &said["aud"], &said["client_id"]),
        (&json!(ORIGIN), &json!(rp.id), &json!(rp.id))
    );
    assert_eq!(
        (&said["scope"], &said["scopes"], &said["roles"]),
        (&json!("openid email"), &json!([]), &json!([]))
    );
    assert_eq!(
        (&said["token_type"], &said["tenant_id"], &said["sub_type"]),
        (&json!("access"), &json!("org_default"), &json!("user"))
    );
    assert_eq!((&said["acr"], &said["amr"]), (&json!("usso:acr:1"), &json!(["password"])));
    assert!(said["auth_time"].is_i64() && said["jti"].as_str().unwrap().starts_with("jwt_"));
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 3600);
    // What was not asked for is not told.
    assert!(said["user_name"].is_null() && said["phone"].is_null() && said["username"].is_null());
}

#[tokio::test]
async fn a_token_opens_the_api_with_its_scopes_and_never_as_the_user_themself() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let alice = app.user("alice").await;
    app.change_user(&alice, |user| user.scopes = vec!["manage:users".into(), "read:posts".into()]).await;
    let browser = super::sign_in(&app.browser(), &alice.identifier).await;
    let scope = "openid read:users read:posts";
    let rp = Rp::new(&admin, json!({"scope": format!("{scope} profile")})).await;
    let tokens = rp.tokens(&browser, &[("scope", scope)]).await;
    let client = app.anonymous().with_token(tokens.str("access_token"));
    let scopes = claims(tokens.str("access_token"))["scopes"].to_string();
    assert!(
        scopes.contains("\"read:users\"") && scopes.contains("\"read:posts\"") && !scopes.contains("manage"),
        "{scopes}"
    );
    client.get("/users").await.expect(200);
    client.post("/users", json!({"identifier": "x@example.com"})).await.problem(403, "PERMISSION_DENIED");
    let me = client.get("/me").await.expect(200);
    assert_eq!((me.str("sub"), &me["email"], &me["name"]), (alice.id(), &json!(null), &json!(null)));
    // No client changes how its user signs in, makes keys in their name or ends their sessions.
    client.post("/apikeys", json!({"scopes": []})).await.is_not(201);
    client
        .post("/auth/change-password", json!({"old_password": "canary-a", "new_password": "canary-b"}))
        .await
        .is_not(204);
    client.delete(&format!("/sessions/{}", alice.session_id())).await.is_not(200);
    client.send("DELETE", &format!("/oauth/consents/{}", rp.id), ()).await.problem(404, "NOT_FOUND");
    // Nor does it consent for them.
    client.get("/oauth/consent?state=x").await.problem(401, "NOT_AUTHENTICATED");
    // What the user loses, the token loses.
    app.change_user(&alice, |user| user.scopes.clear()).await;
    client.get("/users").await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn tok_08_a_resource_limits_the_audience_and_an_unknown_one_is_rejected() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let rp = Rp::new(&admin, json!({"audiences": ["https://api.example.com"]})).await;
    let browser = signed_in(&app, "alice").await;
    let tokens = rp.tokens(&browser, &[("resource", "https://api.example.com")]).await;
    assert_eq!(claims(tokens.str("access_token"))["aud"], "https://api.example.com");
    let refreshed = rp.refresh(tokens.str("refresh_token")).await.expect(200);
    assert_eq!(claims(refreshed.str("access_token"))["aud"], "https://api.example.com");
    let code = rp.code(&browser, &[("resource", "https://api.example.com")]).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", super::CALLBACK),
        ("code_verifier", super::VERIFIER),
        ("resource", rp.id.as_str()),
    ];
    oauth_error(&rp.token(&fields).await, 400, "invalid_target");
    rp.redeem(&code).await.expect(200);
    let wrong = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refreshed.str("refresh_token")),
        ("resource", "https://x"),
    ];
    oauth_error(&rp.token(&wrong).await, 400, "invalid_target");
    let two = [wrong[0], wrong[1], ("resource", "https://api.example.com"), ("resource", "https://x")];
    oauth_error(&rp.token(&two).await, 400, "invalid_target");
}

#[tokio::test]
async fn a_session_of_a_client_is_a_session_among_others() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::public(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let tokens = rp.tokens(&browser, &[]).await;
    let listed = browser.get("/sessions").await.expect(200);
    let own =
        listed.items().iter().find(|s| s["session_type"] == "oauth_session").expect("it is listed").clone();
    assert_eq!(
        (&own["client_id"], &own["scope"], &own["is_active"]),
        (&json!(rp.id), &json!("openid"), &json!(true))
    );
    browser.delete(&format!("/sessions/{}", own["id"].as_str().unwrap())).await.expect(200);
    rp.userinfo(tokens.str("access_token")).await.problem(401, "TOKEN_REVOKED");
    oauth_error(&rp.refresh(tokens.str("refresh_token")).await, 400, "invalid_grant");
}

#[tokio::test]
async fn rt_07_signing_out_ends_what_clients_have_unless_it_is_offline() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::public(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let online = rp.tokens(&browser, &[]).await;
    let offline = rp.tokens(&browser, &[("scope", "openid offline_access")]).await;
    browser.post("/auth/logout", ()).await.expect(200);
    rp.userinfo(online.str("access_token")).await.problem(401, "TOKEN_REVOKED");
    oauth_error(&rp.refresh(online.str("refresh_token")).await, 400, "invalid_grant");
    rp.userinfo(offline.str("access_token")).await.expect(200);
    rp.refresh(offline.str("refresh_token")).await.expect(200);
}

#[tokio::test]
async fn rt_07_changing_the_password_or_disabling_the_user_ends_everything() {
    let app = TestApp::new().await;
    let rp = Rp::public(&app.system_admin().await).await;
    let browser = signed_in(&app, "alice").await;
    let offline = rp.tokens(&browser, &[("scope", "openid offline_access")]).await;
    let alice = app.user("alice").await;
    app.change_user(&alice, |user| user.session_epoch += 1).await;
    rp.userinfo(offline.str("access_token")).await.problem(401, "TOKEN_REVOKED");
    oauth_error(&rp.refresh(offline.str("refresh_token")).await, 400, "invalid_grant");
}
