//! How much a tenant is used.

use crate::app::{Requests, TestApp};
use serde_json::json;
use usso::app::jobs::write_counts;

const DAY: u64 = 86_400;

#[tokio::test]
async fn usage_counts_users_sessions_requests_and_records() {
    let app = TestApp::new().await;
    let a = app.tenant("Company A", &["company-a.com"]).await;
    let (alice, bob) = (a.user("alice").await, a.user("bob").await);
    let again = alice.again().await;
    again.delete(&format!("/sessions/{}", again.session_id())).await.expect(200);
    bob.post("/apikeys", json!({})).await.expect(201);
    app.audit(&a.id).await;
    write_counts(&app.state).await.expect("the database");
    let usage = a.admin().get("/tenants/org_company_a/usage").await.expect(200);
    assert_eq!((&usage["users"], &usage["active_sessions"]), (&json!(3), &json!(3)));
    // Signing in four times, ending a session, and making a key; asking for the usage is not written yet.
    assert_eq!(usage["requests"], json!(6));
    let storage = &usage["storage"];
    assert_eq!(
        (&storage["users"], &storage["sessions"], &storage["api_keys"]),
        (&json!(3), &json!(4), &json!(1))
    );
    assert!(storage["audit_events"].as_u64().is_some_and(|n| n > 6), "{storage}");
}

#[tokio::test]
async fn requests_are_counted_by_day_for_each_tenant() {
    let app = TestApp::new().await;
    let a = app.tenant("Company A", &["company-a.com"]).await;
    let b = app.tenant("Company B", &["company-b.com"]).await;
    write_counts(&app.state).await.expect("the database");
    let ask = async |times: usize| {
        for _ in 0..times {
            a.anonymous().get("/tenants/config").await.expect(200);
        }
        write_counts(&app.state).await.expect("the database");
    };
    ask(3).await;
    ask(4).await;
    app.wait(DAY);
    ask(5).await;
    let system = app.system_admin().await;
    let usage = system.get("/tenants/org_company_a/usage").await.expect(200);
    let days = usage["requests_by_day"].as_array().expect("days");
    // The first day's first request was the administrator's sign-in.
    assert_eq!((days.len(), &days[0]["requests"], &days[1]["requests"]), (2, &json!(5), &json!(8)));
    assert_eq!(usage["requests"], json!(13));
    let other = system.get(&format!("/tenants/{}/usage", b.id)).await.expect(200);
    assert_eq!(other["requests"], json!(1));
    app.wait(29 * DAY);
    let later = app.system_admin().await.get("/tenants/org_company_a/usage").await.expect(200);
    assert_eq!(later["requests"], json!(5), "the last 30 days");
    // A change of the tenant opens it anew and loses no count.
    ask(2).await;
    a.anonymous().get("/tenants/config").await.expect(200);
    app.configure(&a.id, json!({"otp_length": 8})).await;
    ask(1).await;
    let usage = app.system_admin().await.get("/tenants/org_company_a/usage").await.expect(200);
    assert_eq!(usage["requests"], json!(9));
}

#[tokio::test]
async fn usage_needs_the_permission_to_read_the_tenant() {
    let app = TestApp::new().await;
    let a = app.tenant("Company A", &["company-a.com"]).await;
    a.user("alice").await.get("/tenants/org_company_a/usage").await.problem(403, "PERMISSION_DENIED");
    a.admin().get("/tenants/org_default/usage").await.problem(404, "NOT_FOUND");
    app.system_admin().await.get("/tenants/org_nobody/usage").await.problem(404, "NOT_FOUND");
}
