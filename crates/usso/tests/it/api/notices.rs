//! What people are told of what happens to how they sign in.

use crate::app::{Letter, PASSWORD, Provider, Requests, TestApp, User};
use serde_json::json;

const ALICE: &str = "alice@example.com";

async fn proven(app: &TestApp, name: &str) -> User {
    let user = app.user(name).await;
    let now = app.scope("org_default").await.now();
    app.change_user(&user, |own| own.identifiers[0].verified_at = Some(now)).await;
    user
}

async fn notices(app: &TestApp) -> Vec<Letter> {
    let mut letters = app.outbox().await;
    letters.retain(|letter| letter.template == "security_notice");
    letters
}

#[tokio::test]
async fn a_sign_in_from_a_new_device_is_told_once() {
    let app = TestApp::new().await;
    proven(&app, "alice").await;
    app.wait(60);
    let right = json!({"identifier": ALICE, "secret": PASSWORD});
    let phone = app.browser().from_ip("198.51.100.7").with_header("user-agent", "Phone/1");
    phone.post("/auth/login", right.clone()).await.expect(200);
    let told = notices(&app).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].to, ALICE);
    assert!(told[0].text.contains("new device") && told[0].text.contains("198.51.100.7"), "{}", told[0].text);
    assert!(told[0].text.contains("Phone/1"));
    // From now on it is known, wherever it is.
    phone.clone().from_ip("203.0.113.9").post("/auth/login", right.clone()).await.expect(200);
    // A program keeps no cookies: it is known by where it is and what it says it is.
    for _ in 0..3 {
        let program = app.anonymous().from_ip("198.51.100.20").with_header("user-agent", "Job/1");
        program.post("/auth/login", right.clone()).await.expect(200);
    }
    assert_eq!(notices(&app).await.len(), 2);
    app.anonymous().from_ip("198.51.100.21").post("/auth/login", right).await.expect(200);
    assert_eq!(notices(&app).await.len(), 3);
}

#[tokio::test]
async fn registering_is_no_news_and_neither_is_a_failure() {
    let app = TestApp::new().await;
    app.anonymous().post("/auth/request-otp", json!({"identifier": ALICE})).await.expect(200);
    let code = app.last_letter().await.code();
    let body = json!({"identifier": ALICE, "method": "otp", "secret": code});
    app.anonymous().post("/auth/login", body).await.expect(200);
    app.anonymous().from_ip("198.51.100.7").login(ALICE, "wrong").await.is(401);
    assert_eq!(notices(&app).await, []);
}

#[tokio::test]
async fn soc_03_an_account_elsewhere_that_was_linked_is_told() {
    let (app, provider) = Provider::start().await;
    proven(&app, "alice").await;
    let browser = app.browser();
    let asked = browser.get("/auth/oauth/corp/authorize").await.expect(302);
    let back = provider.agree(asked.header("location").expect("a location"));
    let path = format!("/auth/oauth/corp/callback?{}", crate::app::encode(&back));
    browser.get(&path).await.expect(302);
    let told = notices(&app).await;
    assert!(told.iter().any(|letter| letter.text.contains("An account elsewhere was linked")), "{told:?}");
}

#[tokio::test]
async fn rec_03_an_address_is_changed_by_proving_the_new_one_and_the_old_one_hears_of_each_step() {
    let app = TestApp::new().await;
    let alice = proven(&app, "alice").await;
    let new = "alice@new.example";
    let added = alice.post("/identifiers", json!({"identifier": new, "is_primary": true})).await.expect(201);
    assert_eq!(added["verified"], false);
    // Nobody is reached there before it is proven: not even by who forgot their password.
    alice.post("/auth/activate", json!({"identifier": new})).await.expect(200);
    let letter = app.last_letter().await;
    assert_eq!((letter.template.as_str(), letter.to.as_str()), ("verification", new));
    let body = json!({"identifier": new, "code": letter.code()});
    alice.post("/auth/activate", body).await.expect(200);
    let old = alice.get("/identifiers").await.expect(200);
    let old = old.items().iter().find(|own| own["value"] == ALICE).expect("the old one").clone();
    let id = old["id"].as_str().expect("an id");
    alice.delete(&format!("/identifiers/{id}")).await.expect(200);
    let told: Vec<_> = notices(&app)
        .await
        .into_iter()
        .filter(|letter| letter.to == ALICE)
        .map(|letter| letter.text)
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("An address or number was added"));
    assert!(told[1].contains("An address or number was removed"));
}
