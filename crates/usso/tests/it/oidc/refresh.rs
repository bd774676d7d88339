//! Refresh tokens of clients (RFC 6749 §6, RFC 9700 §4.14, rulings D2, D21).

use super::{Rp, claims, oauth_error, signed_in};
use crate::app::{Requests, TestApp};
use serde_json::json;

fn generation(token: &str) -> i64 {
    claims(token)["g"].as_i64().expect("a generation")
}

#[tokio::test]
async fn rt_01_tokens_of_public_clients_rotate() {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"token": {"refresh_token_rotation": false}})).await;
    let (rp, browser) = (Rp::public(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let tokens = rp.tokens(&browser, &[]).await;
    let next = rp.refresh(tokens.str("refresh_token")).await.expect(200);
    assert_eq!((generation(tokens.str("refresh_token")), generation(next.str("refresh_token"))), (0, 1));
    // Confidential ones as the tenant says.
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let tokens = rp.tokens(&browser, &[]).await;
    let next = rp.refresh(tokens.str("refresh_token")).await.expect(200);
    assert_eq!(generation(next.str("refresh_token")), 0);
}

#[tokio::test]
async fn rt_02_and_rt_03_a_copied_token_ends_the_family_and_a_lost_answer_does_not() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::public(&app.system_admin().await).await, signed_in(&app, "alice").await);
    let first = rp.tokens(&browser, &[]).await;
    let r0 = first.str("refresh_token").to_owned();
    let r1 = rp.refresh(&r0).await.expect(200).str("refresh_token").to_owned();
    // The answer got lost: for a minute the one before is answered, with the same generation.
    let again = rp.refresh(&r0).await.expect(200);
    assert_eq!(generation(again.str("refresh_token")), 1);
    let r2 = rp.refresh(&r1).await.expect(200).str("refresh_token").to_owned();
    assert_eq!(generation(&r2), 2);
    app.wait(61);
    // A public client's is a copy then (ruling D2).
    let copied = rp.refresh(&r1).await;
    oauth_error(&copied, 400, "invalid_grant");
    oauth_error(&rp.refresh(&r2).await, 400, "invalid_grant");
    rp.userinfo(first.str("access_token")).await.problem(401, "TOKEN_REVOKED");
    assert!(app.audit("org_default").await.iter().any(|e| e.event == "session.refresh_token_reused"));
}

#[tokio::test]
async fn rt_03_a_confidential_client_may_come_late_with_the_one_before() {
    let app = TestApp::new().await;
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let tokens = rp.tokens(&signed_in(&app, "alice").await, &[]).await;
    let r0 = tokens.str("refresh_token").to_owned();
    let r1 = rp.refresh(&r0).await.expect(200).str("refresh_token").to_owned();
    app.wait(86_400);
    assert_eq!(generation(rp.refresh(&r0).await.expect(200).str("refresh_token")), 1);
    let r2 = rp.refresh(&r1).await.expect(200).str("refresh_token").to_owned();
    rp.refresh(&r2).await.expect(200);
    app.wait(61);
    oauth_error(&rp.refresh(&r0).await, 400, "invalid_grant");
    oauth_error(&rp.refresh(&r2).await, 400, "invalid_grant");
}

#[tokio::test]
async fn rt_04_a_token_is_rejected_for_another_client_and_nothing_changes() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let (rp, other) = (Rp::public(&admin).await, Rp::public(&admin).await);
    let browser = signed_in(&app, "alice").await;
    let token = rp.tokens(&browser, &[]).await.str("refresh_token").to_owned();
    oauth_error(&other.refresh(&token).await, 400, "invalid_grant");
    oauth_error(&other.refresh(&token).await, 400, "invalid_grant");
    rp.refresh(&token).await.expect(200);
    // Nor is it one of the first-party kind, or the other way round.
    app.anonymous()
        .post("/auth/refresh", json!({"refresh_token": token}))
        .await
        .problem(401, "TOKEN_TYPE_INVALID");
    let own = app.user("alice").await;
    oauth_error(&rp.refresh(own.refresh()).await, 400, "invalid_grant");
    own.get("/me").await.expect(200);
    for nonsense in ["x", own.access(), "a.b.c"] {
        oauth_error(&rp.refresh(nonsense).await, 400, "invalid_grant");
    }
}

#[tokio::test]
async fn rt_05_narrower_is_allowed_wider_is_not_and_later_all_of_it_again() {
    let app = TestApp::new().await;
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let tokens = rp.tokens(&signed_in(&app, "alice").await, &[("scope", "openid profile email")]).await;
    let mut token = tokens.str("refresh_token").to_owned();
    for (scope, wanted) in
        [("openid email", Some("openid email")), ("openid phone", None), ("", Some("openid profile email"))]
    {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("scope", scope)];
        let answer = rp.token(&fields).await;
        match wanted {
            Some(wanted) => {
                assert_eq!(answer.clone().expect(200).str("scope"), wanted);
                assert_eq!(claims(answer.str("access_token"))["scope"], wanted);
                token = answer.str("refresh_token").to_owned();
            }
            None => oauth_error(&answer, 400, "invalid_scope"),
        }
    }
    // An email that wasn't asked for this time is not in the token of this time.
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("scope", "openid")];
    let narrow = rp.token(&fields).await.expect(200);
    assert!(rp.userinfo(narrow.str("access_token")).await.expect(200)["email"].is_null());
}

#[tokio::test]
async fn rt_06_a_session_ends_absolutely_and_by_idleness() {
    let app = TestApp::new().await;
    app.configure(
        "org_default",
        json!({"refresh_token_ttl": 10_000, "auth": {"session_inactivity_timeout": 4_000}}),
    )
    .await;
    let rp = Rp::public(&app.system_admin().await).await;
    let browser = signed_in(&app, "alice").await;
    let idle = rp.tokens(&browser, &[("scope", "openid offline_access")]).await;
    let mut busy =
        rp.tokens(&browser, &[("scope", "openid offline_access")]).await.str("refresh_token").to_owned();
    for _ in 0..3 {
        app.wait(3_000);
        busy = rp.refresh(&busy).await.expect(200).str("refresh_token").to_owned();
    }
    oauth_error(&rp.refresh(idle.str("refresh_token")).await, 400, "invalid_grant");
    app.wait(1_001);
    oauth_error(&rp.refresh(&busy).await, 400, "invalid_grant");
}

#[tokio::test]
async fn rt_08_the_id_token_of_a_refresh_tells_of_the_same_sign_in() {
    let app = TestApp::new().await;
    let rp = Rp::public(&app.system_admin().await).await;
    let tokens = rp.tokens(&signed_in(&app, "alice").await, &[("nonce", "n-1")]).await;
    app.wait(100);
    let refreshed = rp.refresh(tokens.str("refresh_token")).await.expect(200);
    let (first, second) = (claims(tokens.str("id_token")), claims(refreshed.str("id_token")));
    for name in ["iss", "sub", "aud", "azp", "auth_time", "sid", "acr"] {
        assert_eq!(first[name], second[name], "{name}");
    }
    assert_eq!((&first["nonce"], &second["nonce"]), (&json!("n-1"), &json!(null)));
    assert_eq!(second["iat"].as_i64().unwrap() - first["iat"].as_i64().unwrap(), 100);
}

#[tokio::test]
async fn rt_10_no_token_stands_in_the_database() {
    let app = TestApp::new().await;
    let rp = Rp::public(&app.system_admin().await).await;
    let tokens = rp.tokens(&signed_in(&app, "alice").await, &[]).await;
    let scope = app.scope("org_default").await;
    let sessions = scope.records::<usso::identity::sessions::model::Session>();
    let page = sessions.page(kernel::Query { limit: 100, ..kernel::Query::all("session") }).await.unwrap();
    let stored = format!("{:?}", page.items);
    for token in ["access_token", "refresh_token", "id_token"] {
        let signature = tokens.str(token).rsplit('.').next().unwrap();
        assert!(!stored.contains(signature), "{token}");
    }
}

#[tokio::test]
async fn parallel_refreshes_raise_the_generation_once() {
    let app = TestApp::new().await;
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let token = rp.tokens(&signed_in(&app, "alice").await, &[]).await.str("refresh_token").to_owned();
    let tries: Vec<_> = (0..10)
        .map(|_| {
            let (rp, token) = (rp.clone(), token.clone());
            tokio::spawn(async move { rp.refresh(&token).await.expect(200) })
        })
        .collect();
    for attempt in tries {
        assert_eq!(generation(attempt.await.unwrap().str("refresh_token")), 1);
    }
    app.anonymous().get("ROOT/health").await.expect(200);
}
