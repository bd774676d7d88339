//! The JWT of an agent as a grant (RFC 7523 §2.1).

use super::keys::Key;
use super::{claims, oauth_error};
use crate::app::{Anonymous, Answer, ORIGIN, Requests, TestApp};
use serde_json::{Value, json};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An agent with a key.
async fn agent(app: &TestApp) -> (Anonymous, String, Key) {
    let (admin, key) = (app.system_admin().await, Key::new());
    let said = json!({"name": "Export", "scopes": ["read:users", "read:roles"], "verify_key": key.pem()});
    let made = admin.post("/agents", said).await.expect(201);
    (admin.signed_out(), made.str("id").to_owned(), key)
}

async fn ask(who: &Anonymous, assertion: &str, more: &[(&str, &str)]) -> Answer {
    let fields = [("grant_type", GRANT), ("assertion", assertion)];
    who.form("ROOT/oauth/token", &[&fields[..], more].concat()).await
}

fn assertion(app: &TestApp, (id, key): (&str, &Key), changes: Value) -> String {
    let signed = key.assertion(app, id, changes);
    // Without the `kid` of a client's key: an agent's is another.
    let (_, rest) = signed.split_once('.').expect("a token");
    let (payload, _) = rest.split_once('.').expect("a token");
    let claims: Value =
        serde_json::from_slice(&protocol::b64url::decode(payload).expect("base64url")).expect("JSON");
    key.sign(&json!({"alg": "EdDSA"}), &claims)
}

#[tokio::test]
async fn an_agent_trades_its_jwt_for_an_access_token_once() {
    let app = TestApp::new().await;
    let (who, id, key) = agent(&app).await;
    let token = assertion(&app, (&id, &key), json!({}));
    let tokens = ask(&who, &token, &[]).await.expect(200);
    assert_eq!((tokens.str("token_type"), tokens.str("scope")), ("Bearer", "read:users read:roles"));
    assert!(tokens.json.get("refresh_token").is_none());
    let told = claims(tokens.str("access_token"));
    assert_eq!((told["sub"].as_str(), told["sub_type"].as_str()), (Some(id.as_str()), Some("agent")));
    who.clone().with_token(tokens.str("access_token")).get("/users").await.is(200);
    oauth_error(&ask(&who, &token, &[]).await, 400, "invalid_grant");
    let at_token = json!({"aud": format!("{ORIGIN}/oauth/token")});
    ask(&who, &assertion(&app, (&id, &key), at_token), &[]).await.is(200);
}

#[tokio::test]
async fn an_assertion_is_rejected_when_it_is_for_somebody_else_or_no_agents() {
    let app = TestApp::new().await;
    let (who, id, key) = agent(&app).await;
    for changes in [
        json!({"aud": "sso"}),
        json!({"aud": null}),
        json!({"iss": "service:nobody"}),
        json!({"exp": 1_799_999_000}),
        json!({"exp": 1_800_003_600}),
        json!({"jti": null}),
    ] {
        let answer = ask(&who, &assertion(&app, (&id, &key), changes.clone()), &[]).await;
        oauth_error(&answer, 400, "invalid_grant");
    }
    let forged = assertion(&app, (&id, &Key::new()), json!({}));
    oauth_error(&ask(&who, &forged, &[]).await, 400, "invalid_grant");
    oauth_error(&who.form("ROOT/oauth/token", &[("grant_type", GRANT)]).await, 400, "invalid_request");
}

#[tokio::test]
async fn the_scope_of_an_agents_token_only_narrows() {
    let app = TestApp::new().await;
    let (who, id, key) = agent(&app).await;
    let narrow = [("scope", "read:roles"), ("resource", "https://api.example")];
    let tokens = ask(&who, &assertion(&app, (&id, &key), json!({})), &narrow).await.expect(200);
    let told = claims(tokens.str("access_token"));
    assert_eq!((&told["scopes"], &told["aud"]), (&json!(["read:roles"]), &json!("https://api.example")));
    let wide = [("scope", "delete:users")];
    let token = assertion(&app, (&id, &key), json!({}));
    oauth_error(&ask(&who, &token, &wide).await, 400, "invalid_scope");
    let token = assertion(&app, (&id, &key), json!({"scopes": ["read:users"]}));
    oauth_error(&ask(&who, &token, &[("scope", "read:roles")]).await, 400, "invalid_grant");
}
