//! A tenant's own validators: asked before somebody registers, signs in or gets a token (checklist WH-01 as far as it is about
//! calls that wait for an answer).

use crate::app::{Answer, Gateway, PASSWORD, Requests, TestApp};
use serde_json::{Value, json};

const SECRET: &str = "canary-hook-secret";
const ALICE: &str = "alice@example.com";

async fn start() -> (TestApp, Gateway) {
    let app = TestApp::with(|config| config.tenants.proof_from_private_addresses = true).await;
    (app, Gateway::start().await)
}

async fn hook(app: &TestApp, gateway: &Gateway, moment: &str, more: Value) {
    let mut own = json!({"url": format!("{}/{moment}", gateway.url), "secret": SECRET, "timeout_ms": 300});
    for (name, value) in more.as_object().expect("an object") {
        own[name] = value.clone();
    }
    app.configure("org_default", json!({"integration": {"hooks": {moment: own}}})).await;
}

async fn register(app: &TestApp, name: &str) -> Answer {
    let body = json!({"identifier": format!("{name}@example.com"), "secret": PASSWORD, "name": name});
    app.anonymous().post("/auth/register", body).await
}

async fn refresh(app: &TestApp, answer: &Answer) -> Answer {
    let body = json!({"refresh_token": answer.str("refresh_token")});
    app.anonymous().post("/auth/refresh", body).await
}

/// How often a validator was asked.
fn asked(gateway: &Gateway, moment: &str) -> usize {
    gateway.received().iter().filter(|own| own.path == format!("/{moment}")).count()
}

#[tokio::test]
async fn wh_01_a_hook_is_asked_by_a_signed_call_with_its_time() {
    let (app, gateway) = start().await;
    hook(&app, &gateway, "before_registration", json!({})).await;
    register(&app, "alice").await.expect(201);
    let call = gateway.last();
    assert!(call.is_signed(SECRET) && !call.is_signed("another"));
    assert_eq!(call.header("x-usso-timestamp"), app.clock_seconds().to_string());
    let told = call.json();
    assert_eq!((&told["event"], &told["tenant_id"]), (&json!("before_registration"), &json!("org_default")));
    let data = &told["data"];
    assert_eq!((&data["identifier"], &data["type"]), (&json!(ALICE), &json!("email")));
    assert_eq!((&data["method"], &data["ip"]), (&json!("password"), &json!("192.0.2.1")));
    assert!(told["id"].as_str().is_some_and(|id| id.starts_with("hook_")) && !call.body.contains(PASSWORD));
}

#[tokio::test]
async fn a_registration_is_denied_with_the_validators_words_and_nothing_is_made() {
    let (app, gateway) = start().await;
    hook(&app, &gateway, "before_registration", json!({})).await;
    gateway.answer("/before_registration", 200, json!({"allow": false, "message": "Staff only\n, sorry"}));
    let refused = register(&app, "alice").await;
    refused.problem(403, "HOOK_DENIED");
    assert_eq!(refused["detail"], "Staff only , sorry");
    gateway.answer("/before_registration", 200, json!({"allow": false}));
    assert_eq!(register(&app, "alice").await["detail"], "This is not allowed here");
    app.anonymous().login(ALICE, PASSWORD).await.problem(401, "INVALID_CREDENTIALS");
    let events = app.audit("org_default").await;
    assert!(events.iter().any(|event| event.event == "hook.denied"));
}

#[tokio::test]
async fn every_way_to_register_is_asked_about() {
    let (app, gateway) = start().await;
    hook(&app, &gateway, "before_registration", json!({})).await;
    gateway.answer("/before_registration", 200, json!({"allow": false}));
    let who = app.anonymous();
    register(&app, "a").await.problem(403, "HOOK_DENIED");
    let body = json!({"identifier": "b@example.com", "secret": PASSWORD, "register": true});
    who.post("/auth/login", body).await.problem(403, "HOOK_DENIED");
    who.post("/auth/request-otp", json!({"identifier": "c@example.com"})).await.expect(200);
    let code = app.last_letter().await.code();
    let body = json!({"identifier": "c@example.com", "method": "otp", "secret": code});
    who.post("/auth/login", body).await.problem(403, "HOOK_DENIED");
    who.post("/auth/request-magic-link", json!({"identifier": "d@example.com"})).await.expect(200);
    let token = app.last_letter().await.token();
    who.post("/auth/magic-link", json!({"token": token})).await.problem(403, "HOOK_DENIED");
    let methods: Vec<Value> =
        gateway.received().iter().map(|call| call.json()["data"]["method"].clone()).collect();
    assert_eq!(methods, ["password", "password", "email/otp", "magic_link"]);
}

#[tokio::test]
async fn d28_a_neutral_registration_asks_whether_there_is_an_account_or_not() {
    let (app, gateway) = start().await;
    app.user("alice").await;
    app.configure("org_default", json!({"registration": {"approval_mode": "identifier"}})).await;
    hook(&app, &gateway, "before_registration", json!({})).await;
    let known = register(&app, "alice").await;
    let unknown = register(&app, "nobody").await;
    assert_eq!((known.status, asked(&gateway, "before_registration")), (unknown.status, 2));
    gateway.answer("/before_registration", 200, json!({"allow": false, "message": "no"}));
    app.wait(61);
    register(&app, "alice").await.problem(403, "HOOK_DENIED");
    register(&app, "nobody2").await.problem(403, "HOOK_DENIED");
}

#[tokio::test]
async fn claims_of_a_registration_are_the_users_and_of_a_login_the_sessions() {
    let (app, gateway) = start().await;
    hook(&app, &gateway, "before_registration", json!({})).await;
    hook(&app, &gateway, "before_login", json!({})).await;
    gateway.answer("/before_registration", 200, json!({"allow": true, "claims": {"tier": "free"}}));
    gateway.answer("/before_login", 200, json!({"allow": true, "claims": {"shift": "night"}}));
    let first = register(&app, "alice").await.expect(201);
    assert_eq!(first["claims"], json!({"tier": "free", "shift": "night"}));
    // The session keeps them; the next one has its own.
    let refreshed = refresh(&app, &first).await.expect(200);
    let me = app.anonymous().with_token(refreshed.str("access_token")).get("/me").await.expect(200);
    assert_eq!(me["claims"], json!({"tier": "free", "shift": "night"}));
    gateway.answer("/before_login", 204, "");
    let next = app.anonymous().login(ALICE, PASSWORD).await.expect(200);
    assert_eq!(next["claims"], json!({"tier": "free"}));
}

#[tokio::test]
async fn a_login_is_denied_after_everything_was_shown_and_opens_no_session() {
    let (app, gateway) = start().await;
    let alice = app.user("alice").await;
    hook(&app, &gateway, "before_login", json!({})).await;
    gateway.answer("/before_login", 200, json!({"allow": false, "message": "Not at night"}));
    app.anonymous().login(ALICE, "wrong").await.problem(401, "INVALID_CREDENTIALS");
    assert_eq!(asked(&gateway, "before_login"), 0, "asked only when everything is shown");
    let refused = app.anonymous().login(ALICE, PASSWORD).await;
    refused.problem(403, "HOOK_DENIED");
    assert!(refused.cookies().is_empty() && refused["detail"] == "Not at night");
    let data = gateway.last().json()["data"].clone();
    assert_eq!((&data["user_id"], &data["amr"]), (&json!(alice.id()), &json!(["password"])));
    let sessions = alice.get("/sessions").await.expect(200);
    assert_eq!(sessions.items().len(), 1);
}

#[tokio::test]
async fn a_token_hook_adds_to_one_token_and_may_deny_the_next() {
    let (app, gateway) = start().await;
    hook(&app, &gateway, "before_token", json!({})).await;
    gateway.answer("/before_token", 200, json!({"allow": true, "claims": {"n": 1}}));
    let first = register(&app, "alice").await.expect(201);
    assert_eq!(first["claims"], json!({"n": 1}));
    gateway.answer("/before_token", 200, json!({"allow": true, "claims": {"m": 2}}));
    let second = refresh(&app, &first).await.expect(200);
    let me = app.anonymous().with_token(second.str("access_token")).get("/me").await.expect(200);
    assert_eq!(me["claims"], json!({"m": 2}));
    gateway.answer("/before_token", 200, json!({"allow": false, "message": "Over quota"}));
    refresh(&app, &second).await.problem(403, "HOOK_DENIED");
    // The session goes on when the validator lets it.
    gateway.answer("/before_token", 204, "");
    refresh(&app, &second).await.expect(200);
    assert_eq!(gateway.last().json()["data"]["session_id"], first["session_id"]);
}

#[tokio::test]
async fn a_validator_that_fails_lets_nobody_through_unless_the_tenant_says_so() {
    let (app, gateway) = start().await;
    app.user("alice").await;
    for (status, body) in [
        (500, json!({"allow": true}).to_string()),
        (302, json!({"allow": true}).to_string()),
        (201, json!({"allow": true}).to_string()),
        (200, "yes".to_owned()),
        (200, json!({"allowed": true}).to_string()),
        (200, json!({"allow": "true"}).to_string()),
        (200, json!({"allow": true, "claims": {"sub": "user:root"}}).to_string()),
        (200, json!({"allow": true, "claims": {"scopes": ["*:*"]}}).to_string()),
        (200, json!({"allow": true, "claims": {"x": "y".repeat(5_000)}}).to_string()),
        (200, " ".repeat(300 * 1024)),
    ] {
        hook(&app, &gateway, "before_login", json!({"on_failure": "deny"})).await;
        gateway.answer("/before_login", status, &body);
        let answer = app.anonymous().login(ALICE, PASSWORD).await;
        assert_eq!((answer.status, answer.code()), (503, "HOOK_UNAVAILABLE"), "{status} {:.60}", body);
        hook(&app, &gateway, "before_login", json!({"on_failure": "allow"})).await;
        let answer = app.anonymous().login(ALICE, PASSWORD).await.expect(200);
        assert_eq!(answer["claims"], json!({}), "{status}");
    }
    assert!(gateway.received().iter().all(|call| call.path == "/before_login"), "nothing is followed");
}

#[tokio::test]
async fn a_validator_that_hangs_is_given_up_in_time_and_holds_up_no_other_tenant() {
    let (app, gateway) = start().await;
    let other = app.tenant("Other", &["other.example"]).await;
    app.user("alice").await;
    hook(&app, &gateway, "before_login", json!({"timeout_ms": 1_000})).await;
    gateway.hang(true);
    let waiting: Vec<_> = (0..40)
        .map(|_| {
            let who = app.anonymous();
            tokio::spawn(async move { who.login(ALICE, PASSWORD).await })
        })
        .collect();
    other.user("bob").await.get("/me").await.expect(200);
    for answer in waiting {
        answer.await.expect("no panic").problem(503, "HOOK_UNAVAILABLE");
    }
    // No more than so many at a time.
    assert!(asked(&gateway, "before_login") <= 32, "{}", asked(&gateway, "before_login"));
    gateway.hang(false);
    app.anonymous().login(ALICE, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn wh_01_a_validator_in_a_private_network_is_not_asked() {
    let app = TestApp::new().await;
    let gateway = Gateway::start().await;
    app.user("alice").await;
    hook(&app, &gateway, "before_login", json!({})).await;
    app.anonymous().login(ALICE, PASSWORD).await.problem(503, "HOOK_UNAVAILABLE");
    assert!(gateway.received().is_empty());
}

#[tokio::test]
async fn a_hook_that_can_not_be_asked_is_refused_and_its_secret_is_never_shown() {
    let (app, gateway) = start().await;
    let admin = app.system_admin().await;
    for wrong in [
        json!({"after_lunch": {"url": "https://a.example", "secret": "s"}}),
        json!({"before_login": {"url": "a.example", "secret": "s"}}),
        json!({"before_login": {"url": "https://a.example"}}),
        json!({"before_login": {"url": "https://a.example", "secret": "s", "timeout_ms": 60_000}}),
        json!({"before_login": {"url": "https://a.example", "secret": "s", "on_failure": "shrug"}}),
    ] {
        let body = json!({"config": {"integration": {"hooks": wrong}}});
        admin.patch("/tenants/org_default", body).await.problem(400, "VALIDATION_ERROR");
    }
    hook(&app, &gateway, "before_login", json!({})).await;
    let shown = admin.get("/tenants/org_default").await.expect(200);
    assert!(!shown.text().contains(SECRET));
    assert_eq!(shown["config"]["integration"]["hooks"]["before_login"]["secret"], "********");
}
