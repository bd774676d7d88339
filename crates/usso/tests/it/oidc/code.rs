//! Authorization codes (RFC 6749 §4.1.2, §4.1.3, ruling D20).

use super::{CALLBACK, CHALLENGE, Rp, VERIFIER, oauth_error, signed_in};
use crate::app::{Requests, TestApp};
use protocol::b64url;
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test]
async fn authz_10_a_code_is_256_random_bits_for_a_minute() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::public(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let mut seen = BTreeSet::new();
    for _ in 0..50 {
        let code = rp.code(&browser, &[]).await;
        assert_eq!(b64url::decode(&code).unwrap().len(), 32);
        assert!(seen.insert(code));
    }
    let (early, late) = (rp.code(&browser, &[]).await, rp.code(&browser, &[]).await);
    app.wait(59);
    rp.redeem(&early).await.expect(200);
    app.wait(1);
    oauth_error(&rp.redeem(&late).await, 400, "invalid_grant");
    oauth_error(&rp.redeem("unknown").await, 400, "invalid_grant");
    // Its record doesn't hold it.
    let code = rp.code(&browser, &[]).await;
    let scope = app.scope("org_default").await;
    let records = scope.records::<usso::tenant::one_time::OneTime>();
    let page = records.page(kernel::Query { limit: 1_000, ..kernel::Query::all("one_time") });
    let stored = format!("{:?}", page.await.unwrap().items);
    assert!(!stored.contains(&code));
}

#[tokio::test]
async fn authz_10_a_code_is_bound_to_its_client_and_redirection_uri() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let (rp, other) = (Rp::new(&admin, json!({})).await, Rp::new(&admin, json!({})).await);
    let browser = signed_in(&app, "alice").await;
    // Code injection: another client's code is nobody's, and stays good for its own.
    let code = rp.code(&browser, &[]).await;
    oauth_error(&other.redeem(&code).await, 400, "invalid_grant");
    rp.redeem(&code).await.expect(200);
    for uri in ["https://app.example.com/other", "", "https://app.example.com/callback/"] {
        let code = rp.code(&browser, &[]).await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", uri),
            ("code_verifier", VERIFIER),
        ];
        oauth_error(&rp.token(&fields).await, 400, "invalid_grant");
        oauth_error(&rp.redeem(&code).await, 400, "invalid_grant");
    }
    // Where none was named, none must be.
    let code = rp.code(&browser, &[("redirect_uri", ""), ("scope", "email")]).await;
    let fields = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", VERIFIER)];
    rp.token(&fields).await.expect(200);
}

#[tokio::test]
async fn authz_11_a_second_use_is_rejected_and_revokes_what_the_first_one_issued() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::public(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let code = rp.code(&browser, &[]).await;
    let first = rp.redeem(&code).await.expect(200);
    rp.userinfo(first.str("access_token")).await.expect(200);
    app.wait(120);
    oauth_error(&rp.redeem(&code).await, 400, "invalid_grant");
    rp.userinfo(first.str("access_token")).await.problem(401, "TOKEN_REVOKED");
    oauth_error(&rp.refresh(first.str("refresh_token")).await, 400, "invalid_grant");
    assert!(app.audit("org_default").await.iter().any(|e| e.event == "session.code_reused"));
}

#[tokio::test]
async fn authz_11_of_fifty_at_once_none_keeps_a_token() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::public(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let code = rp.code(&browser, &[]).await;
    let tries: Vec<_> = (0..50)
        .map(|_| {
            let (rp, code) = (rp.clone(), code.clone());
            tokio::spawn(async move { rp.redeem(&code).await })
        })
        .collect();
    let mut successes = Vec::new();
    for attempt in tries {
        let answer = attempt.await.unwrap();
        if answer.status == 200 {
            successes.push(answer);
        }
    }
    assert!(successes.len() <= 1, "{}", successes.len());
    for answer in successes {
        rp.userinfo(answer.str("access_token")).await.problem(401, "TOKEN_REVOKED");
    }
}

#[tokio::test]
async fn a_code_is_rejected_when_its_user_signed_out_or_may_not_sign_in_any_more() {
    let app = TestApp::new().await;
    let rp = Rp::public(&app.system_admin().await).await;
    let browser = signed_in(&app, "alice").await;
    let code = rp.code(&browser, &[("scope", "openid offline_access")]).await;
    browser.post("/auth/logout", ()).await.expect(200);
    oauth_error(&rp.redeem(&code).await, 400, "invalid_grant");
    let browser = signed_in(&app, "bob").await;
    let code = rp.code(&browser, &[]).await;
    let bob = app.user("bob").await;
    app.change_user(&bob, |user| user.is_active = false).await;
    oauth_error(&rp.redeem(&code).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_code_of_another_tenant_is_nothing() {
    let app = TestApp::new().await;
    let (a, b) = (
        app.tenant("Company A", &["company-a.com"]).await,
        app.tenant("Company B", &["company-b.com"]).await,
    );
    let (ours, theirs) = (Rp::new(&a.admin(), json!({})).await, Rp::new(&b.admin(), json!({})).await);
    let browser = super::sign_in(&a.browser(), "admin@company-a.com").await;
    let code = ours.code(&browser, &[]).await;
    oauth_error(&theirs.redeem(&code).await, 400, "invalid_grant");
    let stranger = Rp { who: theirs.who.clone(), ..ours.clone() };
    oauth_error(&stranger.redeem(&code).await, 401, "invalid_client");
    ours.redeem(&code).await.expect(200);
}

#[tokio::test]
async fn tok_01_the_endpoint_takes_posted_forms_only_and_each_parameter_once() {
    let app = TestApp::new().await;
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let get = app.anonymous().get("ROOT/oauth/token?grant_type=client_credentials").await;
    assert_eq!((get.status, get.str("error"), get.header("allow")), (405, "invalid_request", Some("POST")));
    let json = app.anonymous().post("ROOT/oauth/token", json!({"grant_type": "client_credentials"})).await;
    oauth_error(&json, 415, "invalid_request");
    let secret = rp.secret.clone().unwrap();
    for name in [
        "grant_type",
        "code",
        "redirect_uri",
        "code_verifier",
        "refresh_token",
        "scope",
        "client_id",
        "client_secret",
        "unknown",
    ] {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", "x"),
            ("client_id", &rp.id),
            ("client_secret", &secret),
            (name, "1"),
            (name, "1"),
        ];
        oauth_error(&app.anonymous().form("ROOT/oauth/token", &fields).await, 400, "invalid_request");
    }
    let missing = rp.token(&[("grant_type", "authorization_code")]).await;
    oauth_error(&missing, 400, "invalid_request");
    let challenge = rp.code(&signed_in(&app, "alice").await, &[("code_challenge", CHALLENGE)]).await;
    assert!(!challenge.is_empty() && rp.callback == CALLBACK);
}
