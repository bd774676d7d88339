//! Token exchange (RFC 8693).

use super::{Rp, claims, oauth_error, signed_in};
use crate::app::{Answer, Requests, TestApp};
use serde_json::{Value, json};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

async fn exchange(rp: &Rp, subject: &str, more: &[(&str, &str)]) -> Answer {
    let fields = [("grant_type", GRANT), ("subject_token", subject), ("subject_token_type", ACCESS)];
    rp.token(&[&fields[..], more].concat()).await
}

/// An application for browsers, a service it calls, and one that the service calls.
async fn chain(app: &TestApp) -> (Rp, Rp, Rp) {
    let admin = app.system_admin().await;
    let service = |audiences: Value| json!({"grant_types": [GRANT], "scope": "openid email read:posts", "audiences": audiences});
    let front = json!({
        "scope": "openid profile email read:posts", "audiences": ["https://service.example"],
    });
    (
        Rp::new(&admin, front).await,
        Rp::new(&admin, service(json!(["https://service.example", "https://store.example"]))).await,
        Rp::new(&admin, service(json!(["https://store.example", "https://disk.example"]))).await,
    )
}

async fn subject(app: &TestApp, front: &Rp) -> Answer {
    let browser = signed_in(app, "alice").await;
    let asked = [("scope", "openid profile email read:posts"), ("resource", "https://service.example")];
    front.tokens(&browser, &asked).await
}

#[tokio::test]
async fn a_token_is_handed_on_and_says_who_acts() {
    let app = TestApp::new().await;
    let (front, service, store) = chain(&app).await;
    let tokens = subject(&app, &front).await;
    let before = claims(tokens.str("access_token"));
    app.wait(600);
    let more = [("resource", "https://store.example"), ("scope", "openid read:posts")];
    let first = exchange(&service, tokens.str("access_token"), &more).await.expect(200);
    assert_eq!((first.str("issued_token_type"), first.str("token_type")), (ACCESS, "Bearer"));
    assert!(first.json.get("refresh_token").is_none() && first.json.get("id_token").is_none());
    let told = claims(first.str("access_token"));
    assert_eq!((&told["sub"], &told["aud"]), (&before["sub"], &json!("https://store.example")));
    assert_eq!(told["act"], json!({"sub": service.id}));
    assert_eq!((&told["scope"], &told["exp"]), (&json!("openid read:posts"), &before["exp"]));

    let second = exchange(&store, first.str("access_token"), &[("resource", "https://disk.example")]).await;
    let told = claims(second.expect(200).str("access_token"));
    assert_eq!(told["act"], json!({"sub": store.id, "act": {"sub": service.id}}));
    assert_eq!(told["scope"], "openid read:posts");
}

#[tokio::test]
async fn an_exchange_only_narrows() {
    let app = TestApp::new().await;
    let (front, service, _) = chain(&app).await;
    let tokens = subject(&app, &front).await;
    let token = tokens.str("access_token");
    // `profile` is in the token, but not the service's.
    for scope in ["openid profile", "delete:posts", "openid read:posts read:users"] {
        oauth_error(&exchange(&service, token, &[("scope", scope)]).await, 400, "invalid_scope");
    }
    let all = exchange(&service, token, &[]).await.expect(200);
    assert_eq!(all.str("scope"), "openid email read:posts");
    let elsewhere = [("resource", "https://elsewhere.example")];
    oauth_error(&exchange(&service, token, &elsewhere).await, 400, "invalid_target");
}

#[tokio::test]
async fn an_exchange_is_rejected_when_the_token_is_worth_nothing_to_the_client() {
    let app = TestApp::new().await;
    let (front, service, store) = chain(&app).await;
    let tokens = subject(&app, &front).await;
    let token = tokens.str("access_token");
    for wrong in ["a.b.c", tokens.str("refresh_token"), tokens.str("id_token")] {
        oauth_error(&exchange(&service, wrong, &[]).await, 400, "invalid_request");
    }
    // Not meant for it, though it may use the grant.
    oauth_error(&exchange(&store, token, &[]).await, 400, "invalid_request");
    oauth_error(&exchange(&front, token, &[]).await, 400, "unauthorized_client");
    for more in [
        [("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")],
        [("actor_token", token)],
    ] {
        oauth_error(&exchange(&service, token, &more).await, 400, "invalid_request");
    }
    front.post("revoke", &[("token", tokens.str("refresh_token"))]).await.is(200);
    oauth_error(&exchange(&service, token, &[]).await, 400, "invalid_request");
}

#[tokio::test]
async fn a_client_that_keeps_no_secret_exchanges_nothing() {
    let app = TestApp::new().await;
    let said = json!({"grant_types": [GRANT], "token_endpoint_auth_method": "none"});
    app.system_admin().await.post("/oauth/clients", said).await.problem(400, "VALIDATION_ERROR");
}
