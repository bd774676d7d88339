//! The active workspace: on signing in, on refreshing, and when it is taken away.

use super::workspaces::{add, company, grant, make, member};
use crate::app::{Answer, Browser, Requests, TestApp, User};
use serde_json::{Value, json};

async fn login(user: &User, more: Value) -> Answer {
    let mut body = json!({"identifier": user.identifier, "secret": user.password});
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    user.signed_out().post("/auth/login", body).await
}

async fn refresh(user: &User, token: &str, more: Value) -> Answer {
    let mut body = json!({"refresh_token": token});
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    user.signed_out().post("/auth/refresh", body).await
}

async fn claims(user: &User, answer: &Answer) -> Value {
    let token = json!({"token": answer.str("access_token")});
    user.signed_out().post("/auth/verify-token", token).await.expect(200).json.clone()
}

/// A tenant with a role that reads posts; Alice has it in `ws_one`, belongs to `ws_two`, and not to `ws_three`.
async fn world(app: &TestApp) -> (User, User) {
    let (_, admin, alice) = company(app).await;
    admin.post("/roles", json!({"name": "Reader", "scopes": ["read:roles"]})).await.expect(201);
    for name in ["One", "Two", "Three"] {
        make(&admin, name).await;
    }
    add(&admin, "ws_one", &alice, &["reader"]).await;
    add(&admin, "ws_two", &alice, &[]).await;
    (admin, alice)
}

#[tokio::test]
async fn a_token_carries_the_workspace_and_what_counts_in_it() {
    let app = TestApp::new().await;
    let (_, alice) = world(&app).await;
    grant(&app, &alice, &["read:mail"]).await;
    let outside = login(&alice, json!({})).await.expect(200);
    let seen = claims(&alice, &outside).await;
    assert_eq!((&seen["workspace_id"], &seen["roles"]), (&Value::Null, &json!([])));
    let inside = login(&alice, json!({"workspace_id": "ws_one"})).await.expect(200);
    assert_eq!(inside.str("workspace_id"), "ws_one");
    let seen = claims(&alice, &inside).await;
    assert_eq!((&seen["workspace_id"], &seen["roles"]), (&json!("ws_one"), &json!(["reader"])));
    assert_eq!(seen["scopes"], json!(["read:mail", "read:roles"]));
    let who = alice.signed_out().with_token(inside.str("access_token"));
    who.get("/roles").await.expect(200);
    let sessions = alice.get("/sessions").await.expect(200);
    assert!(sessions.items().iter().any(|s| s["workspace_id"] == "ws_one"));
    // Once, though an object could say it twice.
    let payload = inside.str("access_token").split('.').nth(1).expect("a payload").to_owned();
    let payload = String::from_utf8(protocol::b64url::decode(&payload).expect("base64url")).expect("text");
    assert_eq!(payload.matches("\"workspace_id\"").count(), 1);
}

#[tokio::test]
async fn nobody_signs_in_to_a_workspace_they_do_not_belong_to() {
    let app = TestApp::new().await;
    let (admin, alice) = world(&app).await;
    for id in ["ws_three", "ws_none", "", "nonsense"] {
        login(&alice, json!({"workspace_id": id})).await.problem(403, "PERMISSION_DENIED");
    }
    // Who doesn't know the secret learns nothing of workspaces.
    let wrong = json!({"workspace_id": "ws_three", "secret": "wrong-Secret-1!"});
    login(&alice, wrong).await.problem(401, "INVALID_CREDENTIALS");
    let before = admin.get("/sessions?limit=100").await.expect(200)["total"].clone();
    login(&alice, json!({"workspace_id": "ws_three"})).await.problem(403, "PERMISSION_DENIED");
    assert_eq!(
        admin.get("/sessions?limit=100").await.expect(200)["total"],
        before,
        "no session is left behind"
    );
}

#[tokio::test]
async fn a_new_account_is_not_made_for_a_workspace_it_does_not_belong_to() {
    let app = TestApp::new().await;
    let (_, alice) = world(&app).await;
    let body = json!({"identifier": "new@example.com", "secret": alice.password, "workspace_id": "ws_one"});
    let mut either = body.clone();
    either["register"] = json!(true);
    alice.signed_out().post("/auth/register", body.clone()).await.problem(403, "PERMISSION_DENIED");
    alice.signed_out().post("/auth/login", either).await.problem(403, "PERMISSION_DENIED");
    alice.signed_out().post("/auth/login", body).await.problem(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn refreshing_switches_without_signing_in_again() {
    let app = TestApp::new().await;
    let (_, alice) = world(&app).await;
    let first = login(&alice, json!({})).await.expect(200);
    let one =
        refresh(&alice, first.str("refresh_token"), json!({"workspace_id": "ws_one"})).await.expect(200);
    let seen = claims(&alice, &one).await;
    assert_eq!((&seen["workspace_id"], &seen["scopes"]), (&json!("ws_one"), &json!(["read:roles"])));
    assert_eq!(seen["session_id"], first["session_id"]);
    // Absent: it stays.
    let same = refresh(&alice, one.str("refresh_token"), json!({})).await.expect(200);
    assert_eq!(claims(&alice, &same).await["workspace_id"], json!("ws_one"));
    let two = refresh(&alice, same.str("refresh_token"), json!({"workspace_id": "ws_two"})).await.expect(200);
    let seen = claims(&alice, &two).await;
    assert_eq!((&seen["workspace_id"], &seen["scopes"]), (&json!("ws_two"), &json!([])));
    let none = refresh(&alice, two.str("refresh_token"), json!({"workspace_id": null})).await.expect(200);
    assert_eq!(claims(&alice, &none).await["workspace_id"], Value::Null);
    let events =
        app.audit("org_company_a").await.into_iter().filter(|e| e.event == "session.workspace_switched");
    assert_eq!(
        events.map(|e| e.data["workspace_id"].clone()).collect::<Vec<_>>(),
        [json!("ws_one"), json!("ws_two"), Value::Null]
    );
}

#[tokio::test]
async fn a_browser_switches_by_its_cookie() {
    let app = TestApp::new().await;
    let (_, alice) = world(&app).await;
    let browser = Browser::new(&app, "company-a.com");
    let login = json!({"identifier": alice.identifier, "secret": alice.password});
    browser.post("/auth/login", login).await.expect(200);
    let switched = browser.post("/auth/refresh", json!({"workspace_id": "ws_one"})).await.expect(200);
    assert_eq!(switched["refresh_token"], Value::Null);
    assert_eq!(browser.get("/me").await.expect(200)["workspace_id"], json!("ws_one"));
    browser.get("/auth/refresh").await.expect(200);
    assert_eq!(browser.get("/me").await.expect(200)["workspace_id"], json!("ws_one"));
}

#[tokio::test]
async fn a_refresh_into_a_foreign_workspace_is_refused_and_costs_nothing() {
    let app = TestApp::new().await;
    let (_, alice) = world(&app).await;
    let first = login(&alice, json!({"workspace_id": "ws_one"})).await.expect(200);
    let session = first.str("session_id");
    let before = app.session("org_company_a", session).await.expect("the session");
    for id in ["ws_three", "ws_none", ""] {
        let refused = refresh(&alice, first.str("refresh_token"), json!({"workspace_id": id})).await;
        refused.problem(403, "PERMISSION_DENIED");
    }
    assert_eq!(app.session("org_company_a", session).await.expect("the session"), before);
    refresh(&alice, first.str("refresh_token"), json!({})).await.expect(200);
}

#[tokio::test]
async fn a_switch_keeps_the_generations_of_the_refresh_token() {
    let app = TestApp::new().await;
    let (_, alice) = world(&app).await;
    let first = login(&alice, json!({})).await.expect(200);
    let session = first.str("session_id");
    let state = async || {
        let session = app.session("org_company_a", session).await.expect("the session");
        (session.generation, session.workspace_id)
    };
    let to = |id: &str| json!({"workspace_id": id});
    let one = refresh(&alice, first.str("refresh_token"), to("ws_one")).await.expect(200);
    assert_eq!(state().await, (1, Some("ws_one".to_owned())));
    // The generation before switches, and advances nothing.
    let again = refresh(&alice, first.str("refresh_token"), to("ws_two")).await.expect(200);
    assert_eq!(state().await, (1, Some("ws_two".to_owned())));
    assert_eq!(claims(&alice, &again).await["workspace_id"], json!("ws_two"));
    // A repeat of the same switch writes nothing.
    refresh(&alice, first.str("refresh_token"), to("ws_two")).await.expect(200);
    let two = refresh(&alice, one.str("refresh_token"), to("ws_one")).await.expect(200);
    refresh(&alice, two.str("refresh_token"), json!({})).await.expect(200);
    assert_eq!(state().await, (3, Some("ws_one".to_owned())));
    // Left behind long ago: the session ends, whatever it asks for.
    refresh(&alice, first.str("refresh_token"), to("ws_three")).await.problem(401, "REFRESH_TOKEN_REUSED");
    refresh(&alice, two.str("refresh_token"), to("ws_one")).await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn a_session_that_does_not_rotate_switches_too() {
    let app = TestApp::new().await;
    let (_, alice) = world(&app).await;
    let first = login(&alice, json!({"refresh_token_rotation": false})).await.expect(200);
    for id in [json!("ws_one"), json!("ws_two"), Value::Null] {
        let answer =
            refresh(&alice, first.str("refresh_token"), json!({"workspace_id": id})).await.expect(200);
        assert_eq!(claims(&alice, &answer).await["workspace_id"], id);
        let session = app.session("org_company_a", first.str("session_id")).await.expect("the session");
        assert_eq!((session.generation, json!(session.workspace_id)), (0, id));
    }
}

#[tokio::test]
async fn of_parallel_switches_each_token_says_where_it_went() {
    let app = TestApp::new().await;
    let (_, alice) = world(&app).await;
    for more in [json!({}), json!({"refresh_token_rotation": false})] {
        let first = login(&alice, more).await.expect(200);
        let token = first.str("refresh_token");
        let ids = ["ws_one", "ws_two", "ws_one", "ws_two", "ws_one", "ws_two"];
        let all = futures_util::future::join_all(
            ids.iter().map(|id| refresh(&alice, token, json!({"workspace_id": id}))),
        )
        .await;
        for (id, answer) in ids.iter().zip(&all) {
            answer.is(200);
            assert_eq!(claims(&alice, answer).await["workspace_id"], json!(id));
        }
        let session = app.session("org_company_a", first.str("session_id")).await.expect("the session");
        assert!(session.generation <= 1 && session.workspace_id.is_some());
    }
}

#[tokio::test]
async fn a_session_whose_user_left_goes_on_without_a_workspace() {
    let app = TestApp::new().await;
    let (admin, alice) = world(&app).await;
    let inside = login(&alice, json!({"workspace_id": "ws_one"})).await.expect(200);
    let who = alice.signed_out().with_token(inside.str("access_token"));
    who.get("/roles").await.expect(200);
    admin.delete(&member("ws_one", &alice)).await.expect(200);
    // At once, with the token that says otherwise.
    who.get("/roles").await.problem(403, "PERMISSION_DENIED");
    who.get("/workspaces/ws_one").await.problem(404, "NOT_FOUND");
    assert_eq!(who.get("/me").await.expect(200)["workspace_id"], Value::Null);
    let next = refresh(&alice, inside.str("refresh_token"), json!({})).await.expect(200);
    let seen = claims(&alice, &next).await;
    assert_eq!((&seen["workspace_id"], &seen["scopes"]), (&Value::Null, &json!([])));
    let session = app.session("org_company_a", inside.str("session_id")).await.expect("the session");
    assert_eq!(session.workspace_id, None);
}

#[tokio::test]
async fn a_workspace_that_is_gone_or_inactive_gives_nothing() {
    let app = TestApp::new().await;
    let (admin, alice) = world(&app).await;
    let inside = login(&alice, json!({"workspace_id": "ws_one"})).await.expect(200);
    let by_token = alice.signed_out().with_token(inside.str("access_token"));
    let key = by_token.post("/apikeys", json!({"workspace_id": "ws_one"})).await.expect(201);
    let by_key = alice.signed_out().with_header("x-api-key", key.str("api_key"));
    for who in [&by_token, &by_key] {
        who.get("/roles").await.expect(200);
    }
    admin.patch("/workspaces/ws_one", json!({"is_active": false})).await.expect(200);
    for who in [&by_token, &by_key] {
        who.get("/roles").await.problem(403, "PERMISSION_DENIED");
    }
    login(&alice, json!({"workspace_id": "ws_one"})).await.problem(403, "PERMISSION_DENIED");
    admin.patch("/workspaces/ws_one", json!({"is_active": true})).await.expect(200);
    for who in [&by_token, &by_key] {
        who.get("/roles").await.expect(200);
    }
    admin.delete("/workspaces/ws_one").await.expect(200);
    for who in [&by_token, &by_key] {
        who.get("/roles").await.problem(403, "PERMISSION_DENIED");
    }
    let next = refresh(&alice, inside.str("refresh_token"), json!({})).await.expect(200);
    assert_eq!(claims(&alice, &next).await["workspace_id"], Value::Null);
}

#[tokio::test]
async fn a_token_counts_in_its_own_workspace_wherever_its_session_went() {
    let app = TestApp::new().await;
    let (_, alice) = world(&app).await;
    let inside = login(&alice, json!({"workspace_id": "ws_one"})).await.expect(200);
    let moved =
        refresh(&alice, inside.str("refresh_token"), json!({"workspace_id": "ws_two"})).await.expect(200);
    alice.signed_out().with_token(inside.str("access_token")).get("/roles").await.expect(200);
    let there = alice.signed_out().with_token(moved.str("access_token"));
    there.get("/roles").await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn a_change_on_one_instance_counts_on_the_others() {
    let app = TestApp::new().await;
    let (admin, alice) = world(&app).await;
    let inside = login(&alice, json!({"workspace_id": "ws_one"})).await.expect(200);
    let other = app.joined().await;
    let there = other.on_host("company-a.com").with_token(inside.str("access_token"));
    there.get("/roles").await.expect(200);
    for (change, status) in [(false, 403), (true, 200)] {
        admin.patch("/workspaces/ws_one", json!({"is_active": change})).await.expect(200);
        other.read_feed().await;
        there.get("/roles").await.is(status);
    }
    admin.delete(&member("ws_one", &alice)).await.expect(200);
    other.read_feed().await;
    there.get("/roles").await.problem(403, "PERMISSION_DENIED");
    // And whoever just joined may go in on every instance.
    add(&admin, "ws_three", &alice, &[]).await;
    let body = json!({"refresh_token": inside.str("refresh_token"), "workspace_id": "ws_three"});
    other.on_host("company-a.com").post("/auth/refresh", body).await.expect(200);
}
