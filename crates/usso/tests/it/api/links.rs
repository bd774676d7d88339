//! Links that are sent: to sign in with (checklist OTP-04; ruling D17).

use crate::app::{Answer, Letter, PASSWORD, Requests, TestApp};
use futures_util::future::join_all;
use serde_json::json;

const ALICE: &str = "alice@example.com";

async fn asked(app: &TestApp) -> Letter {
    let body = json!({"identifier": ALICE, "redirect_url": "/welcome"});
    let answer = app.anonymous().post("/auth/request-magic-link", body).await.expect(200);
    assert_eq!(answer.json["expires_in"], 900);
    let letter = app.last_letter().await;
    assert_eq!((letter.template.as_str(), letter.to.as_str()), ("magic_link", ALICE));
    letter
}

async fn by_link(app: &TestApp, token: &str) -> Answer {
    app.anonymous().post("/auth/magic-link", json!({"token": token})).await
}

#[tokio::test]
async fn a_link_signs_in_once() {
    let app = TestApp::new().await;
    let letter = asked(&app).await;
    assert!(letter.link().starts_with("http://localhost:8000/api/sso/v1/auth/magic-link?token="));
    let done = by_link(&app, &letter.token()).await.expect(200);
    assert_eq!((&done.json["status"], &done.json["amr"]), (&json!("completed"), &json!(["magic_link"])));
    assert_eq!(done.json["user"]["identifiers"][0]["verified"], true);
    by_link(&app, &letter.token()).await.problem(401, "LINK_INVALID");
}

#[tokio::test]
async fn otp_04_of_parallel_uses_one_succeeds() {
    let app = TestApp::new().await;
    let token = asked(&app).await.token();
    let uses = join_all((0..50).map(|_| by_link(&app, &token))).await;
    assert_eq!(uses.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test]
async fn otp_04_a_browsers_get_does_not_use_the_link() {
    let app = TestApp::new().await;
    let token = asked(&app).await.token();
    let path = format!("/auth/magic-link?token={token}");
    let browser = app.browser();
    for _ in 0..3 {
        let page = browser.clone().with_header("accept", "text/html").get(&path).await.expect(200);
        assert!(page.header("content-type").unwrap().starts_with("text/html"));
        assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
        assert!(page.cookies().iter().all(|cookie| cookie.name == "usso-form"));
    }
    let form = browser.form("/auth/magic-link", &[("token", &token)]).await;
    form.is(302);
    assert_eq!(form.header("location"), Some("/welcome"));
    form.cookie("usso-access-token");
    browser.get("/me").await.expect(200);
    // A program that asks for JSON signs in at once.
    app.wait(61);
    let token = asked(&app).await.token();
    app.anonymous().get(&format!("/auth/magic-link?token={token}")).await.expect(200).str("access_token");
}

#[tokio::test]
async fn a_form_of_another_site_signs_nobody_in() {
    let app = TestApp::new().await;
    let token = asked(&app).await.token();
    let evil = app.browser().with_header("origin", "https://evil.example");
    evil.form("/auth/magic-link", &[("token", &token)]).await.problem(403, "ORIGIN_NOT_ALLOWED");
    let none = app.browser().without_header("origin");
    none.form("/auth/magic-link", &[("token", &token)]).await.problem(403, "ORIGIN_NOT_ALLOWED");
    by_link(&app, &token).await.expect(200);
}

#[tokio::test]
async fn a_link_is_rejected_when_it_is_old_foreign_or_another_token() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let token = asked(&app).await.token();
    let foreign = tenant.anonymous().post("/auth/magic-link", json!({"token": token})).await;
    foreign.problem(401, "LINK_INVALID");
    let alice = app.user("bob").await;
    for other in [alice.access(), alice.refresh(), "a.b.c", ""] {
        by_link(&app, other).await.problem(401, "LINK_INVALID");
    }
    let reset = json!({"token": token, "new_password": PASSWORD});
    app.anonymous().post("/auth/reset-password", reset).await.problem(401, "LINK_INVALID");
    // Nor is it anything else.
    app.anonymous().with_token(&token).get("/me").await.problem(401, "TOKEN_TYPE_INVALID");
    app.wait(901);
    by_link(&app, &token).await.problem(401, "LINK_INVALID");
}

#[tokio::test]
async fn a_link_leads_to_the_tenants_own_pages_only() {
    let app = TestApp::new().await;
    for (wanted, location) in [("https://evil.example/", "/"), ("//evil.example", "/"), ("/own", "/own")] {
        app.wait(301);
        let body = json!({"identifier": ALICE, "redirect_url": wanted});
        app.anonymous().post("/auth/request-magic-link", body).await.expect(200);
        let token = app.last_letter().await.token();
        let answer = app.browser().form("/auth/magic-link", &[("token", &token)]).await;
        assert_eq!(answer.header("location"), Some(location), "{wanted}");
    }
}

#[tokio::test]
async fn mfa_01_a_link_is_not_enough_where_two_factors_are_required() {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"require_mfa": true})).await;
    let token = asked(&app).await.token();
    let done = by_link(&app, &token).await.expect(200);
    assert_eq!(done.json["status"], "mfa_required");
    assert!(done.json.get("access_token").is_none());
}

#[tokio::test]
async fn links_are_written_in_the_tenants_language_and_words() {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"default_language": "fa"})).await;
    assert!(asked(&app).await.subject.contains("ورود"));
    app.wait(61);
    let own = json!({"templates": {"magic_link.fa": {"subject": "سلام {{ identifier }}", "inline_body": "{{ link }}"}}});
    app.configure("org_default", own).await;
    let letter = asked(&app).await;
    assert_eq!(letter.subject, format!("سلام {ALICE}"));
    by_link(&app, &letter.token()).await.expect(200);
}
