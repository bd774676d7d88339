//! `/roles`, and what roles come to.

use crate::app::{Answer, Requests, TenantHandle, TestApp, User};
use serde_json::{Value, json};

/// A tenant, its administrator, and somebody of it.
async fn company(app: &TestApp) -> (TenantHandle, User, User) {
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let (admin, alice) = (tenant.admin(), tenant.user("alice").await);
    (tenant, admin, alice)
}

async fn make(admin: &impl Requests, body: Value) -> Answer {
    admin.post("/roles", body).await.expect(201)
}

async fn assign(app: &TestApp, user: &User, roles: &[&str]) {
    app.change_user(user, |u| u.roles = roles.iter().map(|r| (*r).to_owned()).collect()).await;
}

async fn grant(app: &TestApp, user: &User, scopes: &[&str]) {
    app.change_user(user, |u| u.scopes = scopes.iter().map(|s| (*s).to_owned()).collect()).await;
}

async fn refreshed(user: &User) -> Answer {
    user.signed_out().post("/auth/refresh", json!({"refresh_token": user.refresh()})).await.expect(200)
}

async fn claims(user: &User, access: &str) -> Value {
    let answer = user.signed_out().post("/auth/verify-token", json!({"token": access})).await.expect(200);
    answer.json.clone()
}

#[tokio::test]
async fn a_role_is_made_read_changed_and_removed() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = company(&app).await;
    let made = make(&admin, json!({"name": " Content Editor ", "scopes": ["update:posts"]})).await;
    assert_eq!((made.str("name"), made.str("slug")), ("Content Editor", "content_editor"));
    assert_eq!((made.str("id"), made.str("tenant_id")), (made.str("uid"), tenant.id.as_str()));
    assert_eq!((&made["scopes"], &made["is_active"]), (&json!(["update:posts"]), &json!(true)));
    assert_eq!((&made["workspace_id"], &made["description"]), (&Value::Null, &Value::Null));
    assert!(made.header("etag").is_some());

    let by_id = format!("/roles/{}", made.str("id"));
    assert_eq!(admin.get(&by_id).await.expect(200).json, made.json);
    assert_eq!(admin.get("/roles/content_editor").await.expect(200).json, made.json);
    assert_eq!(admin.get("/roles").await.expect(200).items(), std::slice::from_ref(&made.json));

    let change = json!({"name": "Editor", "scopes": ["read:posts"], "description": "Reads", "slug": "other"});
    let changed = admin.patch(&by_id, change).await.expect(200);
    assert_eq!((changed.str("name"), changed.str("slug")), ("Editor", "content_editor"));
    assert_eq!((&changed["scopes"], &changed["description"]), (&json!(["read:posts"]), &json!("Reads")));

    let removed = admin.delete(&by_id).await.expect(200);
    assert_eq!(removed["is_deleted"], json!(true));
    admin.get(&by_id).await.problem(404, "NOT_FOUND");
    assert!(admin.get("/roles").await.expect(200).items().is_empty());
    let events: Vec<_> = app.audit(&tenant.id).await.into_iter().map(|e| (e.event, e.target)).collect();
    for event in ["role.created", "role.updated", "role.deleted"] {
        assert!(events.contains(&(event.to_owned(), made.str("id").to_owned())), "{event}");
    }
}

#[tokio::test]
async fn a_token_carries_what_its_users_roles_grant() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    make(&admin, json!({"name": "Editor", "scopes": ["update:posts", "read:files"]})).await;
    make(&admin, json!({"name": "Reader", "scopes": ["read:files", "read:posts"]})).await;
    make(&admin, json!({"name": "Sleeping", "scopes": ["read:all"], "is_active": false})).await;
    make(&admin, json!({"name": "Elsewhere", "scopes": ["read:all"], "workspace_id": "ws_x"})).await;
    grant(&app, &alice, &["read:mail"]).await;
    assign(&app, &alice, &["editor", "reader", "sleeping", "elsewhere", "viewer"]).await;
    let alice = alice.again().await;
    let seen = claims(&alice, alice.access()).await;
    // Unknown slugs are carried, for applications that know them; what doesn't count here is not.
    assert_eq!(seen["roles"], json!(["editor", "reader", "viewer"]));
    assert_eq!(seen["scopes"], json!(["read:mail", "update:posts", "read:files", "read:posts"]));
}

#[tokio::test]
async fn what_is_given_reaches_a_session_at_its_next_refresh() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    let role = make(&admin, json!({"name": "Auditor", "scopes": ["read:roles"]})).await;
    assign(&app, &alice, &["auditor"]).await;
    alice.get("/roles").await.problem(403, "PERMISSION_DENIED");
    let fresh = refreshed(&alice).await;
    let now = alice.signed_out().with_token(fresh.str("access_token"));
    now.get("/roles").await.expect(200);
    // And so does what the role is given.
    let path = format!("/roles/{}", role.str("id"));
    admin.patch(&path, json!({"scopes": ["read:roles", "read:posts"]})).await.expect(200);
    let fresh = refreshed(&alice).await;
    let seen = claims(&alice, fresh.str("access_token")).await;
    assert_eq!(seen["scopes"], json!(["read:roles", "read:posts"]));
}

#[tokio::test]
async fn what_is_taken_away_ends_access_at_once() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    let role = make(&admin, json!({"name": "Auditor", "scopes": ["update:roles"]})).await;
    let path = format!("/roles/{}", role.str("id"));
    assign(&app, &alice, &["auditor"]).await;
    let alice = alice.again().await;
    let key = alice.post("/apikeys", json!({"scopes": ["read:roles"]})).await.expect(201);
    let by_key = alice.signed_out().with_header("x-api-key", key.str("api_key"));
    alice.get("/roles").await.expect(200);
    by_key.get("/roles").await.expect(200);

    // Less than before, but not nothing: what is left counts.
    admin.patch(&path, json!({"scopes": ["read:roles"]})).await.expect(200);
    alice.get("/roles").await.expect(200);
    alice.patch(&path, json!({"description": "mine"})).await.problem(403, "PERMISSION_DENIED");
    for change in [json!({"is_active": false}), json!({"is_active": true, "scopes": []})] {
        admin.patch(&path, change).await.expect(200);
        alice.get("/roles").await.problem(403, "PERMISSION_DENIED");
        by_key.get("/roles").await.problem(403, "PERMISSION_DENIED");
    }
    admin.patch(&path, json!({"scopes": ["read:roles"]})).await.expect(200);
    by_key.get("/roles").await.expect(200);
    admin.delete(&path).await.expect(200);
    alice.get("/roles").await.problem(403, "PERMISSION_DENIED");
    by_key.get("/roles").await.problem(403, "PERMISSION_DENIED");
    // The session itself goes on.
    alice.get("/me").await.expect(200);
}

#[tokio::test]
async fn a_role_that_is_taken_from_a_user_counts_no_more() {
    let app = TestApp::new().await;
    let (_, _, alice) = company(&app).await;
    assign(&app, &alice, &["admin"]).await;
    let alice = alice.again().await;
    alice.get("/roles").await.expect(200);
    assign(&app, &alice, &[]).await;
    alice.get("/roles").await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn a_change_on_one_instance_counts_on_the_others() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    let role = make(&admin, json!({"name": "Auditor", "scopes": ["read:roles"]})).await;
    assign(&app, &alice, &["auditor"]).await;
    let alice = alice.again().await;
    let other = app.joined().await;
    let there = other.on_host("company-a.com").with_token(alice.access());
    there.get("/roles").await.expect(200);
    admin.patch(&format!("/roles/{}", role.str("id")), json!({"scopes": []})).await.expect(200);
    other.read_feed().await;
    there.get("/roles").await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn a_role_made_for_a_slug_that_users_carry_counts_at_once() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    assign(&app, &alice, &["viewer"]).await;
    let alice = alice.again().await;
    assert_eq!(claims(&alice, alice.access()).await["scopes"], json!([]));
    make(&admin, json!({"name": "Viewer", "scopes": ["read:posts"]})).await;
    let fresh = refreshed(&alice).await;
    assert_eq!(claims(&alice, fresh.str("access_token")).await["scopes"], json!(["read:posts"]));
}

#[tokio::test]
async fn a_role_can_not_grant_what_its_maker_does_not_hold() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    grant(&app, &alice, &["update:roles", "read:posts"]).await;
    let alice = alice.again().await;
    let refused = json!({"name": "Editor", "scopes": ["read:posts", "update:posts"]});
    alice.post("/roles", refused).await.problem(403, "SCOPE_NOT_DELEGABLE");
    admin
        .post("/roles", json!({"name": "Root", "scopes": ["superadmin:*"]}))
        .await
        .problem(403, "SCOPE_NOT_DELEGABLE");
    let own = make(&alice, json!({"name": "Reader", "scopes": ["read:posts"]})).await;
    let path = format!("/roles/{}", own.str("id"));
    alice.patch(&path, json!({"scopes": ["update:posts"]})).await.problem(403, "SCOPE_NOT_DELEGABLE");
    alice.patch(&path, json!({"scopes": []})).await.expect(200);

    // Nor bring to life, or to other workspaces, what a stronger one has put to sleep.
    let strong =
        json!({"name": "Strong", "scopes": ["delete:posts"], "is_active": false, "workspace_id": "ws_x"});
    let strong = make(&admin, strong).await;
    let path = format!("/roles/{}", strong.str("id"));
    for change in
        [json!({"is_active": true}), json!({"workspace_id": null}), json!({"scopes": ["read:posts"]})]
    {
        alice.patch(&path, change).await.problem(403, "SCOPE_NOT_DELEGABLE");
    }
    alice.patch(&path, json!({"description": "I may say what it is for"})).await.expect(200);
}

#[tokio::test]
async fn a_role_is_rejected_when_its_values_can_not_be() {
    let app = TestApp::new().await;
    let (_, admin, _) = company(&app).await;
    for bad in [
        json!({"name": ""}),
        json!({"name": "  "}),
        json!({"name": "x".repeat(201)}),
        json!({"name": "مدیر"}),
        json!({"name": "A", "slug": "With Spaces"}),
        json!({"name": "A", "slug": "-a"}),
        json!({"name": "A", "slug": "x".repeat(65)}),
        json!({"name": "A", "description": "x".repeat(2_001)}),
        json!({"name": "A", "workspace_id": "x".repeat(97)}),
        json!({"name": "A", "scopes": vec!["read:posts"; 201]}),
    ] {
        admin.post("/roles", bad).await.problem(400, "VALIDATION_ERROR");
    }
    for bad in ["", "read:[a]", "read:a b", ":posts", "read:posts?x="] {
        admin.post("/roles", json!({"name": "A", "scopes": [bad]})).await.problem(400, "INVALID_SCOPE");
    }
    assert!(admin.get("/roles").await.expect(200).items().is_empty());
}

#[tokio::test]
async fn a_slug_is_taken_once() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = company(&app).await;
    make(&admin, json!({"name": "Editor"})).await;
    admin.post("/roles", json!({"name": "editor!"})).await.problem(409, "CONFLICT");
    let other = app.tenant("Company B", &["company-b.com"]).await;
    make(&other.admin(), json!({"name": "Editor"})).await;
    let made = app.audit(&tenant.id).await.into_iter().filter(|e| e.event == "role.created").count();
    assert_eq!(made, 1);
}

#[tokio::test]
async fn the_built_in_role_can_not_be_made() {
    let app = TestApp::new().await;
    let (_, admin, _) = company(&app).await;
    admin.post("/roles", json!({"name": "Admin"})).await.problem(409, "CONFLICT");
    admin.post("/roles", json!({"name": "x", "slug": "admin"})).await.problem(409, "CONFLICT");
}

#[tokio::test]
async fn a_change_of_another_revision_is_refused() {
    let app = TestApp::new().await;
    let (_, admin, _) = company(&app).await;
    let role = make(&admin, json!({"name": "Editor"})).await;
    let path = format!("/roles/{}", role.str("id"));
    let first = role.header("etag").expect("a revision").to_owned();
    admin.patch(&path, json!({"name": "Other"})).await.expect(200);
    let late = admin.clone().with_header("if-match", &first);
    late.patch(&path, json!({"name": "Late"})).await.problem(412, "PRECONDITION_FAILED");
    late.delete(&path).await.problem(412, "PRECONDITION_FAILED");
    assert_eq!(admin.get(&path).await.expect(200).str("name"), "Other");
}

#[tokio::test]
async fn each_verb_needs_its_permission() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    let role = make(&admin, json!({"name": "Editor"})).await;
    let path = format!("/roles/{}", role.str("id"));
    let new = json!({"name": "Mine"});
    for (scopes, statuses) in [
        (vec!["read:users"], [403, 403, 403, 403]),
        (vec!["read:roles"], [200, 403, 403, 403]),
        (vec!["create:role"], [200, 201, 403, 403]),
        (vec!["write:roles"], [200, 409, 200, 403]),
        (vec!["delete:roles"], [200, 409, 200, 200]),
    ] {
        grant(&app, &alice, &scopes).await;
        let alice = alice.again().await;
        let answers = [
            alice.get(&path).await,
            alice.post("/roles", new.clone()).await,
            alice.patch(&path, json!({"description": scopes[0]})).await,
            alice.delete(&path).await,
        ];
        let got: Vec<u16> = answers.iter().map(|a| a.status).collect();
        assert_eq!(got, statuses, "{scopes:?}");
    }
}

#[tokio::test]
async fn a_filter_shows_only_what_it_admits() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    let mut ids = Vec::new();
    for workspace in [Some("ws_a"), Some("ws_b"), None] {
        let name = workspace.unwrap_or("everywhere");
        let made = make(&admin, json!({"name": name, "workspace_id": workspace})).await;
        ids.push(made.str("id").to_owned());
    }
    grant(&app, &alice, &["manage:roles?workspace_id=ws_a"]).await;
    let alice = alice.again().await;
    let seen = alice.get("/roles").await.expect(200);
    assert_eq!(seen.items().iter().map(|r| &r["id"]).collect::<Vec<_>>(), [&json!(ids[0])]);
    alice.get(&format!("/roles/{}", ids[0])).await.expect(200);
    for hidden in &ids[1..] {
        alice.get(&format!("/roles/{hidden}")).await.problem(404, "NOT_FOUND");
        alice.delete(&format!("/roles/{hidden}")).await.problem(404, "NOT_FOUND");
    }
    make(&alice, json!({"name": "Mine", "workspace_id": "ws_a"})).await;
    for elsewhere in [json!(null), json!(" "), json!("ws_b")] {
        let new = json!({"name": "Not mine", "workspace_id": elsewhere});
        alice.post("/roles", new).await.problem(403, "PERMISSION_DENIED");
        let change = json!({"workspace_id": elsewhere});
        alice.patch(&format!("/roles/{}", ids[0]), change).await.problem(403, "PERMISSION_DENIED");
    }
    let asked = admin.get("/roles?workspace_id=ws_b&is_active=true").await.expect(200);
    assert_eq!(asked.items().len(), 1);
    assert!(admin.get("/roles?is_active=false").await.expect(200).items().is_empty());
}

#[tokio::test]
async fn nobody_holds_more_than_five_hundred_scopes() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    let mut slugs = Vec::new();
    for n in 0..4 {
        let scopes: Vec<String> = (0..200).map(|s| format!("read:thing{n}x{s}")).collect();
        let made = make(&admin, json!({"name": format!("Role {n}"), "scopes": scopes})).await;
        slugs.push(made.str("slug").to_owned());
    }
    assign(&app, &alice, &slugs.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let alice = alice.again().await;
    let seen = claims(&alice, alice.access()).await;
    assert_eq!(seen["scopes"].as_array().map(Vec::len), Some(500));
    alice.post("/apikeys", json!({})).await.problem(400, "VALIDATION_ERROR");
    alice.post("/apikeys", json!({"scopes": ["read:thing0x0"]})).await.expect(201);
}
