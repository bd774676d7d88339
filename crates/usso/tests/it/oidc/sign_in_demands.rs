//! What a request may demand of the sign-in: `prompt`, `max_age`, `id_token_hint`, `acr` (OpenID Connect Core §3.1.2.1).

use super::{Rp, back, claims, location, refused, sign_in, signed_in};
use crate::app::{Browser, Requests, TestApp};
use serde_json::json;

/// Follows the way back from where a browser was sent to sign in.
async fn come_back(browser: &Browser, away: &crate::app::Answer) -> crate::app::Answer {
    browser.get(&format!("ROOT{}", back(away)["return_to"])).await
}

#[tokio::test]
async fn authz_13_prompt_login_and_max_age_demand_a_new_sign_in_that_is_later() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::public(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let before = claims(rp.tokens(&browser, &[]).await.str("id_token"))["auth_time"].as_i64().unwrap();
    app.wait(100);
    for changes in [("prompt", "login"), ("max_age", "50"), ("max_age", "0")] {
        let away = rp.authorize(&browser, &[changes]).await;
        assert!(location(&away).starts_with("/login?"), "{changes:?}");
        // Coming back without having done so leads there again.
        assert!(location(&come_back(&browser, &away).await).starts_with("/login?"), "{changes:?}");
        app.wait(1);
        sign_in(&browser, "alice@example.com").await;
        app.wait(60);
        let code = back(&come_back(&browser, &away).await)["code"].clone();
        let tokens = rp.redeem(&code).await.expect(200);
        let auth_time = claims(tokens.str("id_token"))["auth_time"].as_i64().unwrap();
        assert!(auth_time > before && auth_time == app.clock_seconds() - 60, "{changes:?}");
        app.wait(100);
    }
    refused(&rp.authorize(&browser, &[("max_age", "50"), ("prompt", "none")]).await, "login_required");
    assert!(back(&rp.authorize(&browser, &[("max_age", "10000")]).await).contains_key("code"));
    let strict = Rp::new(&app.system_admin().await, json!({"default_max_age": 10})).await;
    assert!(location(&strict.authorize(&browser, &[]).await).starts_with("/login?"));
}

#[tokio::test]
async fn authz_15_a_hint_at_another_user_demands_a_sign_in_or_is_refused() {
    let app = TestApp::new().await;
    let rp = Rp::public(&app.system_admin().await).await;
    let (alice, bob) = (signed_in(&app, "alice").await, signed_in(&app, "bob").await);
    let tokens = rp.tokens(&alice, &[]).await;
    let hint = tokens.str("id_token").to_owned();
    assert!(
        back(&rp.authorize(&alice, &[("id_token_hint", &hint), ("prompt", "none")]).await)
            .contains_key("code")
    );
    refused(&rp.authorize(&bob, &[("id_token_hint", &hint), ("prompt", "none")]).await, "login_required");
    let away = rp.authorize(&bob, &[("id_token_hint", &hint)]).await;
    assert!(location(&away).starts_with("/login?"));
    // As somebody else again: then it is refused.
    app.wait(1);
    sign_in(&bob, "bob@example.com").await;
    refused(&come_back(&bob, &away).await, "login_required");
    let sub =
        format!("{{\"id_token\":{{\"sub\":{{\"value\":\"{}\"}}}}}}", claims(&hint)["sub"].as_str().unwrap());
    refused(&rp.authorize(&bob, &[("claims", &sub), ("prompt", "none")]).await, "login_required");
    // An outdated hint is a hint, a forged one is none, and an access token isn't one.
    app.wait(4_000);
    let alice = sign_in(&alice, "alice@example.com").await;
    assert!(
        back(&rp.authorize(&alice, &[("id_token_hint", &hint), ("prompt", "none")]).await)
            .contains_key("code")
    );
    let forged = crate::app::token::tampered(&hint, json!({"sub": "user:x"}));
    refused(&rp.authorize(&alice, &[("id_token_hint", &forged)]).await, "invalid_request");
    let unsigned = crate::app::token::unsecured(&hint);
    refused(&rp.authorize(&alice, &[("id_token_hint", &unsigned)]).await, "invalid_request");
    refused(&rp.authorize(&alice, &[("id_token_hint", tokens.str("access_token"))]).await, "invalid_request");
}

#[tokio::test]
async fn oidc_05_acr_values_are_a_wish_and_an_essential_acr_is_a_demand() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::public(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let wished = rp.tokens(&browser, &[("acr_values", "usso:acr:2 usso:acr:1")]).await;
    assert_eq!(claims(wished.str("id_token"))["acr"], "usso:acr:1");
    let essential =
        |value: &str| format!("{{\"id_token\":{{\"acr\":{{\"essential\":true,\"values\":[\"{value}\"]}}}}}}");
    assert!(
        back(&rp.authorize(&browser, &[("claims", &essential("usso:acr:1"))]).await).contains_key("code")
    );
    let away = rp.authorize(&browser, &[("claims", &essential("usso:acr:2"))]).await;
    assert!(location(&away).starts_with("/login?"));
    app.wait(1);
    sign_in(&browser, "alice@example.com").await;
    refused(&come_back(&browser, &away).await, "unmet_authentication_requirements");
}

#[tokio::test]
async fn prompt_select_account_is_answered_once_an_account_was_chosen() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::public(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let away = rp.authorize(&browser, &[("prompt", "select_account")]).await;
    assert!(location(&away).starts_with("/login?"));
    app.wait(1);
    sign_in(&browser, "bob@example.com".replace("bob", "alice").as_str()).await;
    assert!(back(&come_back(&browser, &away).await).contains_key("code"));
}

#[tokio::test]
async fn a_session_in_somebodys_name_gives_no_client_anything() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let rp = Rp::public(&admin).await;
    let alice = app.user("alice").await;
    let acting = admin.post(&format!("/users/{}/impersonate", alice.id()), ()).await.expect(200);
    let who = app.anonymous().with_token(acting.str("access_token"));
    let answer = who.get(&format!("ROOT/oauth/authorize?{}", rp.request(&[("prompt", "none")]))).await;
    refused(&answer, "login_required");
}

#[tokio::test]
async fn mfa_01_an_open_session_of_one_factor_gets_no_code_once_two_are_required() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::public(&app.system_admin().await).await, signed_in(&app, "alice").await);
    assert!(back(&rp.authorize(&browser, &[("prompt", "none")]).await).contains_key("code"));
    app.configure("org_default", json!({"require_mfa": true})).await;
    refused(&rp.authorize(&browser, &[("prompt", "none")]).await, "login_required");
    assert!(location(&rp.authorize(&browser, &[]).await).starts_with("/login?"));
}
