//! Devices without a browser (RFC 8628).

use super::{Rp, claims, oauth_error};
use crate::app::{Answer, Requests, TestApp, User};
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn television(admin: &User) -> Rp {
    let said = json!({"grant_types": [GRANT, "refresh_token"], "token_endpoint_auth_method": "none"});
    Rp::new(admin, said).await
}

async fn codes(rp: &Rp) -> Answer {
    rp.post("device_authorization", &[("scope", "openid profile")]).await.expect(200)
}

async fn poll(rp: &Rp, codes: &Answer) -> Answer {
    rp.token(&[("grant_type", GRANT), ("device_code", codes.str("device_code"))]).await
}

async fn answer(user: &User, code: &str, approve: bool) -> Answer {
    user.post("/oauth/device", json!({"user_code": code, "approve": approve})).await
}

fn wait(app: &TestApp) {
    app.clock.advance(Duration::from_secs(5));
}

#[tokio::test]
async fn dev_01_codes_are_random_and_good_for_ten_minutes() {
    let app = TestApp::new().await;
    let rp = television(&app.system_admin().await).await;
    let mut seen = HashSet::new();
    for _ in 0..50 {
        let codes = codes(&rp).await;
        let (device, user) = (codes.str("device_code").to_owned(), codes.str("user_code").to_owned());
        assert_eq!(device.len(), 43, "256 bits");
        assert_eq!(user.len(), 9);
        assert!(user.bytes().all(|b| b == b'-' || b"BCDFGHJKLMNPQRSTVWXZ".contains(&b)), "{user}");
        assert!(codes["expires_in"].as_i64().is_some_and(|seconds| seconds <= 600));
        assert_eq!(codes["interval"], 5);
        assert_eq!(codes.str("verification_uri"), "http://localhost:8000/device");
        assert!(codes.str("verification_uri_complete").ends_with(&format!("?user_code={user}")));
        assert!(seen.insert(device) && seen.insert(user));
    }
}

#[tokio::test]
async fn dev_02_a_device_gets_its_tokens_once_somebody_approved() {
    let app = TestApp::new().await;
    let rp = television(&app.system_admin().await).await;
    let alice = app.user("alice").await;
    let codes = codes(&rp).await;
    oauth_error(&poll(&rp, &codes).await, 400, "authorization_pending");
    let typed = codes.str("user_code").to_lowercase().replace('-', " ");
    let shown =
        alice.get(&format!("/oauth/device?user_code={}", typed.replace(' ', "%20"))).await.expect(200);
    assert_eq!((shown.str("client_id"), shown.str("client_name")), (rp.id.as_str(), "Shop"));
    assert_eq!((shown["scopes"].clone(), shown.str("ip")), (json!(["openid", "profile"]), "192.0.2.1"));
    assert_eq!(answer(&alice, &typed, true).await.expect(200).str("status"), "approved");
    wait(&app);
    let tokens = poll(&rp, &codes).await.expect(200);
    assert_eq!(claims(tokens.str("id_token"))["sub"], alice.id());
    assert_eq!(rp.userinfo(tokens.str("access_token")).await.expect(200).str("sub"), alice.id());
    rp.refresh(tokens.str("refresh_token")).await.is(200);
    wait(&app);
    oauth_error(&poll(&rp, &codes).await, 400, "invalid_grant");
    answer(&alice, &typed, true).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn dev_02_a_device_is_told_to_slow_down_and_that_it_is_refused_or_too_late() {
    let app = TestApp::new().await;
    let rp = television(&app.system_admin().await).await;
    let alice = app.user("alice").await;
    let first = codes(&rp).await;
    oauth_error(&poll(&rp, &first).await, 400, "authorization_pending");
    oauth_error(&poll(&rp, &first).await, 400, "slow_down");
    app.clock.advance(Duration::from_secs(9));
    oauth_error(&poll(&rp, &first).await, 400, "slow_down");
    app.clock.advance(Duration::from_secs(15));
    oauth_error(&poll(&rp, &first).await, 400, "authorization_pending");
    assert_eq!(answer(&alice, first.str("user_code"), false).await.expect(200).str("status"), "denied");
    oauth_error(&poll(&rp, &first).await, 400, "access_denied");
    let second = codes(&rp).await;
    app.clock.advance(Duration::from_secs(601));
    oauth_error(&poll(&rp, &second).await, 400, "expired_token");
    answer(&app.user("bob").await, second.str("user_code"), true).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn dev_02_a_code_is_rejected_when_it_is_another_clients() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let (rp, other) = (television(&admin).await, television(&admin).await);
    let codes = codes(&rp).await;
    oauth_error(&poll(&other, &codes).await, 400, "invalid_grant");
    let unfit = Rp::new(&admin, json!({})).await;
    oauth_error(
        &unfit.post("device_authorization", &[("scope", "openid")]).await,
        400,
        "unauthorized_client",
    );
    oauth_error(&poll(&unfit, &codes).await, 400, "unauthorized_client");
}

#[tokio::test]
async fn dev_03_only_who_is_signed_in_themself_connects_a_device() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let (rp, alice) = (television(&admin).await, app.user("alice").await);
    let codes = codes(&rp).await;
    let body = json!({"user_code": codes.str("user_code"), "approve": true});
    alice.signed_out().post("/oauth/device", body.clone()).await.problem(401, "NOT_AUTHENTICATED");
    let key = alice.post("/apikeys", json!({"name": "k"})).await.expect(201);
    let by_key = alice.signed_out().with_header("x-api-key", key.str("api_key"));
    by_key.post("/oauth/device", body).await.problem(403, "PERMISSION_DENIED");
    oauth_error(&poll(&rp, &codes).await, 400, "authorization_pending");
}

#[tokio::test]
async fn dev_03_codes_are_not_guessed_more_than_five_times_in_ten_minutes() {
    let app = TestApp::new().await;
    let rp = television(&app.system_admin().await).await;
    let alice = app.user("alice").await;
    let codes = codes(&rp).await;
    for _ in 0..5 {
        answer(&alice, "BBBB-BBBB", true).await.problem(404, "NOT_FOUND");
    }
    let spent = answer(&alice, codes.str("user_code"), true).await;
    spent.problem(429, "RATE_LIMITED");
    let elsewhere = alice.clone().from_ip("198.51.100.7");
    assert_eq!(answer(&elsewhere, codes.str("user_code"), true).await.status, 200);
    app.clock.advance(Duration::from_secs(601));
    answer(&alice, "BBBB-BBBB", true).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn dev_02_an_approval_ends_with_the_session_it_was_given_in() {
    let app = TestApp::new().await;
    let rp = television(&app.system_admin().await).await;
    let alice = app.user("alice").await;
    let codes = codes(&rp).await;
    answer(&alice, codes.str("user_code"), true).await.is(200);
    alice.post("/auth/logout", ()).await.is(200);
    oauth_error(&poll(&rp, &codes).await, 400, "invalid_grant");
}
