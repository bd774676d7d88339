//! Signing in with Telegram's widget.

use crate::app::{Answer, Requests, TestApp};
use protocol::seal::MacKey;
use serde_json::{Value, json};

const TOKEN: &str = "7000000000:canary-bot-token";

async fn with_bot() -> TestApp {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"integration": {"telegram": {"bot_token": TOKEN}}})).await;
    app
}

/// What the widget hands out: its fields by name, one a line, under the digest of the bot's token.
fn shown(mut fields: Value, token: &str) -> Value {
    let own = fields.as_object().expect("an object");
    let mut lines: Vec<String> = own
        .iter()
        .map(|(name, value)| {
            format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect();
    lines.sort();
    let key = MacKey::from_secret(&protocol::sha256(token.as_bytes()));
    let tag: String = key.tag(lines.join("\n").as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    fields["hash"] = tag.into();
    fields
}

fn ada(app: &TestApp) -> Value {
    json!({"id": 42, "first_name": "Ada", "last_name": "L", "username": "ada", "auth_date": app.clock_seconds()})
}

async fn sign_in(app: &TestApp, shown: Value) -> Answer {
    app.anonymous().post("/auth/telegram", shown).await
}

#[tokio::test]
async fn the_widget_signs_in_and_makes_the_account() {
    let app = with_bot().await;
    let first = sign_in(&app, shown(ada(&app), TOKEN)).await.expect(200);
    assert_eq!((&first["amr"], &first["user"]["name"]), (&json!(["telegram_token"]), &json!("Ada L")));
    assert_eq!(first["user"]["identifiers"][0]["type"], "telegram_id");
    app.wait(1);
    let again = sign_in(&app, shown(ada(&app), TOKEN)).await.expect(200);
    assert_eq!(again["user"]["id"], first["user"]["id"]);
    let config = app.system_admin().await.get("/tenants/org_default").await.expect(200).text();
    assert!(!config.contains("canary-bot-token"), "{config}");
}

#[tokio::test]
async fn what_the_widget_shows_counts_once() {
    let app = with_bot().await;
    let shown = shown(ada(&app), TOKEN);
    sign_in(&app, shown.clone()).await.expect(200);
    sign_in(&app, shown.clone()).await.problem(401, "STATE_INVALID");
    let mut louder = shown;
    louder["hash"] = louder["hash"].as_str().expect("a tag").to_uppercase().into();
    sign_in(&app, louder).await.problem(401, "STATE_INVALID");
}

#[tokio::test]
async fn what_the_widget_shows_is_good_for_five_minutes() {
    let app = with_bot().await;
    let shown = shown(ada(&app), TOKEN);
    app.wait(301);
    sign_in(&app, shown).await.problem(401, "PROVIDER_REFUSED");
    let mut early = ada(&app);
    early["auth_date"] = (app.clock_seconds() + 120).into();
    sign_in(&app, self::shown(early, TOKEN)).await.problem(401, "PROVIDER_REFUSED");
}

#[tokio::test]
async fn a_wrong_tag_is_refused() {
    let app = with_bot().await;
    sign_in(&app, shown(ada(&app), "7000000000:another-token")).await.problem(401, "PROVIDER_REFUSED");
    for (field, value) in
        [("id", json!(43)), ("first_name", json!("Eve")), ("photo_url", json!("https://x.example/"))]
    {
        let mut changed = shown(ada(&app), TOKEN);
        changed[field] = value;
        sign_in(&app, changed).await.problem(401, "PROVIDER_REFUSED");
    }
    for tag in ["", "00", "zz"] {
        let mut changed = shown(ada(&app), TOKEN);
        changed["hash"] = tag.into();
        sign_in(&app, changed).await.problem(401, "PROVIDER_REFUSED");
    }
}

#[tokio::test]
async fn without_a_bot_there_is_no_such_way_in() {
    let app = TestApp::new().await;
    sign_in(&app, shown(ada(&app), "")).await.problem(404, "NOT_FOUND");
    let app = with_bot().await;
    app.configure("org_default", json!({"registration": {"is_allowed": false}})).await;
    assert_eq!(sign_in(&app, shown(ada(&app), TOKEN)).await.expect(200)["status"], "registration_required");
}
