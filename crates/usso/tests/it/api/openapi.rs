//! The OpenAPI document, its viewers, and what the router answers to everything else.

use crate::app::{Body, Requests, TestApp};
use serde_json::Value;
use std::collections::BTreeSet;

#[tokio::test]
async fn the_document_is_served_and_complete() {
    let app = TestApp::new().await;
    let answer = app.anonymous().get("/openapi.json").await.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.str("openapi").starts_with("3.1"));
    let mut ids = BTreeSet::new();
    for (path, item) in answer["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no id"));
            assert!(ids.insert(id.to_owned()), "{id} twice");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with(['2', '3'])), "{method} {path}");
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with('4')) {
                let schema = &response["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/ErrorView", "{method} {path} {status}");
            }
        }
    }
    assert!(ids.len() >= 18, "{ids:?}");
    let mut missing = Vec::new();
    references(&answer.json, &answer.json, &mut missing);
    assert!(missing.is_empty(), "{missing:?}");
}

fn references(document: &Value, node: &Value, missing: &mut Vec<String>) {
    match node {
        Value::Object(map) => {
            if let Some(target) = map.get("$ref").and_then(Value::as_str)
                && document.pointer(target.trim_start_matches('#')).is_none()
            {
                missing.push(target.to_owned());
            }
            map.values().for_each(|value| references(document, value, missing));
        }
        Value::Array(items) => items.iter().for_each(|value| references(document, value, missing)),
        _ => {}
    }
}

#[tokio::test]
async fn every_described_operation_is_routed() {
    let app = TestApp::new().await;
    let document = app.anonymous().get("/openapi.json").await.expect(200);
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let target =
                format!("ROOT{}", path.replace("{session_id}", "session:x").replace("{tenant_id}", "org_x"));
            let answer = app.anonymous().send(&method.to_uppercase(), &target, ()).await;
            // Nobody has set up a provider.
            let is_missing = answer.status == 404 && !path.contains("/oauth/{provider}/");
            assert!(!is_missing && answer.status != 405, "{method} {path} answered {}", answer.text());
            assert!(answer.status < 500, "{method} {path} answered {}", answer.text());
        }
    }
}

#[tokio::test]
async fn the_viewers_are_served_from_here_alone() {
    let app = TestApp::new().await;
    for path in ["/docs", "/redoc"] {
        let page = app.anonymous().get(path).await.expect(200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        let csp = page.header("content-security-policy").unwrap();
        assert!(csp.contains("script-src 'self';") && !csp.contains("http"), "{csp}");
        let text = page.text();
        assert!(
            !text.contains("http://") && !text.contains("https://") && !text.contains("<script>"),
            "{text}"
        );
        for part in text.split("src=\"").skip(1).chain(text.split("href=\"").skip(1)) {
            let file = part.split('"').next().unwrap();
            let asset = app.anonymous().get(&format!("/{file}")).await.expect(200);
            assert!(!asset.body.is_empty(), "{file}");
        }
        app.anonymous().get(&format!("{path}/../openapi.json")).await.problem(404, "NOT_FOUND");
    }
    let root = app.anonymous().get("ROOT/").await.expect(303);
    assert_eq!(root.header("location"), Some("/api/sso/v1/docs"));
}

#[tokio::test]
async fn the_index_lists_the_paths_of_auth() {
    let app = TestApp::new().await;
    for path in ["/auth/", "/auth"] {
        let answer = app.anonymous().get(path).await.expect(200);
        let paths: Vec<&str> = answer.json.as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
        assert!(
            paths.contains(&"/api/sso/v1/auth/login") && paths.contains(&"/api/sso/v1/auth/refresh"),
            "{paths:?}"
        );
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_get_the_envelope() {
    let app = TestApp::new().await;
    for path in
        ["/nowhere", "ROOT/nowhere", "ROOT/favicon.ico", "/auth/login/x", "ROOT/t/org_default", "ROOT//"]
    {
        let answer = app.anonymous().get(path).await;
        assert!(matches!(answer.status, 404 | 303), "{path} {}", answer.status);
    }
    let answer = app.anonymous().delete("/auth/login").await;
    answer.problem(405, "METHOD_NOT_ALLOWED");
    assert!(answer.header("allow").unwrap().contains("POST"));
    for method in ["TRACE", "CONNECT", "PROPFIND", "PUT"] {
        app.anonymous().send(method, "/me", ()).await.problem(405, "METHOD_NOT_ALLOWED");
    }
    app.anonymous().send("HEAD", "ROOT/health", ()).await.is(200);
}

#[tokio::test]
async fn a_body_is_rejected_when_it_is_of_another_type() {
    let app = TestApp::new().await;
    let form = ("application/x-www-form-urlencoded", "identifier=alice");
    for body in [
        Body::from(form),
        ("text/plain", "{}").into(),
        ("application/jsonp", "{}").into(),
        Body::Bytes(None, b"{}".to_vec()),
    ] {
        for path in ["/auth/login", "/auth/register", "/auth/refresh", "/auth/logout", "/auth/verify-token"] {
            app.anonymous().post(path, body.clone()).await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
        }
    }
    app.anonymous()
        .post("/auth/login", ("application/json; charset=utf-8", "{}"))
        .await
        .problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_body_is_rejected_when_it_does_not_arrive_in_time() {
    let app = TestApp::with(|config| config.server.request_timeout_seconds = 0).await;
    for path in ["/auth/login", "/auth/register", "/auth/refresh", "/auth/logout", "/auth/verify-token"] {
        app.anonymous().post(path, Body::Stalled).await.problem(408, "REQUEST_TIMEOUT");
    }
}

#[tokio::test]
async fn a_body_is_rejected_when_it_is_too_large() {
    let app = TestApp::new().await;
    let large = format!("{{\"identifier\": \"{}\"}}", "a".repeat(1_100_000));
    for path in ["/auth/login", "/auth/register", "/auth/refresh", "/auth/logout", "/auth/verify-token"] {
        app.anonymous()
            .post(path, ("application/json", large.as_str()))
            .await
            .problem(413, "PAYLOAD_TOO_LARGE");
    }
}

#[tokio::test]
async fn a_body_is_rejected_when_it_is_not_one_plain_json_object() {
    let app = TestApp::new().await;
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let bodies = [
        "",
        " ",
        "{",
        "{} {}",
        "[]",
        "1",
        "null",
        "\"x\"",
        "{\"identifier\": \"a\", \"identifier\": \"b\"}",
        "{\"identifier\": NaN}",
        "{\"identifier\": 1}",
        "{\"identifier\": [\"a\"]}",
        "{\"identifier\": \"a@b.co\", \"register\": \"yes\"}",
        "\u{feff}{}",
        "{\"x\": {\"y\": 1, \"y\": 2}}",
        &deep,
    ];
    for body in bodies {
        let answer = app.anonymous().post("/auth/login", ("application/json", body)).await;
        assert_eq!((answer.status, answer.code()), (400, "VALIDATION_ERROR"), "{body:?} {}", answer.text());
        assert!(answer["errors"].is_array(), "{body:?}");
    }
    let bytes = Body::Bytes(Some("application/json".into()), b"{\"identifier\": \"\xff\"}".to_vec());
    app.anonymous().post("/auth/login", bytes).await.problem(400, "VALIDATION_ERROR");
}

/// Nobody uploads a picture or any other file to be shown to others: pictures are named by their address (checklist UP-01).
/// What a body may be besides JSON and a form is a tenant's archive, which the system administrator alone sends.
#[tokio::test]
async fn no_operation_takes_a_file_to_show() {
    let document = serde_json::to_value(usso::app::router::openapi()).expect("JSON");
    let mut taken = BTreeSet::new();
    for (_, item) in document["paths"].as_object().expect("paths") {
        for (_, operation) in item.as_object().expect("operations") {
            let Some(content) = operation["requestBody"]["content"].as_object() else { continue };
            for media_type in content.keys() {
                if !["application/json", "application/x-www-form-urlencoded"].contains(&media_type.as_str()) {
                    taken.insert((
                        operation["operationId"].as_str().expect("an id").to_owned(),
                        media_type.clone(),
                    ));
                }
            }
        }
    }
    let archive = ("import_tenant".to_owned(), "application/octet-stream".to_owned());
    assert_eq!(taken, BTreeSet::from([archive]));
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let me = format!("/users/{}", admin.id());
    let svg = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    admin.patch(&me, ("image/svg+xml", svg)).await.is(415);
    for url in ["data:image/svg+xml,<svg/>", "javascript:alert(1)", "blob:x", "/uploads/x.svg"] {
        admin.patch(&me, serde_json::json!({"avatar_url": url})).await.problem(400, "VALIDATION_ERROR");
    }
}
