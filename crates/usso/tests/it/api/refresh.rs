//! `/auth/refresh`: new tokens by generations (ruling D2).

use crate::app::token::{Jwt, forge};
use crate::app::{Answer, Requests, TestApp, User};
use futures_util::future::join_all;
use serde_json::{Value, json};

async fn refresh(app: &TestApp, token: &str) -> Answer {
    app.anonymous().post("/auth/refresh", json!({"refresh_token": token})).await
}

/// Refreshes this many times and gives every refresh token there was, oldest first.
async fn generations(app: &TestApp, user: &User, count: usize) -> Vec<String> {
    let mut tokens = vec![user.refresh().to_owned()];
    for n in 0..count {
        let answer = refresh(app, &tokens[n]).await.expect(200);
        tokens.push(answer.str("refresh_token").to_owned());
    }
    tokens
}

#[tokio::test]
async fn a_token_from_the_body_is_answered_in_the_body() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let answer = refresh(&app, alice.refresh()).await.expect(200);
    let (access, refresh) = (answer.str("access_token"), answer.str("refresh_token"));
    assert_eq!((answer.str("token_type"), answer.str("status")), ("Bearer", "refreshed"));
    assert_eq!(answer["expires_in"], 3600);
    assert_eq!(answer["tokens"], json!({"access": access, "refresh": refresh}));
    assert_eq!(answer["token"], json!({"access_token": access, "refresh_token": refresh}));
    assert_eq!(answer.cookie("usso-access-token").value, access);
    assert_eq!(answer.cookie("usso-refresh-token").value, refresh);
    let (old, new) = (Jwt::decode(alice.access()).claims, Jwt::decode(access).claims);
    assert_ne!(old["jti"], new["jti"]);
    assert_eq!((&old["session_id"], &old["sub"]), (&new["session_id"], &new["sub"]));
    app.anonymous().with_token(access).get("/me").await.is(200);
    alice.get("/me").await.is(200);
}

#[tokio::test]
async fn a_token_from_the_cookie_is_answered_in_the_cookie_only() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let browser = app.browser();
    let body = json!({"identifier": "alice@example.com", "secret": crate::app::PASSWORD});
    browser.post("/auth/login", body).await.expect(200);
    for (method, body) in [("POST", crate::app::Body::Empty), ("POST", json!({}).into()), ("GET", ().into())]
    {
        let before = browser.cookie("usso-refresh-token").unwrap();
        let answer = browser.send(method, "/auth/refresh", body).await.expect(200);
        assert_eq!((answer.json.get("refresh_token"), &answer["status"]), (None, &json!("refreshed")));
        assert_eq!(answer["tokens"].get("refresh"), None);
        assert_eq!(answer["token"].get("refresh_token"), None);
        assert_ne!(browser.cookie("usso-refresh-token").unwrap(), before);
        assert_eq!(browser.cookie("usso-access-token").as_deref(), answer["access_token"].as_str());
    }
    browser.get("/me").await.is(200);
}

#[tokio::test]
async fn each_use_of_the_current_token_raises_the_generation_by_one() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let tokens = generations(&app, &alice, 3).await;
    let generations: Vec<Value> = tokens.iter().map(|t| Jwt::decode(t).claims["g"].clone()).collect();
    assert_eq!(generations, [0, 1, 2, 3]);
    assert_eq!(app.session("org_default", alice.session_id()).await.unwrap().generation, 3);
}

#[tokio::test]
async fn the_previous_generation_is_answered_for_as_long_as_the_session_lives() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let tokens = generations(&app, &alice, 1).await;
    for _ in 0..3 {
        app.wait(8 * 86_400);
        let answer = refresh(&app, &tokens[0]).await.expect(200);
        assert_eq!(
            Jwt::decode(answer.str("refresh_token")).claims["g"],
            1,
            "the new generation, not a second successor"
        );
    }
    assert_eq!(app.session("org_default", alice.session_id()).await.unwrap().generation, 1);
}

#[tokio::test]
async fn the_generation_before_the_previous_is_answered_for_sixty_seconds() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let tokens = generations(&app, &alice, 2).await;
    app.wait(60);
    let answer = refresh(&app, &tokens[0]).await.expect(200);
    assert_eq!(Jwt::decode(answer.str("refresh_token")).claims["g"], 2);
    app.wait(1);
    refresh(&app, &tokens[0]).await.problem(401, "REFRESH_TOKEN_REUSED");
}

#[tokio::test]
async fn refresh_is_rejected_when_the_generation_was_left_behind_and_the_session_ends() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let other = alice.again().await;
    let tokens = generations(&app, &alice, 3).await;
    alice.get("/me").await.expect(200);
    refresh(&app, &tokens[0]).await.problem(401, "REFRESH_TOKEN_REUSED");
    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
    for token in &tokens {
        refresh(&app, token).await.problem(401, "TOKEN_REVOKED");
    }
    other.get("/me").await.is(200);
    let events = app.audit("org_default").await;
    let reuse: Vec<_> = events.iter().filter(|e| e.event == "session.refresh_token_reused").collect();
    assert_eq!((reuse.len(), reuse[0].target.as_str()), (1, alice.session_id()));
}

#[tokio::test]
async fn parallel_refreshes_with_one_token_all_succeed_and_raise_the_generation_once() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let answers = join_all((0..20).map(|_| refresh(&app, alice.refresh()))).await;
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(Jwt::decode(answer.str("refresh_token")).claims["g"], 1);
    }
    assert_eq!(app.session("org_default", alice.session_id()).await.unwrap().generation, 1);
}

#[tokio::test]
async fn a_session_may_ask_for_a_token_that_never_changes() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let body = json!({"identifier": "alice@example.com", "secret": crate::app::PASSWORD, "refresh_token_rotation": false});
    let login = app.anonymous().post("/auth/login", body).await.expect(200);
    for _ in 0..6 {
        app.wait(86_400);
        let answer = refresh(&app, login.str("refresh_token")).await.expect(200);
        assert_eq!(Jwt::decode(answer.str("refresh_token")).claims["g"], 0);
    }
}

#[tokio::test]
async fn a_tenant_may_turn_rotation_off() {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"token": {"refresh_token_rotation": false}})).await;
    let alice = app.user("alice").await;
    for _ in 0..6 {
        app.wait(86_400);
        refresh(&app, alice.refresh()).await.expect(200);
    }
    assert_eq!(app.session("org_default", alice.session_id()).await.unwrap().generation, 0);
}

#[tokio::test]
async fn refreshing_goes_on_after_a_restart() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let tokens = generations(&app, &alice, 2).await;
    let second = app.restarted().await;
    let answer = refresh(&second, &tokens[2]).await.expect(200);
    assert_eq!(Jwt::decode(answer.str("refresh_token")).claims["g"], 3);
    // The first process remembers generation 2 only; the store decides.
    let answer = refresh(&app, answer.str("refresh_token")).await.expect(200);
    assert_eq!(Jwt::decode(answer.str("refresh_token")).claims["g"], 4);
}

#[tokio::test]
async fn ses_02_refreshing_never_prolongs_a_session_beyond_its_end() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let end = Jwt::decode(alice.refresh()).claims["exp"].clone();
    app.wait(2_592_000 - 600);
    let answer = refresh(&app, alice.refresh()).await.expect(200);
    assert_eq!(Jwt::decode(answer.str("refresh_token")).claims["exp"], end);
    assert_eq!(
        Jwt::decode(answer.str("access_token")).claims["exp"],
        end,
        "nor does an access token outlive it"
    );
    assert_eq!(answer["expires_in"], 600);
    app.wait(600);
    refresh(&app, answer.str("refresh_token")).await.problem(401, "TOKEN_EXPIRED");
    app.anonymous().with_token(answer.str("access_token")).get("/me").await.problem(401, "TOKEN_EXPIRED");
}

#[tokio::test]
async fn ses_02_refresh_is_rejected_when_the_session_was_idle_for_too_long() {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"auth": {"session_inactivity_timeout": 1_800}})).await;
    let alice = app.user("alice").await;
    app.wait(1_800);
    let answer = refresh(&app, alice.refresh()).await.expect(200);
    app.wait(1_801);
    refresh(&app, answer.str("refresh_token")).await.problem(401, "TOKEN_REVOKED");
    app.anonymous().with_token(answer.str("access_token")).get("/me").await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn refresh_is_rejected_when_there_is_no_token() {
    let app = TestApp::new().await;
    let who = app.anonymous();
    who.post("/auth/refresh", ()).await.problem(401, "NOT_AUTHENTICATED");
    who.post("/auth/refresh", json!({})).await.problem(401, "NOT_AUTHENTICATED");
    who.get("/auth/refresh").await.problem(401, "NOT_AUTHENTICATED");
    who.post("/auth/refresh", json!({"refresh_token": ""})).await.problem(401, "TOKEN_INVALID");
    who.post("/auth/refresh", json!({"refresh_token": 1})).await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn refresh_is_rejected_when_the_token_is_no_refresh_token_of_this_tenant() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let foreign = tenant.user("alice").await;
    refresh(&app, alice.access()).await.problem(401, "TOKEN_TYPE_INVALID");
    refresh(&app, foreign.refresh()).await.problem(401, "TOKEN_INVALID");
    refresh(&app, "a.b.c").await.problem(401, "TOKEN_INVALID");
    let jwt = Jwt::decode(alice.refresh());
    let future = forge(&app, "org_default", &jwt.with(json!({"g": 9}))).await;
    refresh(&app, &future).await.problem(401, "TOKEN_INVALID");
    let without = forge(&app, "org_default", &jwt.with(json!({"g": null}))).await;
    refresh(&app, &without).await.problem(401, "TOKEN_TYPE_INVALID");
    let of_bob = forge(&app, "org_default", &jwt.with(json!({"sub": app.user("bob").await.id()}))).await;
    refresh(&app, &of_bob).await.problem(401, "TOKEN_INVALID");
    refresh(&app, alice.refresh()).await.is(200);
}

#[tokio::test]
async fn refresh_is_rejected_when_the_user_may_no_longer_sign_in() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    app.change_user(&alice, |user| user.is_active = false).await;
    refresh(&app, alice.refresh()).await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn an_expired_access_token_beside_it_does_not_matter() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    app.wait(3_601);
    alice.get("/me").await.problem(401, "TOKEN_EXPIRED");
    alice.post("/auth/refresh", json!({"refresh_token": alice.refresh()})).await.is(200);
}

#[tokio::test]
async fn a_refresh_carries_what_the_user_is_now() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    app.change_user(&alice, |user| user.scopes = vec!["read:app/orders".to_owned()]).await;
    let answer = refresh(&app, alice.refresh()).await.expect(200);
    assert_eq!(Jwt::decode(answer.str("access_token")).claims["scopes"], json!(["read:app/orders"]));
}

#[tokio::test]
async fn a_refresh_beside_a_logout_revives_nothing() {
    let app = TestApp::new().await;
    for round in 0..5 {
        let alice = app.user("alice").await;
        let before = round * 2;
        let (early, out, late) = tokio::join!(
            join_all((0..before).map(|_| refresh(&app, alice.refresh()))),
            alice.post("/auth/logout", ()),
            join_all((0..10 - before).map(|_| refresh(&app, alice.refresh()))),
        );
        out.is(200);
        for answer in early.iter().chain(&late).filter(|answer| answer.status == 200) {
            let who = app.anonymous().with_token(answer.str("access_token"));
            who.get("/me").await.problem(401, "TOKEN_REVOKED");
            refresh(&app, answer.str("refresh_token")).await.problem(401, "TOKEN_REVOKED");
        }
        alice.get("/me").await.problem(401, "TOKEN_REVOKED");
    }
}
