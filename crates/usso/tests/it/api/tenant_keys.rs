//! `/tenants/{id}/keys`: rotation, retirement, emergency revocation.

use crate::app::{PASSWORD, Requests, TenantHandle, TestApp};
use protocol::jose::Untrusted;
use serde_json::{Value, json};

const KEYS: &str = "/tenants/org_company_a/keys";

async fn company(app: &TestApp) -> TenantHandle {
    app.tenant("Company A", &["company-a.com"]).await
}

async fn published(tenant: &TenantHandle) -> Vec<String> {
    let set = tenant.anonymous().get("ROOT/.well-known/jwks.json").await.expect(200);
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid(token: &str) -> String {
    Untrusted::parse(token).unwrap().require_kid().unwrap().to_owned()
}

fn kids(answer: &Value) -> Vec<String> {
    answer["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_administrator_sees_the_published_keys_and_no_private_half() {
    let app = TestApp::new().await;
    let tenant = company(&app).await;
    let list = tenant.admin().get(KEYS).await.expect(200);
    assert_eq!(list["tenant_id"], "org_company_a");
    assert_eq!(kids(&list.json), published(&tenant).await);
    let key = &list["keys"][0];
    assert_eq!(
        (&key["algorithm"], &key["use"], &key["is_signing"]),
        (&json!("EdDSA"), &json!("access"), &json!(true))
    );
    assert_eq!(
        (&key["is_active"], &key["unpublished_at"], &key["public_key"]["kid"]),
        (&json!(true), &Value::Null, &key["id"])
    );
    let text = list.text();
    assert!(!text.contains("sealed") && !text.contains("private") && !text.contains("\"d\""), "{text}");
}

#[tokio::test]
async fn the_old_key_signs_until_verifiers_can_know_the_new_one() {
    let app = TestApp::new().await;
    let tenant = company(&app).await;
    let alice = tenant.user("alice").await;
    let rotated = tenant.admin().post(&format!("{KEYS}/rotate"), ()).await.expect(200);
    let [old, new] = <[String; 2]>::try_from(kids(&rotated.json)).unwrap();
    assert_eq!(published(&tenant).await, [old.clone(), new.clone()]);
    assert_eq!(
        (&rotated["keys"][0]["is_signing"], &rotated["keys"][1]["is_signing"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(kid(alice.again().await.access()), old);
    app.wait(360);
    assert_eq!(kid(alice.again().await.access()), new);
    alice.get("/me").await.expect(200);
}

#[tokio::test]
async fn a_new_key_may_have_another_algorithm() {
    let app = TestApp::new().await;
    let tenant = company(&app).await;
    let created = tenant.admin().post(KEYS, json!({"algorithm": "ES256"})).await.expect(201);
    assert_eq!(
        (&created["keys"][0]["algorithm"], &created["keys"][1]["algorithm"]),
        (&json!("EdDSA"), &json!("ES256"))
    );
    assert_eq!(tenant.admin().get("/tenants/org_company_a").await["algorithm"], "ES256");
    tenant.admin().post(KEYS, json!({"algorithm": "HS256"})).await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn no_key_follows_one_that_waits() {
    let app = TestApp::new().await;
    let tenant = company(&app).await;
    tenant.admin().post(&format!("{KEYS}/rotate"), ()).await.expect(200);
    tenant.admin().post(&format!("{KEYS}/rotate"), ()).await.problem(409, "CONFLICT");
}

#[tokio::test]
async fn a_retired_key_gets_one_successor_and_its_tokens_stay_valid() {
    let app = TestApp::new().await;
    let tenant = company(&app).await;
    let alice = tenant.user("alice").await;
    let path = format!("{KEYS}/{}", kid(alice.access()));
    let off = json!({"is_active": false});
    let retired = tenant.admin().patch(&path, off.clone()).await.expect(200);
    assert_eq!(kids(&retired.json).len(), 2);
    assert!(retired["keys"][0]["unpublished_at"].is_string());
    let again = tenant.admin().patch(&path, off).await.expect(200);
    assert_eq!(again.json, retired.json, "it has its successor");
    app.wait(400);
    alice.get("/me").await.expect(200);
}

#[tokio::test]
async fn a_retired_key_does_not_come_back() {
    let app = TestApp::new().await;
    let tenant = company(&app).await;
    let path = format!("{KEYS}/{}", published(&tenant).await[0]);
    tenant.admin().patch(&path, json!({"is_active": true})).await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn what_a_revoked_key_signed_is_refused_at_once() {
    let app = TestApp::new().await;
    let tenant = company(&app).await;
    let (alice, admin) = (tenant.user("alice").await, tenant.admin());
    let gone = kid(alice.access());
    let left = admin.delete(&format!("{KEYS}/{gone}")).await.expect(200);
    assert!(!published(&tenant).await.contains(&gone));
    assert_eq!(kids(&left.json), published(&tenant).await);
    alice.get("/me").await.problem(401, "TOKEN_INVALID");
    let refresh = json!({"refresh_token": alice.refresh()});
    tenant.anonymous().post("/auth/refresh", refresh).await.problem(401, "TOKEN_INVALID");
    let again = tenant.anonymous().login("alice@example.com", PASSWORD).await.expect(200);
    assert_eq!(kid(again.str("access_token")), kids(&left.json)[0], "the successor signs at once");
}

#[tokio::test]
async fn a_key_that_is_not_published_can_be_neither_retired_nor_revoked() {
    let app = TestApp::new().await;
    let tenant = company(&app).await;
    for kid in ["key_nobody", "key_01k9r3m6v8q2w4x6y8z0abcdef"] {
        let path = format!("{KEYS}/{kid}");
        tenant.admin().patch(&path, json!({"is_active": false})).await.problem(404, "NOT_FOUND");
        tenant.admin().delete(&path).await.problem(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_user_can_neither_see_nor_change_keys() {
    let app = TestApp::new().await;
    let tenant = company(&app).await;
    let alice = tenant.user("alice").await;
    alice.get(KEYS).await.problem(403, "PERMISSION_DENIED");
    alice.post(&format!("{KEYS}/rotate"), ()).await.problem(403, "PERMISSION_DENIED");
    alice.delete(&format!("{KEYS}/{}", kid(alice.access()))).await.problem(403, "PERMISSION_DENIED");
    assert_eq!(published(&tenant).await.len(), 1);
}

#[tokio::test]
async fn the_system_administrator_rotates_any_tenants_keys() {
    let app = TestApp::new().await;
    let tenant = company(&app).await;
    app.system_admin().await.post(&format!("{KEYS}/rotate"), ()).await.expect(200);
    assert_eq!(published(&tenant).await.len(), 2);
}
