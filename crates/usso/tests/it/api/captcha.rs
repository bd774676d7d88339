//! `/captcha/…`: the Altcha protocol, version 1.

use crate::app::{Answer, Requests, TestApp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Does the widget's work.
fn solved(puzzle: &Value) -> Value {
    let text = |name: &str| puzzle[name].as_str().expect("a text").to_owned();
    let (salt, challenge) = (text("salt"), text("challenge"));
    let max = puzzle["maxnumber"].as_u64().expect("a number");
    let is_it = |number: &u64| hex(&protocol::sha256(format!("{salt}{number}").as_bytes())) == challenge;
    let number = (0..=max).find(is_it).expect("a solution");
    json!({"algorithm": "SHA-256", "challenge": challenge, "number": number, "salt": salt,
        "signature": text("signature"), "took": 12})
}

fn payload(solution: &Value) -> Value {
    json!({"payload": STANDARD.encode(solution.to_string())})
}

async fn puzzle(who: &impl Requests) -> Value {
    who.get("/captcha/challenge").await.expect(200).json
}

async fn app() -> TestApp {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"captcha": {"max_number": 1_000}})).await;
    app
}

#[track_caller]
fn refused(answer: &Answer) {
    answer.problem(400, "CAPTCHA_INVALID");
    assert!(answer.cookies().is_empty());
}

async fn satisfies(app: &TestApp, tenant: &str, proof: &str, failures: u64) -> bool {
    let scope = app.scope(tenant).await;
    usso::identity::captcha::is_satisfied(&scope, [proof], failures).expect("a key")
}

#[tokio::test]
async fn a_solution_is_worth_a_proof() {
    let app = app().await;
    let guest = app.anonymous();
    let asked = puzzle(&guest).await;
    assert_eq!((&asked["algorithm"], &asked["maxnumber"]), (&json!("SHA-256"), &json!(1_000)));
    assert_eq!((&asked["maxNumber"], &asked["difficulty"]), (&json!(1_000), &json!(1_000)));
    assert!(asked["salt"].as_str().is_some_and(|salt| salt.contains("?expires=") && salt.ends_with('&')));
    assert!(asked["number"].is_null());
    let verified = guest.post("/captcha/verify", payload(&solved(&asked))).await.expect(200);
    assert_eq!((&verified["verified"], &verified["expires_in"]), (&json!(true), &json!(300)));
    let proof = verified.str("payload");
    assert!(!proof.is_empty() && verified["token"] == proof);
    let cookie = verified.cookie("usso-captcha");
    assert_eq!((cookie.value.as_str(), cookie.attribute("max-age")), (proof, Some("300")));
    assert!(cookie.attribute("httponly").is_some() && cookie.attribute("domain").is_none());
    app.configure("org_default", json!({"captcha": {"mode": "always"}})).await;
    assert!(satisfies(&app, "org_default", proof, 0).await);
}

#[tokio::test]
async fn validate_is_another_name() {
    let app = app().await;
    let solution = payload(&solved(&puzzle(&app.anonymous()).await));
    app.anonymous().post("/captcha/validate", solution).await.is(200);
}

#[tokio::test]
async fn a_puzzle_is_good_once() {
    let app = app().await;
    let solution = payload(&solved(&puzzle(&app.anonymous()).await));
    app.anonymous().post("/captcha/verify", solution.clone()).await.is(200);
    refused(&app.anonymous().post("/captcha/verify", solution.clone()).await);
    refused(&app.restarted().await.anonymous().post("/captcha/verify", solution).await);
}

#[tokio::test]
async fn of_fifty_equal_solutions_at_once_one_counts() {
    let app = app().await;
    for _ in 0..10 {
        let solution = payload(&solved(&puzzle(&app.anonymous()).await));
        let tries = (0..50).map(|_| {
            let (app, solution) = (app.clone(), solution.clone());
            tokio::spawn(async move { app.anonymous().post("/captcha/verify", solution).await.status })
        });
        let statuses = futures_util::future::join_all(tries).await;
        let won = statuses.iter().filter(|s| matches!(s, Ok(200))).count();
        assert_eq!(won, 1, "{statuses:?}");
    }
}

#[tokio::test]
async fn a_puzzle_ends_after_five_minutes() {
    let app = app().await;
    let solution = payload(&solved(&puzzle(&app.anonymous()).await));
    app.wait(300);
    refused(&app.anonymous().post("/captcha/verify", solution).await);
}

#[tokio::test]
async fn every_part_of_a_solution_counts() {
    let app = app().await;
    let good = solved(&puzzle(&app.anonymous()).await);
    let number = good["number"].as_u64().expect("a number");
    let salt = good["salt"].as_str().expect("a salt").to_owned();
    let longer = format!("{}9&", salt.trim_end_matches('&'));
    for (name, value) in [
        ("algorithm", json!("SHA-512")),
        ("number", json!(number + 1)),
        ("number", json!(1_001)),
        ("salt", json!(longer)),
        ("salt", json!(salt.trim_end_matches('&'))),
        ("challenge", json!(hex(&[0; 32]))),
        ("signature", json!(hex(&[0; 32]))),
        ("signature", json!("")),
    ] {
        let mut other = good.clone();
        other[name] = value;
        refused(&app.anonymous().post("/captcha/verify", payload(&other)).await);
    }
    for nonsense in ["", "x", "e30=", "bnVsbA=="] {
        refused(&app.anonymous().post("/captcha/verify", json!({"payload": nonsense})).await);
    }
    // None of it has used the puzzle up.
    app.anonymous().post("/captcha/verify", payload(&good)).await.is(200);
}

#[tokio::test]
async fn a_puzzle_and_a_proof_are_one_tenants() {
    let app = app().await;
    let other = app.tenant("Other", &["other.example"]).await;
    app.configure(&other.id, json!({"captcha": {"max_number": 1_000, "mode": "always"}})).await;
    let own = solved(&puzzle(&app.anonymous()).await);
    refused(&other.anonymous().post("/captcha/verify", payload(&own)).await);
    let verified = app.anonymous().post("/captcha/verify", payload(&own)).await.expect(200);
    assert!(!satisfies(&app, &other.id, verified.str("payload"), 0).await);
}

#[tokio::test]
async fn a_failure_with_a_code_is_told_in_the_body() {
    let app = app().await;
    let body = json!({"payload": "e30=", "code": "abc"});
    let told = app.anonymous().post("/captcha/verify", body).await.expect(200);
    assert_eq!(told["verified"], false);
    assert!(told["reason"].is_string() && told["payload"].is_null() && told.cookies().is_empty());
}

#[tokio::test]
async fn a_proof_ends_after_five_minutes_and_can_not_be_made() {
    let app = app().await;
    app.configure("org_default", json!({"captcha": {"mode": "always"}})).await;
    let solution = payload(&solved(&puzzle(&app.anonymous()).await));
    let verified = app.anonymous().post("/captcha/verify", solution).await.expect(200);
    let proof = verified.str("payload").to_owned();
    let parts: Vec<&str> = proof.split('.').collect();
    let later =
        format!("{}.{}.{}.{}", parts[0], parts[1].parse::<i64>().expect("a time") + 9, parts[2], parts[3]);
    for forged in
        [later.as_str(), "", ".", "captcha.9999999999.AAAA.AAAA", &proof[1..], &proof[..proof.len() - 1]]
    {
        assert!(!satisfies(&app, "org_default", forged, 0).await, "{forged}");
    }
    app.wait(299);
    assert!(satisfies(&app, "org_default", &proof, 0).await);
    app.wait(1);
    assert!(!satisfies(&app, "org_default", &proof, 0).await);
}

#[tokio::test]
async fn the_mode_says_when_one_is_asked_for() {
    let app = app().await;
    // Signed in before one is asked for.
    let admin = app.system_admin().await;
    for (config, failures, asked) in [
        (json!({}), 100, false),
        (json!({"captcha": {"mode": "risk"}}), 1, false),
        (json!({"captcha": {"mode": "risk"}}), 2, true),
        (json!({"captcha": {"mode": "risk"}, "image_captcha_tries": 5}), 4, false),
        (json!({"captcha": {"mode": "risk"}, "image_captcha_tries": 5}), 5, true),
        (json!({"captcha": {"mode": "always"}}), 0, true),
        (json!({"captcha": {"mode": "off"}}), 100, false),
    ] {
        admin.patch("/tenants/org_default", json!({"config": config})).await.is(200);
        assert_eq!(satisfies(&app, "org_default", "no proof", failures).await, !asked, "{config} {failures}");
    }
    let bad = json!({"config": {"captcha": {"mode": "maybe"}}});
    admin.patch("/tenants/org_default", bad).await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_sign_in_page_learns_the_mode() {
    let app = TestApp::new().await;
    let shown = app.anonymous().get("/tenants/config").await.expect(200);
    assert_eq!(shown["captcha"], json!({"enabled": false, "mode": "off"}));
    app.configure("org_default", json!({"captcha": {"mode": "risk"}})).await;
    let shown = app.anonymous().get("/tenants/config").await.expect(200);
    assert_eq!(shown["captcha"], json!({"enabled": true, "mode": "risk"}));
}
