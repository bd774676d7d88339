//! `/agents`: making, changing and removing them.

use crate::app::{Answer, Requests, TenantHandle, TestApp, User};
use protocol::jose::pem::{Ed25519Public, private_pem};
use protocol::jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

/// A tenant, and somebody of it who holds these scopes.
async fn holder(app: &TestApp, scopes: &[&str]) -> (TenantHandle, User) {
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let user = granted(app, &tenant, "alice", scopes).await;
    (tenant, user)
}

async fn granted(app: &TestApp, tenant: &TenantHandle, name: &str, scopes: &[&str]) -> User {
    let user = tenant.user(name).await;
    app.change_user(&user, |u| u.scopes = scopes.iter().map(|s| (*s).to_owned()).collect()).await;
    user.again().await
}

async fn make(user: &impl Requests, body: Value) -> Answer {
    user.post("/agents", body).await.expect(201)
}

fn path(agent: &Answer) -> String {
    format!("/agents/{}", agent.str("id"))
}

fn public_pem() -> String {
    Ed25519Public::of(&SigningKey::generate(Algorithm::EdDsa).unwrap()).unwrap().to_pem()
}

#[tokio::test]
async fn an_agent_without_a_key_is_given_a_pair_whose_private_half_is_told_once() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["create:agents", "read:reports"]).await;
    let made = make(&alice, json!({"name": " Export ", "scopes": ["read:reports"]})).await;
    assert!(made.str("id").starts_with("service:"));
    assert_eq!((made.str("uid"), made.str("client_id")), (made.str("id"), made.str("id")));
    assert_eq!((made.str("name"), made.str("type"), made.str("alg")), ("Export", "agent", "EdDSA"));
    assert_eq!((made.str("tenant_id"), made.str("user_id")), (tenant.id.as_str(), alice.id()));
    assert_eq!((&made["scopes"], &made["is_active"]), (&json!(["read:reports"]), &json!(true)));
    assert!(made.str("auth_uri").ends_with("company-a.com:8000/api/sso/v1/agents/auth"), "{}", made.text());
    let body: String = made.str("private_key").lines().filter(|line| !line.starts_with('-')).collect();
    let der =
        protocol::b64url::decode(body.replace('+', "-").replace('/', "_").trim_end_matches('=')).unwrap();
    let pair = SigningKey::from_pkcs8(Algorithm::EdDsa, &der).unwrap();
    assert_eq!(private_pem(&pair).unwrap().as_str(), made.str("private_key"));
    let public = Ed25519Public::of(&pair).unwrap();
    assert_eq!((made.str("verify_key"), made.str("kid")), (&*public.to_pem(), &*public.fingerprint()));
    for answer in [alice.get(&path(&made)).await.expect(200), alice.get("/agents").await.expect(200)] {
        assert!(!answer.text().contains("PRIVATE") && answer.text().contains(made.str("kid")));
    }
}

#[tokio::test]
async fn an_agent_brings_its_own_public_key_under_either_name_of_its_algorithm() {
    let app = TestApp::new().await;
    let (_, alice) = holder(&app, &["create:agents"]).await;
    for alg in ["EdDSA", "Ed25519", "ED25519", "EDDSA"] {
        let pem = public_pem();
        let made = make(&alice, json!({"name": "Own", "alg": alg, "verify_key": pem})).await;
        assert_eq!((made.str("verify_key"), made.str("alg")), (pem.as_str(), "EdDSA"));
        assert_eq!(made.str("kid"), Ed25519Public::from_pem(&pem).unwrap().fingerprint());
        assert_eq!(made["private_key"], Value::Null);
    }
}

#[tokio::test]
async fn a_key_or_algorithm_that_agents_do_not_have_is_refused() {
    let app = TestApp::new().await;
    let (_, alice) = holder(&app, &["create:agents"]).await;
    let bodies = [
        json!({"name": "x", "alg": "RS256"}),
        json!({"name": "x", "alg": "none"}),
        json!({"name": "x", "verify_key": "AAAA"}),
        json!({"name": "x", "verify_key": public_pem().replace("PUBLIC", "PRIVATE")}),
        json!({"name": " "}),
        json!({"name": "x".repeat(201)}),
        json!({"name": "x", "description": "x".repeat(2_001)}),
        json!({"name": "x", "workspace_id": "ws_foreign"}),
    ];
    for body in bodies {
        alice.post("/agents", body).await.problem(400, "VALIDATION_ERROR");
    }
    alice.post("/agents", json!({"name": "x", "scopes": ["read:[a]"]})).await.problem(400, "INVALID_SCOPE");
}

#[tokio::test]
async fn two_agents_never_share_a_key() {
    let app = TestApp::new().await;
    let (_, alice) = holder(&app, &["create:agents"]).await;
    let pem = public_pem();
    make(&alice, json!({"name": "One", "verify_key": pem})).await;
    alice.post("/agents", json!({"name": "Two", "verify_key": pem})).await.problem(409, "CONFLICT");
    let two = make(&alice, json!({"name": "Two"})).await;
    alice.patch(&path(&two), json!({"verify_key": pem})).await.problem(409, "CONFLICT");
}

#[tokio::test]
async fn nobody_makes_an_agent_without_the_permission() {
    let app = TestApp::new().await;
    let (_, alice) = holder(&app, &["read:agents"]).await;
    alice.post("/agents", json!({"name": "x"})).await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn nobody_gives_an_agent_what_they_do_not_hold() {
    let app = TestApp::new().await;
    let (_, alice) = holder(&app, &["create:agents", "read:reports"]).await;
    for scopes in [json!(["update:reports"]), json!(["*:*"]), json!(["read:reports", "read:users"])] {
        let refused = alice.post("/agents", json!({"name": "x", "scopes": scopes})).await;
        refused.problem(403, "SCOPE_NOT_DELEGABLE");
    }
    let made = make(&alice, json!({"name": "x"})).await;
    let wider = alice.patch(&path(&made), json!({"scopes": ["update:reports"]})).await;
    wider.problem(403, "SCOPE_NOT_DELEGABLE");
}

#[tokio::test]
async fn nobody_takes_over_an_agent_that_may_more_than_they_do() {
    let app = TestApp::new().await;
    let (tenant, bob) = holder(&app, &["update:agents"]).await;
    let made = make(&tenant.admin(), json!({"name": "Strong", "scopes": ["*:*"]})).await;
    let key = json!({"verify_key": public_pem()});
    bob.patch(&path(&made), key).await.problem(403, "SCOPE_NOT_DELEGABLE");
    // Taking away is nobody's loss but the agent's.
    bob.patch(&path(&made), json!({"is_active": false})).await.expect(200);
    bob.patch(&path(&made), json!({"is_active": true})).await.problem(403, "SCOPE_NOT_DELEGABLE");
    bob.patch(&path(&made), json!({"name": "Off"})).await.expect(200);
}

#[tokio::test]
async fn who_made_an_agent_may_see_change_and_remove_it_and_others_may_not() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["create:agents"]).await;
    let made = make(&alice, json!({"name": "Mine"})).await;
    let changed =
        alice.patch(&path(&made), json!({"name": "Yours", "description": "Exports"})).await.expect(200);
    assert_eq!((changed.str("name"), changed.str("description")), ("Yours", "Exports"));
    let bob = granted(&app, &tenant, "bob", &[]).await;
    assert!(bob.get("/agents").await.expect(200).items().is_empty());
    for refused in [
        bob.get(&path(&made)).await,
        bob.patch(&path(&made), json!({"name": "x"})).await,
        bob.delete(&path(&made)).await,
    ] {
        refused.problem(403, "PERMISSION_DENIED");
    }
    let reader = granted(&app, &tenant, "carol", &["read:agents"]).await;
    assert_eq!(reader.get("/agents").await.expect(200).items().len(), 1);
    reader.get(&path(&made)).await.expect(200);
    reader.delete(&path(&made)).await.problem(403, "PERMISSION_DENIED");
    let filtered = granted(&app, &tenant, "dave", &["read:agents?user_id=user:nobody"]).await;
    assert!(filtered.get("/agents").await.expect(200).items().is_empty());
    filtered.get(&path(&made)).await.problem(404, "NOT_FOUND");
    let removed = alice.delete(&path(&made)).await.expect(200);
    assert_eq!((&removed["is_deleted"], &removed["is_active"]), (&json!(true), &json!(false)));
    bob.get(&path(&made)).await.problem(403, "PERMISSION_DENIED");
    reader.get(&path(&made)).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn an_api_key_for_little_does_not_own_its_users_agents() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["create:agents", "read:reports"]).await;
    let made = make(&alice, json!({"name": "Mine", "scopes": ["read:reports"]})).await;
    let key = alice.post("/apikeys", json!({"scopes": []})).await.expect(201);
    let by_key = tenant.anonymous().with_header("x-api-key", key.str("api_key"));
    by_key.patch(&path(&made), json!({"verify_key": public_pem()})).await.problem(403, "PERMISSION_DENIED");
    by_key.delete(&path(&made)).await.problem(403, "PERMISSION_DENIED");
    by_key.get(&path(&made)).await.expect(200);
}

#[tokio::test]
async fn a_change_of_an_outdated_agent_is_refused() {
    let app = TestApp::new().await;
    let (_, alice) = holder(&app, &["create:agents"]).await;
    let made = make(&alice, json!({"name": "Mine"})).await;
    let old = alice.clone().with_header("if-match", made.header("etag").unwrap());
    old.patch(&path(&made), json!({"name": "One"})).await.expect(200);
    old.patch(&path(&made), json!({"name": "Two"})).await.problem(412, "PRECONDITION_FAILED");
    old.delete(&path(&made)).await.problem(412, "PRECONDITION_FAILED");
}

#[tokio::test]
async fn a_request_sent_twice_makes_one_agent() {
    let app = TestApp::new().await;
    let (_, alice) = holder(&app, &["create:agents"]).await;
    let keyed = alice.clone().with_header("idempotency-key", "once");
    let (one, two) = (make(&keyed, json!({"name": "x"})).await, make(&keyed, json!({"name": "x"})).await);
    assert_eq!(one.json, two.json);
    assert_eq!(alice.get("/agents").await.expect(200).items().len(), 1);
}

#[tokio::test]
async fn every_change_of_an_agent_is_an_event_without_a_secret() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["create:agents"]).await;
    let made = make(&alice, json!({"name": "x"})).await;
    alice.patch(&path(&made), json!({"is_active": false})).await.expect(200);
    alice.patch(&path(&made), json!({"is_active": false})).await.expect(200);
    alice.delete(&path(&made)).await.expect(200);
    let events = app.audit(&tenant.id).await;
    let own: Vec<_> = events.iter().filter(|e| e.target == made.str("id")).collect();
    let names: Vec<_> = own.iter().map(|e| e.event.as_str()).collect();
    assert_eq!(names, ["agent.created", "agent.updated", "agent.deleted"]);
    assert!(own.iter().all(|e| e.actor == alice.id()));
    let secret = made.str("private_key").lines().nth(1).unwrap();
    assert!(!format!("{events:?}").contains(secret));
}
