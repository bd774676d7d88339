//! `POST /auth/register`.

use crate::app::{PASSWORD, Requests, TestApp};
use futures_util::future::join_all;
use serde_json::json;

#[tokio::test]
async fn registering_makes_an_account_and_signs_in() {
    let app = TestApp::new().await;
    let body = json!({"identifier": "alice@example.com", "secret": PASSWORD, "name": "Alice"});
    let answer = app.anonymous().post("/auth/register", body).await.expect(201);
    assert_eq!(
        (answer["status"].as_str(), answer["user"]["name"].as_str()),
        (Some("completed"), Some("Alice"))
    );
    let identifier = &answer["user"]["identifiers"][0];
    assert_eq!((&identifier["value"], &identifier["type"]), (&json!("alice@example.com"), &json!("email")));
    assert_eq!((&identifier["verified"], &identifier["is_primary"]), (&json!(false), &json!(true)));
    assert_eq!(answer.cookies().len(), 3);
    app.anonymous().with_token(answer.str("access_token")).get("/me").await.is(200);
}

#[tokio::test]
async fn register_is_rejected_when_the_identifier_is_taken_in_any_spelling() {
    let app = TestApp::new().await;
    app.user("alice").await;
    for identifier in ["alice@example.com", "ALICE@example.COM", " alice@example.com "] {
        let body = json!({"identifier": identifier, "secret": "another-Password!1"});
        app.anonymous().post("/auth/register", body).await.problem(409, "IDENTIFIER_EXISTS");
    }
    // Elsewhere it is free.
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let body = json!({"identifier": "alice@example.com", "secret": PASSWORD});
    tenant.anonymous().post("/auth/register", body).await.is(201);
}

#[tokio::test]
async fn of_parallel_registrations_of_one_identifier_exactly_one_wins() {
    let app = TestApp::new().await;
    let answers = join_all((0..12).map(|_| {
        let who = app.anonymous();
        let body = json!({"identifier": "alice@example.com", "secret": PASSWORD});
        async move { who.post("/auth/register", body).await }
    }))
    .await;
    assert_eq!(answers.iter().filter(|a| a.status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|a| a.code() == "IDENTIFIER_EXISTS").count(), 11);
}

#[tokio::test]
async fn register_is_rejected_when_the_tenant_keeps_it_closed() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.configure("org_default", json!({"registration": {"is_allowed": false}})).await;
    let body = json!({"identifier": "bob@example.com", "secret": PASSWORD});
    app.anonymous().post("/auth/register", body).await.problem(403, "REGISTRATION_DISABLED");
}

#[tokio::test]
async fn a_closed_registration_does_not_tell_who_has_an_account() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.configure("org_default", json!({"registration": {"is_allowed": false}})).await;
    for name in ["alice", "bob"] {
        let body = json!({"identifier": format!("{name}@example.com"), "secret": PASSWORD});
        app.anonymous().post("/auth/register", body).await.problem(403, "REGISTRATION_DISABLED");
    }
}

#[tokio::test]
async fn register_is_rejected_when_the_name_is_reserved() {
    let app = TestApp::new().await;
    for name in ["admin2", "Admin", "ad.min", "root", "usso", "support"] {
        let body = json!({"username": name, "password": PASSWORD});
        let answer = app.anonymous().post("/auth/register", body).await;
        match name {
            "admin2" => answer.is(201),
            "Admin" => assert!(
                matches!(answer.code(), "IDENTIFIER_EXISTS" | "INVALID_IDENTIFIER"),
                "{}",
                answer.text()
            ),
            _ => answer.problem(400, "INVALID_IDENTIFIER"),
        }
    }
    // Not by a detour either.
    let body = json!({"username": "root", "password": PASSWORD, "register": true});
    app.anonymous().post("/auth/login", body).await.problem(400, "INVALID_IDENTIFIER");
}

#[tokio::test]
async fn register_is_rejected_when_secret_or_identifier_are_missing() {
    let app = TestApp::new().await;
    let answer = app.anonymous().post("/auth/register", json!({"identifier": "alice@example.com"})).await;
    answer.problem(400, "VALIDATION_ERROR");
    assert_eq!(answer["errors"][0]["loc"], json!(["body", "secret"]));
    app.anonymous()
        .post("/auth/register", json!({"secret": PASSWORD}))
        .await
        .problem(400, "VALIDATION_ERROR");
}
