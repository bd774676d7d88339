//! `/auth/logout`.

use crate::app::{HOST, PASSWORD, Requests, TestApp};
use serde_json::json;

#[tokio::test]
async fn logging_out_by_header_ends_the_session_at_once_and_no_other() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let other = alice.again().await;
    alice.get("/me").await.expect(200);
    let answer = alice.post("/auth/logout", ()).await.expect(200);
    assert_eq!(answer["message"], "Logged out");
    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
    app.anonymous()
        .post("/auth/refresh", json!({"refresh_token": alice.refresh()}))
        .await
        .problem(401, "TOKEN_REVOKED");
    other.get("/me").await.is(200);
    let events = app.audit("org_default").await;
    assert_eq!(events.last().unwrap().event, "session.logged_out");
}

#[tokio::test]
async fn logging_out_by_body_ends_the_session_of_that_token() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let other = alice.again().await;
    other.post("/auth/logout", json!({"refresh_token": alice.refresh()})).await.expect(200);
    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
    other.get("/me").await.is(200);
}

#[tokio::test]
async fn logging_out_by_cookie_ends_the_session_and_empties_the_jar() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let browser = app.browser();
    let login = browser
        .post("/auth/login", json!({"identifier": alice.identifier, "secret": PASSWORD}))
        .await
        .expect(200);
    browser.post("/auth/logout", ()).await.expect(200);
    assert_eq!((browser.cookie("usso-access-token"), browser.cookie("usso-refresh-token")), (None, None));
    assert!(browser.cookie("usso-device").is_some(), "the device stays known");
    app.anonymous().with_token(login.str("access_token")).get("/me").await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn a_refresh_cookie_alone_is_enough() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let browser = app.browser();
    browser.keep("usso-refresh-token", alice.refresh());
    browser.post("/auth/logout", ()).await.expect(200);
    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn an_expired_access_cookie_does_not_keep_the_session_alive() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let browser = app.browser();
    browser.keep("usso-access-token", alice.access());
    browser.keep("usso-refresh-token", alice.refresh());
    app.wait(3_601);
    browser.post("/auth/logout", ()).await.expect(200);
    app.anonymous()
        .post("/auth/refresh", json!({"refresh_token": alice.refresh()}))
        .await
        .problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn following_the_link_logs_out() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let browser = app.browser().without_header("origin");
    browser.keep("usso-access-token", alice.access());
    let answer = browser.get("/auth/logout").await.expect(200);
    assert_eq!(answer.cookie("usso-access-token").attribute("max-age"), Some("0"));
    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn logging_out_twice_or_with_nothing_is_no_error() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    for _ in 0..2 {
        alice.post("/auth/logout", ()).await.is(200);
    }
    app.anonymous().post("/auth/logout", ()).await.is(200);
    app.anonymous().with_token("nonsense").post("/auth/logout", ()).await.is(200);
    app.anonymous().post("/auth/logout", json!({"refresh_token": "nonsense"})).await.is(200);
    let ended = app.audit("org_default").await.iter().filter(|e| e.event == "session.logged_out").count();
    assert_eq!(ended, 1);
}

#[tokio::test]
async fn a_token_of_another_tenant_ends_nothing() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let admin = tenant.admin();
    app.anonymous().post("/auth/logout", json!({"refresh_token": admin.refresh()})).await.is(200);
    app.anonymous().with_token(admin.access()).post("/auth/logout", ()).await.is(200);
    admin.get("/me").await.is(200);
}

#[tokio::test]
async fn a_revocation_holds_after_a_restart() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    alice.post("/auth/logout", ()).await.expect(200);
    alice.at(&app.restarted().await).get("/me").await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn an_expired_token_still_ends_its_session() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    app.wait(3_601);
    alice.post("/auth/logout", ()).await.expect(200);
    app.anonymous()
        .post("/auth/refresh", json!({"refresh_token": alice.refresh()}))
        .await
        .problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn the_link_leads_on_to_a_page_of_the_tenant() {
    let app = TestApp::new().await;
    for parameter in ["callback", "redirect_url"] {
        for target in ["/bye?x=1", "http://localhost:8000/bye", "https://dev.usso.io/"] {
            let alice = app.user("alice").await;
            let encoded: String = target.bytes().map(|b| format!("%{b:02X}")).collect();
            let answer = alice.get(&format!("/auth/logout?{parameter}={encoded}")).await.expect(302);
            assert_eq!(answer.header("location"), Some(target));
            assert_eq!(answer.cookie("usso-access-token").attribute("max-age"), Some("0"));
            alice.get("/me").await.problem(401, "TOKEN_REVOKED");
        }
    }
}

#[tokio::test]
async fn the_link_leads_nowhere_when_the_target_is_foreign() {
    let app = TestApp::new().await;
    app.tenant("Company A", &["company-a.com"]).await;
    let foreign = [
        "http://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        " //evil.example",
        "http:evil.example",
        "http:/evil.example",
        "http:///evil.example",
        "http://localhost@evil.example/",
        "http://localhost:8000@evil.example/",
        "http://evil.example\\@localhost/",
        "http://evil.example#@localhost/",
        "http://evil.example?@localhost/",
        "http://localhost.evil.example/",
        "http://company-a.com/",
        "javascript:alert(1)",
        "javascript://localhost/%0aalert(1)",
        "data:text/html,x",
        "ftp://localhost/",
        "evil.example",
        "",
        "http://l\u{f6}calhost/",
        "/a\r\nset-cookie: x=y",
    ];
    for target in foreign {
        let encoded: String = target.bytes().map(|b| format!("%{b:02X}")).collect();
        let answer = app.anonymous().get(&format!("/auth/logout?callback={encoded}")).await.expect(200);
        assert_eq!(answer.header("location"), None, "{target:?}");
    }
}

/// Sends a request and hangs up at its first pause.
async fn hang_up_on(app: &TestApp, method: &str, path: &str, token: &str) {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", HOST)
        .header("authorization", format!("Bearer {token}"))
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = app.edge.handle(request, ("127.0.0.1".parse().unwrap(), false));
    let mut answer = std::pin::pin!(answer);
    let first = std::future::poll_fn(|context| std::task::Poll::Ready(answer.as_mut().poll(context))).await;
    assert!(first.is_pending(), "the test needs a request that pauses");
}

#[tokio::test]
async fn a_change_goes_on_when_the_client_hangs_up() {
    let app = TestApp::new().await;
    for (method, path) in [("POST", "/api/sso/v1/auth/logout"), ("GET", "/api/sso/v1/auth/logout")] {
        let alice = app.user(&format!("alice-{}", method.to_lowercase())).await;
        alice.get("/me").await.expect(200);
        hang_up_on(&app, method, path, alice.access()).await;
        let mut status = 200;
        for _ in 0..10_000 {
            status = alice.get("/me").await.status;
            if status == 401 {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(status, 401, "{method} {path}");
    }
}
