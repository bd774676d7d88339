//! `POST /auth/verify-token`.

use crate::app::token::{Jwt, forge, tampered};
use crate::app::{Requests, TestApp};
use serde_json::json;

#[tokio::test]
async fn a_valid_token_is_told_with_all_its_claims() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    for token in [alice.access(), alice.refresh()] {
        let answer = app.anonymous().post("/auth/verify-token", json!({"token": token})).await.expect(200);
        assert_eq!((&answer["valid"], &answer["active"]), (&json!(true), &json!(true)));
        for (name, value) in Jwt::decode(token).claims.as_object().unwrap() {
            assert_eq!(&answer[name], value, "{name}");
        }
    }
}

#[tokio::test]
async fn a_token_is_rejected_when_another_kind_was_asked_for() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let verify = |token: &str, kind: &str| {
        let (who, body) = (app.anonymous(), json!({"token": token, "token_type": kind}));
        async move { who.post("/auth/verify-token", body).await }
    };
    verify(alice.access(), "access").await.is(200);
    verify(alice.refresh(), "refresh").await.is(200);
    verify(alice.access(), "refresh").await.problem(401, "TOKEN_TYPE_INVALID");
    verify(alice.refresh(), "access").await.problem(401, "TOKEN_TYPE_INVALID");
    verify(alice.access(), "nonsense").await.problem(400, "VALIDATION_ERROR");
    let id = forge(&app, "org_default", &Jwt::decode(alice.access()).with(json!({"token_type": "id"}))).await;
    app.anonymous().post("/auth/verify-token", json!({"token": id})).await.problem(401, "TOKEN_TYPE_INVALID");
}

#[tokio::test]
async fn a_token_is_rejected_when_invalid_expired_revoked_or_foreign() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let verify = |token: &str| {
        let (who, body) = (app.anonymous(), json!({"token": token}));
        async move { who.post("/auth/verify-token", body).await }
    };
    verify("nonsense").await.problem(401, "TOKEN_INVALID");
    verify(&tampered(alice.access(), json!({"sub": "user:x"}))).await.problem(401, "TOKEN_INVALID");
    verify(tenant.admin().access()).await.problem(401, "TOKEN_INVALID");
    bob.post("/auth/logout", ()).await.expect(200);
    verify(bob.access()).await.problem(401, "TOKEN_REVOKED");
    verify(bob.refresh()).await.problem(401, "TOKEN_REVOKED");
    app.wait(3_600);
    verify(alice.access()).await.problem(401, "TOKEN_EXPIRED");
    verify(alice.refresh()).await.is(200);
}

#[tokio::test]
async fn the_token_is_required() {
    let app = TestApp::new().await;
    let answer = app.anonymous().post("/auth/verify-token", json!({})).await;
    answer.problem(400, "VALIDATION_ERROR");
    assert_eq!(
        answer["errors"][0],
        json!({"loc": ["body", "token"], "msg": "is required", "type": "missing"})
    );
}

#[tokio::test]
async fn a_refresh_token_is_rejected_when_its_generation_was_left_behind() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let mut newest = alice.refresh().to_owned();
    for _ in 0..4 {
        let body = json!({"refresh_token": newest});
        newest =
            app.anonymous().post("/auth/refresh", body).await.expect(200).str("refresh_token").to_owned();
    }
    app.anonymous().post("/auth/verify-token", json!({"token": newest})).await.expect(200);
    let old = json!({"token": alice.refresh()});
    app.anonymous().post("/auth/verify-token", old).await.problem(401, "TOKEN_REVOKED");
    // Looking at a token is no use of it: the session lives on.
    app.anonymous().post("/auth/refresh", json!({"refresh_token": newest})).await.is(200);
}
