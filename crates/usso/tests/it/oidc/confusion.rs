//! TOK-06: every kind of token is accepted in its own place and nowhere else (RFC 8725 §3.12, §2.8).

use super::{Rp, signed_in};
use crate::app::{Answer, PASSWORD, Requests, TestApp, User};
use serde_json::json;

async fn present(rp: &Rp, place: &str, token: &str) -> Answer {
    let who = rp.who.clone();
    match place {
        "api" => who.with_token(token).get("/me").await,
        "userinfo" => rp.userinfo(token).await,
        "first-party refresh" => who.post("/auth/refresh", json!({"refresh_token": token})).await,
        "client's refresh" => rp.refresh(token).await,
        "id_token_hint" => {
            let query = rp.request(&[("id_token_hint", token), ("prompt", "none")]);
            who.get(&format!("ROOT/oauth/authorize?{query}")).await
        }
        "code" => rp.redeem(token).await,
        "magic link" => who.post("/auth/magic-link", json!({"token": token})).await,
        other => panic!("{other}"),
    }
}

fn is_accepted(answer: &Answer) -> bool {
    match answer.status {
        200 => true,
        // A hint that is one leads to `login_required`; nobody is signed in here.
        303 => answer.header("location").is_some_and(|to| to.contains("login_required")),
        _ => false,
    }
}

#[tokio::test]
async fn tok_06_no_token_passes_for_another_kind() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let rp = Rp::public(&admin).await;
    let browser = signed_in(&app, "alice").await;
    let tokens = rp.tokens(&browser, &[]).await;
    let own: User = app.user("alice").await;
    let code = rp.code(&browser, &[]).await;
    let kinds = [
        ("first-party access", own.access().to_owned(), &["api", "userinfo"][..]),
        ("first-party refresh", own.refresh().to_owned(), &["first-party refresh"]),
        ("client's access", tokens.str("access_token").to_owned(), &["api", "userinfo"]),
        ("client's refresh", tokens.str("refresh_token").to_owned(), &["client's refresh"]),
        ("id token", tokens.str("id_token").to_owned(), &["id_token_hint"]),
        ("code", code, &["code"]),
    ];
    let places =
        ["api", "userinfo", "first-party refresh", "client's refresh", "id_token_hint", "magic link", "code"];
    let mut cells = 0;
    for (kind, token, wanted) in &kinds {
        for place in places {
            cells += 1;
            let answer = present(&rp, place, token).await;
            let context = format!("{kind} as {place}: {} {}", answer.status, answer.text());
            assert_eq!(is_accepted(&answer), wanted.contains(&place), "{context}");
            assert!(answer.status < 500, "{context}");
        }
    }
    println!("type confusion: {cells} cells");
    assert!(cells >= 36 && !PASSWORD.is_empty());
}

#[tokio::test]
async fn tok_05_what_is_not_signed_by_the_tenant_is_worth_nothing() {
    let app = TestApp::new().await;
    let rp = Rp::public(&app.system_admin().await).await;
    let tokens = rp.tokens(&signed_in(&app, "alice").await, &[]).await;
    let token = tokens.str("access_token");
    let forged = crate::app::token::tampered(token, json!({"scope": "openid email"}));
    for wrong in [forged, crate::app::token::unsecured(token), token.replace('.', "..")] {
        let answer = rp.userinfo(&wrong).await;
        assert_eq!((answer.status, answer.str("error")), (401, "invalid_token"));
    }
}
