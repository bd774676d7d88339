//! Consent: asked, remembered, listed, withdrawn (OpenID Connect Core §3.1.2.4, contract 5.9).

use super::{Rp, back, handle, location, oauth_error, refused, signed_in};
use crate::app::{Requests, TestApp};
use serde_json::json;

#[tokio::test]
async fn authz_14_a_foreign_client_is_asked_about_once_and_again_for_more() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::foreign(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let asked = rp.authorize(&browser, &[("scope", "openid email")]).await;
    assert!(location(&asked).starts_with("/oauth/consent?state="), "{}", location(&asked));
    let state = handle(&asked);
    for path in ["/oauth/consent", "ROOT/oauth/consent"] {
        // Looking at it decides nothing, whatever it says.
        let shown = browser.get(&format!("{path}?state={state}&consent=true")).await.expect(200);
        assert_eq!(
            (shown.str("client_name"), shown.str("client_id"), shown.str("scope")),
            ("Shop", &rp.id[..], "openid email")
        );
        assert_eq!(
            (&shown["scopes"], shown.str("user_display_name")),
            (&json!(["openid", "email"]), "alice")
        );
        assert_eq!(
            (&shown["client"]["name"], &shown["user"]["email"]),
            (&json!("Shop"), &json!("alice@example.com"))
        );
    }
    let decided = browser
        .post(
            &format!("/oauth/consent?state={state}&consent=true"),
            ("application/x-www-form-urlencoded", ""),
        )
        .await
        .expect(200);
    let url = decided.str("redirect_uri").to_owned();
    assert!(
        ["redirect_url", "location", "url"].iter().all(|name| decided.str(name) == url),
        "{}",
        decided.text()
    );
    assert!(
        url.starts_with("https://app.example.com/callback?code=")
            && url.contains("state=s-1")
            && url.contains("iss="),
        "{url}"
    );
    // Decided once.
    browser
        .post(&format!("/oauth/consent?state={state}&consent=true"), ())
        .await
        .problem(400, "INVALID_REQUEST");
    // Remembered: for this, and for less.
    for scope in ["openid email", "openid"] {
        assert!(back(&rp.authorize(&browser, &[("scope", scope)]).await).contains_key("code"));
    }
    assert!(
        location(&rp.authorize(&browser, &[("scope", "openid phone")]).await).starts_with("/oauth/consent")
    );
    assert!(
        location(&rp.authorize(&browser, &[("scope", "openid offline_access")]).await)
            .starts_with("/oauth/consent")
    );
    assert!(location(&rp.authorize(&browser, &[("prompt", "consent")]).await).starts_with("/oauth/consent"));
}

#[tokio::test]
async fn authz_16_a_denial_is_sent_back_and_not_remembered() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::foreign(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let state = handle(&rp.authorize(&browser, &[]).await);
    let decided = browser.post("/oauth/consent", json!({"state": state, "consent": false})).await.expect(200);
    let url = decided.str("url");
    assert!(
        url.contains("error=access_denied") && url.contains("state=s-1") && url.contains("iss=http"),
        "{url}"
    );
    assert!(location(&rp.authorize(&browser, &[]).await).starts_with("/oauth/consent"));
}

#[tokio::test]
async fn a_decision_about_a_form_leads_to_the_page_that_posts_it_once() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::foreign(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let state = handle(&rp.authorize(&browser, &[("response_mode", "form_post")]).await);
    let path = format!("/oauth/consent?state={state}&consent=true");
    let url = browser.post(&path, ()).await.expect(200).str("url").to_owned();
    let target = url.strip_prefix("http://localhost:8000").expect("a page of ours");
    let page = browser.get(target).await.expect(200);
    assert!(
        page.text().contains("name=\"code\"") && page.text().contains(super::CALLBACK),
        "{}",
        page.text()
    );
    browser.get(target).await.problem(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn a_decision_is_rejected_from_elsewhere_by_nobody_and_without_a_word() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::foreign(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let state = handle(&rp.authorize(&browser, &[]).await);
    let path = format!("/oauth/consent?state={state}&consent=true");
    let elsewhere = browser.clone().with_header("origin", "https://evil.example");
    elsewhere.post(&path, ()).await.problem(403, "ORIGIN_NOT_ALLOWED");
    app.anonymous().post(&path, ()).await.problem(401, "NOT_AUTHENTICATED");
    app.anonymous().get(&path).await.problem(401, "NOT_AUTHENTICATED");
    browser.post(&format!("/oauth/consent?state={state}"), ()).await.problem(400, "VALIDATION_ERROR");
    browser
        .post(&format!("/oauth/consent?state={state}&consent=perhaps"), ())
        .await
        .problem(400, "VALIDATION_ERROR");
    browser.post("/oauth/consent?consent=true", ()).await.problem(400, "VALIDATION_ERROR");
    browser.post("/oauth/consent?state=unknown&consent=true", ()).await.problem(400, "INVALID_REQUEST");
    browser.get("/oauth/consent?state=unknown").await.problem(400, "INVALID_REQUEST");
    app.user("alice").await.post(&path, ()).await.expect(200);
}

#[tokio::test]
async fn a_program_is_told_what_would_be_asked() {
    let app = TestApp::new().await;
    let rp = Rp::foreign(&app.system_admin().await).await;
    let alice = app.user("alice").await.with_header("accept", "application/json");
    let shown = alice.get(&format!("/oauth/authorize?{}", rp.request(&[]))).await.expect(200);
    assert_eq!((shown.str("client_name"), &shown["scopes"]), ("Shop", &json!(["openid"])));
    alice.post(&format!("/oauth/consent?state={}&consent=true", shown.str("state")), ()).await.expect(200);
}

#[tokio::test]
async fn oidc_06_and_rt_07_consents_are_listed_and_withdrawing_one_ends_its_sessions() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::foreign(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let state = handle(&rp.authorize(&browser, &[("scope", "openid offline_access")]).await);
    browser.post(&format!("/oauth/consent?state={state}&consent=true"), ()).await.expect(200);
    let tokens = rp.tokens(&browser, &[("scope", "openid offline_access")]).await;
    let waiting = rp.code(&browser, &[]).await;
    let listed = browser.get("/oauth/consents").await.expect(200);
    assert_eq!(listed.items().len(), 1);
    assert_eq!(
        (&listed.items()[0]["client_id"], &listed.items()[0]["client_name"]),
        (&json!(rp.id), &json!("Shop"))
    );
    assert_eq!(listed.items()[0]["scopes"], json!(["openid", "offline_access"]));
    assert!(app.user("bob").await.get("/oauth/consents").await.expect(200).items().is_empty());
    app.user("bob").await.delete(&format!("/oauth/consents/{}", rp.id)).await.problem(404, "NOT_FOUND");
    browser.delete(&format!("/oauth/consents/{}", rp.id)).await.expect(200);
    rp.userinfo(tokens.str("access_token")).await.problem(401, "TOKEN_REVOKED");
    oauth_error(&rp.refresh(tokens.str("refresh_token")).await, 400, "invalid_grant");
    // What had not been redeemed yet is worth nothing either.
    oauth_error(&rp.redeem(&waiting).await, 400, "invalid_grant");
    assert!(location(&rp.authorize(&browser, &[]).await).starts_with("/oauth/consent"));
    browser.delete(&format!("/oauth/consents/{}", rp.id)).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn authz_12_prompt_none_never_shows_a_page() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let (own, foreign) = (Rp::new(&admin, json!({})).await, Rp::foreign(&admin).await);
    let none = [("prompt", "none")];
    refused(&own.authorize(&app.browser(), &none).await, "login_required");
    let browser = signed_in(&app, "alice").await;
    assert!(back(&own.authorize(&browser, &none).await).contains_key("code"));
    refused(&foreign.authorize(&browser, &none).await, "consent_required");
    for prompt in ["none login", "none consent", "select_account none"] {
        refused(&own.authorize(&browser, &[("prompt", prompt)]).await, "invalid_request");
    }
}

#[tokio::test]
async fn authz_19_single_claims_are_asked_for_and_are_no_way_around_what_a_client_may() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let claims = r#"{"userinfo":{"email":null,"phone_number":null},"id_token":{"email":null}}"#;
    let (rp, browser) = (Rp::foreign(&admin).await, signed_in(&app, "alice").await);
    let first = rp.authorize(&browser, &[("scope", "openid")]).await;
    browser.post(&format!("/oauth/consent?state={}&consent=true", handle(&first)), ()).await.expect(200);
    assert!(back(&rp.authorize(&browser, &[("scope", "openid")]).await).contains_key("code"));
    // The address was not allowed yet: asked for, by its name.
    let more = [("scope", "openid"), ("claims", claims)];
    let silent = [("scope", "openid"), ("claims", claims), ("prompt", "none")];
    refused(&rp.authorize(&browser, &silent).await, "consent_required");
    let asked = rp.authorize(&browser, &more).await;
    let shown = browser.get(&format!("/oauth/consent?state={}", handle(&asked))).await.expect(200);
    assert_eq!(shown["scopes"], json!(["openid", "email", "phone"]));
    // A client that may not ask for the address doesn't get it by another name.
    let modest = Rp::new(&admin, json!({"scope": "openid"})).await;
    let tokens = modest.tokens(&browser, &more).await;
    assert!(crate::oidc::claims(tokens.str("id_token"))["email"].is_null());
    let told = modest.userinfo(tokens.str("access_token")).await.expect(200);
    assert!(told["email"].is_null() && told["phone_number"].is_null(), "{}", told.text());
}
