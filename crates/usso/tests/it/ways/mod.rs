//! What must hold for every way in at once: second factors, what strangers prepared, guesses, things that count once, and that
//! each row of the checklist has its test.

mod guessing;
mod once;
mod policy;
mod prepared;
mod rows;

use crate::app::{Anonymous, Answer, Browser, Provider, Requests, TestApp, User, encode};
use protocol::seal::MacKey;
use serde_json::{Value, json};

/// The address of whom most of it is about: also what the provider vouches for.
pub const ALICE: &str = "alice@example.com";
/// And their number.
pub const PHONE: &str = "+989121234567";

const BOT: &str = "7000000000:canary-bot-token";

/// A server with everything set up that one can sign in by.
pub async fn stage() -> (TestApp, Provider) {
    let (app, provider) = Provider::start().await;
    app.configure("org_default", json!({"integration": {"telegram": {"bot_token": BOT}}})).await;
    (app, provider)
}

/// Asks for a code and gives it. Waits first: codes have a pause.
pub async fn code(app: &TestApp, identifier: &str) -> String {
    app.wait(301);
    app.anonymous().post("/auth/request-otp", json!({"identifier": identifier})).await.expect(200);
    app.last_letter().await.code()
}

/// Asks for a link and gives its token.
pub async fn link(app: &TestApp, identifier: &str) -> String {
    app.wait(301);
    app.anonymous().post("/auth/request-magic-link", json!({"identifier": identifier})).await.expect(200);
    app.last_letter().await.token()
}

/// Asks for a way to a new password and gives the link's token.
pub async fn reset(app: &TestApp, identifier: &str) -> String {
    app.wait(301);
    app.anonymous().post("/auth/reset-password", json!({"identifier": identifier})).await.expect(200);
    app.last_letter().await.token()
}

/// Signs in with a code.
pub async fn by_code(who: &Anonymous, identifier: &str, code: &str) -> Answer {
    who.post("/auth/login", json!({"identifier": identifier, "method": "otp", "secret": code})).await
}

/// Goes to the provider and agrees: what the browser comes back with.
pub async fn agreed(browser: &Browser, provider: &Provider) -> Vec<(String, String)> {
    let asked = browser.get("/auth/oauth/corp/authorize").await.expect(302);
    provider.agree(asked.header("location").expect("a location"))
}

/// Comes back from the provider.
pub async fn come_back(browser: &Browser, back: &[(String, String)]) -> Answer {
    let path = format!("/auth/oauth/corp/callback?{}", encode(back));
    browser.clone().with_header("accept", "application/json").get(&path).await
}

/// Signs in with the provider.
pub async fn by_provider(app: &TestApp, provider: &Provider) -> Answer {
    let browser = app.browser();
    let back = agreed(&browser, provider).await;
    come_back(&browser, &back).await
}

/// Signs in with Telegram's widget.
pub async fn by_telegram(app: &TestApp, id: i64) -> Answer {
    let at = app.clock_seconds();
    let text = format!("auth_date={at}\nfirst_name=Ada\nid={id}");
    let tag = MacKey::from_secret(&protocol::sha256(BOT.as_bytes())).tag(text.as_bytes());
    let hash: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    let shown = json!({"id": id, "first_name": "Ada", "auth_date": at, "hash": hash});
    app.anonymous().post("/auth/telegram", shown).await
}

/// Asks by QR, and lets somebody approve: the browser and what it asks with.
pub async fn approved(app: &TestApp, approver: &User) -> (Browser, String) {
    let browser = app.browser();
    let asked = browser.get("/auth/qr").await.expect(200);
    let body = json!({"qr_code": asked.str("qr_code"), "number": asked["number"]});
    let done = approver.post("/auth/qr", body).await.expect(200);
    assert_eq!(done["status"], "completed");
    let path = format!("/auth/qr/status?qr_token={}", asked.str("qr_token"));
    (browser, path)
}

/// Proves an identifier in a session of the account.
pub async fn prove(app: &TestApp, who: &User, identifier: &str) {
    app.wait(61);
    who.post("/auth/activate", json!({"identifier": identifier})).await.expect(200);
    let code = app.last_letter().await.code();
    who.post("/auth/activate", json!({"identifier": identifier, "code": code})).await.expect(200);
}

/// The token of an unfinished sign-in.
pub fn temporary(answer: &Answer) -> String {
    answer["tokens"]["temporary"].as_str().expect("a temporary token").to_owned()
}

/// Goes on with a second factor.
pub async fn second(who: &Anonymous, token: &str, (method, secret): (&str, &str)) -> Answer {
    let body = json!({"identifier": ALICE, "method": method, "secret": secret});
    who.clone().with_token(token).post("/auth/login", body).await
}

/// The codes that replace an authenticator.
pub async fn backup_codes(who: &User) -> Vec<String> {
    let made = who.post("/credentials", json!({"method": "backup_codes"})).await.expect(201);
    let texts = made["codes"].as_array().expect("codes").iter().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}
