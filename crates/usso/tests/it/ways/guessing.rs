//! Guessing at one account from many addresses (checklist 4.8, PW-08; rulings D28, D40).

use super::{ALICE, backup_codes, temporary};
use crate::app::security_key::SecurityKey;
use crate::app::{Authenticator, PASSWORD, Requests, TestApp};
use serde_json::json;

fn address(n: usize) -> String {
    format!("198.51.{}.{}", n / 250, n % 250 + 1)
}

/// Guesses from 500 addresses in turn; how many were looked at.
async fn guess(app: &TestApp, count: usize, pause: impl Fn(usize) -> u64) -> usize {
    let mut looked_at = 0;
    for n in 0..count {
        app.wait(pause(n));
        let thief = app.anonymous().from_ip(&address(n % 500));
        match thief.login(ALICE, &format!("wrong-{n}")).await.status {
            401 => looked_at += 1,
            429 => {}
            other => panic!("{other}"),
        }
    }
    looked_at
}

#[tokio::test]
async fn pw_08_ten_thousand_guesses_from_five_hundred_addresses_are_eighteen_in_an_hour() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let mut key = SecurityKey::new();
    key.register(&alice).await.expect(200);
    let device = app.browser();
    let right = json!({"identifier": ALICE, "secret": PASSWORD});
    device.post("/auth/login", right.clone()).await.expect(200);
    let (mut looked_at, mut signed_in) = (0, 0);
    // An hour, in a hundred pieces: after each the owner signs in with the device they have.
    for _ in 0..100 {
        looked_at += guess(&app, 100, |n| u64::from(n.is_multiple_of(100)) * 36).await;
        signed_in += usize::from(device.post("/auth/login", right.clone()).await.status == 200);
    }
    println!(
        "10,000 guesses from 500 addresses in an hour: {looked_at} looked at; the known device signed in {signed_in} of 100"
    );
    assert!(looked_at <= 18, "{looked_at}");
    assert_eq!(signed_in, 100);
    // On a new device another factor works.
    key.sign_in(&app.anonymous().from_ip("203.0.113.5")).await.expect(200).str("access_token");
}

#[tokio::test]
async fn pw_08_all_at_once_they_are_worth_no_more_than_the_free_ones() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let looked_at = guess(&app, 1_000, |_| 0).await;
    assert!(looked_at <= 6, "{looked_at}");
    // The pause outlives the process, and what is in Redis.
    app.flush();
    let again = app.restarted().await;
    again.anonymous().from_ip("203.0.113.5").login(ALICE, PASSWORD).await.problem(429, "RATE_LIMITED");
}

#[tokio::test]
async fn pw_08_a_hundred_in_a_row_stop_a_factor_however_slowly_they_come() {
    let app = TestApp::new().await;
    app.user("alice").await;
    assert_eq!(guess(&app, 150, |_| 901).await, 100, "after the hundredth it rests for a day");
    let answer = app.anonymous().from_ip("203.0.113.5").login(ALICE, PASSWORD).await;
    let seconds: u64 = answer.header("retry-after").map_or(0, |text| text.parse().expect("a number"));
    app.wait(seconds + 1);
    app.anonymous().from_ip("203.0.113.5").login(ALICE, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn d28_unknown_accounts_are_guessed_at_as_slowly() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let mut codes = [Vec::new(), Vec::new()];
    for n in 0..60 {
        app.wait(7);
        for (at, name) in [ALICE, "nobody@example.com"].into_iter().enumerate() {
            let answer = app.anonymous().from_ip(&address(n)).login(name, "wrong").await;
            codes[at].push((answer.status, answer.header("retry-after").map(str::to_owned)));
        }
    }
    assert_eq!(codes[0], codes[1]);
}

#[tokio::test]
async fn otp_02_an_authenticator_is_guessed_at_no_faster_than_a_password() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let authenticator = Authenticator::of(&app, &alice).await;
    let spare = backup_codes(&alice).await;
    let token = temporary(&app.anonymous().login(ALICE, PASSWORD).await.expect(200));
    let mut looked_at = 0;
    for n in 0..1_000 {
        let thief = app.anonymous().from_ip(&address(n % 500)).with_token(&token);
        let body = json!({"identifier": ALICE, "method": "totp", "secret": format!("{n:06}")});
        looked_at += usize::from(thief.post("/auth/login", body).await.status == 401);
    }
    assert!(looked_at <= 6, "{looked_at}");
    let who = app.anonymous().from_ip("203.0.113.5").with_token(&token);
    let body = json!({"identifier": ALICE, "method": "totp", "secret": authenticator.code()});
    who.post("/auth/login", body).await.problem(429, "RATE_LIMITED");
    // Another factor has a row of its own.
    let body = json!({"identifier": ALICE, "method": "backup_codes", "secret": spare[0]});
    who.post("/auth/login", body).await.expect(200).str("access_token");
}
