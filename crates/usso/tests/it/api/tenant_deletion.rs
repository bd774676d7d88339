//! The end of a tenant: deletion, restoration, removal.

use crate::app::{PASSWORD, Requests, TestApp};
use serde_json::json;
use usso::app::jobs;

const PATH: &str = "/tenants/org_company_a";
const DAY: u64 = 86_400;

#[tokio::test]
async fn a_deleted_tenant_is_served_no_more_and_its_sessions_end() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let alice = tenant.user("alice").await;
    let deleted = app.system_admin().await.delete(PATH).await.expect(200);
    assert_eq!((&deleted["is_deleted"], &deleted["is_active"]), (&json!(true), &json!(false)));
    assert!(deleted["deleted_at"].is_string());
    alice.get("/me").await.problem(403, "TENANT_INACTIVE");
    tenant.anonymous().login("alice@example.com", PASSWORD).await.problem(403, "TENANT_INACTIVE");
    tenant.anonymous().get("ROOT/.well-known/jwks.json").await.problem(403, "TENANT_INACTIVE");
}

#[tokio::test]
async fn a_restored_tenant_has_its_users_but_not_their_sessions() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let alice = tenant.user("alice").await;
    let system = app.system_admin().await;
    system.delete(PATH).await.expect(200);
    app.wait(29 * DAY);
    jobs::purge(&app.state).await.unwrap();
    let system = system.again().await;
    let restored = system.post(&format!("{PATH}/restore"), ()).await.expect(200);
    assert_eq!((&restored["is_deleted"], &restored["is_active"]), (&json!(false), &json!(true)));
    alice.get("/me").await.is(401);
    tenant.anonymous().login("alice@example.com", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn after_thirty_days_nothing_of_the_tenant_is_left_and_its_names_are_free() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    tenant.user("alice").await;
    let other = app.tenant("Company B", &["company-b.com"]).await;
    let bob = other.user("bob").await;
    app.system_admin().await.delete(PATH).await.expect(200);
    app.wait(30 * DAY);
    jobs::purge(&app.state).await.unwrap();
    let system = app.system_admin().await;
    system.get(PATH).await.problem(404, "NOT_FOUND");
    system.post(&format!("{PATH}/restore"), ()).await.problem(404, "NOT_FOUND");
    app.on_host("company-a.com").get("/tenants/config").await.problem(400, "TENANT_NOT_FOUND");
    let again = app.tenant("Company A", &["company-a.com"]).await;
    again.anonymous().login("alice@example.com", PASSWORD).await.problem(401, "INVALID_CREDENTIALS");
    other.anonymous().login(&bob.identifier, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_tenant_whose_grace_is_over_can_not_be_restored_even_before_it_is_removed() {
    let app = TestApp::new().await;
    app.tenant("Company A", &["company-a.com"]).await;
    app.system_admin().await.delete(PATH).await.expect(200);
    app.wait(30 * DAY);
    let system = app.system_admin().await;
    system.post(&format!("{PATH}/restore"), ()).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_tenant_is_deleted_once_and_changed_only_after_it_was_restored() {
    let app = TestApp::new().await;
    app.tenant("Company A", &["company-a.com"]).await;
    let system = app.system_admin().await;
    system.post(&format!("{PATH}/restore"), ()).await.problem(409, "CONFLICT");
    system.delete(PATH).await.expect(200);
    system.delete(PATH).await.problem(404, "NOT_FOUND");
    system.patch(PATH, json!({"is_active": true})).await.problem(409, "CONFLICT");
    let shown = system.get(PATH).await.expect(200);
    assert_eq!(shown["is_deleted"], true, "the system administrator still sees it");
}

#[tokio::test]
async fn the_default_tenant_can_not_be_deleted() {
    let app = TestApp::new().await;
    app.system_admin().await.delete("/tenants/org_default").await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_tenants_administrator_can_neither_delete_nor_restore_it() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    tenant.admin().delete(PATH).await.problem(403, "PERMISSION_DENIED");
    tenant.admin().post(&format!("{PATH}/restore"), ()).await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn more_deleted_tenants_than_fit_a_page_are_all_removed_in_time() {
    let app = TestApp::new().await;
    let delete = async |from: u32, to: u32| {
        let system = app.system_admin().await;
        for number in from..to {
            let body = json!({"name": format!("Many {number}")});
            let id = system.post("/tenants", body).await.expect(201).str("id").to_owned();
            system.delete(&format!("/tenants/{id}")).await.expect(200);
        }
    };
    delete(0, 4).await;
    app.wait(10 * DAY);
    delete(4, 106).await;
    app.wait(20 * DAY);
    jobs::purge(&app.state).await.unwrap();
    let left = app.system_admin().await.get("/tenants?limit=100").await.expect(200);
    assert_eq!(left["total"], 1 + 102, "the default tenant, and those deleted ten days later");
}
