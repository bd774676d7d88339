//! No secret ever reaches the log (checklist AUD-02).

use crate::app::{PASSWORD, Requests, SYSTEM_PASSWORD, TestApp};
use serde_json::json;
use std::io::Write;
use std::sync::{Arc, Mutex};

/// A log in memory.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_at_its_most_talkative_holds_no_secret() {
    let log = Captured::default();
    // For the whole process, because threads without a subscriber would switch off what they are the first to log; so
    // this also reads what the other tests log meanwhile, whose passwords are the same.
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("no other test logs");
    let app = TestApp::with(|config| config.server.debug = true).await;

    let system = app.system_admin().await;
    let alice = app.user("alice").await;
    let admin = json!({"identifier": "boss@company-a.com"});
    let config = json!({"smtp_password": "canary-smtp-secret"});
    let body =
        json!({"name": "Company A", "domains": ["company-a.com"], "admin": admin, "messaging": config});
    let created = system.post("/tenants", body).await.expect(201);
    let invitation = created.str("invitation_url").split("token=").nth(1).unwrap().to_owned();
    let guest = app.on_host("company-a.com");
    guest.get(&format!("/auth/invitation?token={invitation}")).await.expect(200);
    let weak = json!({"token": invitation, "secret": "canary1"});
    guest.post("/auth/invitation", weak).await.problem(400, "WEAK_PASSWORD");
    guest
        .post("/auth/invitation", json!({"token": invitation, "secret": "canary-Chosen-Password-2!"}))
        .await
        .expect(201);
    app.anonymous().login("alice@example.com", "canary-wrong-3").await.problem(401, "INVALID_CREDENTIALS");
    let misplaced = json!({"identifier": "alice@example.com", "secret": {"canary-4": 1}});
    app.anonymous().post("/auth/login", misplaced).await.problem(400, "VALIDATION_ERROR");
    app.anonymous().post("/auth/login", ("application/json", "{\"secret\": \"canary-5\"")).await.is(400);
    let refreshed =
        app.anonymous().post("/auth/refresh", json!({"refresh_token": alice.refresh()})).await.expect(200);
    app.anonymous().with_token("canary-6.canary-6.canary-6").get("/me").await.is(401);
    app.anonymous().with_header("x-api-key", "canary-7").get("/me").await.is(401);
    let browser = app.browser();
    let login = json!({"identifier": "alice@example.com", "secret": PASSWORD});
    let signed_in =
        browser.with_header("idempotency-key", "canary-8").post("/auth/login", login).await.expect(200);
    let key = alice.post("/apikeys", json!({"name": "Export"})).await.expect(201);
    let by_key = app.anonymous().with_header("x-api-key", key.str("api_key"));
    by_key.get("/me").await.expect(200);
    by_key.post("/apikeys/verify", json!({"api_key": key.str("api_key")})).await.expect(200);
    by_key.post("/apikeys/verify", json!({"api_key": "usso_sk_canary-9"})).await.is(401);
    let _ = system.post("/workspaces", json!({"name": "Team"})).await.expect(201);
    let invited = json!({"email": "guest@example.com"});
    let invited = system.post("/workspaces/ws_team/invitations", invited).await.expect(201);
    let token = invited.str("token").to_owned();
    app.anonymous().get(&format!("ROOT/t/org_default/api/sso/v1/invitations/{token}")).await.expect(200);
    app.anonymous().get(&format!("/invitations/{token}/")).await.expect(200);
    app.anonymous().get(&format!("ROOT//api/sso/v1/invitations/{token}")).await.is(404);
    alice.post(&format!("/invitations/{token}/accept"), ()).await.expect(200);
    alice.post("/auth/logout", ()).await.expect(200);
    app.audit("org_default").await;
    usso::app::jobs::purge(&app.state).await.unwrap();

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        text.contains("user.registered") && text.contains("/api/sso/v1/auth/login"),
        "the log was captured: {text}"
    );
    let mut secrets: Vec<String> =
        [SYSTEM_PASSWORD, PASSWORD, "canary", "argon2id", &invitation, &token].map(str::to_owned).to_vec();
    for token in [
        alice.access(),
        alice.refresh(),
        system.access(),
        refreshed.str("access_token"),
        refreshed.str("refresh_token"),
    ] {
        // The signature is what makes a token a secret.
        secrets.push(token.rsplit('.').next().unwrap().to_owned());
    }
    secrets.push(signed_in.cookie("usso-device").value);
    secrets.push(key.str("api_key")[10..50].to_owned());
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret} is in the log");
    }
}
