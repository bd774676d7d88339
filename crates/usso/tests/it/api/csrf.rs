//! Requests that rely on cookies must come from a page of the tenant (contract 1.4).

use crate::app::{Body, Browser, PASSWORD, Requests, TestApp};
use serde_json::json;

async fn signed_in() -> (TestApp, Browser, String) {
    let app = TestApp::new().await;
    app.user("alice").await;
    let browser = app.browser();
    let login = json!({"identifier": "alice@example.com", "secret": PASSWORD});
    let answer = browser.post("/auth/login", login).await.expect(200);
    let session = answer.str("session_id").to_owned();
    (app, browser, session)
}

fn unsafe_requests(session: &str) -> Vec<(&'static str, String, Body)> {
    let session = format!("/sessions/{session}");
    vec![
        ("PATCH", session.clone(), json!({"meta_data": {}}).into()),
        ("POST", "/auth/refresh".into(), ().into()),
        ("POST", "/auth/logout".into(), ().into()),
        ("DELETE", session, ().into()),
    ]
}

#[tokio::test]
async fn a_request_with_cookies_is_rejected_when_its_origin_is_missing_or_foreign() {
    let (_app, browser, session) = signed_in().await;
    let bare = browser.clone().without_header("origin");
    let foreign = [
        bare.clone(),
        browser.clone().with_header("origin", "https://evil.example"),
        browser.clone().with_header("origin", "null"),
        browser.clone().with_header("origin", "http://localhost@evil.example"),
        bare.clone().with_header("referer", "https://evil.example/localhost"),
        bare.clone().with_header("referer", "http://localhost:8000@evil.example/"),
        // The origin decides where there is one.
        browser
            .clone()
            .with_header("origin", "https://evil.example")
            .with_header("referer", "http://localhost:8000/"),
    ];
    for who in foreign {
        for (method, path, body) in unsafe_requests(&session) {
            who.send(method, &path, body).await.problem(403, "ORIGIN_NOT_ALLOWED");
        }
        who.get("/me").await.is(200);
    }
    browser.get("/me").await.is(200);
}

#[tokio::test]
async fn a_request_with_cookies_is_accepted_from_the_tenants_own_page() {
    let (_app, browser, session) = signed_in().await;
    for (method, path, body) in unsafe_requests(&session).into_iter().take(2) {
        browser.send(method, &path, body).await.is(200);
    }
    let by_referer =
        browser.without_header("origin").with_header("referer", "http://localhost:8000/account?x=1");
    for (method, path, body) in unsafe_requests(&session).into_iter().take(3) {
        by_referer.send(method, &path, body).await.is(200);
    }
}

#[tokio::test]
async fn another_tenants_page_is_foreign() {
    let (app, browser, session) = signed_in().await;
    app.tenant("Company A", &["company-a.com"]).await;
    let who = browser.with_header("origin", "http://company-a.com:8000");
    who.delete(&format!("/sessions/{session}")).await.problem(403, "ORIGIN_NOT_ALLOWED");
}

#[tokio::test]
async fn a_tenants_own_page_may_use_its_cookies() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let browser = tenant.browser();
    let login = json!({"identifier": "admin@company-a.com", "secret": PASSWORD});
    let session = browser.post("/auth/login", login).await.expect(200).str("session_id").to_owned();
    for (method, path, body) in unsafe_requests(&session).into_iter().take(3) {
        browser.send(method, &path, body).await.is(200);
    }
    browser.get("/me").await.problem(401, "NOT_AUTHENTICATED");
}

#[tokio::test]
async fn a_page_below_a_tenants_path_may_use_the_cookies_there() {
    let app = TestApp::new().await;
    app.tenant("Company A", &[]).await;
    let browser = app.browser();
    let root = "ROOT/t/org_company_a/api/sso/v1";
    let login = json!({"identifier": "admin@example.com", "secret": PASSWORD});
    browser.post(&format!("{root}/auth/login"), login).await.expect(200);
    browser.post(&format!("{root}/auth/refresh"), ()).await.expect(200);
    let foreign = browser.clone().with_header("origin", "http://evil.example");
    foreign.post(&format!("{root}/auth/logout"), ()).await.problem(403, "ORIGIN_NOT_ALLOWED");
    browser.post(&format!("{root}/auth/logout"), ()).await.is(200);
}

#[tokio::test]
async fn a_token_in_a_header_needs_no_origin() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let path = format!("/sessions/{}", alice.session_id());
    alice.patch(&path, json!({"meta_data": {}})).await.is(200);
    alice
        .clone()
        .with_header("origin", "https://evil.example")
        .patch(&path, json!({"meta_data": {}}))
        .await
        .is(200);
    let body = json!({"refresh_token": alice.refresh()});
    app.anonymous().with_header("origin", "https://evil.example").post("/auth/refresh", body).await.is(200);
}
