//! `/tenants`: making, reading and changing tenants, and their first administrators (rulings D4, D22, D26, D27, D35).

use crate::app::{Anonymous, Answer, PASSWORD, Requests, StorageKind, TestApp, User};
use crate::keys::claims_of;
use futures_util::future::join_all;
use serde_json::{Value, json};
use usso::identity::users::model::User as UserRecord;

const WEEK: u64 = 7 * 86_400;

fn in_tenant(app: &TestApp, id: &str) -> Anonymous {
    app.anonymous().with_header("x-tenant-id", id)
}

/// What happened to a tenant, without sign-ins: name, actor, target.
async fn tenant_events(app: &TestApp) -> Vec<(String, String, String)> {
    usso::app::jobs::drain(&app.state).await.unwrap();
    let system = app.state.registry.system();
    let mut query = kernel::Query::all("audit_event");
    query.limit = 1_000;
    let page = system.records::<usso::tenant::audit::AuditEvent>().page(query).await.unwrap();
    let mut events: Vec<_> = page.items.into_iter().map(|e| e.record).collect();
    events.sort_by(|a, b| a.id.cmp(&b.id));
    events.into_iter().map(|e| (e.event, e.actor, e.target)).collect()
}

#[tokio::test]
async fn only_the_system_administrator_creates_tenants() {
    let app = TestApp::new().await;
    let body = json!({"name": "New"});
    app.anonymous().post("/tenants", body.clone()).await.problem(401, "NOT_AUTHENTICATED");
    app.user("alice").await.post("/tenants", body.clone()).await.problem(403, "PERMISSION_DENIED");
    let other = app.tenant("Other", &["other.example"]).await;
    other.admin().post("/tenants", body.clone()).await.problem(403, "PERMISSION_DENIED");
    // Who asks comes before what they ask.
    other.admin().post("/tenants", ("text/plain", "{")).await.problem(403, "PERMISSION_DENIED");
    app.system_admin().await.post("/tenants", body).await.is(201);
}

#[tokio::test]
async fn ids_come_from_names_and_slugs() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    for (body, id) in [
        (json!({"name": "Company A"}), "org_company_a"),
        (json!({"name": "Ünïcode & Söhne"}), "org_n_code_s_hne"),
        (json!({"name": "شرکت", "slug": "sherkat"}), "org_sherkat"),
        (json!({"name": "Anything", "slug": "My-Slug"}), "org_my_slug"),
    ] {
        let made = admin.post("/tenants", body).await.expect(201);
        assert_eq!((made.str("id"), made.str("uid"), made.str("tenant_id")), (id, id, id));
        assert_eq!(made["is_active"], true);
        assert!(made.header("etag").is_some());
    }
    for bad in [
        json!({"name": "شرکت"}),
        json!({"name": ""}),
        json!({"name": "   "}),
        json!({"name": "x".repeat(101)}),
        json!({"name": "a", "slug": "--"}),
        json!({"name": "line\nbreak"}),
    ] {
        admin.post("/tenants", bad).await.problem(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn ids_slugs_and_domains_belong_to_one_tenant() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let first =
        json!({"name": "First", "domains": ["first.example", "FIRST.example.", "login.first.example"]});
    let made = admin.post("/tenants", first).await.expect(201);
    assert_eq!(made["domains"], json!(["first.example", "login.first.example"]));
    for taken in [
        json!({"name": "first"}),
        json!({"name": "Second", "slug": "first"}),
        json!({"name": "Second", "slug": "default"}),
        json!({"name": "Second", "domains": ["login.first.example"]}),
        json!({"name": "Second", "domains": ["second.example", "First.Example"]}),
        json!({"name": "Second", "domains": ["localhost"]}),
        json!({"name": "Second", "domains": ["dev.usso.io"]}),
    ] {
        admin.post("/tenants", taken.clone()).await.problem(409, "CONFLICT");
    }
    admin.get("/tenants/org_second").await.problem(404, "NOT_FOUND");
    for bad in ["a b", "http://x.example", "x.example/path", "*.example", "", "a:b:c"] {
        admin
            .post("/tenants", json!({"name": "Bad", "domains": [bad]}))
            .await
            .problem(400, "VALIDATION_ERROR");
    }
    let many: Vec<String> = (0..51).map(|n| format!("d{n}.example")).collect();
    admin.post("/tenants", json!({"name": "Many", "domains": many})).await.problem(400, "VALIDATION_ERROR");
    let _ = admin.post("/tenants", json!({"name": "Second"})).await.expect(201);
    let grab = json!({"domains": ["first.example"]});
    admin.patch("/tenants/org_second", grab).await.problem(409, "CONFLICT");
}

#[tokio::test]
async fn parallel_creations_of_one_name_make_one_tenant() {
    for storage in [StorageKind::Memory, StorageKind::Sqlite] {
        let app = TestApp::on(storage, |_| {}).await;
        let admin = app.system_admin().await;
        let body = json!({"name": "Racing", "domains": ["racing.example"]});
        let answers = join_all((0..20).map(|_| admin.post("/tenants", body.clone()))).await;
        assert_eq!(answers.iter().filter(|a| a.status == 201).count(), 1);
        assert_eq!(answers.iter().filter(|a| a.status == 409).count(), 19);
        let created = tenant_events(&app)
            .await
            .into_iter()
            .filter(|(event, _, target)| event == "tenant.created" && target == "org_racing");
        assert_eq!(created.count(), 1);
    }
}

#[tokio::test]
async fn a_first_administrator_with_a_password_signs_in_at_once() {
    let app = TestApp::new().await;
    let body = json!({"name": "Staffed", "admin": {"identifier": "Boss@Example.com", "name": "The Boss", "password": PASSWORD}});
    let made = app.system_admin().await.post("/tenants", body).await.expect(201);
    assert!(made["invitation_url"].is_null() && !made.text().contains(PASSWORD));
    let boss = User::sign_in(in_tenant(&app, "org_staffed"), "boss@example.com", PASSWORD).await;
    let claims = claims_of(boss.access());
    assert_eq!((&claims["roles"], &claims["scopes"]), (&json!(["admin"]), &json!(["*:*"])));
    assert_eq!(boss.login["user"]["name"], "The Boss");
    boss.get("/tenants/org_staffed").await.is(200);
}

#[tokio::test]
async fn an_administrator_that_cannot_be_made_makes_no_tenant() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    for (person, code) in [
        (json!({"identifier": "boss@example.com", "password": "short"}), "WEAK_PASSWORD"),
        (json!({"identifier": "not an address", "password": PASSWORD}), "INVALID_IDENTIFIER"),
        (json!({"identifier": "", "password": PASSWORD}), "INVALID_IDENTIFIER"),
        (json!({"password": PASSWORD}), "VALIDATION_ERROR"),
    ] {
        admin.post("/tenants", json!({"name": "Failed", "admin": person})).await.problem(400, code);
        admin.get("/tenants/org_failed").await.problem(404, "NOT_FOUND");
    }
    // The tenant's own policy is the one that counts.
    let strict = json!({"name": "Strict", "config": {"password_min_length": 40}, "admin": {"identifier": "boss@example.com", "password": PASSWORD}});
    admin.post("/tenants", strict).await.problem(400, "WEAK_PASSWORD");
}

async fn invited(app: &TestApp, name: &str) -> (Value, String) {
    let body = json!({"name": name, "admin": {"identifier": "boss@example.com"}});
    let made = app.system_admin().await.post("/tenants", body).await.expect(201);
    let url = made.str("invitation_url").to_owned();
    let token = url.split_once("token=").unwrap().1.to_owned();
    assert!(url.starts_with("http://localhost:8000/t/org_"), "{url}");
    (made.json, token)
}

async fn redeem(app: &TestApp, id: &str, token: &str) -> Answer {
    in_tenant(app, id).post("/auth/invitation", json!({"token": token, "secret": PASSWORD})).await
}

#[tokio::test]
async fn an_invitation_is_told_once_and_works_once() {
    let app = TestApp::new().await;
    let (_, token) = invited(&app, "Inviting").await;
    let id = "org_inviting";
    let admin = app.system_admin().await;
    assert!(!admin.get("/tenants/org_inviting").await.expect(200).text().contains("invitation"));
    in_tenant(&app, id).login("boss@example.com", PASSWORD).await.problem(401, "INVALID_CREDENTIALS");
    let seen = in_tenant(&app, id).get(&format!("/auth/invitation?token={token}")).await.expect(200);
    assert_eq!(seen["identifier"], "boss@example.com");
    let weak = json!({"token": token, "secret": "short"});
    in_tenant(&app, id).post("/auth/invitation", weak).await.problem(400, "WEAK_PASSWORD");
    redeem(&app, id, &token).await.is(201);
    redeem(&app, id, &token).await.problem(410, "GONE");
    in_tenant(&app, id).get(&format!("/auth/invitation?token={token}")).await.problem(410, "GONE");
    let boss = User::sign_in(in_tenant(&app, id), "boss@example.com", PASSWORD).await;
    assert_eq!(claims_of(boss.access())["roles"], json!(["admin"]));
    redeem(&app, id, "unknown").await.problem(410, "GONE");
}

#[tokio::test]
async fn an_invitation_ends_after_seven_days_and_survives_a_restart() {
    let app = TestApp::new().await;
    let (_, early) = invited(&app, "Early").await;
    let (_, late) = invited(&app, "Late").await;
    app.wait(WEEK - 1);
    redeem(&app.restarted().await, "org_early", &early).await.is(201);
    app.wait(1);
    redeem(&app, "org_late", &late).await.problem(410, "GONE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_uses_of_an_invitation_make_one_account() {
    for storage in [StorageKind::Memory, StorageKind::Document, StorageKind::Sqlite] {
        let app = TestApp::on(storage, |_| {}).await;
        let (_, token) = invited(&app, "Racing").await;
        let tasks = (0..20).map(|_| {
            let (app, token) = (app.clone(), token.clone());
            tokio::spawn(async move { redeem(&app, "org_racing", &token).await })
        });
        let answers: Vec<Answer> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
        let count = |status| answers.iter().filter(|a| a.status == status).count();
        assert_eq!((count(201), count(410)), (1, 19), "{storage:?}");
        let scope = app.scope("org_racing").await;
        let users = scope.records::<UserRecord>().page(kernel::Query::all("user")).await.unwrap();
        assert_eq!(users.items.len(), 1, "{storage:?}");
    }
}

#[tokio::test]
async fn both_vocabularies_set_the_same_settings_and_merge_deeply() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let config =
        json!({"session_timeout": 1800, "auth": {"password_min_length": 12}, "templates": {"a": {"x": 1}}});
    let made = admin.post("/tenants", json!({"name": "Set", "config": config})).await.expect(201);
    assert_eq!(
        (&made["config"]["session_timeout"], &made["config"]["token"]["access_timeout"]),
        (&json!(1800), &json!(1800))
    );
    assert_eq!(
        (&made["config"]["password_min_length"], &made["config"]["auth"]["password_min_length"]),
        (&json!(12), &json!(12))
    );
    let patch = json!({
        "config": {"token": {"access_timeout": 900}, "templates": {"a": {"y": 2}}},
        "branding": {"logo": {"light": "a.svg"}}, "frontend_urls": {"login": "https://x.example"}, "custom_payload": {"plan": "gold"},
    });
    let _ = admin.patch("/tenants/org_set", patch).await.expect(200);
    let more = json!({"branding": {"logo": {"dark": "b.svg"}}, "custom_payload": {"plan": null, "seats": 5}, "name": "Set Again"});
    let changed = admin.patch("/tenants/org_set", more).await.expect(200);
    assert_eq!(changed["config"]["session_timeout"], 900);
    assert_eq!(changed["config"]["auth"]["password_min_length"], 12);
    assert_eq!(changed["config"]["templates"]["a"], json!({"x": 1, "y": 2}));
    assert_eq!(changed["branding"]["logo"], json!({"light": "a.svg", "dark": "b.svg"}));
    assert_eq!(changed["custom_payload"], json!({"seats": 5}));
    assert_eq!((changed.str("name"), changed.str("slug")), ("Set Again", "set"));
    // And they take effect at once.
    let user = User::named(in_tenant(&app, "org_set"), "u").await;
    let claims = claims_of(user.access());
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
}

#[tokio::test]
async fn settings_nobody_can_honour_are_refused() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    for config in [
        json!({"require_mfa": "yes"}),
        json!({"auth": {"login_flow": {"allowed_identifiers": ["email"], "steps": []}}}),
        json!({"registration": {"approval_mode": "mood"}}),
        json!({"session_timeout": "long"}),
        json!({"session_timeout": 0}),
        json!({"password_min_length": 0}),
        json!({"allowed_login_methods": "password"}),
        json!({"cors_origins": [1]}),
    ] {
        let made = admin.post("/tenants", json!({"name": "Refused", "config": config})).await;
        made.problem(400, "VALIDATION_ERROR");
        let changed = admin.patch("/tenants/org_default", json!({"config": config})).await;
        changed.problem(400, "VALIDATION_ERROR");
        assert_eq!(changed["errors"][0]["loc"][0], "body");
        assert_eq!(changed["errors"][0]["loc"][1], "config");
    }
    let large = json!({"custom_payload": {"x": "y".repeat(70_000)}});
    admin.patch("/tenants/org_default", large).await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn provider_secrets_are_masked_for_everybody_and_kept_by_their_mask() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Mailing", &["mailing.example"]).await;
    let secret = "canary-smtp-55aa";
    let messaging = json!({"messaging": {"email": {"smtp_host": "mail.example", "smtp_password": secret}, "sms": {"auth_token": secret}}});
    let path = "/tenants/org_mailing";
    for answer in [
        tenant.admin().patch(path, messaging).await,
        tenant.admin().get(path).await,
        tenant.admin().get("/tenants").await,
        app.system_admin().await.get(path).await,
    ] {
        assert!(answer.status == 200 && !answer.text().contains(secret), "{}", answer.text());
        assert!(answer.text().contains("********"), "{}", answer.text());
    }
    let kept = || async {
        let scope = app.scope("org_mailing").await;
        let sealed = scope.profile().tenant.messaging["email"]["smtp_password"]["$sealed"]
            .as_str()
            .unwrap()
            .to_owned();
        scope.profile().seal.open(b"provider-secret", &sealed).unwrap().to_vec()
    };
    assert_eq!(kept().await, secret.as_bytes());
    let back = tenant.admin().get(path).await.json["messaging"].clone();
    let _ = tenant.admin().patch(path, json!({"messaging": back})).await.expect(200);
    assert_eq!(kept().await, secret.as_bytes());
}

#[tokio::test]
async fn switching_off_is_the_system_administrators_and_ends_sessions_for_good() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Switched", &["switched.example"]).await;
    let user = tenant.user("u").await;
    for value in [true, false] {
        let refused = tenant.admin().patch("/tenants/org_switched", json!({"is_active": value})).await;
        refused.problem(403, "PERMISSION_DENIED");
    }
    let admin = app.system_admin().await;
    let _ = admin.patch("/tenants/org_switched", json!({"is_active": false})).await.expect(200);
    user.get("/me").await.problem(403, "TENANT_INACTIVE");
    tenant
        .anonymous()
        .post("/auth/refresh", json!({"refresh_token": user.refresh()}))
        .await
        .problem(403, "TENANT_INACTIVE");
    let jwks = app.anonymous().get("ROOT/.well-known/jwks.json?tenant_id=org_switched").await;
    jwks.problem(403, "TENANT_INACTIVE");
    let _ = admin.patch("/tenants/org_switched", json!({"is_active": true})).await.expect(200);
    user.get("/me").await.problem(401, "TOKEN_REVOKED");
    tenant.admin().get("/me").await.problem(401, "TOKEN_REVOKED");
    tenant
        .anonymous()
        .post("/auth/refresh", json!({"refresh_token": user.refresh()}))
        .await
        .problem(401, "TOKEN_REVOKED");
    tenant.user("u").await.get("/me").await.is(200);
    admin.get("/me").await.is(200);
}

#[tokio::test]
async fn the_default_tenant_stays_on() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    admin.patch("/tenants/org_default", json!({"is_active": false})).await.problem(400, "VALIDATION_ERROR");
    admin.patch("/tenants/org_default", json!({"is_active": true})).await.is(200);
    admin.get("/me").await.is(200);
}

#[tokio::test]
async fn a_tenants_administrator_reaches_their_own_tenant_only() {
    let app = TestApp::new().await;
    let (a, _) =
        (app.tenant("Mine", &["mine.example"]).await, app.tenant("Theirs", &["theirs.example"]).await);
    let (admin, user) = (a.admin(), a.user("u").await);
    admin.get("/tenants/org_mine").await.is(200);
    let _ = admin.patch("/tenants/org_mine", json!({"name": "Still Mine"})).await.expect(200);
    for id in ["org_theirs", "org_default", "org_nobody", "nonsense"] {
        admin.get(&format!("/tenants/{id}")).await.problem(404, "NOT_FOUND");
        admin.patch(&format!("/tenants/{id}"), json!({"name": "Taken"})).await.problem(404, "NOT_FOUND");
        user.get(&format!("/tenants/{id}")).await.problem(403, "PERMISSION_DENIED");
        user.patch(&format!("/tenants/{id}"), json!({"name": "Taken"}))
            .await
            .problem(403, "PERMISSION_DENIED");
    }
    user.get("/tenants/org_mine").await.problem(403, "PERMISSION_DENIED");
    user.get("/tenants").await.problem(403, "PERMISSION_DENIED");
    let list = admin.get("/tenants").await.expect(200);
    assert_eq!((list["total"].as_i64(), &list.items()[0]["id"]), (Some(1), &json!("org_mine")));
    let all = app.system_admin().await.get("/tenants?sort=name&limit=2").await.expect(200);
    assert_eq!((all["total"].as_i64(), all.items().len()), (Some(3), 2));
    assert_eq!(all.items()[0]["name"], "Default Tenant");
}

#[tokio::test]
async fn changes_may_insist_on_a_revision() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let made = admin.post("/tenants", json!({"name": "Versioned"})).await.expect(201);
    let path = "/tenants/org_versioned";
    let tag = made.header("etag").unwrap().to_owned();
    assert_eq!(admin.get(path).await.header("etag"), Some(tag.as_str()));
    let change = json!({"name": "Second"});
    let changed = admin.clone().with_header("if-match", &tag).patch(path, change).await.expect(200);
    let newer = changed.header("etag").unwrap().to_owned();
    assert_ne!(newer, tag);
    let stale = admin.clone().with_header("if-match", &tag).patch(path, json!({"name": "Third"})).await;
    stale.problem(412, "PRECONDITION_FAILED");
    assert_eq!(admin.get(path).await.str("name"), "Second");
    admin.with_header("if-match", "*").patch(path, json!({"name": "Fourth"})).await.is(200);
}

#[tokio::test]
async fn a_creation_sent_twice_happens_once() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await.with_header("idempotency-key", "create-1");
    let body = json!({"name": "Once", "admin": {"identifier": "boss@example.com"}});
    let first = admin.post("/tenants", body.clone()).await.expect(201);
    let again = admin.post("/tenants", body).await.expect(201);
    assert_eq!(
        (first.json.clone(), again.header("idempotency-replayed")),
        (again.json.clone(), Some("true"))
    );
    let other = admin.post("/tenants", json!({"name": "Twice"})).await;
    other.problem(409, "IDEMPOTENCY_KEY_REUSED");
}

/// Checklist AUD-01; that a killed process leaves no change without its event shows `usso-bench crash`.
#[tokio::test]
async fn every_change_has_exactly_one_event_and_a_refused_one_has_none() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let mine = |events: Vec<(String, String, String)>| -> Vec<(String, String)> {
        events
            .into_iter()
            .filter(|(.., target)| target == "org_told")
            .map(|(event, actor, _)| (event, actor))
            .collect()
    };
    let _ = admin.post("/tenants", json!({"name": "Told", "domains": ["told.example"]})).await.expect(201);
    let path = "/tenants/org_told";
    let changes = [
        json!({"name": "Told Twice"}),
        json!({"config": {"session_timeout": 60}}),
        json!({"domains": []}),
        json!({"algorithm": "ES256"}),
        json!({"is_active": false}),
        json!({"is_active": true}),
    ];
    for change in &changes {
        let _ = admin.patch(path, change.clone()).await.expect(200);
    }
    admin.patch(path, json!({"config": {"require_mfa": 1}})).await.is(400);
    admin.clone().with_header("if-match", "\"0\"").patch(path, json!({"name": "x"})).await.is(412);
    admin.post("/tenants", json!({"name": "Told"})).await.is(409);
    app.user("u").await.patch(path, json!({"name": "x"})).await.is(403);
    let id = admin.id().to_owned();
    let mut wanted = vec![("tenant.created".to_owned(), id.clone())];
    wanted.extend(changes.iter().map(|_| ("tenant.updated".to_owned(), id.clone())));
    assert_eq!(mine(tenant_events(&app).await), wanted);
    // Draining again tells nothing twice.
    assert_eq!(mine(tenant_events(&app).await), wanted);
}

/// Somebody of the default tenant who may change it, but isn't the system administrator.
async fn delegate(app: &TestApp) -> User {
    let user = app.user("delegate").await;
    app.change_user(&user, |record| record.scopes = vec!["admin:tenants".to_owned()]).await;
    user.again().await
}

fn config(name: &str, value: impl Into<Value>) -> Value {
    json!({ "config": { name: value.into() } })
}

#[tokio::test]
async fn no_algorithm_follows_one_whose_key_does_not_sign_yet() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Turning", &[]).await;
    let path = format!("/tenants/{}", tenant.id);
    let admin = app.system_admin().await;
    let ask = |algorithm: &str| admin.patch(&path, json!({"algorithm": algorithm, "name": "Turned"}));
    ask("EdDSA").await.is(200);
    ask("ES256").await.is(200);
    let published = app.scope(&tenant.id).await.profile().tenant.keys.keys().len();
    for algorithm in ["EdDSA", "RS256"] {
        ask(algorithm).await.problem(409, "CONFLICT");
    }
    ask("ES256").await.is(200);
    app.wait(359);
    app.system_admin().await.patch(&path, json!({"algorithm": "EdDSA"})).await.problem(409, "CONFLICT");
    let shown = app.system_admin().await.get(&path).await.expect(200);
    assert_eq!((shown.str("algorithm"), published), ("ES256", 2));
    app.wait(1);
    app.system_admin().await.patch(&path, json!({"algorithm": "EdDSA"})).await.is(200);
}

#[tokio::test]
async fn at_most_four_keys_are_published() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Hoarding", &[]).await;
    let path = format!("/tenants/{}", tenant.id);
    for (algorithm, status) in
        [("ES256", 200), ("EdDSA", 200), ("ES256", 200), ("EdDSA", 409), ("ES256", 200)]
    {
        app.system_admin().await.patch(&path, json!({"algorithm": algorithm})).await.is(status);
        app.wait(360);
    }
    let keys = app.scope(&tenant.id).await.profile().tenant.keys.keys().len();
    assert_eq!(keys, 4);
    // When the first one's last token has expired, there is room again.
    app.wait(2_592_000 + 60);
    app.system_admin().await.patch(&path, json!({"algorithm": "EdDSA"})).await.is(200);
}

#[tokio::test]
async fn parallel_changes_of_the_algorithm_publish_one_key() {
    for storage in [StorageKind::Memory, StorageKind::Sqlite] {
        let app = TestApp::on(storage, |_| {}).await;
        let admin = app.system_admin().await;
        let _ = admin.post("/tenants", json!({"name": "Pulled"})).await.expect(201);
        let path = "/tenants/org_pulled";
        // A slow algorithm: all of them wait for their key when the first is published.
        let answers = join_all((0..8).map(|_| admin.patch(path, json!({"algorithm": "ES384"})))).await;
        assert!(answers.iter().all(|a| a.status == 200 || a.status == 409), "{storage:?}");
        assert!(answers.iter().any(|a| a.status == 200), "{storage:?}");
        let keys = app.scope("org_pulled").await.profile().tenant.keys.keys().len();
        assert_eq!(keys, 2, "{storage:?}");
    }
}

#[tokio::test]
async fn each_free_part_of_a_tenant_holds_64_kib() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let _ = admin.post("/tenants", json!({"name": "Full"})).await.expect(201);
    for part in ["config", "branding", "messaging", "frontend_urls", "custom_payload"] {
        let large = json!({"x": "y".repeat(65_536)});
        for refused in [
            admin.post("/tenants", json!({"name": "Too Large", part: large})).await,
            admin.patch("/tenants/org_full", json!({ part: large })).await,
        ] {
            refused.problem(400, "VALIDATION_ERROR");
            assert_eq!(refused["errors"][0]["loc"], json!(["body", part]), "{part}");
        }
        // {"x":"…"} is eight bytes and the text; what counts is the whole, not the patch.
        let fits = json!({"x": "y".repeat(65_536 - 8)});
        admin.patch("/tenants/org_full", json!({ part: fits })).await.is(200);
        let more = admin.patch("/tenants/org_full", json!({ part: {"z": 1} })).await;
        more.problem(400, "VALIDATION_ERROR");
        admin.patch("/tenants/org_full", json!({ part: {"x": null} })).await.is(200);
    }
    admin.get("/tenants/org_too_large").await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_cookie_domain_is_the_tenants_own() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["app.company-a.com"]).await;
    let _ = app.tenant("Company B", &["company-b.com"]).await;
    let path = "/tenants/org_company_a";
    let admin = tenant.admin();
    for good in ["app.company-a.com", "company-a.com"] {
        admin.patch(path, config("cookie_domain", good)).await.is(200);
    }
    let foreign = ["company-b.com", "x.app.company-a.com", "pany-a.com", "any-a.com", "example.com"];
    for bad in foreign.into_iter().chain(["com", "Company-A.com", ".company-a.com", "company-a.com:80"]) {
        let refused = admin.patch(path, config("cookie_domain", bad)).await;
        refused.problem(400, "VALIDATION_ERROR");
        assert_eq!(refused["errors"][0]["loc"], json!(["body", "config", "cookie_domain"]), "{bad}");
    }
    // A domain that isn't proven doesn't count, and one that goes takes its cookies along.
    let claimed = json!({"domains": ["app.company-a.com", "shop.victim.example"], "config": {"cookie_domain": "victim.example"}});
    admin.patch(path, claimed).await.problem(400, "VALIDATION_ERROR");
    admin.patch(path, json!({"domains": []})).await.problem(400, "VALIDATION_ERROR");
    admin.patch(path, json!({"domains": [], "config": {"cookie_domain": null}})).await.is(200);
    // At creation too.
    let system = app.system_admin().await;
    let made = |domain: &str| json!({"name": "New", "domains": ["a.new.example"], "config": {"cookie_domain": domain}});
    system.post("/tenants", made("new2.example")).await.problem(400, "VALIDATION_ERROR");
    system.post("/tenants", made("new.example")).await.is(201);
}

#[tokio::test]
async fn a_cookie_domain_is_sent_only_on_a_host_within_it() {
    let app = TestApp::new().await;
    let hosts = ["app.company-a.com", "company-a.com", "company-a.example"];
    let tenant = app.tenant("Company A", &hosts).await;
    app.configure(&tenant.id, json!({"cookie_domain": "company-a.com"})).await;
    let sign_in = async |who: Anonymous| {
        let answer = who.login("admin@app.company-a.com", PASSWORD).await.expect(200);
        answer.cookie("usso-access-token").attribute("domain").map(str::to_owned)
    };
    let shared = Some("company-a.com".to_owned());
    for (host, wanted) in hosts.into_iter().zip([shared.clone(), shared, None]) {
        assert_eq!(sign_in(app.on_host(host)).await, wanted, "{host}");
    }
    assert_eq!(sign_in(in_tenant(&app, &tenant.id)).await, None);
    let body = json!({"identifier": "admin@app.company-a.com", "secret": PASSWORD});
    let by_path = app.anonymous().post("ROOT/t/org_company_a/api/sso/v1/auth/login", body).await.expect(200);
    assert_eq!(by_path.cookie("usso-access-token").attribute("domain"), None);
}

#[tokio::test]
async fn who_may_reach_the_default_tenant_is_the_system_administrators_to_say() {
    let app = TestApp::new().await;
    let (system, delegate) = (app.system_admin().await, delegate(&app).await);
    let path = "/tenants/org_default";
    let _ = system.patch(path, json!({"domains": ["localhost", "sso.example.com"]})).await.expect(200);
    let changes =
        [config("cookie_domain", "example.com"), config("cors_origins", json!(["https://app.example.com"]))];
    for change in &changes {
        delegate.patch(path, change.clone()).await.problem(403, "PERMISSION_DENIED");
        system.patch(path, change.clone()).await.is(200);
        // Sending back what stands there changes nothing.
        delegate.patch(path, change.clone()).await.is(200);
    }
    for reset in [config("cookie_domain", Value::Null), config("cors_origins", Value::Null)] {
        delegate.patch(path, reset).await.problem(403, "PERMISSION_DENIED");
    }
    delegate.patch(path, config("session_timeout", 900)).await.is(200);
    // Other tenants' are their own.
    let tenant = app.tenant("Own", &["app.own.example"]).await;
    for change in [config("cookie_domain", "own.example"), changes[1].clone()] {
        tenant.admin().patch("/tenants/org_own", change).await.is(200);
    }
}

#[tokio::test]
async fn settings_that_mean_nothing_are_refused() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    for (name, value) in [
        ("cors_origins", json!(["null"])),
        ("cors_origins", json!(["https://app.example.com/"])),
        ("allowed_login_methods", json!([])),
        ("allowed_login_methods", json!(["telepathy"])),
        ("phone", json!({"default_country_code": "Iran"})),
        ("auth", json!("text")),
    ] {
        let body = config(name, value);
        admin.patch("/tenants/org_default", body.clone()).await.problem(400, "VALIDATION_ERROR");
        let mut creation = body;
        creation["name"] = json!("Nonsense");
        admin.post("/tenants", creation).await.problem(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn nobody_injects_a_sealed_value_or_a_secret_that_is_no_text() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Sealing", &["sealing.example"]).await;
    for section in ["config", "messaging"] {
        for value in [json!({"$sealed": "x"}), json!(5), json!(["canary"]), json!({"value": "canary"})] {
            let body = json!({ section: {"email": {"smtpPassword": value}} });
            let refused = tenant.admin().patch("/tenants/org_sealing", body.clone()).await;
            refused.problem(400, "VALIDATION_ERROR");
            assert_eq!(refused["errors"][0]["loc"], json!(["body", section, "email", "smtpPassword"]));
            let mut creation = body;
            creation["name"] = json!("Injected");
            app.system_admin().await.post("/tenants", creation).await.problem(400, "VALIDATION_ERROR");
        }
        let hidden = json!({ section: {"email": {"anything": {"$sealed": "x"}}} });
        tenant.admin().patch("/tenants/org_sealing", hidden).await.problem(400, "VALIDATION_ERROR");
    }
    let body = json!({"messaging": {"sms": {"accessKey": "canary-44bb"}}});
    let shown = tenant.admin().patch("/tenants/org_sealing", body).await.expect(200);
    assert_eq!(shown["messaging"]["sms"]["accessKey"], "********");
}

#[tokio::test]
async fn cookies_are_secure_when_the_issuer_is_https() {
    let app = TestApp::with(|config| {
        config.server.base_url = Some(usso::config::Origin::parse("https://localhost").unwrap());
    })
    .await;
    let user = app.user("alice").await;
    let answer = user.signed_out().login(&user.identifier, PASSWORD).await.expect(200);
    for cookie in answer.cookies() {
        assert!(cookie.attribute("secure").is_some(), "{cookie:?}");
    }
}

#[tokio::test]
async fn a_tenant_from_before_the_rules_can_be_switched_off() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Old", &["app.old.example"]).await;
    app.configure(&tenant.id, json!({"cookie_domain": "old.example"})).await;
    let records = app.state.registry.system().records::<usso::tenant::tenants::model::Tenant>();
    let changed = records
        .update::<kernel::StorageError>(&tenant.id, |old| {
            let mut next = old.record.clone();
            next.domains.clear();
            Ok(kernel::Change::Put(next, Vec::new()))
        })
        .await;
    changed.unwrap().unwrap();
    let admin = app.system_admin().await;
    admin.patch("/tenants/org_old", config("session_timeout", 900)).await.problem(400, "VALIDATION_ERROR");
    admin.patch("/tenants/org_old", json!({"is_active": false, "name": "Older"})).await.is(200);
}
