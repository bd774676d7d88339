//! `GET /me`, and with it how credentials are presented (contract 1.4).

use crate::app::token::{Jwt, forge, tampered, unsecured};
use crate::app::{PASSWORD, Requests, TestApp};
use serde_json::json;
use usso::identity::users::model::ActivationStatus;

#[tokio::test]
async fn me_is_the_user_and_what_the_token_says_under_each_name() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let me = alice.get("/me").await.expect(200);
    let claims = Jwt::decode(alice.access()).claims;
    for name in [
        "iss",
        "sub",
        "iat",
        "exp",
        "jti",
        "session_id",
        "tenant_id",
        "roles",
        "scopes",
        "acr",
        "amr",
        "user_id",
    ] {
        assert_eq!(me[name], claims[name], "{name}");
    }
    assert_eq!((me.str("token_type"), me.str("sub_type")), ("access", "user"));
    assert_eq!((me.str("id"), me.str("uid"), me.str("name")), (alice.id(), alice.id(), "alice"));
    assert_eq!(me.json.get("aud"), None);
    assert!(me.header("etag").is_some());
    for alias in ["/auth/me", "/users/me", "/me/"] {
        assert_eq!(alice.get(alias).await.expect(200).json, me.json, "{alias}");
    }
}

#[tokio::test]
async fn me_is_rejected_without_a_credential() {
    let app = TestApp::new().await;
    let answer = app.anonymous().get("/me").await;
    answer.problem(401, "NOT_AUTHENTICATED");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"usso\""));
    let answer = app.anonymous().with_token("nonsense").get("/me").await;
    answer.problem(401, "TOKEN_INVALID");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"usso\", error=\"invalid_token\""));
}

#[tokio::test]
async fn a_token_is_accepted_as_bearer_bare_or_cookie() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let who = app.anonymous();
    for value in [
        format!("Bearer {}", alice.access()),
        format!("bearer  {}", alice.access()),
        alice.access().to_owned(),
    ] {
        who.clone().with_header("authorization", &value).get("/me").await.is(200);
    }
    who.with_header("cookie", &format!("usso-access-token={}", alice.access())).get("/me").await.is(200);
}

#[tokio::test]
async fn the_first_credential_present_decides() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let who = app.anonymous().with_header("cookie", &format!("usso-access-token={}", alice.access()));
    for value in ["Bearer nonsense", "Basic YTpi", "Bearer ", "", "Bearer a.b.c.d.e"] {
        who.clone().with_header("authorization", value).get("/me").await.problem(401, "TOKEN_INVALID");
    }
    who.clone().with_header("x-api-key", "usso_sk_unknown").get("/me").await.problem(401, "API_KEY_INVALID");
    let bearer = format!("Bearer {}", alice.access());
    let twice =
        who.clone().with_header("authorization", &bearer).with_another_header("authorization", &bearer);
    twice.get("/me").await.problem(401, "TOKEN_INVALID");
    let bad_cookie = app.anonymous().with_header("cookie", "usso-access-token=nonsense");
    bad_cookie.with_token(alice.access()).get("/me").await.is(200);
}

#[tokio::test]
async fn a_token_is_rejected_when_it_is_of_another_kind() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    app.anonymous().with_token(alice.refresh()).get("/me").await.problem(401, "TOKEN_TYPE_INVALID");
    let jwt = Jwt::decode(alice.access());
    for kind in ["temporary", "secure", "one_time", "id"] {
        let token = forge(&app, "org_default", &jwt.with(json!({"token_type": kind}))).await;
        app.anonymous().with_token(&token).get("/me").await.problem(401, "TOKEN_TYPE_INVALID");
    }
    for kind in [json!("other"), json!(null)] {
        let token = forge(&app, "org_default", &jwt.with(json!({"token_type": kind}))).await;
        app.anonymous().with_token(&token).get("/me").await.problem(401, "TOKEN_INVALID");
    }
}

#[tokio::test]
async fn a_token_is_rejected_when_it_was_tampered_with() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let (head, rest) = alice.access().split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let tokens = [
        tampered(alice.access(), json!({"roles": ["admin"]})),
        unsecured(alice.access()),
        format!("{head}.{body}."),
        format!("{head}.{body}"),
        format!("{head}.{body}.{signature}="),
        format!("{head}.{body}.{signature}.x"),
        format!("{head}..{signature}"),
    ];
    for token in tokens {
        app.anonymous().with_token(&token).get("/me").await.problem(401, "TOKEN_INVALID");
    }
}

#[tokio::test]
async fn a_token_is_rejected_when_issuer_tenant_or_time_are_not_right() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let jwt = Jwt::decode(alice.access());
    let wrong = [
        json!({"iss": "http://evil.example"}),
        json!({"iss": "http://localhost:8000/"}),
        json!({"tenant_id": "org_other"}),
        json!({"iat": 1_800_000_061}),
        json!({"exp": "later"}),
        json!({"session_id": null}),
        json!({"session_id": "nonsense"}),
    ];
    for changes in wrong {
        let token = forge(&app, "org_default", &jwt.with(changes.clone())).await;
        let answer = app.anonymous().with_token(&token).get("/me").await;
        assert_eq!((answer.status, answer.code()), (401, "TOKEN_INVALID"), "{changes}");
    }
    let skewed = forge(&app, "org_default", &jwt.with(json!({"iat": 1_800_000_060}))).await;
    app.anonymous().with_token(&skewed).get("/me").await.is(200);
}

#[tokio::test]
async fn a_token_is_rejected_when_its_time_is_over() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    app.wait(3_599);
    alice.get("/me").await.is(200);
    app.wait(1);
    alice.get("/me").await.problem(401, "TOKEN_EXPIRED");
}

#[tokio::test]
async fn a_token_is_rejected_when_it_is_another_tenants() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    alice.clone().on_host("company-a.com").get("/me").await.problem(401, "TOKEN_INVALID");
    alice.clone().with_header("x-tenant-id", "org_company_a").get("/me").await.problem(401, "TOKEN_INVALID");
    tenant.admin().on_host(crate::app::HOST).get("/me").await.problem(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn a_user_who_may_no_longer_sign_in_is_out_at_the_next_request() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    for status in [ActivationStatus::Banned, ActivationStatus::Deactive, ActivationStatus::Pending] {
        alice.get("/me").await.expect(200);
        app.change_user(&alice, |user| user.activation_status = status).await;
        alice.get("/me").await.problem(401, "TOKEN_REVOKED");
        app.change_user(&alice, |user| user.activation_status = ActivationStatus::Active).await;
    }
}

#[tokio::test]
async fn a_higher_epoch_ends_every_session_of_the_user_in_one_write() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let sessions = [alice.clone(), alice.again().await, alice.again().await];
    let bob = app.user("bob").await;
    app.change_user(&alice, |user| user.session_epoch += 1).await;
    for session in &sessions {
        session.get("/me").await.problem(401, "TOKEN_REVOKED");
        let body = json!({"refresh_token": session.refresh()});
        app.anonymous().post("/auth/refresh", body).await.problem(401, "TOKEN_REVOKED");
    }
    alice.again().await.get("/me").await.is(200);
    bob.get("/me").await.is(200);
}

#[tokio::test]
async fn a_reset_password_ends_every_session_and_the_old_password() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let scope = app.scope("org_default").await;
    let id = kernel::UserId::parse(alice.id()).unwrap();
    let secret = "another-Horse-battery-7!".into();
    let client = usso::tenant::ClientInfo::local();
    usso::identity::users::service::reset_password(&app.state.identity, &scope, &id, &secret, &client)
        .await
        .unwrap();
    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
    app.anonymous().login("alice@example.com", PASSWORD).await.problem(401, "INVALID_CREDENTIALS");
    app.anonymous().login("alice@example.com", "another-Horse-battery-7!").await.is(200);
}

#[tokio::test]
async fn a_tenant_switched_off_ends_every_session_even_when_switched_on_again() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let (admin, system) = (tenant.admin(), app.system_admin().await);
    system.patch("/tenants/org_company_a", json!({"is_active": false})).await.expect(200);
    admin.get("/me").await.problem(403, "TENANT_INACTIVE");
    system.patch("/tenants/org_company_a", json!({"is_active": true})).await.expect(200);
    admin.get("/me").await.problem(401, "TOKEN_REVOKED");
    admin.again().await.get("/me").await.is(200);
}
