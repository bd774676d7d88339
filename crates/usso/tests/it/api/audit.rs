//! `/audit`.

use crate::app::{PASSWORD, Requests, TestApp};
use serde_json::{Value, json};
use usso::app::jobs;

#[tokio::test]
async fn an_administrator_reads_who_did_what_on_whom() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Acme", &["acme.example"]).await;
    let alice = tenant.user("alice").await.with_header("user-agent", "curl/8");
    let made = alice.post("/apikeys", json!({"name": "CI"})).await.expect(201);
    jobs::drain(&app.state).await.expect("the events are written");

    let list = tenant.admin().get("/audit?event=api_key.created").await.expect(200);
    let [event] = list.items() else { panic!("{}", list.text()) };
    assert_eq!((&event["actor"], &event["target"]), (&json!(alice.id()), &made["id"]));
    assert_eq!((&event["result"], &event["tenant_id"]), (&json!("success"), &json!("org_acme")));
    assert_eq!((&event["ip"], &event["user_agent"]), (&json!("192.0.2.1"), &json!("curl/8")));
    assert_eq!(event["request_id"], made.header("x-request-id").expect("an id"));
    assert!(event["sequence"].as_u64().is_some_and(|n| n > 0) && event["is_erased"] == false);
    let path = format!("/audit/{}", event["id"].as_str().expect("an id"));
    assert_eq!(tenant.admin().get(&path).await.expect(200).json, *event);
    tenant.admin().get("/audit/event_x").await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn events_are_filtered_and_sorted() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Acme", &["acme.example"]).await;
    let start = app.scope("org_acme").await.now().to_rfc3339();
    app.wait(60);
    let alice = tenant.user("alice").await;
    tenant.anonymous().login("alice@example.com", "wrong").await.is(401);
    jobs::drain(&app.state).await.expect("the events are written");
    let admin = tenant.admin();
    let names = |items: &[Value]| -> Vec<String> {
        items.iter().map(|i| i["event"].as_str().expect("a name").to_owned()).collect()
    };
    let get = async |query: &str| names(admin.get(&format!("/audit?{query}")).await.expect(200).items());
    assert_eq!(get("result=failure").await, ["user.sign_in_failed"]);
    assert!(get("event=session.").await.iter().all(|name| name == "session.opened"));
    assert!(get("event=session").await.is_empty(), "a prefix ends in a dot");
    let by_alice = get(&format!("actor={}", alice.id())).await;
    assert!(!by_alice.is_empty() && by_alice.len() < get("").await.len(), "{by_alice:?}");
    assert_eq!(get(&format!("target={}&result=failure", alice.id())).await, ["user.sign_in_failed"]);
    assert!(!get(&format!("created_at_to={start}")).await.contains(&"user.sign_in_failed".to_owned()));
    let (mut up, down) = (get("sort=created_at").await, get("sort=-created_at").await);
    up.reverse();
    assert_eq!(up, down);
    admin.get("/audit?result=maybe").await.problem(400, "VALIDATION_ERROR");
    admin.get("/audit?sort=ip").await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn reading_the_log_needs_the_permission() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Acme", &["acme.example"]).await;
    let alice = tenant.user("alice").await;
    for path in ["/audit", "/audit/export", "/audit/event_x"] {
        tenant.anonymous().get(path).await.is(401);
        let refused = alice.get(path).await;
        refused.problem(403, "PERMISSION_DENIED");
        assert!(refused.str("detail").contains("read:audit"), "{}", refused.text());
    }
    app.change_user(&alice, |user| user.scopes = vec!["read:audit-logs".to_owned()]).await;
    let reader = alice.again().await;
    for path in ["/audit", "/audit/export"] {
        reader.get(path).await.is(200);
    }
}

#[tokio::test]
async fn the_export_is_every_event_once_in_order() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Acme", &["acme.example"]).await;
    // More than two pages at two times, so that pages begin within and between times.
    for round in 0..2 {
        let scope = app.scope(&tenant.id).await;
        let client = usso::tenant::ClientInfo::local();
        for n in 0..700 {
            let event = usso::tenant::audit::Event::new(
                "test.made",
                usso::tenant::Actor::System,
                format!("{round}-{n}"),
                &client,
            );
            let one_time = usso::tenant::one_time::OneTime {
                id: format!("test-{round}-{n}"),
                data: json!({}),
                expires_at: scope.now().plus_seconds(60),
            };
            let effect = event.effect(&scope);
            let records = scope.records::<usso::tenant::one_time::OneTime>();
            records.insert(one_time, vec![effect]).await.expect("a write");
        }
        jobs::drain(&app.state).await.expect("the events are written");
        app.wait(5);
    }
    let export = tenant.admin().get("/audit/export").await.expect(200);
    assert_eq!(export.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> =
        export.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (lines, checkpoints): (Vec<Value>, Vec<Value>) =
        lines.into_iter().partition(|line| line["checkpoint"].is_null());
    assert!(checkpoints[0]["sequence"].as_u64().is_some_and(|n| n >= 1_000), "after a thousand events");
    let mut numbers: Vec<u64> = lines.iter().map(|l| l["sequence"].as_u64().expect("a number")).collect();
    let times: Vec<&str> = lines.iter().map(|l| l["created_at"].as_str().expect("a time")).collect();
    assert!(times.is_sorted());
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=lines.len() as u64).collect::<Vec<_>>());
    assert!(lines.len() >= 1_400);
    let made = tenant.admin().get("/audit/export?event=test.&result=success").await.expect(200);
    assert_eq!(made.text().lines().count(), 1_400);
    assert_eq!(tenant.admin().get("/audit/export?event=none.").await.expect(200).text(), "");
}

#[tokio::test]
async fn no_secret_is_in_the_log() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Acme", &["acme.example"]).await;
    let alice = tenant.user("alice").await;
    let key = alice.post("/apikeys", json!({})).await.expect(201);
    alice.post("/auth/refresh", json!({"refresh_token": alice.refresh()})).await.is(200);
    jobs::drain(&app.state).await.expect("the events are written");
    let export = tenant.admin().get("/audit/export").await.expect(200).text();
    for secret in [PASSWORD, key.str("api_key"), alice.access(), alice.refresh()] {
        assert!(!export.contains(secret));
    }
}

#[tokio::test]
async fn spending_the_budget_of_failures_is_an_event_and_what_is_refused_then_floods_nothing() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    for _ in 0..30 {
        app.anonymous().login(&alice.identifier, "wrong").await;
    }
    app.wait(70);
    let events = tallied(&app, "org_default").await;
    let id = alice.id();
    let of = |name: &'static str| events.iter().filter(move |e| e.event == name && e.target == id);
    let counts: Vec<&Value> = of("user.sign_in_failed").filter_map(|e| e.data.get("count")).collect();
    assert_eq!((of("user.sign_in_failed").count(), counts), (2, vec![&json!(4)]));
    assert_eq!(of("user.sign_in_locked").count(), 1);
}

/// The tenant's events once what was counted is told, too.
async fn tallied(app: &TestApp, tenant: &str) -> Vec<usso::tenant::audit::AuditEvent> {
    app.audit(tenant).await;
    app.audit(tenant).await
}

#[tokio::test]
async fn a_denial_is_an_event_and_a_flood_of_them_is_two_a_minute() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Acme", &["acme.example"]).await;
    let (alice, bob) = (tenant.user("alice").await, tenant.user("bob").await);
    let denied = async |who: &str| {
        let events = tallied(&app, "org_acme").await;
        let own = events.into_iter().filter(|e| e.event == "permission.denied" && e.actor == who);
        own.collect::<Vec<_>>()
    };
    for _ in 0..20 {
        alice.get("/audit").await.problem(403, "PERMISSION_DENIED");
    }
    alice.get("/roles").await.problem(403, "PERMISSION_DENIED");
    alice.post("/apikeys", json!({"scopes": ["read:users"]})).await.problem(403, "SCOPE_NOT_DELEGABLE");
    let at_once = denied(alice.id()).await;
    let [first] = at_once.as_slice() else { panic!("{at_once:?}") };
    assert_eq!((first.result.as_str(), first.ip.as_str()), ("failure", "192.0.2.1"));
    let fact = |name: &str| first.data[name].as_str().expect("a fact").to_owned();
    assert_eq!([fact("permission"), fact("method")], ["read:audit", "GET"]);
    assert_eq!([fact("path"), fact("code")], ["/api/sso/v1/audit", "PERMISSION_DENIED"]);

    // Another client and another account are events of their own.
    alice.clone().from_ip("192.0.2.77").get("/audit").await.is(403);
    bob.get("/audit").await.is(403);
    assert_eq!((denied(alice.id()).await.len(), denied(bob.id()).await.len()), (2, 1));

    app.wait(70);
    let told = denied(alice.id()).await;
    let counts: Vec<&Value> = told.iter().filter_map(|e| e.data.get("count")).collect();
    assert_eq!(counts, [21], "the rest of the minute");
    let rest = told.iter().find(|e| e.data.contains_key("count")).expect("the rest");
    assert_eq!(rest.data["of"], json!({"read:audit": 19, "read:roles": 1}));
    assert_eq!((rest.ip.as_str(), rest.target.as_str()), ("192.0.2.1", "org_acme"));
    // Nothing is told twice, and the next minute begins anew.
    app.wait(120);
    alice.get("/audit").await.is(403);
    assert_eq!((denied(alice.id()).await.len(), denied(bob.id()).await.len()), (4, 1));
}

#[tokio::test]
async fn denials_at_once_are_all_counted() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let asked = (0..64).map(|n| {
        let alice = alice.clone();
        async move { alice.get(if n % 4 == 0 { "/roles" } else { "/audit" }).await.is(403) }
    });
    futures_util::future::join_all(asked).await;
    app.wait(70);
    let events = tallied(&app, "org_default").await;
    let denied: Vec<_> = events.iter().filter(|e| e.event == "permission.denied").collect();
    let count: u64 =
        denied.iter().map(|e| e.data.get("count").map_or(1, |n| n.as_u64().expect("a number"))).sum();
    assert_eq!((denied.len(), count), (2, 64));
}

#[tokio::test]
async fn a_denial_through_the_door_is_an_event_of_who_was_let_in_or_not() {
    let app = TestApp::new().await;
    app.tenant("Acme", &["acme.example"]).await;
    let alice = app.user("alice").await;
    alice.get("ROOT/admin/tenants/org_acme/users").await.problem(403, "PERMISSION_DENIED");
    let events = app.audit("org_default").await;
    let denied = events.iter().find(|e| e.event == "permission.denied").expect("an event");
    assert_eq!(
        (denied.actor.as_str(), &denied.data["permission"]),
        (alice.id(), &json!("superadmin:tenants"))
    );
    assert!(!app.audit("org_acme").await.iter().any(|e| e.event == "permission.denied"));
}

#[tokio::test]
async fn checkpoints_are_listed_and_signed_with_the_published_key() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Acme", &["acme.example"]).await;
    assert_eq!(tallied(&app, "org_acme").await.len(), tallied(&app, "org_acme").await.len());
    assert!(tenant.admin().get("/audit/checkpoints").await.expect(200).items().is_empty(), "within the hour");
    app.wait(3_500);
    let admin = tenant.admin().again().await;
    app.audit("org_acme").await;
    assert!(admin.get("/audit/checkpoints").await.expect(200).items().is_empty());
    app.wait(101);
    app.audit("org_acme").await;
    let list = admin.get("/audit/checkpoints").await.expect(200);
    let [made] = list.items() else { panic!("{}", list.text()) };
    let keys = tenant.anonymous().get("ROOT/.well-known/jwks.json").await.expect(200);
    assert!(keys["keys"].as_array().is_some_and(|keys| keys.iter().any(|key| key["kid"] == made["kid"])));
    let set = protocol::jose::JwkSet::from_slice(keys.text().as_bytes()).expect("a key set");
    let key = set.get(made["kid"].as_str().expect("a kid")).expect("the key");
    let key = protocol::jose::VerifyingKey::from_jwk(key).expect("a key");
    let token = made["checkpoint"].as_str().expect("a token");
    let stated = usso::tenant::audit::checkpoint::Statement::read(token, &key).expect("genuine");
    assert_eq!((stated.log.as_str(), json!(stated.sequence)), ("org_acme", made["sequence"].clone()));
    assert_eq!(json!(stated.mac), made["mac"]);
    // It is no token for anything else.
    tenant.anonymous().with_token(token).get("/me").await.problem(401, "TOKEN_INVALID");
    // Nothing happened since: no other one.
    app.wait(7_200);
    app.audit("org_acme").await;
    let admin = admin.again().await;
    assert_eq!(admin.get("/audit/checkpoints").await.expect(200).items().len(), 1);
    tenant.user("alice").await.get("/audit/checkpoints").await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn the_log_is_kept_for_thirty_days_at_least() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Acme", &["acme.example"]).await;
    let set = async |days: Value| {
        let body = json!({"config": {"audit": {"retention_days": days}}});
        tenant.admin().patch("/tenants/org_acme", body).await
    };
    for wrong in [json!(29), json!(0), json!(-1), json!("30")] {
        set(wrong).await.problem(400, "VALIDATION_ERROR");
    }
    assert_eq!(set(json!(30)).await.expect(200)["config"]["audit"]["retention_days"], 30);
    assert_eq!(set(Value::Null).await.expect(200)["config"]["audit"]["retention_days"], Value::Null);
}
