//! `/workspaces/{id}/members`.

use super::workspaces::{add, company, events_on, grant, make, member};
use crate::app::{Requests, TestApp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use usso::identity::users::model::User as UserRecord;
use usso::identity::workspaces::members::service::{check_membership, settle};

#[tokio::test]
async fn members_are_listed_with_their_roles_and_names() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    admin.patch("/workspaces/ws_one", json!({"default_roles": ["viewer"]})).await.expect(200);
    app.wait(60);
    add(&admin, "ws_one", &alice, &["editor"]).await;
    let listed = admin.get("/workspaces/ws_one/members?sort=name").await.expect(200);
    assert_eq!(listed["total"], json!(2));
    let seen = listed.items().iter().find(|m| m["user_id"] == alice.id()).expect("alice");
    assert_eq!((&seen["name"], &seen["roles"]), (&json!("alice"), &json!(["editor", "viewer"])));
    assert_eq!((&seen["tenant_id"], &seen["is_owner"]), (&json!(tenant.id), &json!(false)));
    assert_eq!(
        seen["identifiers"],
        json!([{"type": "email", "identifier": "alice@example.com", "verified": false}])
    );
    assert_eq!(seen["joined_at"], json!(app.scope(&tenant.id).await.now().to_rfc3339()));
    let owner = listed.items().iter().find(|m| m["user_id"] == admin.id()).expect("the admin");
    assert_eq!(owner["is_owner"], json!(true));
}

#[tokio::test]
async fn a_member_is_given_and_loses_roles() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    add(&admin, "ws_one", &alice, &["viewer"]).await;
    let path = member("ws_one", &alice);
    let changed = admin.patch(&path, json!({"roles": ["editor", "Editor In Chief"]})).await;
    changed.problem(400, "VALIDATION_ERROR");
    let changed = admin.patch(&path, json!({"roles": ["editor", "editor"]})).await.expect(200);
    assert_eq!((&changed["roles"], changed.str("user_id")), (&json!(["editor"]), alice.id()));
    assert_eq!(alice.get("/me").await.expect(200)["workspace_roles"], json!({"ws_one": ["editor"]}));
    assert_eq!(admin.patch(&path, json!({"roles": []})).await.expect(200)["roles"], json!([]));
    let events = events_on(&app, &tenant, alice.id()).await;
    assert_eq!(events.iter().filter(|e| *e == "workspace.member_updated").count(), 2);
}

#[tokio::test]
async fn a_role_can_not_be_assigned_by_who_does_not_hold_it() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let bob = tenant.user("bob").await;
    admin.post("/roles", json!({"name": "Editor", "scopes": ["update:posts"]})).await.expect(201);
    admin
        .post("/roles", json!({"name": "Sleeping", "scopes": ["update:posts"], "is_active": false}))
        .await
        .expect(201);
    admin.post("/roles", json!({"name": "Viewer", "scopes": ["read:posts"]})).await.expect(201);
    grant(&app, &alice, &["create:workspaces", "read:posts"]).await;
    let alice = alice.again().await;
    make(&alice, "One").await;
    let unknown = json!({"user_id": bob.id(), "roles": ["unknown"]});
    alice.post("/workspaces/ws_one/invite", unknown).await.expect(400);
    for role in ["editor", "sleeping", "admin"] {
        let offer = json!({"user_id": bob.id(), "roles": [role]});
        alice.post("/workspaces/ws_one/invite", offer).await.problem(403, "SCOPE_NOT_DELEGABLE");
        alice
            .patch(&member("ws_one", &alice), json!({"roles": [role]}))
            .await
            .problem(403, "SCOPE_NOT_DELEGABLE");
    }
    add(&alice, "ws_one", &bob, &["viewer"]).await;
    // What somebody else gave may stay.
    admin.patch(&member("ws_one", &bob), json!({"roles": ["editor"]})).await.expect(200);
    alice.patch(&member("ws_one", &bob), json!({"roles": ["editor", "viewer"]})).await.expect(200);
    alice.patch(&member("ws_one", &bob), json!({"roles": ["viewer"]})).await.expect(200);
    alice
        .patch(&member("ws_one", &bob), json!({"roles": ["editor"]}))
        .await
        .problem(403, "SCOPE_NOT_DELEGABLE");
}

#[tokio::test]
async fn default_roles_are_added_to_whoever_joins() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let bob = tenant.user("bob").await;
    make(&admin, "One").await;
    add(&admin, "ws_one", &bob, &[]).await;
    admin.patch("/workspaces/ws_one", json!({"default_roles": ["viewer"]})).await.expect(200);
    add(&admin, "ws_one", &alice, &[]).await;
    assert_eq!(alice.get("/me").await.expect(200)["workspace_roles"], json!({"ws_one": ["viewer"]}));
    assert_eq!(bob.get("/me").await.expect(200)["workspace_roles"], json!({}));
}

#[tokio::test]
async fn a_member_can_leave_and_be_removed() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let bob = tenant.user("bob").await;
    make(&admin, "One").await;
    add(&admin, "ws_one", &alice, &["viewer"]).await;
    add(&admin, "ws_one", &bob, &[]).await;
    bob.delete(&member("ws_one", &alice)).await.problem(403, "PERMISSION_DENIED");
    let left = bob.delete(&member("ws_one", &bob)).await.expect(200);
    assert_eq!(left.str("user_id"), bob.id());
    bob.delete(&member("ws_one", &bob)).await.problem(404, "NOT_FOUND");
    admin.delete(&member("ws_one", &alice)).await.expect(200);
    admin.delete(&member("ws_one", &alice)).await.problem(404, "NOT_FOUND");
    admin.patch(&member("ws_one", &alice), json!({"roles": []})).await.problem(404, "NOT_FOUND");
    alice.get("/workspaces/ws_one").await.problem(404, "NOT_FOUND");
    assert_eq!(alice.get("/me").await.expect(200)["workspace_roles"], json!({}));
    assert!(events_on(&app, &tenant, bob.id()).await.contains(&"workspace.member_removed".to_owned()));
    // Who joins again begins anew.
    add(&admin, "ws_one", &alice, &[]).await;
    assert_eq!(alice.get("/me").await.expect(200)["workspace_roles"], json!({}));
}

#[tokio::test]
async fn the_last_owner_can_not_go() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    add(&admin, "ws_one", &alice, &[]).await;
    let (own, hers) = (member("ws_one", &admin), member("ws_one", &alice));
    admin.delete(&own).await.problem(409, "CONFLICT");
    admin.patch(&own, json!({"is_owner": false})).await.problem(409, "CONFLICT");
    let promoted = admin.patch(&hers, json!({"is_owner": true})).await.expect(200);
    assert_eq!(promoted["is_owner"], json!(true));
    admin.delete(&own).await.expect(200);
    alice.delete(&hers).await.problem(409, "CONFLICT");
    let owners = alice.get("/workspaces/ws_one").await.expect(200);
    assert_eq!(owners["owners"], json!([alice.id()]));
}

#[tokio::test]
async fn of_two_owners_who_leave_at_once_one_stays() {
    for _ in 0..10 {
        let app = TestApp::new().await;
        let (_, admin, alice) = company(&app).await;
        make(&admin, "One").await;
        add(&admin, "ws_one", &alice, &[]).await;
        admin.patch(&member("ws_one", &alice), json!({"is_owner": true})).await.expect(200);
        let (own, hers) = (member("ws_one", &admin), member("ws_one", &alice));
        let (a, b) = tokio::join!(admin.delete(&own), alice.delete(&hers));
        let mut statuses = [a.status, b.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
        let left = admin.get("/workspaces/ws_one").await.expect(200);
        assert_eq!(left["owners"].as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn whoever_leaves_while_they_are_made_an_owner_is_none() {
    for _ in 0..10 {
        let app = TestApp::new().await;
        let (_, admin, alice) = company(&app).await;
        make(&admin, "One").await;
        add(&admin, "ws_one", &alice, &[]).await;
        let path = member("ws_one", &alice);
        let (made, left) = tokio::join!(admin.patch(&path, json!({"is_owner": true})), alice.delete(&path));
        left.is(200);
        assert!(matches!(made.status, 200 | 404), "{}", made.text());
        let workspace = admin.get("/workspaces/ws_one").await.expect(200);
        assert_eq!(workspace["owners"], json!([admin.id()]));
        assert_eq!(alice.get("/me").await.expect(200)["workspace_ids"], json!([]));
    }
}

#[tokio::test]
async fn whoever_joins_while_the_workspace_is_removed_belongs_to_nothing() {
    for _ in 0..10 {
        let app = TestApp::new().await;
        let (_, admin, alice) = company(&app).await;
        make(&admin, "One").await;
        let offer = json!({"email": "alice@example.com"});
        let made = admin.post("/workspaces/ws_one/invitations", offer).await.expect(201);
        let accept = format!("/invitations/{}/accept", made.str("token"));
        let (joined, gone) = tokio::join!(alice.post(&accept, ()), admin.delete("/workspaces/ws_one"));
        gone.is(200);
        assert!(matches!(joined.status, 200 | 404 | 410), "{}", joined.text());
        assert_eq!(alice.get("/me").await.expect(200)["workspace_ids"], json!([]));
        make(&admin, "One").await;
        alice.get("/workspaces/ws_one").await.problem(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn only_a_member_can_be_made_an_owner() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    admin.patch(&member("ws_one", &alice), json!({"is_owner": true})).await.problem(404, "NOT_FOUND");
    // And somebody who is listed without being one manages nothing.
    add(&admin, "ws_one", &alice, &[]).await;
    admin.patch(&member("ws_one", &alice), json!({"is_owner": true})).await.expect(200);
    alice.patch("/workspaces/ws_one", json!({"name": "x"})).await.expect(200);
    app.change_user(&alice, |u| u.workspace_ids.clear()).await;
    alice.patch("/workspaces/ws_one", json!({"name": "x"})).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_change_of_another_revision_is_refused() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    add(&admin, "ws_one", &alice, &[]).await;
    let path = member("ws_one", &alice);
    let first = admin.patch(&path, json!({"roles": ["a"]})).await.expect(200);
    admin.patch(&path, json!({"roles": ["b"]})).await.expect(200);
    let late = admin.clone().with_header("if-match", first.header("etag").expect("a revision"));
    late.patch(&path, json!({"roles": ["c"]})).await.problem(412, "PRECONDITION_FAILED");
    late.delete(&path).await.problem(412, "PRECONDITION_FAILED");
}

#[tokio::test]
async fn a_user_belongs_to_a_hundred_workspaces_at_most() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    app.change_user(&alice, |u| u.workspace_ids = (0..100).map(|n| format!("ws_{n}")).collect()).await;
    let offer = json!({"user_id": alice.id()});
    admin.post("/workspaces/ws_one/invite", offer).await.problem(409, "CONFLICT");
    grant(&app, &alice, &["create:workspaces"]).await;
    alice.again().await.post("/workspaces", json!({"name": "More"})).await.problem(409, "CONFLICT");
    admin.get("/workspaces/ws_more").await.problem(404, "NOT_FOUND");
}

async fn record(app: &TestApp, user: &crate::app::User) -> UserRecord {
    let scope = app.scope(user.tenant_id()).await;
    scope.records::<UserRecord>().get(user.id()).await.expect("the database").expect("the user").record
}

#[tokio::test]
async fn memberships_written_to_a_user_are_put_in_order_and_checked() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    admin.post("/roles", json!({"name": "Editor", "scopes": ["update:posts"]})).await.expect(201);
    for name in ["One", "Two"] {
        make(&admin, name).await;
    }
    add(&admin, "ws_one", &alice, &["viewer"]).await;
    let scope = app.scope(&tenant.id).await;
    let old = record(&app, &alice).await;
    let next = |ids: &[&str], roles: &[(&str, &[&str])]| {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let roles = roles.iter().map(|(id, roles)| ((*id).to_owned(), own(roles)));
        UserRecord { workspace_ids: own(ids), workspace_roles: roles.collect(), ..old.clone() }
    };
    let held = ["read:posts".to_owned()];
    let check = async |next: &UserRecord| {
        check_membership(&app.state.identity, &scope, &held, (Some(&old), next))
            .await
            .map_err(|e| e.to_string())
    };
    check(&next(&["ws_one", "ws_two"], &[("ws_two", &["viewer"])])).await.expect("all of it is fine");
    check(&next(&[], &[])).await.expect("a member may be taken out");
    for (refused, why) in [
        (next(&["ws_none"], &[]), "there is no workspace"),
        (next(&["ws_one"], &[("ws_two", &["viewer"])]), "doesn't belong"),
        (next(&["ws_one"], &[("ws_one", &["Not A Slug"])]), "slugs"),
        (next(&["ws_one"], &[("ws_one", &["editor"])]), "not held"),
        (next(&["ws_one"], &[("ws_one", &["admin"])]), "not held"),
    ] {
        let said = check(&refused).await.expect_err(why);
        assert!(said.contains(why), "{said}");
    }
    // An owner leaves where the last one is held back.
    let owner = record(&app, &admin).await;
    let gone = UserRecord { workspace_ids: Vec::new(), ..owner.clone() };
    let said =
        check_membership(&app.state.identity, &scope, &["*:*".to_owned()], (Some(&owner), &gone)).await;
    assert!(said.is_err_and(|e| e.to_string().contains("owner")));

    let mut user = next(&["ws_two", "ws_two"], &[("ws_one", &["viewer"]), ("ws_two", &[])]);
    settle(&mut user, scope.now());
    assert_eq!(user.workspace_ids, ["ws_two"]);
    assert_eq!(user.workspace_roles, BTreeMap::new());
    assert_eq!(user.workspace_joined_at.keys().collect::<Vec<_>>(), ["ws_two"]);
}

#[tokio::test]
async fn what_belongs_to_another_tenant_is_not_there() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    let other = app.tenant("Company B", &["company-b.com"]).await;
    make(&admin, "One").await;
    make(&other.admin(), "Theirs").await;
    let stranger = json!({"user_id": other.admin().id()});
    admin.post("/workspaces/ws_one/invite", stranger).await.problem(404, "NOT_FOUND");
    admin.get("/workspaces/ws_theirs/members").await.problem(404, "NOT_FOUND");
    app.change_user(&alice, |u| u.workspace_ids = vec!["ws_theirs".to_owned()]).await;
    alice.get("/workspaces/ws_theirs").await.problem(404, "NOT_FOUND");
    let login =
        json!({"identifier": alice.identifier, "secret": alice.password, "workspace_id": "ws_theirs"});
    alice.signed_out().post("/auth/login", login).await.problem(403, "PERMISSION_DENIED");
    assert_eq!(alice.get("/me").await.expect(200)["workspace_id"], Value::Null);
}
