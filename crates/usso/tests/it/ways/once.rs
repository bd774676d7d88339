//! What counts once, submitted fifty times at once: one succeeds (checklist OTP-01, OTP-02, OTP-04, OTP-05, REC-01, SES-04, SOC-01).
//!
//! A round takes one of each kind. `USSO_ROUNDS` says how many of a kind; the runs of a release take a thousand.

use super::{
    ALICE, agreed, approved, backup_codes, by_code, code, come_back, link, reset, second, stage, temporary,
};
use crate::app::{Answer, Authenticator, PASSWORD, Requests, TestApp, User};
use futures_util::future::join_all;
use serde_json::json;

const AT_ONCE: usize = 50;

#[expect(clippy::disallowed_methods, reason = "an option of the test run, not of the server")]
fn rounds() -> usize {
    std::env::var("USSO_ROUNDS").ok().map_or(15, |text| text.parse().expect("USSO_ROUNDS is a number"))
}

/// Everybody at once, on as many threads as there are; how many got what they wanted.
async fn at_once(tries: Vec<impl Future<Output = Answer> + Send + 'static>) -> usize {
    let running: Vec<_> = tries.into_iter().map(tokio::spawn).collect();
    let answers = join_all(running).await.into_iter().map(|done| done.expect("no panic"));
    let is_won = |answer: &Answer| {
        assert_ne!(answer.status, 500, "{}", answer.text());
        answer.status == 200
            && (answer["access_token"].is_string()
                || answer["status"] == "mfa_required"
                || answer.asked.contains("reset-password"))
    };
    answers.filter(is_won).count()
}

/// Where each of a crowd is: budgets are for others to test.
fn address(round: usize, place: usize) -> String {
    format!("10.{}.{}.{}", round / 250, round % 250, place + 1)
}

async fn codes(app: &TestApp, round: usize) -> usize {
    let identifier = format!("code{round}@example.com");
    let code = code(app, &identifier).await;
    let tries = (0..AT_ONCE).map(|place| {
        let (who, identifier, code) =
            (app.anonymous().from_ip(&address(round, place)), identifier.clone(), code.clone());
        async move { by_code(&who, &identifier, &code).await }
    });
    at_once(tries.collect()).await
}

async fn links(app: &TestApp, round: usize) -> usize {
    let token = link(app, &format!("link{round}@example.com")).await;
    let tries = (0..AT_ONCE).map(|_| {
        let (who, body) = (app.anonymous(), json!({"token": token}));
        async move { who.post("/auth/magic-link", body).await }
    });
    at_once(tries.collect()).await
}

async fn resets(app: &TestApp) -> usize {
    let token = reset(app, "forgetful@example.com").await;
    let tries = (0..AT_ONCE).map(|_| {
        let (who, body) = (app.anonymous(), json!({"token": token, "new_password": PASSWORD}));
        async move { who.post("/auth/reset-password", body).await }
    });
    at_once(tries.collect()).await
}

/// One code of a second factor.
async fn factors(app: &TestApp, round: usize, (method, secret): (&'static str, String)) -> usize {
    let token = temporary(&app.anonymous().login(ALICE, PASSWORD).await.expect(200));
    let tries = (0..AT_ONCE).map(|place| {
        let who = app.anonymous().from_ip(&address(round, place));
        let (token, secret) = (token.clone(), secret.clone());
        async move { second(&who, &token, (method, &secret)).await }
    });
    at_once(tries.collect()).await
}

async fn approvals(app: &TestApp, approver: &User) -> usize {
    let (browser, path) = approved(app, approver).await;
    let tries = (0..AT_ONCE).map(|_| {
        let (browser, path) = (browser.clone(), path.clone());
        async move { browser.get(&path).await }
    });
    at_once(tries.collect()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_counts_once_counts_once_however_many_come_at_once() {
    let (app, provider) = stage().await;
    provider.lie(json!({"sub": "somebody", "email": "somebody@example.com"}));
    let alice = app.user("alice").await;
    app.user("forgetful").await;
    app.configure("org_default", json!({"messages_per_day": 1_000_000})).await;
    let authenticator = Authenticator::of(&app, &alice).await;
    let mut spare = Vec::new();
    let mut won: Vec<(&str, usize)> = Vec::new();
    for round in 0..rounds() {
        if round == rounds() / 2 {
            app.flush();
        }
        won.push(("code", codes(&app, round).await));
        won.push(("link", links(&app, round).await));
        won.push(("reset token", resets(&app).await));
        // Whatever rests after so many failures has rested.
        app.wait(90_000);
        won.push(("authenticator", factors(&app, round, ("totp", authenticator.code())).await));
        app.wait(90_000);
        let bob = app.user("bob").await;
        won.push(("approval by QR code", approvals(&app, &bob).await));
        if spare.is_empty() {
            spare = fresh_codes(&app, &authenticator).await;
        }
        let spare = spare.pop().expect("a code");
        app.wait(90_000);
        won.push(("backup code", factors(&app, round, ("backup_codes", spare)).await));
        let browser = app.browser();
        let back = agreed(&browser, &provider).await;
        let tries = (0..AT_ONCE).map(|_| {
            let (browser, back) = (browser.clone(), back.clone());
            async move { come_back(&browser, &back).await }
        });
        won.push(("state", at_once(tries.collect()).await));
    }
    let wrong: Vec<_> = won.iter().filter(|(_, count)| *count != 1).collect();
    println!("{} things that count once, {AT_ONCE} at once: {} won not once", won.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// A new set of backup codes, in a session of two factors that is recent.
async fn fresh_codes(app: &TestApp, authenticator: &Authenticator) -> Vec<String> {
    app.wait(90_000);
    let who = app.anonymous().from_ip("10.255.0.1");
    let token = temporary(&who.login(ALICE, PASSWORD).await.expect(200));
    let done = second(&who, &token, ("totp", &authenticator.code())).await.expect(200);
    let alice = User::of(who, &done, (ALICE, PASSWORD));
    backup_codes(&alice).await
}
