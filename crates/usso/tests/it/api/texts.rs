//! Texts: by a tenant's provider, or the operator's.

use crate::app::{Answer, Gateway, Requests, TestApp};
use serde_json::{Value, json};

const PHONE: &str = "+989121234567";
const TOKEN: &str = "canary-sms-token";

async fn start() -> (TestApp, Gateway) {
    let app = TestApp::with(|config| {
        config.tenants.proof_from_private_addresses = true;
        config.server.debug = false;
    })
    .await;
    (app, Gateway::start().await)
}

async fn texting(app: &TestApp, sms: Value) -> Answer {
    let admin = app.system_admin().await;
    admin.patch("/tenants/org_default", json!({"messaging": {"sms": sms}})).await
}

async fn ask(app: &TestApp) {
    app.wait(61);
    app.anonymous().post("/auth/request-otp", json!({"identifier": PHONE})).await.expect(200);
    app.outbox().await;
}

fn code(text: &str) -> String {
    let is_code = |word: &&str| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit());
    text.split_whitespace().find(is_code).expect("a code").to_owned()
}

async fn signs_in(app: &TestApp, text: &str) {
    let body = json!({"phone": PHONE, "method": "otp", "secret": code(text)});
    app.anonymous().post("/auth/login", body).await.expect(200).str("access_token");
}

#[tokio::test]
async fn twilio_takes_a_text() {
    let (app, gateway) = start().await;
    let sms = json!({"provider": "twilio", "account_sid": "AC1", "auth_token": TOKEN, "from": "+15550100",
        "base_url": gateway.url});
    let shown = texting(&app, sms).await.expect(200);
    assert_eq!(shown["messaging"]["sms"]["auth_token"], "********");
    gateway.answer("/2010-04-01/Accounts/AC1/Messages.json", 201, json!({"sid": "SM1"}));
    ask(&app).await;
    let call = gateway.last();
    assert_eq!((call.field("To"), call.field("From")), (PHONE.to_owned(), "+15550100".to_owned()));
    assert_eq!(call.header("authorization"), "Basic QUMxOmNhbmFyeS1zbXMtdG9rZW4=");
    signs_in(&app, &call.field("Body")).await;
}

#[tokio::test]
async fn kavenegar_takes_a_text_in_persian() {
    let (app, gateway) = start().await;
    let sms =
        json!({"provider": "kavenegar", "api_key": "canary-key", "sender": "1000", "base_url": gateway.url});
    texting(&app, sms).await.expect(200);
    app.configure("org_default", json!({"default_language": "fa"})).await;
    let path = "/v1/canary-key/sms/send.json";
    gateway.answer(path, 200, json!({"return": {"status": 200, "message": "ok"}, "entries": []}));
    ask(&app).await;
    let call = gateway.last();
    assert_eq!((call.path.as_str(), call.field("receptor")), (path, PHONE.to_owned()));
    assert!(call.field("message").contains("کد ورود"));
    signs_in(&app, &call.field("message")).await;
}

#[tokio::test]
async fn wh_01_a_gateway_of_ones_own_is_called_signed() {
    let (app, gateway) = start().await;
    let url = format!("{}/sms", gateway.url);
    texting(&app, json!({"provider": "webhook", "url": url, "secret": "canary-gateway"})).await.expect(200);
    ask(&app).await;
    let call = gateway.last();
    assert!(call.is_signed("canary-gateway"));
    assert_eq!((&call.json()["to"], &call.json()["channel"]), (&json!(PHONE), &json!("sms")));
    signs_in(&app, call.json()["message"].as_str().expect("a text")).await;
}

#[tokio::test]
async fn the_operators_provider_texts_for_tenants_that_have_none() {
    let gateway = Gateway::start().await;
    let url = format!("{}/sms", gateway.url);
    let app = TestApp::with(|config| {
        config.tenants.proof_from_private_addresses = true;
        config.server.debug = false;
        config.sms.provider = Some("webhook".to_owned());
        config.sms.url = Some(url);
        config.sms.secret = Some("canary-operator".into());
    })
    .await;
    ask(&app).await;
    assert!(gateway.last().is_signed("canary-operator"));
    // A tenant that names one has that one, or none.
    texting(&app, json!({"provider": "kavenegar"})).await.expect(200);
    app.wait(61);
    let refused = app.anonymous().post("/auth/request-otp", json!({"identifier": PHONE})).await;
    refused.problem(503, "DELIVERY_UNAVAILABLE");
}

#[tokio::test]
async fn a_provider_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let (app, gateway) = start().await;
    let url = format!("{}/sms", gateway.url);
    texting(&app, json!({"provider": "webhook", "url": url, "secret": "canary-gateway"})).await.expect(200);
    gateway.answer("/sms", 503, "");
    ask(&app).await;
    app.outbox().await;
    assert_eq!(gateway.received().len(), 1, "not before its time");
    gateway.answer("/sms", 204, "");
    app.wait(6);
    app.outbox().await;
    app.wait(3_600);
    app.outbox().await;
    assert_eq!(gateway.received().len(), 2);
    gateway.answer("/sms", 400, "");
    ask(&app).await;
    app.wait(3_600);
    app.outbox().await;
    assert_eq!(gateway.received().len(), 3);
}

#[tokio::test]
async fn a_code_that_is_too_late_to_be_of_use_is_not_sent() {
    let (app, gateway) = start().await;
    let url = format!("{}/sms", gateway.url);
    texting(&app, json!({"provider": "webhook", "url": url, "secret": "canary-gateway"})).await.expect(200);
    gateway.answer("/sms", 503, "");
    ask(&app).await;
    gateway.answer("/sms", 204, "");
    app.wait(301);
    app.outbox().await;
    assert_eq!(gateway.received().len(), 1);
}

#[tokio::test]
async fn a_provider_in_a_private_network_is_not_called() {
    let app = TestApp::with(|config| config.server.debug = false).await;
    let gateway = Gateway::start().await;
    let url = format!("{}/sms", gateway.url);
    texting(&app, json!({"provider": "webhook", "url": url, "secret": "canary-gateway"})).await.expect(200);
    ask(&app).await;
    assert!(gateway.received().is_empty());
}

#[tokio::test]
async fn settings_that_can_not_be_right_are_refused() {
    let (app, _) = start().await;
    for wrong in [
        json!({"provider": "pigeon"}),
        json!({"provider": "webhook", "url": "gw.example", "secret": "s"}),
        json!({"base_url": "https://user:password@x.example"}),
        json!("twilio"),
    ] {
        texting(&app, wrong).await.problem(400, "VALIDATION_ERROR");
    }
    let admin = app.system_admin().await;
    for wrong in [json!({"provider": "pigeon"}), json!({"smtp_port": 0}), json!({"from_address": "a b"})] {
        let body = json!({"messaging": {"email": wrong}});
        admin.patch("/tenants/org_default", body).await.problem(400, "VALIDATION_ERROR");
    }
    // The examples of the multi-tenancy guide are fine.
    let guide = json!({"messaging": {
        "email": {"provider": "smtp", "smtp_host": "smtp.company-a.com", "smtp_port": 587,
            "smtp_username": "noreply@company-a.com", "from_address": "Company A <noreply@company-a.com>"},
        "sms": {"provider": "twilio", "account_sid": "...", "auth_token": "..."}}});
    admin.patch("/tenants/org_default", guide).await.expect(200);
}
