//! `POST /auth/login`.

use crate::app::token::Jwt;
use crate::app::{Answer, PASSWORD, Requests, TestApp};
use serde_json::{Value, json};
use usso::identity::users::model::ActivationStatus;

/// Everything of an answer that may tell accounts apart.
fn seen(answer: &Answer) -> (u16, Value, Vec<(String, String)>) {
    let mut body = answer.json.clone();
    body.as_object_mut().unwrap().remove("request_id");
    let text = |v: &http::HeaderValue| v.to_str().unwrap().to_owned();
    let headers = answer.headers.iter().filter(|(name, _)| *name != "x-request-id");
    let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
    headers.sort();
    (answer.status, body, headers)
}

#[tokio::test]
async fn the_quick_start_of_the_guide_works_as_written() {
    let app = TestApp::new().await;
    let secret = "SecurePassword123!";
    let body = json!({"identifier": "user@example.com", "secret": secret, "register": true});
    let registered = app.anonymous().post("/auth/login", body).await.expect(200);
    let answer = app.anonymous().login("user@example.com", secret).await.expect(200);
    assert_eq!(answer["user"]["id"], registered["user"]["id"]);

    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 3600);
    assert_eq!(answer["status"], "completed");
    assert_eq!(answer["next_step"], Value::Null);
    assert!(answer.json.get("next_step").is_some(), "null, not absent");
    let (access, refresh) = (answer.str("access_token"), answer.str("refresh_token"));
    assert_eq!(answer["tokens"], json!({"access": access, "refresh": refresh}));
    assert_eq!(answer["token"], json!({"access_token": access, "refresh_token": refresh}));
    assert_eq!(answer["user"]["uid"], answer["user"]["id"]);
    assert_eq!(answer["user"]["email"], "user@example.com");
    assert_eq!(answer["user"]["is_active"], true);
    assert_eq!(answer["user"]["credential_methods"], json!(["password"]));
    assert_eq!(answer["user"]["tenant_id"], "org_default");
    assert!(!answer.text().contains("argon2") && !answer.text().contains(secret));

    let claims = Jwt::decode(access).claims;
    for name in
        ["iss", "sub", "iat", "exp", "jti", "session_id", "tenant_id", "roles", "scopes", "acr", "amr"]
    {
        assert_eq!(answer[name], claims[name], "{name}");
    }
    assert_eq!(answer["claims"], json!({}));
    let me = app.anonymous().with_token(access).get("/me").await.expect(200);
    assert_eq!(me["id"], answer["user"]["id"]);
}

#[tokio::test]
async fn an_access_token_has_the_documented_claims_and_no_others() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let jwt = Jwt::decode(alice.access());
    let wanted = [
        "acr",
        "amr",
        "exp",
        "iat",
        "iss",
        "jti",
        "roles",
        "scopes",
        "session_id",
        "sub",
        "sub_type",
        "tenant_id",
        "token_type",
        "user_id",
        "user_name",
    ];
    assert_eq!(jwt.names(), wanted);
    let claims = &jwt.claims;
    assert!(claims["jti"].as_str().unwrap().starts_with("jwt_"));
    assert!(claims["session_id"].as_str().unwrap().starts_with("session:"));
    assert!(claims["sub"].as_str().unwrap().starts_with("user:"));
    assert_eq!(claims["sub"], claims["user_id"]);
    assert_eq!(claims["iss"], "http://localhost:8000");
    assert_eq!((&claims["token_type"], &claims["sub_type"]), (&json!("access"), &json!("user")));
    assert_eq!(
        (&claims["roles"], &claims["scopes"], &claims["amr"]),
        (&json!([]), &json!([]), &json!(["password"]))
    );
    assert_eq!((&claims["acr"], &claims["tenant_id"]), (&json!("usso:acr:1"), &json!("org_default")));
    assert_eq!(claims["iat"], 1_800_000_000);
    assert_eq!(claims["exp"], 1_800_003_600);
    let names: Vec<&String> = jwt.header.as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 3, "{}", jwt.header);
    assert_eq!((&jwt.header["alg"], &jwt.header["typ"]), (&json!("EdDSA"), &json!("JWT")));
    assert!(jwt.header["kid"].as_str().unwrap().starts_with("key_"));
    let encoded = alice.access().split('.').next().unwrap();
    assert!(!encoded.contains(['-', '_']), "some clients decode the header with the standard alphabet");
}

#[tokio::test]
async fn a_refresh_token_has_the_documented_claims_and_no_others() {
    let app = TestApp::new().await;
    let jwt = Jwt::decode(app.user("alice").await.refresh());
    let wanted = ["aud", "exp", "g", "iat", "iss", "jti", "session_id", "sub", "tenant_id", "token_type"];
    assert_eq!(jwt.names(), wanted);
    assert_eq!((&jwt.claims["token_type"], &jwt.claims["aud"]), (&json!("refresh"), &jwt.claims["iss"]));
    assert_eq!(jwt.claims["exp"], 1_800_000_000 + 2_592_000);
    assert_eq!(jwt.claims["g"], 0);
}

#[tokio::test]
async fn an_audience_is_written_only_if_one_is_known() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let body = json!({"identifier": "alice@example.com", "secret": PASSWORD, "audience": "your-app"});
    let asked = app.anonymous().post("/auth/login", body.clone()).await.expect(200);
    assert_eq!(Jwt::decode(asked.str("access_token")).claims["aud"], "your-app");
    assert_eq!(asked["aud"], "your-app");
    // A refresh keeps it.
    let refreshed =
        app.anonymous().post("/auth/refresh", json!({"refresh_token": asked.str("refresh_token")})).await;
    assert_eq!(Jwt::decode(refreshed.str("access_token")).claims["aud"], "your-app");

    app.configure("org_default", json!({"token": {"audience": "of-the-tenant"}})).await;
    let defaulted = app.anonymous().login("alice@example.com", PASSWORD).await.expect(200);
    assert_eq!(Jwt::decode(defaulted.str("access_token")).claims["aud"], "of-the-tenant");
    let asked = app.anonymous().post("/auth/login", body).await.expect(200);
    assert_eq!(Jwt::decode(asked.str("access_token")).claims["aud"], "your-app");
    assert_eq!(Jwt::decode(alice.access()).claims.get("aud"), None);
}

#[tokio::test]
async fn identity_claims_are_verified_values_only() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    assert_eq!(Jwt::decode(alice.access()).claims.get("email"), None);
    assert_eq!(alice.login["user"]["email"], "alice@example.com");
    app.change_user(&alice, |user| user.identifiers[0].verified_at = Some(kernel::Timestamp::default()))
        .await;
    assert_eq!(Jwt::decode(alice.again().await.access()).claims["email"], "alice@example.com");
    let admin = app.system_admin().await;
    let claims = Jwt::decode(admin.access()).claims;
    assert_eq!((&claims["username"], &claims["roles"]), (&json!("admin"), &json!(["admin"])));
    assert_eq!(claims["scopes"], json!(["superadmin:*", "*:*"]));
}

#[tokio::test]
async fn an_identifier_alone_tells_the_methods_and_not_whether_the_account_exists() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let known =
        app.anonymous().post("/auth/login", json!({"identifier": "alice@example.com"})).await.expect(200);
    let unknown =
        app.anonymous().post("/auth/login", json!({"identifier": "bob@example.com"})).await.expect(200);
    assert_eq!(seen(&known), seen(&unknown));
    assert_eq!(known["status"], "verification_required");
    let methods = json!(["password", "email/otp", "magic_link", "webauthn"]);
    assert_eq!(known["next_step"], json!({"methods": methods, "required_num": 1}));
    assert_eq!(
        (&known["token_type"], &known["amr"], &known["tokens"]),
        (&json!("temporary"), &json!([]), &Value::Null)
    );
    assert!(known.cookies().is_empty());
}

#[tokio::test]
async fn pw_09_a_wrong_password_and_an_unknown_account_look_the_same() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let wrong = app.anonymous().login("alice@example.com", "not-Alices-password!").await;
    let unknown = app.anonymous().login("nobody@example.com", "not-Alices-password!").await;
    wrong.problem(401, "INVALID_CREDENTIALS");
    assert_eq!(seen(&wrong), seen(&unknown));
    // Without a password at all, too.
    app.change_user(&alice, |user| user.credentials.clear()).await;
    assert_eq!(
        seen(&app.anonymous().login("alice@example.com", "not-Alices-password!").await),
        seen(&unknown)
    );
    // And a registration where none is possible.
    app.configure("org_default", json!({"registration": {"is_allowed": false}})).await;
    let body =
        json!({"identifier": "nobody@example.com", "secret": "not-Alices-password!", "register": true});
    assert_eq!(seen(&app.anonymous().post("/auth/login", body).await), seen(&unknown));
}

#[tokio::test]
async fn pw_09_a_locked_existing_and_a_locked_unknown_account_look_the_same() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let mut last = Vec::new();
    for identifier in ["alice@example.com", "nobody@example.com"] {
        for _ in 0..5 {
            app.anonymous().login(identifier, "wrong").await.problem(401, "INVALID_CREDENTIALS");
        }
        last.push(app.anonymous().login(identifier, "wrong").await.expect(429));
    }
    assert_eq!(seen(&last[0]), seen(&last[1]));
}

#[tokio::test]
async fn synonyms_and_aliases_of_the_published_clients_are_accepted() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let bodies = [
        json!({"email": "alice@example.com", "password": PASSWORD}),
        json!({"identifier": "Alice@Example.COM", "password": PASSWORD}),
        json!({"identifier": "alice@example.com", "type": "email", "method": "password", "secret": PASSWORD}),
        json!({"identifier": "alice@example.com", "secret": PASSWORD, "unknown": {"member": [1, null]}}),
    ];
    for body in bodies {
        for path in ["/auth/login", "/auth/signin", "/auth/login/"] {
            let answer = app.anonymous().post(path, body.clone()).await.expect(200);
            assert_eq!(answer["user"]["id"], alice.id());
        }
    }
    app.anonymous()
        .post("/auth/login", json!({"username": "admin", "password": crate::app::SYSTEM_PASSWORD}))
        .await
        .is(200);
}

#[tokio::test]
async fn login_with_register_makes_the_account_once() {
    let app = TestApp::new().await;
    let body =
        json!({"identifier": "carol@example.com", "secret": PASSWORD, "register": true, "name": " Carol "});
    let first = app.anonymous().post("/auth/login", body.clone()).await.expect(200);
    assert_eq!(first["user"]["name"], "Carol");
    assert_eq!(first["roles"], json!([]), "the first user is an ordinary one");
    let second = app.anonymous().post("/auth/login", body).await.expect(200);
    assert_eq!(first["user"]["id"], second["user"]["id"]);
    assert_ne!(first["session_id"], second["session_id"]);
    let wrong = json!({"identifier": "carol@example.com", "secret": "another-Password!1", "register": true});
    app.anonymous().post("/auth/login", wrong).await.problem(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn login_is_rejected_when_the_account_is_not_active_but_only_after_the_right_secret() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    for status in [ActivationStatus::Banned, ActivationStatus::Pending, ActivationStatus::Deactive] {
        app.change_user(&alice, |user| user.activation_status = status).await;
        app.anonymous().login("alice@example.com", PASSWORD).await.problem(403, "ACCOUNT_INACTIVE");
    }
    app.change_user(&alice, |user| user.is_active = false).await;
    app.anonymous().login("alice@example.com", PASSWORD).await.problem(403, "ACCOUNT_INACTIVE");
    app.anonymous().login("alice@example.com", "wrong").await.problem(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn login_is_rejected_when_the_method_is_not_open() {
    let app = TestApp::new().await;
    app.user("alice").await;
    for method in ["totp", "webauthn", "", "Password", "oauth"] {
        let body = json!({"identifier": "alice@example.com", "secret": PASSWORD, "method": method});
        app.anonymous().post("/auth/login", body).await.problem(400, "METHOD_NOT_AVAILABLE");
    }
    app.configure("org_default", json!({"allowed_login_methods": ["magic_link"]})).await;
    app.anonymous().login("alice@example.com", PASSWORD).await.problem(400, "METHOD_NOT_AVAILABLE");
}

#[tokio::test]
async fn login_is_rejected_when_the_identifier_is_missing_double_or_no_identifier() {
    let app = TestApp::new().await;
    let missing = app.anonymous().post("/auth/login", json!({"secret": PASSWORD})).await;
    missing.problem(400, "VALIDATION_ERROR");
    assert_eq!(
        missing["errors"][0],
        json!({"loc": ["body", "identifier"], "msg": "is required", "type": "missing"})
    );
    let double = json!({"identifier": "a@example.com", "email": "b@example.com", "secret": PASSWORD});
    app.anonymous().post("/auth/login", double).await.problem(400, "VALIDATION_ERROR");
    for (kind, identifier) in
        [("email", "a@"), ("email", "a b@example.com"), ("phone", "12"), ("username", "a")]
    {
        let body = json!({"identifier": identifier, "type": kind, "secret": PASSWORD});
        let answer = app.anonymous().post("/auth/login", body).await;
        answer.problem(400, "INVALID_IDENTIFIER");
        assert_eq!(answer["errors"][0]["loc"], json!(["body", "identifier"]));
    }
    app.anonymous()
        .post("/auth/login", json!({"identifier": "", "secret": PASSWORD}))
        .await
        .problem(400, "INVALID_IDENTIFIER");
}

#[tokio::test]
async fn login_is_rejected_when_audience_or_name_are_out_of_bounds() {
    let app = TestApp::new().await;
    let long = "x".repeat(256);
    for (member, value) in [("audience", ""), ("audience", &long), ("name", &long)] {
        let mut body = json!({"identifier": "alice@example.com", "secret": PASSWORD, "register": true});
        body[member] = value.into();
        app.anonymous().post("/auth/login", body).await.problem(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn credentials_presented_to_login_are_ignored() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    for header in ["Bearer nonsense", "Basic eDp5", "whatever"] {
        app.anonymous()
            .with_header("authorization", header)
            .login("alice@example.com", PASSWORD)
            .await
            .is(200);
    }
    app.anonymous().with_header("x-api-key", "usso_sk_x").login("alice@example.com", PASSWORD).await.is(200);
    app.wait(3_601);
    alice.post("/auth/login", json!({"identifier": "alice@example.com", "secret": PASSWORD})).await.is(200);
}

#[tokio::test]
async fn signing_in_is_audited_without_secrets() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    app.anonymous()
        .from_ip("198.51.100.7")
        .with_header("user-agent", "Tester/1")
        .login("alice@example.com", "guess-1")
        .await;
    app.anonymous().login("nobody@example.com", "guess-2").await;
    let events = app.audit("org_default").await;
    let names: Vec<&str> = events.iter().map(|e| e.event.as_str()).collect();
    assert!(
        names.ends_with(&["user.registered", "session.opened", "user.sign_in_failed", "user.sign_in_failed"]),
        "{names:?}"
    );
    let failed = &events[events.len() - 2];
    assert_eq!((failed.target.as_str(), failed.result.as_str()), (alice.id(), "failure"));
    assert_eq!((failed.ip.as_str(), failed.user_agent.as_deref()), ("198.51.100.7", Some("Tester/1")));
    assert_eq!(events.last().unwrap().target, "unknown");
    let text = format!("{events:?}");
    for secret in ["guess-1", "guess-2", PASSWORD, alice.access(), alice.refresh()] {
        assert!(!text.contains(secret));
    }
}
