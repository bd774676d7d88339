//! `/sessions`.

use crate::app::{PASSWORD, Requests, TestApp};
use serde_json::{Value, json};

#[tokio::test]
async fn a_user_sees_their_own_sessions() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    app.user("bob").await;
    app.wait(5);
    let phone = app.anonymous().from_ip("198.51.100.7").with_header("user-agent", "Phone/1");
    let second = phone.login("alice@example.com", PASSWORD).await.expect(200);
    let list = alice.get("/sessions").await.expect(200);
    assert_eq!((&list["total"], list.items().len()), (&json!(2), 2));
    let (newest, oldest) = (&list.items()[0], &list.items()[1]);
    assert_eq!((&newest["id"], &oldest["id"]), (&second["session_id"], &json!(alice.session_id())));
    assert_eq!((&newest["is_current"], &oldest["is_current"]), (&json!(false), &json!(true)));
    assert_eq!((&newest["user_agent"], &newest["ip"]), (&json!("Phone/1"), &json!("198.51.100.7")));
    assert_eq!(
        newest["device_info"],
        json!({"user_agent": "Phone/1", "ip_address": "198.51.100.7", "location": null})
    );
    assert_eq!((&newest["is_active"], &newest["user_id"]), (&json!(true), &json!(alice.id())));
    assert_eq!((&newest["amr"], &newest["session_type"]), (&json!(["password"]), &json!("regular_login")));
    let text = list.text();
    assert!(!text.contains("refresh_token") && !text.contains("eyJ"), "a session shows no token: {text}");
}

#[tokio::test]
async fn asking_for_another_users_sessions_gives_ones_own() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let list = alice.get(&format!("/sessions?user_id={}", bob.id())).await.expect(200);
    assert!(list.items().iter().all(|session| session["user_id"] == alice.id()), "{}", list.text());
}

#[tokio::test]
async fn an_administrator_sees_the_tenants_sessions_and_filters_them() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let (alice, bob) = (tenant.user("alice").await, tenant.user("bob").await);
    bob.post("/auth/logout", ()).await.expect(200);
    let admin = tenant.admin();
    assert_eq!(admin.get("/sessions").await["total"], 3);
    let of_alice = admin.get(&format!("/sessions?user_id={}", alice.id())).await.expect(200);
    assert_eq!((&of_alice["total"], &of_alice.items()[0]["id"]), (&json!(1), &json!(alice.session_id())));
    assert_eq!(admin.get("/sessions?is_active=true").await["total"], 2);
    let ended = admin.get("/sessions?is_active=false").await.expect(200);
    assert_eq!((&ended["total"], &ended.items()[0]["id"]), (&json!(1), &json!(bob.session_id())));
    assert_eq!(ended.items()[0]["is_active"], false);
    admin.get("/sessions?is_active=maybe").await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn ses_03_a_session_can_be_looked_at_and_ended_remotely() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let other = alice.again().await;
    let path = format!("/sessions/{}", other.session_id());
    let seen = alice.get(&path).await.expect(200);
    assert_eq!((seen.str("id"), seen.str("uid")), (other.session_id(), other.session_id()));
    other.get("/me").await.expect(200);
    let ended = alice.delete(&path).await.expect(200);
    assert_eq!((&ended["is_active"], &ended["is_deleted"]), (&json!(false), &json!(true)));
    other.get("/me").await.problem(401, "TOKEN_REVOKED");
    app.anonymous()
        .post("/auth/refresh", json!({"refresh_token": other.refresh()}))
        .await
        .problem(401, "TOKEN_REVOKED");
    alice.get("/me").await.is(200);
    alice.delete(&path).await.is(200);
}

#[tokio::test]
async fn ses_03_an_administrator_can_end_a_users_session() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let alice = tenant.user("alice").await;
    tenant.admin().delete(&format!("/sessions/{}", alice.session_id())).await.expect(200);
    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
    let events = app.audit(&tenant.id).await;
    let last = events.last().unwrap();
    assert_eq!((last.event.as_str(), last.actor.as_str()), ("session.revoked", tenant.admin().id()));
}

#[tokio::test]
async fn a_session_is_not_found_when_it_is_somebody_elses_another_tenants_or_none() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let foreign = tenant.user("carol").await;
    for id in [bob.session_id(), foreign.session_id(), "session:nonsense", "nonsense", "%00", "session:../x"]
    {
        let path = format!("/sessions/{id}");
        alice.get(&path).await.problem(404, "NOT_FOUND");
        alice.patch(&path, json!({"meta_data": {}})).await.problem(404, "NOT_FOUND");
        alice.delete(&path).await.problem(404, "NOT_FOUND");
    }
    tenant.admin().delete(&format!("/sessions/{}", alice.session_id())).await.problem(404, "NOT_FOUND");
    alice.get("/me").await.is(200);
    foreign.get("/me").await.is(200);
}

#[tokio::test]
async fn an_id_may_arrive_percent_encoded() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let path = format!("/sessions/{}", alice.session_id().replace(':', "%3A"));
    alice.get(&path).await.is(200);
}

#[tokio::test]
async fn meta_data_is_merged_and_bounded() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let path = format!("/sessions/{}", alice.session_id());
    alice.patch(&path, json!({"meta_data": {"label": "laptop", "a": 1}})).await.expect(200);
    let answer = alice.patch(&path, json!({"meta_data": {"a": null, "b": {"c": 2}}})).await.expect(200);
    assert_eq!(answer["meta_data"], json!({"label": "laptop", "b": {"c": 2}}));
    let large = json!({"meta_data": {"x": "y".repeat(5_000)}});
    alice.patch(&path, large).await.problem(400, "VALIDATION_ERROR");
    alice.patch(&path, json!({"meta_data": "text"})).await.problem(400, "VALIDATION_ERROR");
    assert_eq!(alice.get(&path).await["meta_data"]["label"], "laptop");
    alice.get("/me").await.is(200);
}

#[tokio::test]
async fn meta_data_can_not_grow_beyond_the_bound_in_small_steps() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let path = format!("/sessions/{}", alice.session_id());
    let mut refused = false;
    for n in 0..4 {
        let body = json!({"meta_data": {format!("k{n}"): "y".repeat(2_000)}});
        refused |= alice.patch(&path, body).await.status == 400;
    }
    assert!(refused);
    assert!(alice.get(&path).await["meta_data"].to_string().len() <= 4_096);
}

#[tokio::test]
async fn ses_01_a_new_session_has_a_new_random_id() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let ids: std::collections::BTreeSet<String> =
        futures_util::future::join_all((0..10).map(|_| alice.again()))
            .await
            .iter()
            .map(|u| u.session_id().to_owned())
            .collect();
    assert_eq!(ids.len(), 10);
    assert!(ids.iter().all(|id| id.len() >= "session:".len() + 22), "{ids:?}");
    let expired: Vec<Value> = Vec::new();
    app.wait(2_592_001);
    let fresh = alice.again().await;
    let list = fresh.get("/sessions").await.expect(200);
    assert_eq!((&list["total"], expired.len()), (&json!(1), 0), "expired sessions are gone");
}

#[tokio::test]
async fn a_session_tells_what_it_may_now() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let admin = tenant.admin();
    let own = admin.get(&format!("/sessions/{}", admin.session_id())).await.expect(200);
    assert_eq!((&own["roles"], &own["scopes"]), (&json!(["admin"]), &json!(["*:*"])));
    let user = tenant.user("alice").await;
    let plain = user.get(&format!("/sessions/{}", user.session_id())).await.expect(200);
    assert_eq!((&plain["roles"], &plain["scopes"]), (&json!([]), &json!([])));
    let ended = user.delete(&format!("/sessions/{}", user.session_id())).await.expect(200);
    assert_eq!((&ended["is_active"], &ended["scopes"]), (&json!(false), &json!([])));
}
