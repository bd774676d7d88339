//! Where what somebody may ends: rules that span resources.

use super::workspaces::{add, company, events_on, grant, make};
use crate::app::{Requests, TenantHandle, TestApp, User};
use kernel::Stored;
use serde_json::json;
use usso::identity::workspaces::invitations::model::{Invitation, State};

async fn holding(app: &TestApp, user: &User, scopes: &[&str]) -> User {
    grant(app, user, scopes).await;
    user.again().await
}

#[tokio::test]
async fn a_workspace_id_is_not_used_again_while_a_user_carries_it() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    // Left behind by a request that died between giving it and looking again.
    app.change_user(&alice, |user| {
        user.workspace_ids = vec!["ws_one".to_owned()];
        user.workspace_roles.insert("ws_one".to_owned(), vec!["admin".to_owned()]);
    })
    .await;
    make(&admin, "One").await;
    let me = alice.again().await.get("/me").await.expect(200);
    assert_eq!((&me["workspace_ids"], &me["workspace_roles"]), (&json!([]), &json!({})));
    alice.get("/workspaces/ws_one").await.problem(404, "NOT_FOUND");
    assert!(events_on(&app, &tenant, alice.id()).await.contains(&"workspace.member_removed".to_owned()));
}

#[tokio::test]
async fn a_workspace_that_is_deleted_while_it_is_given_is_taken_back() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    let scope = app.scope(&tenant.id).await;
    let users = scope.records::<usso::identity::users::model::User>();
    let old = users.get(alice.id()).await.expect("the database").expect("alice").record;
    // What the write of a request looks like that had seen the workspace before it went.
    admin.delete("/workspaces/ws_one").await.expect(200);
    app.change_user(&alice, |user| user.workspace_ids = vec!["ws_one".to_owned()]).await;
    let next = users.get(alice.id()).await.expect("the database").expect("alice");
    let client = usso::tenant::ClientInfo::local();
    let author = (&usso::tenant::Actor::System, &client);
    let taken = usso::identity::workspaces::members::service::take_back_deleted(
        &app.state.identity,
        &scope,
        (&old, &next),
        author,
    );
    taken.await.expect("it is taken back");
    assert_eq!(alice.get("/me").await.expect(200)["workspace_ids"], json!([]));
}

#[tokio::test]
async fn who_may_change_users_does_not_come_to_own_their_workspaces() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    add(&admin, "ws_one", &alice, &[]).await;
    let owner = format!("/workspaces/ws_one/members/{}", alice.id());
    admin.patch(&owner, json!({"is_owner": true})).await.expect(200);
    let helper = tenant.user("helper").await;
    let rights = ["manage:users", "manage:credentials", "manage:identifiers"];
    let set = json!({"method": "password", "secret": "another-Good-pass-4711!"});
    let credentials = format!("/users/{}/credentials", alice.id());
    let identifiers = format!("/users/{}/identifiers", alice.id());
    let mine = json!({"identifier": "mine@example.com"});
    let few = holding(&app, &helper, &rights).await;
    few.post(&credentials, set.clone()).await.problem(403, "PERMISSION_DENIED");
    few.post(&identifiers, mine.clone()).await.problem(403, "PERMISSION_DENIED");
    let other = holding(&app, &helper, &[&rights[..], &["manage:workspaces?id=ws_two"]].concat()).await;
    other.post(&credentials, set.clone()).await.problem(403, "PERMISSION_DENIED");
    let all = holding(&app, &helper, &[&rights[..], &["manage:workspaces?id=ws_one"]].concat()).await;
    all.post(&identifiers, mine).await.expect(201);
    all.post(&credentials, set).await.expect(201);
}

/// An invitation of `ws_one` that somebody began to accept and didn't finish.
async fn half_accepted(app: &TestApp, tenant: &TenantHandle, admin: &User, by: &User) -> (String, String) {
    let made = admin.post("/workspaces/ws_one/invitations", json!({"email": "guest@example.com"})).await;
    let made = made.expect(201);
    change(app, tenant, made.str("id"), |invitation| {
        invitation.state = State::Claimed { by: kernel::UserId::parse(by.id()).expect("an id") };
    })
    .await;
    (made.str("id").to_owned(), made.str("token").to_owned())
}

async fn found(app: &TestApp, tenant: &TenantHandle, id: &str) -> Stored<Invitation> {
    let scope = app.scope(&tenant.id).await;
    scope.records::<Invitation>().get(id).await.expect("the database").expect("the invitation")
}

async fn change(app: &TestApp, tenant: &TenantHandle, id: &str, change: impl FnOnce(&mut Invitation)) {
    let old = found(app, tenant, id).await;
    let mut next = old.record.clone();
    change(&mut next);
    app.scope(&tenant.id)
        .await
        .records::<Invitation>()
        .replace(&old, next, Vec::new())
        .await
        .expect("a write");
}

#[tokio::test]
async fn an_invitation_that_was_claimed_and_not_finished_is_taken_up_again() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let bob = tenant.user("bob").await;
    make(&admin, "One").await;
    let (id, token) = half_accepted(&app, &tenant, &admin, &alice).await;
    let accept = format!("/invitations/{token}/accept");
    bob.post(&accept, ()).await.problem(410, "GONE");
    app.wait(301);
    // Whoever claimed it has vanished: it waits for others.
    bob.post(&accept, ()).await.expect(200);
    alice.post(&accept, ()).await.problem(410, "GONE");
    let events = events_on(&app, &tenant, &id).await;
    assert!(events.contains(&"invitation.released".to_owned()), "{events:?}");
}

#[tokio::test]
async fn an_invitation_that_was_claimed_by_who_became_a_member_is_accepted() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    let (id, token) = half_accepted(&app, &tenant, &admin, &alice).await;
    add(&admin, "ws_one", &alice, &[]).await;
    app.wait(301);
    tenant.user("bob").await.post(&format!("/invitations/{token}/accept"), ()).await.problem(410, "GONE");
    let state = found(&app, &tenant, &id).await.record.state;
    assert!(matches!(state, State::Accepted { .. }), "{state:?}");
    // A third is sent again, which makes it wait.
    let (id, _) = half_accepted(&app, &tenant, &admin, &tenant.user("carol").await).await;
    let resend = format!("/workspaces/ws_one/invitations/{id}/resend");
    admin.post(&resend, json!({})).await.problem(409, "CONFLICT");
    app.wait(301);
    admin.post(&resend, json!({})).await.expect(200);
}

#[tokio::test]
async fn an_invitation_that_was_claimed_ends_with_its_term() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    let (id, token) = half_accepted(&app, &tenant, &admin, &alice).await;
    let now = app.scope(&tenant.id).await.now();
    change(&app, &tenant, &id, |invitation| invitation.expires_at = now.plus_seconds(-3_601)).await;
    alice.post(&format!("/invitations/{token}/accept"), ()).await.problem(410, "GONE");
    assert_eq!(alice.get("/me").await.expect(200)["workspace_ids"], json!([]));
}

#[tokio::test]
async fn who_lost_a_permission_gets_no_earlier_answer_again() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = company(&app).await;
    let helper = holding(&app, &tenant.user("helper").await, &["create:roles", "read:posts"]).await;
    let keyed = helper.clone().with_header("idempotency-key", "one");
    let role = json!({"name": "Reader", "scopes": ["read:posts"]});
    let first = keyed.post("/roles", role.clone()).await.expect(201);
    assert_eq!(keyed.post("/roles", role.clone()).await.expect(201).json, first.json);
    grant(&app, &helper, &["read:posts"]).await;
    keyed.post("/roles", role.clone()).await.problem(403, "PERMISSION_DENIED");
    grant(&app, &helper, &["create:roles", "read:posts", "read:more"]).await;
    let again = keyed.post("/roles", role).await.expect(201);
    assert_eq!((again.header("idempotency-replayed"), &again.json), (Some("true"), &first.json));
    // Leaving a workspace is a loss, too: what was done as its owner isn't told again.
    make(&admin, "One").await;
    add(&admin, "ws_one", &helper, &[]).await;
    let own = format!("/workspaces/ws_one/members/{}", helper.id());
    admin.patch(&own, json!({"is_owner": true})).await.expect(200);
    let keyed = helper.again().await.with_header("idempotency-key", "two");
    let guest = json!({"email": "guest@example.com"});
    keyed.post("/workspaces/ws_one/invitations", guest.clone()).await.expect(201);
    admin.delete(&own).await.expect(200);
    keyed.post("/workspaces/ws_one/invitations", guest).await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn lists_hold_what_a_scope_with_a_filter_admits() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let bob = tenant.user("bob").await;
    for who in [&admin, &alice, &bob] {
        who.post("/apikeys", json!({"name": "Key"})).await.expect(201);
    }
    app.audit(&tenant.id).await;
    let reads = ["sessions", "apikeys"].map(|kind| format!("read:{kind}?user_id={}", alice.id()));
    let audit = format!("read:audit?actor={}", alice.id());
    let helper = tenant.user("helper").await;
    let helper = holding(&app, &helper, &[reads[0].as_str(), &reads[1], &audit]).await;
    let whose = async |path: &str, field: &str| {
        let list = helper.get(path).await.expect(200);
        let mut ids: Vec<String> =
            list.items().iter().map(|item| item[field].as_str().unwrap_or_default().to_owned()).collect();
        ids.sort();
        ids.dedup();
        ids
    };
    let mut both = vec![alice.id().to_owned(), helper.id().to_owned()];
    both.sort();
    assert_eq!(whose("/sessions?limit=100", "user_id").await, both);
    assert_eq!(whose("/apikeys?limit=100", "user_id").await, [alice.id()]);
    assert_eq!(whose("/audit?limit=100", "actor").await, [alice.id()]);
    assert_eq!(whose(&format!("/sessions?user_id={}", bob.id()), "user_id").await, Vec::<String>::new());
    // One by one the same.
    helper.get(&format!("/sessions/{}", alice.session_id())).await.is(200);
    helper.get(&format!("/sessions/{}", bob.session_id())).await.problem(404, "NOT_FOUND");
    helper.delete(&format!("/sessions/{}", alice.session_id())).await.problem(403, "PERMISSION_DENIED");
    let event_by = async |actor: &str| {
        let list = admin.get(&format!("/audit?actor={actor}&limit=1")).await.expect(200);
        format!("/audit/{}", list.items()[0]["id"].as_str().expect("an id"))
    };
    helper.get(&event_by(alice.id()).await).await.is(200);
    helper.get(&event_by(bob.id()).await).await.problem(404, "NOT_FOUND");
    helper.get("/audit/checkpoints").await.problem(403, "PERMISSION_DENIED");
    let export = helper.get("/audit/export").await.expect(200).text();
    assert!(export.lines().all(|line| line.contains(&format!("\"actor\":\"{}\"", alice.id()))), "{export}");
}

#[tokio::test]
async fn who_impersonates_ends_no_session_but_their_own() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let opened = admin.post(&format!("/users/{}/impersonate", alice.id()), ()).await.expect(200);
    let acting = tenant.anonymous().with_token(opened.str("access_token"));
    let others = format!("/sessions/{}", alice.session_id());
    acting.get(&others).await.is(200);
    acting.delete(&others).await.problem(403, "PERMISSION_DENIED");
    acting.patch(&others, json!({"meta_data": {"k": 1}})).await.problem(403, "PERMISSION_DENIED");
    alice.get("/me").await.is(200);
    acting.delete(&format!("/sessions/{}", opened.str("session_id"))).await.is(200);
    acting.get("/me").await.is(401);
    alice.delete(&others).await.is(200);
}

#[tokio::test]
async fn who_asks_about_many_wrong_api_keys_has_to_wait() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let key = alice.post("/apikeys", json!({})).await.expect(201).str("api_key").to_owned();
    let verify = async |ip: &str, key: &str| {
        let who = tenant.anonymous().from_ip(ip);
        who.post("/apikeys/verify", json!({"api_key": key})).await
    };
    let wrong = format!("usso_sk_{}", "x".repeat(43));
    for _ in 0..100 {
        verify("192.0.2.7", &wrong).await.problem(401, "API_KEY_INVALID");
    }
    let refused = verify("192.0.2.7", &wrong).await;
    refused.problem(429, "RATE_LIMITED");
    assert!(refused.header("retry-after").is_some());
    // Others are not concerned, nor is a key that is one: a source may stand for many people.
    verify("192.0.2.8", &wrong).await.problem(401, "API_KEY_INVALID");
    verify("192.0.2.7", &key).await.is(200);
    app.audit(&tenant.id).await;
    let told = admin.get("/audit?event=api_key.verify_limited").await.expect(200);
    let [event] = told.items() else { panic!("{}", told.text()) };
    assert_eq!((&event["actor"], &event["ip"]), (&json!("anonymous"), &json!("192.0.2.7")));
    app.wait(61);
    verify("192.0.2.7", &wrong).await.problem(401, "API_KEY_INVALID");
}
