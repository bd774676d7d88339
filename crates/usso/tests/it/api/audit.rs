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
    let events = app.audit("org_default").await;
    let count = |name: &str| events.iter().filter(|e| e.event == name && e.target == alice.id()).count();
    assert_eq!((count("user.sign_in_failed"), count("user.sign_in_locked")), (5, 1));
}
