//! Where a captcha is asked for (ruling D32).

use crate::app::{Anonymous, PASSWORD, Requests, TestApp};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

const ALICE: &str = "alice@example.com";

/// Solves a captcha, and gives its proof.
async fn solve(who: &Anonymous) -> String {
    let asked = who.get("/captcha/challenge").await.expect(200);
    let (salt, challenge) = (asked.str("salt"), asked.str("challenge"));
    let is_it = |number: &u64| hex(&protocol::sha256(format!("{salt}{number}").as_bytes())) == challenge;
    let number = (0..=asked.json["maxnumber"].as_u64().unwrap()).find(is_it).expect("a solution");
    let solution = json!({"algorithm": "SHA-256", "challenge": challenge, "number": number, "salt": salt,
        "signature": asked.str("signature")});
    let payload = STANDARD.encode(solution.to_string());
    who.post("/captcha/verify", json!({"payload": payload})).await.expect(200).str("token").to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn by_risk_a_captcha_is_asked_for_after_two_failures_and_what_lacks_it_counts() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let config = json!({"captcha": {"mode": "risk", "max_number": 1000}});
    app.configure("org_default", config).await;
    let who = app.anonymous();
    who.login(ALICE, PASSWORD).await.expect(200);
    for _ in 0..2 {
        who.login(ALICE, "wrong").await.problem(401, "INVALID_CREDENTIALS");
    }
    who.login(ALICE, PASSWORD).await.problem(403, "CAPTCHA_REQUIRED");
    let proof = solve(&who).await;
    let body = json!({"identifier": ALICE, "secret": PASSWORD, "captcha": proof});
    who.post("/auth/login", body).await.expect(200);
    let solved = who.clone().with_header("x-captcha-token", &proof);
    solved.login(ALICE, PASSWORD).await.expect(200);
    // The third failure was the refusal; two more, and the budget is spent.
    for _ in 0..2 {
        who.login(ALICE, PASSWORD).await.problem(403, "CAPTCHA_REQUIRED");
    }
    solved.login(ALICE, PASSWORD).await.problem(429, "RATE_LIMITED");
}

#[tokio::test]
async fn always_asked_for_nothing_is_tried_or_sent_without() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let config = json!({"captcha": {"mode": "always", "max_number": 1000}});
    app.configure("org_default", config).await;
    let who = app.anonymous();
    for _ in 0..8 {
        who.login(ALICE, PASSWORD).await.problem(403, "CAPTCHA_REQUIRED");
    }
    for path in ["/auth/request-otp", "/auth/request-magic-link", "/auth/reset-password"] {
        who.post(path, json!({"identifier": ALICE})).await.problem(403, "CAPTCHA_REQUIRED");
    }
    let solved = who.clone().with_header("x-captcha-token", &solve(&who).await);
    solved.login(ALICE, PASSWORD).await.expect(200);
    for path in ["/auth/request-otp", "/auth/request-magic-link", "/auth/reset-password"] {
        solved.post(path, json!({"identifier": ALICE})).await.expect(200);
    }
}
