//! `/apikeys`, and requests that present one (checklist API-07).

use crate::app::{Anonymous, Answer, Requests, TenantHandle, TestApp, User};
use serde_json::{Value, json};
use usso::app::jobs::write_counts;

/// A tenant, and somebody of it who holds these scopes.
async fn holder(app: &TestApp, scopes: &[&str]) -> (TenantHandle, User) {
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let user = tenant.user("alice").await;
    grant(app, &user, scopes).await;
    let user = user.again().await;
    (tenant, user)
}

async fn grant(app: &TestApp, user: &User, scopes: &[&str]) {
    app.change_user(user, |u| u.scopes = scopes.iter().map(|s| (*s).to_owned()).collect()).await;
}

async fn make(user: &impl Requests, body: Value) -> Answer {
    user.post("/apikeys", body).await.expect(201)
}

/// Somebody who presents a key in its own header.
fn by_key(tenant: &TenantHandle, key: &Answer) -> Anonymous {
    tenant.anonymous().with_header("x-api-key", key.str("api_key"))
}

fn path(key: &Answer) -> String {
    format!("/apikeys/{}", key.str("id"))
}

async fn verify(tenant: &TenantHandle, key: &Answer) -> Answer {
    tenant.anonymous().post("/apikeys/verify", json!({"api_key": key.str("api_key")})).await
}

#[tokio::test]
async fn a_key_is_shown_once_and_has_the_callers_scopes() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["read:reports", "update:files"]).await;
    let key = make(&alice, json!({"name": " Nightly export "})).await;
    let secret = key.str("api_key");
    assert_eq!(key["key"], key["api_key"]);
    assert!(secret.starts_with("usso_sk_") && secret.len() == 57 && !secret.contains('.'), "{secret}");
    assert_eq!(key.str("api_key_pattern"), format!("{}…{}", &secret[..10], &secret[53..]));
    assert_eq!(
        (&key["name"], &key["scopes"]),
        (&json!("Nightly export"), &json!(["read:reports", "update:files"]))
    );
    assert_eq!((key.str("id"), key.str("user_id")), (key.str("uid"), alice.id()));
    assert_eq!((&key["tenant_id"], &key["is_active"]), (&json!(tenant.id), &json!(true)));
    for absent in ["agent_id", "workspace_id", "expires_at", "last_used_at", "rate_limit"] {
        assert_eq!(key[absent], Value::Null, "{absent}");
    }
    assert!(key.header("etag").is_some());
    for answer in [alice.get(&path(&key)).await.expect(200), alice.get("/apikeys").await.expect(200)] {
        assert!(!answer.text().contains(&secret[12..50]), "{}", answer.text());
        assert!(answer.text().contains(key.str("api_key_pattern")));
    }
}

#[tokio::test]
async fn two_keys_have_nothing_in_common() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let (one, two) = (make(&alice, json!({})).await, make(&alice, json!({})).await);
    assert_ne!(one["id"], two["id"]);
    assert_ne!(one.str("api_key")[8..], two.str("api_key")[8..]);
}

#[tokio::test]
async fn verifying_tells_whom_a_key_stands_for() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["read:reports"]).await;
    let key = make(&alice, json!({"name": "Export", "expires_in_days": 30})).await;
    let seen = verify(&tenant, &key).await.expect(200);
    let wanted = json!({"sub": alice.id(), "user_id": alice.id(), "name": "Export", "sub_type": "api_key",
        "token_type": "access", "tenant_id": tenant.id, "roles": [], "scopes": ["read:reports"],
        "iss": alice.get("/me").await["iss"], "iat": 1_800_000_000, "exp": 1_800_000_000 + 30 * 86_400,
        "amr": ["api_key"], "acr": "usso:acr:1", "claims": {}});
    assert_eq!(seen.json, wanted);
    // Bad credentials in headers are no business of an operation that asks for none.
    let bare = tenant.anonymous().with_header("x-api-key", "nonsense").with_token("nonsense");
    bare.post("/apikeys/verify", json!({"api_key": key.str("api_key")})).await.is(200);
}

#[tokio::test]
async fn a_key_that_is_not_good_is_refused_in_the_same_words() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &[]).await;
    let off = make(&alice, json!({})).await;
    alice.patch(&path(&off), json!({"is_active": false})).await.expect(200);
    let ended = make(&alice, json!({})).await;
    alice.delete(&path(&ended)).await.expect(200);
    let foreign = make(&app.user("bob").await, json!({})).await;
    let orphan = make(&tenant.user("carol").await, json!({})).await;
    app.change_user(&tenant.user("carol").await, |u| u.is_active = false).await;
    let expired = make(&alice, json!({"expires_in_days": 1})).await;
    app.wait(86_400);
    let unknown = usso::identity::api_keys::secret::make([9; 32]);
    let unknown = secrecy::ExposeSecret::expose_secret(&unknown).to_owned();
    let mistyped = off.str("api_key").replace("usso_sk_", "usso_sk-");
    let mut secrets = vec![unknown, mistyped, String::new(), "é".repeat(100), alice.access().to_owned()];
    secrets.extend([off, ended, foreign, orphan, expired].map(|key| key.str("api_key").to_owned()));
    let mut answers = std::collections::BTreeSet::new();
    for secret in secrets {
        let refused = tenant.anonymous().post("/apikeys/verify", json!({"api_key": secret})).await;
        refused.problem(401, "API_KEY_INVALID");
        answers.insert(refused.str("detail").to_owned());
        if secret.is_ascii() {
            let who = tenant.anonymous().with_header("x-api-key", &secret);
            who.get("/me").await.problem(401, "API_KEY_INVALID");
        }
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn verifying_needs_a_key_that_is_a_text() {
    let app = TestApp::new().await;
    for body in [json!({}), json!({"api_key": 1}), json!({"api_key": null})] {
        app.anonymous().post("/apikeys/verify", body).await.problem(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_key_acts_for_its_user_in_any_header() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["read:sessions"]).await;
    let key = make(&alice, json!({"name": "Export"})).await;
    let bearer = tenant.anonymous().with_token(key.str("api_key"));
    for who in [by_key(&tenant, &key), bearer] {
        let me = who.get("/me").await.expect(200);
        assert_eq!((&me["sub"], &me["sub_type"]), (&json!(alice.id()), &json!("api_key")));
        assert_eq!((&me["name"], &me["session_id"]), (&json!("Export"), &Value::Null));
        let sessions = who.get("/sessions").await.expect(200);
        assert!(sessions.items().len() >= 3, "everybody's, as the scope says");
        assert!(sessions.items().iter().all(|s| s["is_current"] == false));
    }
}

#[tokio::test]
async fn the_first_credential_present_decides_with_keys_too() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &[]).await;
    let key = make(&alice, json!({})).await;
    let cookie = format!("usso-access-token={}", alice.access());
    let good = by_key(&tenant, &key);
    good.clone().with_token("nonsense").get("/me").await.problem(401, "TOKEN_INVALID");
    let bad = tenant.anonymous().with_header("x-api-key", "usso_sk_bad").with_header("cookie", &cookie);
    bad.get("/me").await.problem(401, "API_KEY_INVALID");
    good.clone().with_header("cookie", "usso-access-token=nonsense").get("/me").await.is(200);
    let twice = good.with_another_header("x-api-key", key.str("api_key"));
    twice.get("/me").await.problem(401, "TOKEN_INVALID");
    let in_cookie = format!("usso-access-token={}", key.str("api_key"));
    tenant.anonymous().with_header("cookie", &in_cookie).get("/me").await.problem(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn logging_out_with_a_key_ends_nothing() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &[]).await;
    let key = make(&alice, json!({})).await;
    by_key(&tenant, &key).post("/auth/logout", json!({})).await.is(200);
    alice.get("/me").await.is(200);
    by_key(&tenant, &key).get("/me").await.is(200);
}

#[tokio::test]
async fn a_key_can_not_have_scopes_its_maker_does_not_hold() {
    let app = TestApp::new().await;
    let (_, alice) = holder(&app, &["read:reports"]).await;
    for scope in ["update:reports", "read:users", "*:*", "superadmin:*"] {
        alice.post("/apikeys", json!({"scopes": [scope]})).await.problem(403, "SCOPE_NOT_DELEGABLE");
    }
    alice.post("/apikeys", json!({"scopes": ["read:[a]"]})).await.problem(400, "INVALID_SCOPE");
    let key = make(&alice, json!({"scopes": ["read:reports?user_id=1"]})).await;
    assert_eq!(key["scopes"], json!(["read:reports?user_id=1"]));
    assert_eq!(make(&alice, json!({"scopes": []})).await["scopes"], json!([]));
    for scopes in [json!(["update:reports"]), json!(["read:reports", "delete:x"])] {
        alice.patch(&path(&key), json!({"scopes": scopes})).await.problem(403, "SCOPE_NOT_DELEGABLE");
    }
    let many: Vec<String> = (0..201).map(|n| format!("read:reports?n={n}")).collect();
    alice.post("/apikeys", json!({"scopes": many})).await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_key_may_what_its_user_still_may() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["read:reports", "update:files"]).await;
    let key = make(&alice, json!({})).await;
    grant(&app, &alice, &["read:files", "delete:other"]).await;
    assert_eq!(verify(&tenant, &key).await["scopes"], json!(["read:files"]));
    assert_eq!(alice.get(&path(&key)).await["scopes"], json!(["read:reports", "update:files"]));
}

#[tokio::test]
async fn values_that_can_not_be_are_refused() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let bad = [
        json!({"name": "n".repeat(201)}),
        json!({"name": 1}),
        json!({"scopes": "read:x"}),
        json!({"expires_in_days": 0}),
        json!({"expires_in_days": 36_501}),
        json!({"expires_in_days": -1}),
        json!({"expires_at": "tomorrow"}),
        json!({"expires_at": "2020-01-01T00:00:00Z"}),
        json!({"expires_at": "2030-01-01T00:00:00Z", "expires_in_days": 1}),
        json!({"workspace_id": "ws_other"}),
    ];
    for body in bad {
        alice.post("/apikeys", body).await.problem(400, "VALIDATION_ERROR");
    }
    let key = make(&alice, json!({"expires_at": "2030-01-01T00:00:00Z"})).await;
    assert!(key.str("expires_at").starts_with("2030-01-01T00:00:00"));
    for body in [json!({"expires_at": "2020-01-01T00:00:00Z"}), json!({"name": "n".repeat(201)})] {
        alice.patch(&path(&key), body).await.problem(400, "VALIDATION_ERROR");
    }
    app.anonymous().post("/apikeys", json!({})).await.problem(401, "NOT_AUTHENTICATED");
}

#[tokio::test]
async fn a_key_acts_in_a_workspace_of_its_user() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &[]).await;
    let workspace = tenant.admin().post("/workspaces", json!({"name": "One"})).await.expect(201);
    let invite = format!("/workspaces/{}/invite", workspace.str("id"));
    tenant.admin().post(&invite, json!({"user_id": alice.id()})).await.expect(201);
    let key = make(&alice, json!({"workspace_id": "ws_one"})).await;
    assert_eq!(
        (key.str("workspace_id"), verify(&tenant, &key).await.str("workspace_id")),
        ("ws_one", "ws_one")
    );
    alice.delete(&format!("/workspaces/ws_one/members/{}", alice.id())).await.expect(200);
    assert_eq!(verify(&tenant, &key).await.expect(200)["workspace_id"], Value::Null);
}

#[tokio::test]
async fn a_key_can_be_changed_and_ended_and_both_hold_at_once() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["read:reports"]).await;
    let key = make(&alice, json!({"expires_in_days": 1})).await;
    let who = by_key(&tenant, &key);
    who.get("/me").await.is(200);
    who.get("/me").await.is(200);
    let off = alice.patch(&path(&key), json!({"is_active": false, "name": "Off"})).await.expect(200);
    assert_eq!((&off["is_active"], &off["name"]), (&json!(false), &json!("Off")));
    who.get("/me").await.problem(401, "API_KEY_INVALID");
    assert_eq!(alice.get("/apikeys?is_active=false").await["total"], 1);
    assert_eq!(alice.get("/apikeys?is_active=true").await["total"], 0);
    let on = json!({"is_active": true, "name": null, "scopes": [], "expires_at": null});
    let on = alice.patch(&path(&key), on).await.expect(200);
    assert_eq!((&on["name"], &on["scopes"], &on["expires_at"]), (&Value::Null, &json!([]), &Value::Null));
    app.wait(2 * 86_400);
    assert_eq!(verify(&tenant, &key).await.expect(200)["scopes"], json!([]));
    let alice = alice.again().await;
    let ended = alice.delete(&path(&key)).await.expect(200);
    assert_eq!((&ended["id"], &ended["is_active"]), (&key["id"], &json!(false)));
    who.get("/me").await.problem(401, "API_KEY_INVALID");
    alice.get(&path(&key)).await.problem(404, "NOT_FOUND");
    alice.delete(&path(&key)).await.problem(404, "NOT_FOUND");
    assert_eq!(alice.get("/apikeys").await["total"], 0);
}

#[tokio::test]
async fn a_change_of_another_revision_is_refused() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let key = make(&alice, json!({})).await;
    let changed = alice.patch(&path(&key), json!({"name": "a"})).await.expect(200);
    let behind = alice.clone().with_header("if-match", key.header("etag").unwrap());
    behind.patch(&path(&key), json!({"name": "b"})).await.problem(412, "PRECONDITION_FAILED");
    behind.delete(&path(&key)).await.problem(412, "PRECONDITION_FAILED");
    let ahead = alice.with_header("if-match", changed.header("etag").unwrap());
    ahead.delete(&path(&key)).await.is(200);
}

#[tokio::test]
async fn a_disabled_users_keys_are_refused_at_once() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &[]).await;
    let key = make(&alice, json!({})).await;
    verify(&tenant, &key).await.is(200);
    app.change_user(&alice, |u| u.is_active = false).await;
    verify(&tenant, &key).await.problem(401, "API_KEY_INVALID");
    by_key(&tenant, &key).get("/me").await.problem(401, "API_KEY_INVALID");
}

#[tokio::test]
async fn a_key_ends_when_it_expires() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &[]).await;
    let key = make(&alice, json!({"expires_at": "2027-01-15T08:01:00Z"})).await;
    app.wait(59);
    verify(&tenant, &key).await.is(200);
    app.wait(1);
    verify(&tenant, &key).await.problem(401, "API_KEY_INVALID");
    alice.get(&path(&key)).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_key_ended_on_one_instance_is_refused_by_the_others() {
    let app = TestApp::new().await;
    let (near, unheard) = (app.joined().await, app.joined_unheard().await);
    let (tenant, alice) = holder(&app, &[]).await;
    let key = make(&alice, json!({})).await;
    let who = by_key(&tenant, &key);
    who.clone().at(&near).get("/me").await.is(200);
    for _ in 0..3 {
        who.clone().at(&unheard).get("/me").await.is(200);
    }
    alice.patch(&path(&key), json!({"is_active": false})).await.is(200);
    let mut tries = 0;
    while who.clone().at(&near).get("/me").await.status != 401 {
        tries += 1;
        assert!(tries < 10_000, "the other instance still lets it in");
        tokio::task::yield_now().await;
    }
    who.clone().at(&unheard).get("/me").await.is(200);
    unheard.read_feed().await;
    who.at(&unheard).get("/me").await.problem(401, "API_KEY_INVALID");
}

#[tokio::test]
async fn a_key_made_by_a_key_can_not_exceed_it() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["read:reports", "read:files"]).await;
    let parent = make(&alice, json!({"scopes": ["read:reports"], "expires_in_days": 10})).await;
    let who = by_key(&tenant, &parent);
    who.post("/apikeys", json!({"scopes": ["read:files"]})).await.problem(403, "SCOPE_NOT_DELEGABLE");
    who.post("/apikeys", json!({"expires_in_days": 11})).await.problem(403, "PERMISSION_DENIED");
    let child = make(&who, json!({})).await;
    assert_eq!((&child["scopes"], &child["expires_at"]), (&parent["scopes"], &parent["expires_at"]));
    verify(&tenant, &child).await.is(200);
    alice.patch(&path(&parent), json!({"scopes": []})).await.is(200);
    assert_eq!(verify(&tenant, &child).await.expect(200)["scopes"], json!([]));
    alice.delete(&path(&parent)).await.is(200);
    verify(&tenant, &child).await.problem(401, "API_KEY_INVALID");
}

#[tokio::test]
async fn keys_descend_from_few_others() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &[]).await;
    let mut key = make(&alice, json!({})).await;
    for _ in 0..3 {
        verify(&tenant, &key).await.is(200);
        key = make(&by_key(&tenant, &key), json!({})).await;
    }
    by_key(&tenant, &key).post("/apikeys", json!({})).await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_key_changes_keys_only_if_its_scopes_say_so() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["manage:apikeys"]).await;
    let other = make(&alice, json!({})).await;
    let weak = by_key(&tenant, &make(&alice, json!({"scopes": []})).await);
    weak.get(&path(&other)).await.is(200);
    weak.patch(&path(&other), json!({"name": "x"})).await.problem(403, "PERMISSION_DENIED");
    weak.delete(&path(&other)).await.problem(403, "PERMISSION_DENIED");
    let strong = make(&alice, json!({"expires_in_days": 5})).await;
    let who = by_key(&tenant, &strong);
    who.patch(&path(&other), json!({"name": "x"})).await.is(200);
    for body in [json!({"expires_at": null}), json!({"expires_at": "2029-01-01T00:00:00Z"})] {
        who.patch(&path(&strong), body).await.problem(403, "PERMISSION_DENIED");
    }
    who.delete(&path(&other)).await.is(200);
}

#[tokio::test]
async fn a_key_ends_sessions_only_if_its_scopes_say_so() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["delete:sessions"]).await;
    let session = format!("/sessions/{}", alice.session_id());
    let weak = by_key(&tenant, &make(&alice, json!({"scopes": []})).await);
    assert!(weak.get("/sessions").await.expect(200).items().iter().all(|s| s["user_id"] == alice.id()));
    weak.patch(&session, json!({"meta_data": {}})).await.problem(403, "PERMISSION_DENIED");
    weak.delete(&session).await.problem(403, "PERMISSION_DENIED");
    alice.get("/me").await.is(200);
    by_key(&tenant, &make(&alice, json!({})).await).delete(&session).await.is(200);
    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn everybody_sees_their_own_keys_and_administrators_all() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &[]).await;
    let bob = tenant.user("bob").await;
    let (of_alice, of_bob) = (make(&alice, json!({})).await, make(&bob, json!({})).await);
    assert_eq!(alice.get(&format!("/apikeys?user_id={}", bob.id())).await.expect(200)["total"], 0);
    let list = alice.get("/apikeys").await.expect(200);
    assert_eq!((&list["total"], &list.items()[0]["id"]), (&json!(1), &of_alice["id"]));
    let admin = tenant.admin();
    assert_eq!(admin.get("/apikeys").await["total"], 2);
    let list = admin.get(&format!("/apikeys?user_id={}", bob.id())).await.expect(200);
    assert_eq!((&list["total"], &list.items()[0]["id"]), (&json!(1), &of_bob["id"]));
    admin.patch(&path(&of_alice), json!({"name": "Seen"})).await.is(200);
    for id in [of_bob.str("id"), "key_nonsense", "nonsense", "%00"] {
        let path = format!("/apikeys/{id}");
        alice.get(&path).await.problem(404, "NOT_FOUND");
        alice.patch(&path, json!({"name": "Mine"})).await.problem(404, "NOT_FOUND");
        alice.delete(&path).await.problem(404, "NOT_FOUND");
    }
    grant(&app, &alice, &["read:apikeys"]).await;
    let reader = alice.again().await;
    reader.get(&path(&of_bob)).await.is(200);
    reader.patch(&path(&of_bob), json!({"name": "Mine"})).await.problem(403, "PERMISSION_DENIED");
    reader.delete(&path(&of_bob)).await.problem(403, "PERMISSION_DENIED");
    admin.delete(&path(&of_bob)).await.is(200);
    alice.get("/apikeys?is_active=maybe").await.problem(400, "VALIDATION_ERROR");
    assert_eq!(alice.get("/api-keys?sort=name").await.expect(200).items().len(), 1);
}

#[tokio::test]
async fn the_other_name_of_the_paths_does_the_same() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let key = alice.post("/api-keys", json!({})).await.expect(201);
    let path = format!("/api-keys/{}", key.str("id"));
    alice.get(&path).await.is(200);
    alice.patch(&path, json!({"name": "x"})).await.is(200);
    app.anonymous().post("/api-keys/verify", json!({"api_key": key.str("api_key")})).await.is(200);
    alice.delete(&path).await.is(200);
}

#[tokio::test]
async fn a_user_has_at_most_a_hundred_keys() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    for _ in 0..100 {
        make(&alice, json!({})).await;
    }
    alice.post("/apikeys", json!({})).await.problem(409, "CONFLICT");
    make(&app.user("bob").await, json!({})).await;
}

#[tokio::test]
async fn making_a_key_is_repeated_for_its_maker_alone() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &[]).await;
    let key = make(&alice, json!({})).await;
    let bobs = make(&tenant.user("bob").await, json!({})).await;
    let first = make(&by_key(&tenant, &key).with_header("idempotency-key", "one"), json!({})).await;
    let again = make(&by_key(&tenant, &key).with_header("idempotency-key", "one"), json!({})).await;
    assert_eq!(first["api_key"], again["api_key"]);
    let cookie = format!("usso-access-token={}", alice.access());
    let in_browser =
        tenant.anonymous().with_header("cookie", &cookie).with_header("origin", "http://company-a.com:8000");
    let others = [by_key(&tenant, &bobs), tenant.anonymous().with_token(alice.access()), in_browser];
    for other in others {
        let other = make(&other.with_header("idempotency-key", "one"), json!({})).await;
        assert_ne!(first["api_key"], other["api_key"]);
    }
}

#[tokio::test]
async fn uses_are_counted_apart_from_the_key() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &[]).await;
    let key = make(&alice, json!({})).await;
    let unused = make(&alice, json!({})).await;
    for _ in 0..3 {
        verify(&tenant, &key).await.is(200);
    }
    app.wait(5);
    by_key(&tenant, &key).get("/me").await.is(200);
    assert_eq!(alice.get(&path(&key)).await["usage_count"], 0, "not yet written");
    write_counts(&app.state).await.unwrap();
    let seen = alice.get(&path(&key)).await.expect(200);
    assert_eq!(seen["usage_count"], 4);
    assert!(seen.str("last_used_at").starts_with("2027-01-15T08:00:05"), "{}", seen.text());
    assert_eq!(seen["updated_at"], key["updated_at"]);
    assert_eq!(seen.header("etag"), key.header("etag"));
    verify(&tenant, &key).await.is(200);
    write_counts(&app.state).await.unwrap();
    let list = alice.get("/apikeys?sort=created_at").await.expect(200);
    let counts: Vec<_> = list.items().iter().map(|k| (k["id"].clone(), k["usage_count"].clone())).collect();
    assert!(counts.contains(&(key["id"].clone(), json!(5))), "{counts:?}");
    assert!(counts.contains(&(unused["id"].clone(), json!(0))), "{counts:?}");
    alice.delete(&path(&key)).await.is(200);
}

#[tokio::test]
async fn a_use_counted_after_the_keys_end_leaves_nothing() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &[]).await;
    let key = make(&alice, json!({})).await;
    verify(&tenant, &key).await.is(200);
    write_counts(&app.state).await.unwrap();
    verify(&tenant, &key).await.is(200);
    assert_eq!(alice.delete(&path(&key)).await.expect(200)["usage_count"], 1);
    let scope = app.scope(&tenant.id).await;
    let records = scope.records::<usso::identity::api_keys::model::ApiKeyUsage>();
    assert!(records.get(key.str("id")).await.unwrap().is_none());
    write_counts(&app.state).await.unwrap();
    assert!(records.get(key.str("id")).await.unwrap().is_none());
}

#[tokio::test]
async fn changes_are_told_with_the_key_they_were_made_by_and_without_secrets() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["manage:apikeys"]).await;
    let key = make(&alice, json!({})).await;
    let child = make(&by_key(&tenant, &key), json!({"scopes": []})).await;
    alice.patch(&path(&child), json!({"is_active": false})).await.is(200);
    alice.delete(&path(&child)).await.is(200);
    verify(&tenant, &child).await.is(401);
    let events = app.audit(&tenant.id).await;
    let told: Vec<_> = events.iter().filter(|e| e.event.starts_with("api_key.")).collect();
    let names: Vec<_> = told.iter().map(|e| (e.event.as_str(), e.target.as_str())).collect();
    let (key_id, child_id) = (key.str("id"), child.str("id"));
    assert_eq!(
        names,
        [
            ("api_key.created", key_id),
            ("api_key.created", child_id),
            ("api_key.updated", child_id),
            ("api_key.revoked", child_id)
        ]
    );
    assert!(told.iter().all(|e| e.actor == alice.id()));
    assert_eq!((told[0].data.get("api_key"), told[1].data.get("api_key")), (None, Some(&json!(key_id))));
    let text = format!("{events:?}");
    for made in [&key, &child] {
        assert!(!text.contains(&made.str("api_key")[10..50]));
    }
}

#[tokio::test]
async fn a_tenant_that_is_off_has_no_keys() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &[]).await;
    let key = make(&alice, json!({})).await;
    let off = json!({"is_active": false});
    app.system_admin().await.patch(&format!("/tenants/{}", tenant.id), off).await.is(200);
    verify(&tenant, &key).await.problem(403, "TENANT_INACTIVE");
}
