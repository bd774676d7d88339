//! `/workspaces`.

use crate::app::{Answer, Requests, TenantHandle, TestApp, User};
use serde_json::{Value, json};

/// A tenant, its administrator, and somebody of it.
pub async fn company(app: &TestApp) -> (TenantHandle, User, User) {
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let (admin, alice) = (tenant.admin(), tenant.user("alice").await);
    (tenant, admin, alice)
}

/// Makes a workspace of a name.
pub async fn make(maker: &impl Requests, name: &str) -> String {
    maker.post("/workspaces", json!({"name": name})).await.expect(201).str("id").to_owned()
}

/// Makes somebody a member with these roles.
pub async fn add(by: &impl Requests, workspace: &str, user: &User, roles: &[&str]) -> Answer {
    let body = json!({"user_id": user.id(), "roles": roles});
    by.post(&format!("/workspaces/{workspace}/invite"), body).await.expect(201)
}

/// The path of a membership.
pub fn member(workspace: &str, user: &User) -> String {
    format!("/workspaces/{workspace}/members/{}", user.id())
}

/// Gives a user scopes of their own.
pub async fn grant(app: &TestApp, user: &User, scopes: &[&str]) {
    app.change_user(user, |u| u.scopes = scopes.iter().map(|s| (*s).to_owned()).collect()).await;
}

/// The names of the events of a tenant about something.
pub async fn events_on(app: &TestApp, tenant: &TenantHandle, target: &str) -> Vec<String> {
    let events = app.audit(&tenant.id).await.into_iter();
    events.filter(|e| e.target == target).map(|e| e.event).collect()
}

#[tokio::test]
async fn a_workspace_is_made_read_changed_and_removed() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = company(&app).await;
    let new = json!({"name": " Engineering ", "description": "Builds", "logo_url": "https://cdn.example.com/e.png",
        "settings": {"theme": "dark"}, "meta_data": {"n": 1}, "default_roles": ["viewer"]});
    let made = admin.post("/workspaces", new).await.expect(201);
    assert_eq!(
        (made.str("id"), made.str("uid"), made.str("slug")),
        ("ws_engineering", "ws_engineering", "engineering")
    );
    assert_eq!((made.str("name"), made.str("tenant_id")), ("Engineering", tenant.id.as_str()));
    assert_eq!((&made["settings"], &made["meta_data"]), (&json!({"theme": "dark"}), &json!({"n": 1})));
    assert_eq!((&made["default_roles"], &made["owners"]), (&json!(["viewer"]), &json!([admin.id()])));
    assert_eq!((&made["is_active"], &made["is_deleted"]), (&json!(true), &json!(false)));
    assert!(made.header("etag").is_some());

    let path = "/workspaces/ws_engineering";
    assert_eq!(admin.get(path).await.expect(200).json, made.json);
    assert_eq!(
        admin.get("/workspaces?is_active=true").await.expect(200).items(),
        std::slice::from_ref(&made.json)
    );
    assert!(admin.get("/workspaces?is_active=false").await.expect(200).items().is_empty());

    let change = json!({"name": "R&D", "description": null, "settings": {"theme": null, "wide": true},
        "logo_url": null, "slug": "other", "default_roles": []});
    let changed = admin.patch(path, change).await.expect(200);
    assert_eq!((changed.str("name"), changed.str("slug")), ("R&D", "engineering"));
    assert_eq!((&changed["settings"], &changed["meta_data"]), (&json!({"wide": true}), &json!({"n": 1})));
    assert_eq!((&changed["description"], &changed["logo_url"]), (&Value::Null, &Value::Null));

    let removed = admin.delete(path).await.expect(200);
    assert_eq!(removed["is_deleted"], json!(true));
    admin.get(path).await.problem(404, "NOT_FOUND");
    admin.delete(path).await.problem(404, "NOT_FOUND");
    assert!(admin.get("/workspaces").await.expect(200).items().is_empty());
    let events = events_on(&app, &tenant, "ws_engineering").await;
    assert_eq!(events, ["workspace.created", "workspace.updated", "workspace.deleted"]);
}

#[tokio::test]
async fn the_maker_is_the_first_owner_and_member() {
    let app = TestApp::new().await;
    let (tenant, _, alice) = company(&app).await;
    grant(&app, &alice, &["create:workspaces"]).await;
    let alice = alice.again().await;
    make(&alice, "Design").await;
    let me = alice.get("/me").await.expect(200);
    assert_eq!((&me["workspaces"], &me["workspace_ids"]), (&json!(["ws_design"]), &json!(["ws_design"])));
    // Owning is enough to change it, the permission to make others isn't needed any more.
    grant(&app, &alice, &[]).await;
    let alice = alice.again().await;
    alice.patch("/workspaces/ws_design", json!({"description": "Ours"})).await.expect(200);
    alice.post("/workspaces", json!({"name": "More"})).await.problem(403, "PERMISSION_DENIED");
    let events = events_on(&app, &tenant, alice.id()).await;
    assert!(events.contains(&"workspace.member_added".to_owned()), "{events:?}");
}

#[tokio::test]
async fn members_see_theirs_and_nobody_else_sees_it() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let bob = tenant.user("bob").await;
    make(&admin, "One").await;
    make(&admin, "Two").await;
    add(&admin, "ws_one", &alice, &[]).await;
    let seen = alice.get("/workspaces").await.expect(200);
    assert_eq!(seen.items().iter().map(|w| &w["id"]).collect::<Vec<_>>(), ["ws_one"]);
    alice.get("/workspaces/ws_one").await.expect(200);
    alice.get("/workspaces/ws_one/members").await.expect(200);
    assert!(bob.get("/workspaces").await.expect(200).items().is_empty());
    for (who, hidden) in [(&alice, "ws_two"), (&bob, "ws_one"), (&bob, "ws_nobody"), (&admin, "ws_nobody")] {
        let path = format!("/workspaces/{hidden}");
        who.get(&path).await.problem(404, "NOT_FOUND");
        who.get(&format!("{path}/members")).await.problem(404, "NOT_FOUND");
        who.get(&format!("{path}/invitations")).await.problem(404, "NOT_FOUND");
        who.patch(&path, json!({"name": "x"})).await.problem(404, "NOT_FOUND");
        who.delete(&path).await.problem(404, "NOT_FOUND");
    }
    assert_eq!(admin.get("/workspaces").await.expect(200).items().len(), 2);
}

#[tokio::test]
async fn a_member_can_not_change_what_only_owners_may() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    add(&admin, "ws_one", &alice, &[]).await;
    let path = "/workspaces/ws_one";
    let user = json!({"user_id": alice.id()});
    for refused in [
        alice.patch(path, json!({"name": "x"})).await,
        alice.delete(path).await,
        alice.get("/workspaces/ws_one/invitations").await,
        alice.post("/workspaces/ws_one/invite", user).await,
        alice.patch(&member("ws_one", &alice), json!({"is_owner": true})).await,
        alice.delete(&member("ws_one", &admin)).await,
        alice.post("/workspaces", json!({"name": "Mine"})).await,
    ] {
        refused.problem(403, "PERMISSION_DENIED");
    }
}

#[tokio::test]
async fn an_owners_key_needs_the_scope() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    add(&admin, "ws_one", &alice, &[]).await;
    admin.patch(&member("ws_one", &alice), json!({"is_owner": true})).await.expect(200);
    let key = alice.post("/apikeys", json!({})).await.expect(201);
    let by_key = alice.signed_out().with_header("x-api-key", key.str("api_key"));
    by_key.get("/workspaces/ws_one").await.expect(200);
    by_key.get("/workspaces/ws_one/members").await.problem(403, "PERMISSION_DENIED");
    by_key.patch("/workspaces/ws_one", json!({"name": "x"})).await.problem(403, "PERMISSION_DENIED");
    by_key.delete(&member("ws_one", &alice)).await.problem(403, "PERMISSION_DENIED");
    alice.patch("/workspaces/ws_one", json!({"name": "x"})).await.expect(200);
}

#[tokio::test]
async fn each_verb_needs_its_permission() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    for (n, (scope, statuses)) in [
        ("read:users", [404, 404, 404, 404]),
        ("read:workspaces", [200, 403, 403, 403]),
        ("update:workspace", [200, 200, 403, 403]),
        ("delete:workspaces", [200, 200, 403, 200]),
        ("manage:workspaces?id=ws_one0", [404, 404, 404, 404]),
        ("manage:workspaces", [200, 200, 201, 200]),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/workspaces/{}", make(&admin, &format!("Number {n}")).await);
        grant(&app, &alice, &[scope]).await;
        let alice = alice.again().await;
        let invite = json!({"email": "guest@example.com"});
        let answers = [
            alice.get(&path).await,
            alice.patch(&path, json!({"description": scope})).await,
            alice.post(&format!("{path}/invitations"), invite).await,
            alice.delete(&path).await,
        ];
        assert_eq!(answers.map(|a| a.status), statuses, "{scope}");
    }
}

#[tokio::test]
async fn a_filter_shows_only_what_it_admits() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    for name in ["One", "Two", "Three"] {
        make(&admin, name).await;
    }
    grant(&app, &alice, &["read:workspaces?workspace_id=ws_t*"]).await;
    let alice = alice.again().await;
    let ids = |seen: Answer| seen.items().iter().map(|w| w["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(alice.get("/workspaces?sort=name").await.expect(200)), ["ws_three", "ws_two"]);
    add(&admin, "ws_one", &alice, &[]).await;
    assert_eq!(ids(alice.get("/workspaces?sort=name").await.expect(200)), ["ws_one", "ws_three", "ws_two"]);
    assert_eq!(alice.get("/workspaces").await["total"], json!(3));
}

#[tokio::test]
async fn a_slug_is_taken_once_per_tenant() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = company(&app).await;
    make(&admin, "Engineering").await;
    admin.post("/workspaces", json!({"name": "engineering!"})).await.problem(409, "CONFLICT");
    admin.post("/workspaces", json!({"name": "Other", "slug": "ENGINEERING"})).await.problem(409, "CONFLICT");
    let other = app.tenant("Company B", &["company-b.com"]).await;
    make(&other.admin(), "Engineering").await;
    let made = app.audit(&tenant.id).await.into_iter().filter(|e| e.event == "workspace.created").count();
    assert_eq!(made, 1);
    admin.delete("/workspaces/ws_engineering").await.expect(200);
    make(&admin, "Engineering").await;
}

#[tokio::test]
async fn a_workspace_is_rejected_when_its_values_can_not_be() {
    let app = TestApp::new().await;
    let (_, admin, _) = company(&app).await;
    let large = json!({"a": "x".repeat(20_000)});
    let many: Vec<String> = (0..51).map(|n| format!("role{n}")).collect();
    for bad in [
        json!({"name": ""}),
        json!({"name": "  "}),
        json!({"name": "x".repeat(201)}),
        json!({"name": "مهندسی"}),
        json!({"name": "A", "slug": "--"}),
        json!({"name": "A", "slug": "x".repeat(94)}),
        json!({"name": "A", "description": "x".repeat(2_001)}),
        json!({"name": "A", "settings": large}),
        json!({"name": "A", "meta_data": large}),
        json!({"name": "A", "default_roles": many}),
        json!({"name": "A", "default_roles": ["Not A Role"]}),
    ] {
        admin.post("/workspaces", bad).await.problem(400, "VALIDATION_ERROR");
    }
    for bad in [
        "javascript:alert(1)",
        "ftp://a.example",
        "https://",
        "https://a.example/\"x",
        "//a.example",
        "https:// a",
    ] {
        admin
            .post("/workspaces", json!({"name": "A", "logo_url": bad}))
            .await
            .problem(400, "VALIDATION_ERROR");
    }
    assert!(admin.get("/workspaces").await.expect(200).items().is_empty());
}

#[tokio::test]
async fn default_roles_must_be_the_granters_to_give() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    admin.post("/roles", json!({"name": "Editor", "scopes": ["update:posts"]})).await.expect(201);
    grant(&app, &alice, &["create:workspaces"]).await;
    let alice = alice.again().await;
    for role in ["editor", "Editor", "admin"] {
        let new = json!({"name": "A", "default_roles": [role]});
        alice.post("/workspaces", new).await.problem(403, "SCOPE_NOT_DELEGABLE");
    }
    make(&alice, "A").await;
    alice
        .patch("/workspaces/ws_a", json!({"default_roles": ["editor"]}))
        .await
        .problem(403, "SCOPE_NOT_DELEGABLE");
    admin.patch("/workspaces/ws_a", json!({"default_roles": ["editor"]})).await.expect(200);
}

#[tokio::test]
async fn a_change_of_another_revision_is_refused() {
    let app = TestApp::new().await;
    let (_, admin, _) = company(&app).await;
    make(&admin, "One").await;
    let first = admin.get("/workspaces/ws_one").await.header("etag").expect("a revision").to_owned();
    admin.patch("/workspaces/ws_one", json!({"name": "Other"})).await.expect(200);
    let late = admin.clone().with_header("if-match", &first);
    late.patch("/workspaces/ws_one", json!({"name": "Late"})).await.problem(412, "PRECONDITION_FAILED");
    late.delete("/workspaces/ws_one").await.problem(412, "PRECONDITION_FAILED");
    assert_eq!(admin.get("/workspaces/ws_one").await.expect(200).str("name"), "Other");
}

#[tokio::test]
async fn an_owner_can_not_open_what_an_administrator_closed() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    grant(&app, &alice, &["create:workspaces"]).await;
    let alice = alice.again().await;
    make(&alice, "One").await;
    admin.patch("/workspaces/ws_one", json!({"is_active": false})).await.expect(200);
    alice.patch("/workspaces/ws_one", json!({"is_active": true})).await.problem(403, "PERMISSION_DENIED");
    alice.patch("/workspaces/ws_one", json!({"name": "Still mine"})).await.expect(200);
    assert_eq!(alice.get("/workspaces?is_active=false").await.expect(200).items().len(), 1);
}

#[tokio::test]
async fn without_workspaces_in_the_tenant_there_are_none() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    admin.post("/roles", json!({"name": "Reader", "scopes": ["read:roles"]})).await.expect(201);
    make(&admin, "One").await;
    add(&admin, "ws_one", &alice, &["reader"]).await;
    let login = json!({"identifier": alice.identifier, "secret": alice.password, "workspace_id": "ws_one"});
    let inside = alice.signed_out().post("/auth/login", login.clone()).await.expect(200);
    let inside = alice.signed_out().with_token(inside.str("access_token"));
    inside.get("/roles").await.expect(200);
    app.configure(&tenant.id, json!({"workspace": {"enabled": false}})).await;
    inside.get("/roles").await.problem(403, "PERMISSION_DENIED");
    alice.signed_out().post("/auth/login", login).await.problem(403, "PERMISSION_DENIED");
    for refused in [
        admin.get("/workspaces").await,
        admin.get("/workspaces/ws_one").await,
        admin.post("/workspaces", json!({"name": "Two"})).await,
        admin.get("/workspaces/ws_one/members").await,
        admin.post("/workspaces/ws_one/invite", json!({"email": "guest@example.com"})).await,
        alice.post("/invitations/nobodys/accept", ()).await,
    ] {
        refused.problem(403, "WORKSPACES_DISABLED");
    }
    app.configure(&tenant.id, json!({"workspace": {"enabled": true}})).await;
    inside.get("/roles").await.expect(200);
}

#[tokio::test]
async fn a_workspace_that_is_made_again_has_none_of_its_former_members() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    add(&admin, "ws_one", &alice, &["viewer"]).await;
    let invite = json!({"email": "guest@example.com"});
    let token =
        admin.post("/workspaces/ws_one/invitations", invite).await.expect(201).str("token").to_owned();
    admin.delete("/workspaces/ws_one").await.expect(200);
    let me = alice.get("/me").await.expect(200);
    assert_eq!((&me["workspace_ids"], &me["workspace_roles"]), (&json!([]), &json!({})));
    assert!(events_on(&app, &tenant, alice.id()).await.contains(&"workspace.member_removed".to_owned()));
    make(&admin, "One").await;
    alice.get("/workspaces/ws_one").await.problem(404, "NOT_FOUND");
    alice.post(&format!("/invitations/{token}/accept"), ()).await.problem(404, "NOT_FOUND");
    assert_eq!(admin.get("/workspaces/ws_one/members").await.expect(200).items().len(), 1);
}

#[tokio::test]
async fn a_deletion_that_was_cut_off_is_finished_by_deleting_again() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    add(&admin, "ws_one", &alice, &[]).await;
    let scope = app.scope(&tenant.id).await;
    let records = scope.records::<usso::identity::workspaces::model::Workspace>();
    let found = records.get("ws_one").await.expect("the database").expect("the workspace");
    let marked = usso::identity::workspaces::model::Workspace {
        deleted_at: Some(scope.now()),
        ..found.record.clone()
    };
    records.replace(&found, marked, Vec::new()).await.expect("the database");
    app.state.identity.workspaces().forget(&scope, &found.id);

    admin.get("/workspaces/ws_one").await.problem(404, "NOT_FOUND");
    alice.delete("/workspaces/ws_one").await.problem(404, "NOT_FOUND");
    // Its id isn't free while somebody still carries it.
    admin.post("/workspaces", json!({"name": "One"})).await.problem(409, "CONFLICT");
    admin.delete("/workspaces/ws_one").await.expect(200);
    assert_eq!(alice.get("/me").await.expect(200)["workspace_ids"], json!([]));
    make(&admin, "One").await;
}

#[tokio::test]
async fn a_request_sent_twice_makes_one_workspace() {
    let app = TestApp::new().await;
    let (_, admin, _) = company(&app).await;
    let once = admin.clone().with_header("idempotency-key", "one");
    let first = once.post("/workspaces", json!({"name": "One"})).await.expect(201);
    let again = once.post("/workspaces", json!({"name": "One"})).await.expect(201);
    assert_eq!((again.header("idempotency-replayed"), &again.json), (Some("true"), &first.json));
}

#[tokio::test]
async fn the_system_administrator_from_outside_owns_nothing() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let system = app.system_admin().await;
    let door = format!("/admin/tenants/{}", tenant.id);
    // A workspace of the same id at home is another one.
    make(&system, "One").await;
    let made = system.post(&format!("{door}/workspaces"), json!({"name": "One"})).await.expect(201);
    assert_eq!((&made["owners"], made.str("tenant_id")), (&json!([]), tenant.id.as_str()));
    let members = system.get(&format!("{door}/workspaces/ws_one/members")).await.expect(200);
    assert_eq!(members["total"], json!(0));
    let user = json!({"user_id": alice.id()});
    system.post(&format!("{door}/workspaces/ws_one/invite"), user).await.expect(201);
    // Whose rights would be asked when this one is accepted?
    let guest = json!({"email": "guest@example.com"});
    system.post(&format!("{door}/workspaces/ws_one/invite"), guest.clone()).await.problem(404, "NOT_FOUND");
    let token = admin.post("/workspaces/ws_one/invite", guest).await.expect(201).str("token").to_owned();
    system.post(&format!("{door}/invitations/{token}/accept"), ()).await.problem(404, "NOT_FOUND");
    let events = app.audit(&tenant.id).await;
    assert!(!events.iter().any(|e| format!("{e:?}").contains(&token)), "a token in an event");
    let path = format!("{door}/workspaces/ws_one/members/{}", alice.id());
    system.patch(&path, json!({"is_owner": true})).await.expect(200);
    alice.patch("/workspaces/ws_one", json!({"name": "Ours"})).await.expect(200);
}

#[tokio::test]
async fn who_impersonates_an_owner_does_not_own() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    add(&admin, "ws_one", &alice, &[]).await;
    admin.patch(&member("ws_one", &alice), json!({"is_owner": true})).await.expect(200);
    let acting = admin.post(&format!("/users/{}/impersonate", alice.id()), ()).await.expect(200);
    let acting = alice.signed_out().with_token(acting.str("access_token"));
    acting.get("/workspaces/ws_one").await.expect(200);
    for refused in [
        acting.patch("/workspaces/ws_one", json!({"name": "x"})).await,
        acting.post("/workspaces/ws_one/invite", json!({"email": "guest@example.com"})).await,
        acting.delete(&member("ws_one", &alice)).await,
        acting.delete("/workspaces/ws_one").await,
    ] {
        refused.problem(403, "PERMISSION_DENIED");
    }
    let guest = json!({"email": "guest@example.com"});
    let token = admin.post("/workspaces/ws_one/invite", guest).await.expect(201).str("token").to_owned();
    acting.post(&format!("/invitations/{token}/accept"), ()).await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn a_deleted_user_is_no_member_and_is_taken_out_with_the_workspace() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    make(&admin, "One").await;
    add(&admin, "ws_one", &alice, &[]).await;
    let user = format!("/users/{}", alice.id());
    admin.delete(&user).await.expect(200);
    assert_eq!(admin.get("/workspaces/ws_one/members").await.expect(200)["total"], json!(1));
    admin.get("/workspaces/ws_one/members").await.expect(200);
    admin.patch(&member("ws_one", &alice), json!({"is_owner": true})).await.problem(404, "NOT_FOUND");
    let offer = json!({"user_id": alice.id()});
    admin.post("/workspaces/ws_one/invite", offer).await.problem(404, "NOT_FOUND");
    admin.delete("/workspaces/ws_one").await.expect(200);
    make(&admin, "One").await;
    admin.post(&format!("{user}/restore"), ()).await.expect(200);
    assert_eq!(admin.get(&user).await.expect(200)["workspace_ids"], json!([]));
}
