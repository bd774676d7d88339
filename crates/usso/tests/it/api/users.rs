//! `/users`: making, reading, listing and changing.

use crate::app::{PASSWORD, Requests, TenantHandle, TestApp, User};
use serde_json::{Value, json};

/// A tenant, its administrator, and somebody of it.
async fn company(app: &TestApp) -> (TenantHandle, User, User) {
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let (admin, alice) = (tenant.admin(), tenant.user("alice").await);
    (tenant, admin, alice)
}

fn path(id: &str) -> String {
    format!("/users/{id}")
}

async fn make(admin: &User, body: Value) -> Value {
    admin.post("/users", body).await.expect(201).json.clone()
}

/// Signs somebody in who holds these scopes.
async fn holding(app: &TestApp, user: &User, scopes: &[&str]) -> User {
    app.change_user(user, |u| u.scopes = scopes.iter().map(|s| (*s).to_owned()).collect()).await;
    user.again().await
}

async fn workspace(admin: &User, name: &str) -> String {
    admin.post("/workspaces", json!({"name": name})).await.expect(201).str("id").to_owned()
}

fn names(answer: &crate::app::Answer) -> Vec<&str> {
    answer.items().iter().map(|u| u["name"].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_user_is_made_read_and_changed() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = company(&app).await;
    let body = json!({"identifier": "Bob@Example.com", "name": "Bob Builder", "password": PASSWORD,
        "scopes": ["read:posts"], "roles": ["viewer"], "custom_claims": {"department": "hr"}});
    let bob = make(&admin, body).await;
    assert_eq!((&bob["email"], &bob["name"]), (&json!("bob@example.com"), &json!("Bob Builder")));
    assert_eq!((&bob["scopes"], &bob["roles"]), (&json!(["read:posts"]), &json!(["viewer"])));
    assert_eq!((&bob["id"], &bob["is_deleted"]), (&bob["uid"], &json!(false)));
    assert_eq!(bob["tenant_id"], json!(tenant.id));
    let id = bob["id"].as_str().expect("an id");
    assert_eq!(admin.get(&path(id)).await.expect(200).json, bob);

    let change = json!({"name": "Bob", "roles": ["editor"], "is_limited": true, "meta_data": {"k": 1}});
    let changed = admin.patch(&path(id), change).await.expect(200);
    assert_eq!((&changed["name"], &changed["roles"]), (&json!("Bob"), &json!(["editor"])));
    assert_eq!((&changed["is_limited"], &changed["meta_data"]), (&json!(true), &json!({"k": 1})));
    let last = changed["history"].as_array().and_then(|h| h.last()).expect("a history");
    assert_eq!(last["fields"], json!(["name", "roles", "is_limited", "meta_data"]));
    assert_eq!((&last["event"], &last["actor"]), (&json!("user.updated"), &json!(admin.id())));

    let signed_in = User::sign_in(tenant.anonymous(), "bob@example.com", PASSWORD).await;
    assert_eq!(signed_in.id(), id);
    let events: Vec<_> = app.audit(&tenant.id).await.into_iter().map(|e| (e.event, e.target)).collect();
    for event in ["user.created", "user.updated"] {
        assert!(events.contains(&(event.to_owned(), id.to_owned())), "{event}");
    }
}

#[tokio::test]
async fn an_identifier_is_taken_once_and_the_existing_user_can_be_asked_for() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    let bob = make(&admin, json!({"identifier": "bob@example.com"})).await;
    let again = json!({"identifier": "BOB@example.com", "name": "Other"});
    admin.post("/users", again.clone()).await.problem(409, "IDENTIFIER_EXISTS");
    admin.post("/users?on_conflict=error", again.clone()).await.problem(409, "IDENTIFIER_EXISTS");
    let returned = admin.post("/users?on_conflict=return", again.clone()).await.expect(200);
    assert_eq!((&returned["id"], &returned["name"]), (&bob["id"], &Value::Null));
    admin.post("/users?on_conflict=merge", again.clone()).await.problem(400, "VALIDATION_ERROR");
    // Who may make users but not read them learns no more than that.
    let maker = holding(&app, &alice, &["create:users?tenant_id=org_company_a", "none:users"]).await;
    let asked = maker.post("/users?on_conflict=return", again.clone()).await;
    assert!(asked.status == 200 || asked.code() == "IDENTIFIER_EXISTS", "{}", asked.text());
    assert_eq!(admin.get("/users").await.expect(200)["total"], json!(3));
}

#[tokio::test]
async fn users_are_listed_by_every_filter() {
    let app = TestApp::new().await;
    let (_, admin, _) = company(&app).await;
    workspace(&admin, "A").await;
    let bodies = [
        json!({"identifier": "ann@example.com", "name": "Ann Lee", "roles": ["admin", "editor"]}),
        json!({"identifier": "+491701234567", "name": "Ben Ode", "scopes": ["read:posts"], "is_active": false}),
        json!({"identifier": "carl-x", "name": "Carl Lee-Young", "workspace_ids": ["ws_a"],
            "workspace_roles": {"ws_a": ["editor"]}}),
    ];
    for body in bodies {
        app.wait(1);
        make(&admin, body).await;
    }
    for (query, wanted) in [
        ("role=admin&is_active=true&sort=-created_at&limit=1", vec!["Ann Lee"]),
        ("role=editor", vec!["Ann Lee"]),
        ("scope=read:posts", vec!["Ben Ode"]),
        ("is_active=false", vec!["Ben Ode"]),
        ("identifier_type=phone", vec!["Ben Ode"]),
        ("identifier=%2B49%20170%201234567", vec!["Ben Ode"]),
        ("identifier=ANN@example.com&role=editor", vec!["Ann Lee"]),
        ("identifier=ann@example.com&role=viewer", vec![]),
        ("identifier=nobody@example.com", vec![]),
        ("workspace_id=ws_a&search=carl", vec!["Carl Lee-Young"]),
        ("workspace_id=ws_a", vec!["Carl Lee-Young", ""]),
        ("is_limited=true", vec![]),
        ("search=lee&sort=name", vec!["Ann Lee", "Carl Lee-Young"]),
        ("search=Carl%20L", vec!["Carl Lee-Young"]),
        ("search=ann@ex", vec!["Ann Lee"]),
        ("search=zzz", vec![]),
        ("is_deleted=true", vec![]),
    ] {
        assert_eq!(names(&admin.get(&format!("/users?{query}")).await.expect(200)), wanted, "{query}");
    }
    assert_eq!(admin.get("/users").await.expect(200)["total"], json!(5));
    for bad in ["is_active=maybe", "sort=password", "identifier=x@example.com&identifier_type=shoe"] {
        assert_eq!(admin.get(&format!("/users?{bad}")).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_list_holds_what_the_callers_filters_admit() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    for (name, space) in [("ann", "A"), ("ben", "B")] {
        let space = workspace(&admin, space).await;
        make(&admin, json!({"identifier": name, "name": name, "workspace_ids": [space]})).await;
    }
    alice.get("/users").await.problem(403, "PERMISSION_DENIED");
    let reader = holding(&app, &alice, &["read:users?workspace_id=ws_a"]).await;
    let seen = reader.get("/users").await.expect(200);
    // Who made the workspace belongs to it, too.
    assert!(names(&seen).contains(&"ann") && seen.items().len() == 2, "{}", seen.text());
    reader.get(&path(seen.items()[0]["id"].as_str().expect("an id"))).await.expect(200);
    let all = admin.get("/users?search=ben").await.expect(200);
    reader.get(&path(all.items()[0]["id"].as_str().expect("an id"))).await.problem(404, "NOT_FOUND");
    assert!(reader.get("/users?identifier=ben").await.expect(200).items().is_empty());
    reader.get("/users?is_deleted=true").await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn users_change_their_own_name_and_nothing_that_concerns_privileges() {
    let app = TestApp::new().await;
    let (_, _, alice) = company(&app).await;
    let own = path(alice.id());
    let changed =
        alice.patch(&own, json!({"name": " Alice ", "avatar_url": "https://example.com/a.png"})).await;
    assert_eq!(changed.expect(200).str("name"), "Alice");
    alice.get(&own).await.expect(200);
    for privileged in [
        json!({"roles": ["x"]}),
        json!({"scopes": []}),
        json!({"workspace_ids": []}),
        json!({"workspace_roles": {}}),
        json!({"is_active": true}),
        json!({"is_limited": false}),
        json!({"activation_status": "active"}),
        json!({"custom_claims": {"x": 1}}),
        json!({"meta_data": {"x": 1}}),
    ] {
        alice.patch(&own, privileged).await.problem(403, "PERMISSION_DENIED");
    }
    // Nor does a mass of server-owned fields do anything.
    let before = alice.get(&own).await.expect(200).json;
    let smuggled = json!({"tenant_id": "org_x", "id": "user:x", "is_verified": true, "session_epoch": 9});
    assert_eq!(alice.patch(&own, smuggled).await.expect(200).json, before);
    alice.delete(&own).await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_hold() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    workspace(&admin, "A").await;
    admin
        .post("/roles", json!({"name": "Strong", "scopes": ["delete:posts"], "is_active": false}))
        .await
        .is(201);
    let bob =
        make(&admin, json!({"identifier": "bob-b", "roles": ["strong"], "workspace_ids": ["ws_a"]})).await;
    let bob = path(bob["id"].as_str().expect("an id"));
    let manager = holding(&app, &alice, &["manage:users", "read:posts"]).await;
    for refused in [
        json!({"scopes": ["update:posts"]}),
        json!({"roles": ["strong", "admin"]}),
        json!({"workspace_roles": {"ws_a": ["strong"]}}),
        json!({"scopes": ["superadmin:*"]}),
    ] {
        manager.patch(&bob, refused.clone()).await.problem(403, "SCOPE_NOT_DELEGABLE");
        let mut new = refused;
        new["identifier"] = json!("new-user");
        new["workspace_ids"] = json!(["ws_a"]);
        manager.post("/users", new).await.problem(403, "SCOPE_NOT_DELEGABLE");
    }
    manager.patch(&path(manager.id()), json!({"roles": ["admin"]})).await.problem(403, "SCOPE_NOT_DELEGABLE");
    // What somebody has may stay, what is held may be given, and anything may be taken away.
    manager.patch(&bob, json!({"roles": ["strong", "viewer"], "scopes": ["read:posts"]})).await.expect(200);
    manager.patch(&bob, json!({"roles": [], "scopes": []})).await.expect(200);
    manager.patch(&bob, json!({"roles": ["strong"]})).await.problem(403, "SCOPE_NOT_DELEGABLE");
}

#[tokio::test]
async fn a_user_is_rejected_when_a_value_can_not_be() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    let bad = [
        (json!({"name": "x".repeat(201)}), "VALIDATION_ERROR"),
        (json!({"avatar_url": "javascript:alert(1)"}), "VALIDATION_ERROR"),
        (json!({"scopes": ["read:[a]"]}), "INVALID_SCOPE"),
        (json!({"scopes": (0..201).map(|n| format!("read:a{n}")).collect::<Vec<_>>()}), "VALIDATION_ERROR"),
        (json!({"roles": ["No Such Role"]}), "VALIDATION_ERROR"),
        (json!({"workspace_roles": {"ws_x": ["a"]}}), "VALIDATION_ERROR"),
        (json!({"workspace_ids": ["ws_x"]}), "VALIDATION_ERROR"),
        (json!({"custom_claims": {"sub": "x"}}), "VALIDATION_ERROR"),
        (json!({"custom_claims": {"is_active": "x"}}), "VALIDATION_ERROR"),
        (json!({"custom_claims": {"big": "x".repeat(5_000)}}), "VALIDATION_ERROR"),
        (json!({"meta_data": {"big": "x".repeat(17_000)}}), "VALIDATION_ERROR"),
    ];
    for (change, code) in bad {
        admin.patch(&path(alice.id()), change.clone()).await.problem(400, code);
        let mut new = change;
        new["identifier"] = json!("new-user");
        admin.post("/users", new).await.problem(400, code);
    }
    for (name, code) in
        [("x", "INVALID_IDENTIFIER"), ("admin", "INVALID_IDENTIFIER"), ("a@", "INVALID_IDENTIFIER")]
    {
        admin.post("/users", json!({"identifier": name})).await.problem(400, code);
    }
    let weak = json!({"identifier": "new-user", "password": "short"});
    admin.post("/users", weak).await.problem(400, "WEAK_PASSWORD");
    admin.get("/users/user:nobody").await.problem(404, "NOT_FOUND");
    admin.get("/users/nobody").await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_role_can_be_given_by_its_name() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    admin.post("/roles", json!({"name": "Content Editor", "slug": "ce"})).await.is(201);
    let given = admin.patch(&path(alice.id()), json!({"roles": ["content editor", "ce"]})).await.expect(200);
    assert_eq!(given["roles"], json!(["ce"]));
}

#[tokio::test]
async fn disabling_ends_every_session_at_once() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    for (off, on) in [
        (json!({"is_active": false}), json!({"is_active": true})),
        (json!({"activation_status": "banned"}), json!({"activation_status": "active"})),
    ] {
        let alice = alice.again().await;
        admin.patch(&path(alice.id()), off).await.expect(200);
        alice.get("/me").await.problem(401, "TOKEN_REVOKED");
        let refresh = json!({"refresh_token": alice.refresh()});
        alice.signed_out().post("/auth/refresh", refresh.clone()).await.problem(401, "TOKEN_REVOKED");
        admin.patch(&path(alice.id()), on).await.expect(200);
        // They may sign in again, but what was ended stays ended.
        alice.get("/me").await.problem(401, "TOKEN_REVOKED");
        alice.signed_out().post("/auth/refresh", refresh).await.problem(401, "TOKEN_REVOKED");
    }
}

#[tokio::test]
async fn custom_claims_are_in_tokens_and_replace_none_of_ours() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    let claims = json!({"custom_claims": {"department": "hr", "data": {"x": [1]}}});
    admin.patch(&path(alice.id()), claims).await.expect(200);
    let alice = alice.again().await;
    let token = crate::app::token::Jwt::decode(alice.access());
    assert_eq!((&token.claims["department"], &token.claims["data"]), (&json!("hr"), &json!({"x": [1]})));
    assert_eq!(token.claims["claims"], json!({"department": "hr", "data": {"x": [1]}}));
    alice.get("/me").await.expect(200);
    let verified =
        alice.signed_out().post("/auth/verify-token", json!({"token": alice.access()})).await.expect(200);
    assert_eq!(verified["department"], json!("hr"));
    let removed = admin.patch(&path(alice.id()), json!({"custom_claims": {"data": null}})).await.expect(200);
    assert_eq!(removed["custom_claims"], json!({"department": "hr"}));
}

#[tokio::test]
async fn a_change_of_another_revision_is_refused() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    let first = admin.get(&path(alice.id())).await.header("etag").expect("a revision").to_owned();
    admin.patch(&path(alice.id()), json!({"name": "Other"})).await.expect(200);
    let late = admin.clone().with_header("if-match", &first);
    late.patch(&path(alice.id()), json!({"name": "Late"})).await.problem(412, "PRECONDITION_FAILED");
    late.delete(&path(alice.id())).await.problem(412, "PRECONDITION_FAILED");
    alice.get("/me").await.expect(200);
}

#[tokio::test]
async fn the_last_fifty_changes_are_kept() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    for n in 0..55 {
        admin.patch(&path(alice.id()), json!({"name": format!("Name {n}")})).await.is(200);
    }
    let seen = admin.get(&path(alice.id())).await.expect(200);
    assert_eq!(seen["history"].as_array().map(Vec::len), Some(50));
    assert_eq!(admin.get("/users?search=name").await.expect(200).items()[0]["history"], json!([]));
}

#[tokio::test]
async fn the_system_administrator_can_not_be_taken_away() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let own = path(admin.id());
    admin.patch(&own, json!({"is_active": false})).await.problem(409, "CONFLICT");
    admin.delete(&own).await.problem(409, "CONFLICT");
    admin.post(&format!("{own}/erase"), ()).await.problem(409, "CONFLICT");
    admin.patch(&own, json!({"scopes": [], "roles": []})).await.problem(409, "CONFLICT");
    let helper = app.user("helper").await;
    let helper = holding(&app, &helper, &["update:users"]).await;
    helper.patch(&own, json!({"scopes": ["superadmin:posts"]})).await.is(403);
    helper.patch(&own, json!({"scopes": []})).await.problem(409, "CONFLICT");
    let name = admin.get("/identifiers").await.expect(200).items()[0]["id"].clone();
    let name = name.as_str().expect("an id");
    admin.delete(&format!("/identifiers/{name}")).await.problem(409, "CONFLICT");
    admin.get("/me").await.expect(200);
}

#[tokio::test]
async fn a_permission_for_one_workspace_reaches_no_other() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    let (a, b) = (workspace(&admin, "A").await, workspace(&admin, "B").await);
    let bob = make(&admin, json!({"identifier": "bob-b", "workspace_ids": [a]})).await;
    let bob = path(bob["id"].as_str().expect("an id"));
    let manager = holding(&app, &alice, &[&format!("update:users?workspace_id={a}")]).await;
    manager.patch(&bob, json!({"workspace_ids": [a, b]})).await.problem(403, "PERMISSION_DENIED");
    admin.patch(&bob, json!({"workspace_ids": [a, b]})).await.expect(200);
    manager.patch(&bob, json!({"workspace_ids": [a]})).await.problem(403, "PERMISSION_DENIED");
    manager.patch(&bob, json!({"workspace_ids": [b]})).await.expect(200);
}
