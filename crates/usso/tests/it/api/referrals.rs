//! `/referrals`, and registering with a code.

use crate::app::{PASSWORD, Requests, TenantHandle, TestApp, User};
use serde_json::{Value, json};

async fn company(app: &TestApp) -> (TenantHandle, User, User) {
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let (admin, alice) = (tenant.admin(), tenant.user("alice").await);
    (tenant, admin, alice)
}

async fn make(user: &User, body: Value) -> Value {
    user.post("/referrals", body).await.expect(201).json.clone()
}

async fn register(tenant: &TenantHandle, name: &str, code: &str) -> crate::app::Answer {
    let body =
        json!({"identifier": format!("{name}@example.com"), "secret": PASSWORD, "referral_code": code});
    tenant.anonymous().post("/auth/register", body).await
}

fn path(referral: &Value) -> String {
    format!("/referrals/{}", referral["id"].as_str().expect("an id"))
}

#[tokio::test]
async fn a_code_is_counted_and_says_who_brought_whom() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let made = make(&alice, json!({"code": " Spring-27 ", "meta_data": {"k": 1}})).await;
    assert_eq!((&made["code"], &made["user_id"]), (&json!("SPRING-27"), &json!(alice.id())));
    assert_eq!((&made["usage_count"], &made["max_usage"]), (&json!(0), &Value::Null));
    let bob = register(&tenant, "bob", "spring-27").await.expect(201);
    let seen = admin.get(&format!("/users/{}", bob["user"]["id"].as_str().expect("an id"))).await.expect(200);
    assert_eq!(seen["referred_by"], json!(alice.id()));
    assert_eq!(alice.get(&path(&made)).await.expect(200)["usage_count"], json!(1));
    // Signing in with it again is signing in.
    let again =
        json!({"identifier": "bob@example.com", "secret": PASSWORD, "register": true, "referral_code": "x"});
    tenant.anonymous().post("/auth/login", again).await.expect(200);
    assert_eq!(alice.get(&path(&made)).await.expect(200)["usage_count"], json!(1));
}

#[tokio::test]
async fn a_code_is_refused_when_it_is_unknown_off_expired_or_used_up() {
    let app = TestApp::new().await;
    let (tenant, _, alice) = company(&app).await;
    let off = make(&alice, json!({"code": "OFF"})).await;
    alice.patch(&path(&off), json!({"is_active": false})).await.expect(200);
    let ends = app.scope(&tenant.id).await.now().plus_seconds(60).to_rfc3339();
    make(&alice, json!({"code": "SHORT", "expires_at": ends})).await;
    let once = make(&alice, json!({"code": "ONCE", "max_usage": 1})).await;
    register(&tenant, "first", "ONCE").await.expect(201);
    app.wait(61);
    for code in ["NOBODYS", "OFF", "SHORT", "ONCE"] {
        register(&tenant, "late", code).await.problem(400, "REFERRAL_INVALID");
    }
    let alice = alice.again().await;
    assert_eq!(alice.get(&path(&once)).await.expect(200)["usage_count"], json!(1));
    let without = json!({"identifier": "late@example.com", "secret": PASSWORD});
    tenant.anonymous().post("/auth/register", without).await.expect(201);
}

#[tokio::test]
async fn a_registration_that_fails_gives_its_use_back() {
    let app = TestApp::new().await;
    let (tenant, _, alice) = company(&app).await;
    let once = make(&alice, json!({"max_usage": 1})).await;
    let code = once["code"].as_str().expect("a code");
    let weak = json!({"identifier": "bob@example.com", "secret": "short", "referral_code": code});
    tenant.anonymous().post("/auth/register", weak).await.problem(400, "WEAK_PASSWORD");
    register(&tenant, "bob", code).await.expect(201);
}

#[tokio::test]
async fn of_parallel_registrations_no_more_pass_than_may() {
    let app = TestApp::new().await;
    let (tenant, _, alice) = company(&app).await;
    let made = make(&alice, json!({"code": "FEW", "max_usage": 3})).await;
    let names: Vec<String> = (0..10).map(|n| format!("racer{n}")).collect();
    let all = names.iter().map(|name| register(&tenant, name, "few"));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|a| a.status == 201).count(), 3);
    assert_eq!(alice.get(&path(&made)).await.expect(200)["usage_count"], json!(3));
}

#[tokio::test]
async fn codes_are_their_users_and_administrators() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let bob = tenant.user("bob").await;
    let made = make(&alice, json!({"code": "MINE"})).await;
    bob.get(&path(&made)).await.problem(404, "NOT_FOUND");
    bob.patch(&path(&made), json!({"max_usage": 1})).await.problem(404, "NOT_FOUND");
    assert!(bob.get("/referrals").await.expect(200).items().is_empty());
    assert_eq!(alice.get("/referrals").await.expect(200).items().len(), 1);
    assert_eq!(admin.get("/referrals").await.expect(200).items().len(), 1);
    bob.post("/referrals", json!({"code": "mine"})).await.problem(409, "CONFLICT");
    let key = alice.post("/apikeys", json!({})).await.expect(201);
    let by_key = tenant.anonymous().with_header("x-api-key", key.str("api_key"));
    by_key.get(&path(&made)).await.expect(200);
    by_key.delete(&path(&made)).await.problem(403, "PERMISSION_DENIED");
    by_key.post("/referrals", json!({})).await.problem(403, "PERMISSION_DENIED");
    let first = alice.get(&path(&made)).await.header("etag").expect("a revision").to_owned();
    admin.patch(&path(&made), json!({"max_usage": 9})).await.expect(200);
    let late = alice.clone().with_header("if-match", &first);
    late.delete(&path(&made)).await.problem(412, "PRECONDITION_FAILED");
    assert_eq!(admin.delete(&path(&made)).await.expect(200)["is_deleted"], json!(true));
    alice.get(&path(&made)).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_code_is_rejected_when_a_value_can_not_be() {
    let app = TestApp::new().await;
    let (_, _, alice) = company(&app).await;
    for bad in [
        json!({"code": "ab"}),
        json!({"code": "with space"}),
        json!({"code": "x".repeat(65)}),
        json!({"max_usage": 0}),
        json!({"expires_at": "2000-01-01T00:00:00Z"}),
        json!({"meta_data": {"x": "y".repeat(5_000)}}),
    ] {
        alice.post("/referrals", bad).await.problem(400, "VALIDATION_ERROR");
    }
}
