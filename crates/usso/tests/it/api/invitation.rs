//! `/auth/invitation`: a tenant's first administrator chooses a password (ruling D22).

use crate::app::{PASSWORD, Requests, TestApp, User};
use futures_util::future::join_all;
use serde_json::{Value, json};

const PATH: &str = "/auth/invitation";

/// A tenant whose administrator was invited, and the token of the invitation.
async fn invited() -> (TestApp, String) {
    let app = TestApp::new().await;
    let admin = json!({"identifier": "boss@company-a.com", "name": "Boss"});
    let body = json!({"name": "Company A", "domains": ["company-a.com"], "admin": admin});
    let created = app.system_admin().await.post("/tenants", body).await.expect(201);
    let url = created.str("invitation_url");
    let token = url
        .strip_prefix("http://company-a.com:8000/api/sso/v1/auth/invitation?token=")
        .expect(url)
        .to_owned();
    (app, token)
}

fn choose(token: &str, secret: &str) -> Value {
    json!({"token": token, "secret": secret})
}

#[tokio::test]
async fn the_link_makes_an_administrator_who_chose_their_password() {
    let (app, token) = invited().await;
    let guest = app.on_host("company-a.com");
    for _ in 0..2 {
        let seen = guest.get(&format!("{PATH}?token={token}")).await.expect(200);
        assert_eq!(seen.str("identifier"), "boss@company-a.com");
    }
    let accepted = guest.post(PATH, choose(&token, PASSWORD)).await.expect(201);
    assert_eq!(accepted.str("identifier"), "boss@company-a.com");
    let boss = User::sign_in(guest, "boss@company-a.com", PASSWORD).await;
    assert_eq!((&boss.login["roles"], &boss.login["scopes"]), (&json!(["admin"]), &json!(["*:*"])));
    assert_eq!(boss.login["user"]["name"], "Boss");
    boss.patch("/tenants/org_company_a", json!({"name": "New name"})).await.is(200);
}

#[tokio::test]
async fn an_invitation_is_rejected_when_it_was_used() {
    let (app, token) = invited().await;
    let guest = app.on_host("company-a.com");
    guest.post(PATH, choose(&token, PASSWORD)).await.expect(201);
    guest.post(PATH, choose(&token, "another-Password-8!")).await.problem(410, "GONE");
    guest.get(&format!("{PATH}?token={token}")).await.problem(410, "GONE");
    guest.login("boss@company-a.com", PASSWORD).await.is(200);
}

#[tokio::test]
async fn of_parallel_uses_exactly_one_wins() {
    let (app, token) = invited().await;
    let guest = app.on_host("company-a.com");
    let secrets: Vec<String> = (0..8).map(|n| format!("chosen-Password-{n}!x")).collect();
    let answers = join_all(secrets.iter().map(|secret| guest.post(PATH, choose(&token, secret)))).await;
    let winners: Vec<usize> = (0..8).filter(|n| answers[*n].status == 201).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|a| a.status == 201 || a.code() == "GONE"));
    guest.login("boss@company-a.com", &secrets[winners[0]]).await.is(200);
}

#[tokio::test]
async fn an_invitation_is_rejected_after_seven_days() {
    let (app, token) = invited().await;
    let guest = app.on_host("company-a.com");
    app.wait(7 * 86_400 - 1);
    guest.get(&format!("{PATH}?token={token}")).await.is(200);
    app.wait(1);
    guest.get(&format!("{PATH}?token={token}")).await.problem(410, "GONE");
    guest.post(PATH, choose(&token, PASSWORD)).await.problem(410, "GONE");
}

#[tokio::test]
async fn an_invitation_is_rejected_when_it_is_unknown_or_another_tenants() {
    let (app, token) = invited().await;
    app.tenant("Company B", &["company-b.com"]).await;
    for (host, token) in [
        ("company-b.com", token.as_str()),
        ("localhost", &token),
        ("company-a.com", "unknown"),
        ("company-a.com", ""),
    ] {
        app.on_host(host).post(PATH, choose(token, PASSWORD)).await.problem(410, "GONE");
        app.on_host(host).get(&format!("{PATH}?token={token}")).await.problem(410, "GONE");
    }
    app.on_host("company-a.com").get(PATH).await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_weak_password_leaves_the_invitation_usable() {
    let (app, token) = invited().await;
    let guest = app.on_host("company-a.com");
    guest.post(PATH, choose(&token, "weak")).await.problem(400, "WEAK_PASSWORD");
    guest.post(PATH, choose(&token, PASSWORD)).await.is(201);
}

#[tokio::test]
async fn a_tenant_with_an_administrators_password_has_no_invitation() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    assert_eq!(tenant.created.get("invitation_url"), None);
    assert_eq!(tenant.admin().login["roles"], json!(["admin"]));
}

#[tokio::test]
async fn the_store_knows_only_a_digest_of_the_token() {
    let (app, token) = invited().await;
    let scope = app.scope("org_company_a").await;
    let page = scope
        .records::<usso::tenant::one_time::OneTime>()
        .page(kernel::Query::all("one_time"))
        .await
        .unwrap();
    assert_eq!(page.items.len(), 1);
    assert!(!format!("{:?}", page.items[0].record).contains(&token));
}

#[tokio::test]
async fn nobody_can_take_an_invited_identifier() {
    let (app, token) = invited().await;
    let guest = app.on_host("company-a.com");
    let squat = json!({"identifier": "boss@company-a.com", "secret": "a-Strangers-pass-word!4"});
    guest.post("/auth/register", squat.clone()).await.problem(409, "IDENTIFIER_EXISTS");
    let mut login = squat;
    login["register"] = json!(true);
    guest.post("/auth/login", login).await.problem(401, "INVALID_CREDENTIALS");
    guest.post(PATH, choose(&token, "chosen-Password-one!x")).await.expect(201);
    guest.login("boss@company-a.com", "chosen-Password-one!x").await.is(200);
}
