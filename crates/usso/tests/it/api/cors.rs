//! Cross-origin rules (contract 1.6, ruling D36).

use crate::app::{Answer, ORIGIN, Requests, TestApp};
use serde_json::json;

const PRIVATE: [&str; 4] = ["/me", "/auth/login", "/sessions", "/tenants"];
const PUBLIC: [&str; 2] = ["ROOT/.well-known/jwks.json", "/.well-known/jwks.json"];

async fn preflight(app: &TestApp, path: &str, origin: &str) -> Answer {
    let who =
        app.anonymous().with_header("origin", origin).with_header("access-control-request-method", "POST");
    who.with_header("access-control-request-headers", "authorization,dpop")
        .send("OPTIONS", path, ())
        .await
        .expect(204)
}

fn varies_by_origin(answer: &Answer) -> bool {
    answer.headers.get_all("vary").iter().any(|v| v.to_str().unwrap().to_ascii_lowercase().contains("origin"))
}

#[tokio::test]
async fn a_preflight_from_the_tenants_own_page_is_allowed_with_credentials() {
    let app = TestApp::new().await;
    for path in PRIVATE {
        let answer = preflight(&app, path, ORIGIN).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        let methods = answer.header("access-control-allow-methods").unwrap();
        assert!(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].iter().all(|m| methods.contains(m)));
        let headers = answer.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
        for name in [
            "authorization",
            "content-type",
            "x-tenant-id",
            "x-api-key",
            "dpop",
            "if-match",
            "idempotency-key",
        ] {
            assert!(headers.contains(name), "{name}");
        }
        assert!(answer.body.is_empty() && varies_by_origin(&answer));
    }
}

#[tokio::test]
async fn a_preflight_is_not_allowed_when_the_origin_is_foreign() {
    let app = TestApp::new().await;
    app.tenant("Company A", &["company-a.com"]).await;
    let foreign = [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
        "http://evil.example/localhost",
        "http://localhost@evil.example",
        "http://company-a.com",
        "file://",
        "http://",
        "localhost",
        "chrome-extension://localhost",
    ];
    for origin in foreign {
        for path in PRIVATE {
            let answer = preflight(&app, path, origin).await;
            for name in [
                "access-control-allow-origin",
                "access-control-allow-credentials",
                "access-control-allow-methods",
            ] {
                assert_eq!(answer.header(name), None, "{origin} {path} {name}");
            }
            assert!(varies_by_origin(&answer), "{origin}");
        }
    }
}

#[tokio::test]
async fn public_documents_may_be_read_from_anywhere_without_credentials() {
    let app = TestApp::new().await;
    for path in PUBLIC {
        for origin in ["https://evil.example", ORIGIN] {
            let asked = preflight(&app, path, origin).await;
            let got = app.anonymous().with_header("origin", origin).get(path).await.expect(200);
            for answer in [asked, got] {
                assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
                assert_eq!(answer.header("access-control-allow-credentials"), None);
            }
        }
    }
}

#[tokio::test]
async fn a_listed_origin_is_allowed_exactly_as_written() {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"cors_origins": ["https://app.example.com"]})).await;
    let allowed = preflight(&app, "/me", "https://app.example.com").await;
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.example.com"));
    for origin in [
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://x.app.example.com",
        "https://APP.example.com.evil.example",
    ] {
        assert_eq!(
            preflight(&app, "/me", origin).await.header("access-control-allow-origin"),
            None,
            "{origin}"
        );
    }
}

#[tokio::test]
async fn answers_and_errors_carry_the_headers_too() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await.with_header("origin", ORIGIN);
    for answer in [
        alice.get("/me").await,
        alice.get("/sessions/nothing").await,
        alice.signed_out().get("/me").await,
        alice.get("/nowhere").await,
    ] {
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN), "{}", answer.asked);
        let exposed = answer.header("access-control-expose-headers").unwrap();
        assert!(
            ["DPoP-Nonce", "ETag", "Retry-After", "X-Request-ID"].iter().all(|name| exposed.contains(name))
        );
        assert!(varies_by_origin(&answer));
    }
    let stranger = alice.with_header("origin", "https://evil.example").get("/me").await.expect(200);
    assert_eq!(stranger.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_tenants_pages_may_call_their_tenant_only() {
    let app = TestApp::new().await;
    app.tenant("Company A", &["company-a.com"]).await;
    app.tenant("Company B", &["company-b.com"]).await;
    for (host, origin, allowed) in [
        ("company-a.com", "http://company-a.com:8000", true),
        // An origin is scheme, host and port, all three as configured (ruling D36).
        ("company-a.com", "http://company-a.com", false),
        ("company-a.com", "https://company-a.com:8000", false),
        ("company-a.com", "http://company-a.com:8001", false),
        ("company-a.com", "http://company-b.com:8000", false),
        ("company-b.com", "http://company-a.com:8000", false),
        ("company-a.com", ORIGIN, false),
        ("unknown.example", "http://unknown.example:8000", false),
    ] {
        let who = app
            .on_host(host)
            .with_header("origin", origin)
            .with_header("access-control-request-method", "GET");
        let answer = who.send("OPTIONS", "/me", ()).await.expect(204);
        assert_eq!(answer.header("access-control-allow-origin").is_some(), allowed, "{host} {origin}");
    }
}

#[tokio::test]
async fn options_without_an_origin_is_an_ordinary_request() {
    let app = TestApp::new().await;
    app.anonymous().send("OPTIONS", "/me", ()).await.problem(405, "METHOD_NOT_ALLOWED");
}
