//! Passkeys: the WA rows of the checklist, and what the contract says of `/auth/passkey` and `/credentials/webauthn`.

use crate::app::security_key::{AT, BE, BS, Forger, SecurityKey, UP, UV};
use crate::app::{Answer, PASSWORD, Requests, TestApp, User};
use passkey::crypto::iana::Algorithm;
use protocol::b64url;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Somebody with a passkey.
async fn owner(app: &TestApp, name: &str) -> (User, SecurityKey) {
    let (user, mut key) = (app.user(name).await, SecurityKey::new());
    key.register(&user).await.is(200);
    (user, key)
}

async fn options(app: &TestApp, identifier: Option<&str>) -> Value {
    let path = identifier.map_or("/auth/passkey".to_owned(), |i| format!("/auth/passkey?identifier={i}"));
    app.anonymous().get(&path).await.expect(200).json
}

#[track_caller]
fn refused(answer: &Answer) {
    answer.problem(401, "INVALID_CREDENTIALS");
    assert_eq!(answer["detail"], "The passkey was not accepted");
    assert!(answer.cookies().is_empty());
}

async fn submit(app: &TestApp, assertion: Value) -> Answer {
    app.anonymous().post("/auth/passkey", assertion).await
}

#[tokio::test]
async fn a_passkey_is_registered_and_signs_in() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let mut key = SecurityKey::new();
    let asked = alice.get("/credentials/webauthn").await.expect(200);
    assert_eq!(asked["rp"], json!({"id": "localhost", "name": "Default Tenant"}));
    assert_eq!(asked["user"]["id"], b64url::encode(alice.id()));
    assert_eq!(asked["user"]["name"], "alice@example.com");
    assert_eq!(asked["attestation"], "none");
    let mut made = key.create(&asked.json).await;
    made["name"] = json!("  My phone ");
    let kept = alice.post("/credentials/webauthn", made.clone()).await.expect(200);
    assert_eq!(
        (&kept["method"], &kept["type"], &kept["name"]),
        (&json!("webauthn"), &json!("webauthn"), &json!("My phone"))
    );
    assert_eq!((&kept["external_id"], &kept["user_id"]), (&made["id"], &json!(alice.id())));
    assert!(kept["last_used_at"].is_null());
    assert!(!kept.text().contains("cred") || kept["data"].is_null(), "what is kept stays on the server");

    let asked = options(&app, None).await;
    assert_eq!(asked["rpId"], "localhost");
    assert_eq!(asked["allowCredentials"], json!([]));
    let signed = key.get(&asked).await;
    let login = submit(&app, signed).await.expect(200);
    assert_eq!(login["status"], "completed");
    assert_eq!(login["user"]["id"], alice.id());
    assert_eq!(login["amr"], json!(["webauthn"]));
    app.anonymous().with_token(login.str("access_token")).get("/me").await.is(200);

    let kept = alice.get(&format!("/credentials/{}", kept.str("id"))).await.expect(200);
    assert!(kept["last_used_at"].is_string() && kept["expires_at"].is_null(), "{}", kept.text());
}

#[tokio::test]
async fn a_passkey_signs_in_by_user_name() {
    let app = TestApp::new().await;
    let (alice, mut key) = owner(&app, "alice").await;
    let asked = options(&app, Some(&alice.identifier)).await;
    let id = b64url::encode(key.passkey().credential_id.to_vec());
    assert_eq!(
        asked["allowCredentials"],
        json!([{"type": "public-key", "id": id, "transports": ["hybrid", "internal"]}])
    );
    let signed = key.get(&asked).await;
    submit(&app, signed).await.is(200);
}

#[tokio::test]
async fn posting_no_response_asks_for_options() {
    let app = TestApp::new().await;
    let (alice, _) = owner(&app, "alice").await;
    for body in [json!({}), json!({"identifier": alice.identifier})] {
        let asked = submit(&app, body.clone()).await.expect(200);
        assert_eq!(asked["challenge"], asked["publicKey"]["challenge"]);
        assert_eq!(asked["allowCredentials"].as_array().map(Vec::is_empty), Some(body == json!({})));
    }
    app.anonymous().post("/auth/passkey", ()).await.expect(200).str("challenge");
}

#[tokio::test]
async fn wa_01_a_challenge_is_random_and_long() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let mut seen = BTreeSet::new();
    for _ in 0..50 {
        for asked in [options(&app, None).await, alice.get("/credentials/webauthn").await.json] {
            let bytes = b64url::decode(asked["challenge"].as_str().expect("a challenge")).expect("base64url");
            assert!(bytes.len() >= 16 && asked["timeout"] == 300_000);
            assert!(seen.insert(bytes[..16].to_vec()), "a nonce came twice");
        }
    }
}

#[tokio::test]
async fn wa_01_a_challenge_is_good_once() {
    let app = TestApp::new().await;
    let (alice, mut key) = owner(&app, "alice").await;
    let signed = key.get(&options(&app, None).await).await;
    submit(&app, signed.clone()).await.is(200);
    refused(&submit(&app, signed.clone()).await);
    refused(&app.restarted().await.anonymous().post("/auth/passkey", signed).await);
    // Nor with another assertion over it.
    let asked = options(&app, None).await;
    let mut forger = key.forger();
    submit(&app, forger.get(&asked)).await.is(200);
    forger.counter += 1;
    refused(&submit(&app, forger.get(&asked)).await);

    let asked = alice.get("/credentials/webauthn").await.json;
    let (mut one, mut other) = (SecurityKey::new(), SecurityKey::new());
    alice.post("/credentials/webauthn", one.create(&asked).await).await.is(200);
    alice.post("/credentials/webauthn", other.create(&asked).await).await.problem(400, "PASSKEY_INVALID");
}

#[tokio::test]
async fn wa_01_of_fifty_equal_sign_ins_at_once_one_succeeds() {
    let app = TestApp::new().await;
    let (_, mut key) = owner(&app, "alice").await;
    for _ in 0..10 {
        let signed = key.get(&options(&app, None).await).await;
        let tries = (0..50).map(|_| {
            tokio::spawn({
                let (app, signed) = (app.clone(), signed.clone());
                async move { submit(&app, signed).await.status }
            })
        });
        let statuses = futures_util::future::join_all(tries).await;
        let won = statuses.iter().filter(|s| matches!(s, Ok(200))).count();
        assert_eq!(won, 1, "{statuses:?}");
    }
}

#[tokio::test]
async fn wa_01_a_challenge_ends_after_five_minutes() {
    let app = TestApp::new().await;
    let (alice, mut key) = owner(&app, "alice").await;
    let signed = key.get(&options(&app, None).await).await;
    let made = SecurityKey::new().create(&alice.get("/credentials/webauthn").await.json).await;
    app.wait(301);
    refused(&submit(&app, signed).await);
    alice.post("/credentials/webauthn", made).await.problem(400, "PASSKEY_INVALID");
    let signed = key.get(&options(&app, None).await).await;
    app.wait(299);
    submit(&app, signed).await.is(200);
}

#[tokio::test]
async fn wa_01_a_challenge_is_for_one_tenant_user_session_and_ceremony() {
    let app = TestApp::new().await;
    let (alice, key) = owner(&app, "alice").await;
    let bob = app.user("bob").await;
    let mut forger = key.forger();
    // Made for bob, and for nobody.
    for name in [bob.identifier.as_str(), "nobody@example.com"] {
        refused(&submit(&app, forger.get(&options(&app, Some(name)).await)).await);
    }
    // Made by another tenant.
    let other = app.tenant("Other", &["other.example"]).await;
    let foreign = other.anonymous().get("/auth/passkey").await.expect(200).json;
    refused(&submit(&app, forger.get(&foreign)).await);
    // Made for registering, and the other way round.
    let creating = alice.get("/credentials/webauthn").await.json;
    refused(&submit(&app, forger.get(&creating)).await);
    let getting = options(&app, None).await;
    let new = Forger { id: vec![9; 20], ..Forger::new(Algorithm::ES256) };
    alice.post("/credentials/webauthn", new.create(&getting)).await.problem(400, "PASSKEY_INVALID");
    // Made for another session, and for another user.
    let later = alice.again().await;
    later.post("/credentials/webauthn", new.create(&creating)).await.problem(400, "PASSKEY_INVALID");
    bob.post("/credentials/webauthn", new.create(&creating)).await.problem(400, "PASSKEY_INVALID");
    // Made by nobody: every bit of it counts.
    let own = b64url::decode(getting["challenge"].as_str().expect("a challenge")).expect("base64url");
    for bit in (0..own.len() * 8).step_by(3) {
        let mut bytes = own.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        refused(&submit(&app, forger.get(&json!({"challenge": b64url::encode(bytes)}))).await);
    }
    submit(&app, forger.get(&getting)).await.is(200);
    alice.post("/credentials/webauthn", new.create(&creating)).await.is(200);
}

#[tokio::test]
async fn wa_02_the_types_of_ceremonies_can_not_be_swapped() {
    let app = TestApp::new().await;
    let (alice, key) = owner(&app, "alice").await;
    let mut forger = key.forger();
    for kind in ["webauthn.create", "webauthn.GET", "payment.get", ""] {
        let asked = options(&app, None).await;
        refused(
            &submit(&app, forger.assertion(kind, asked["challenge"].as_str().expect("a challenge"))).await,
        );
    }
    let new = Forger { id: vec![9; 20], ..Forger::new(Algorithm::ES256) };
    for kind in ["webauthn.get", "webauthn.CREATE", ""] {
        let asked = alice.get("/credentials/webauthn").await.json;
        let made = new.attestation(kind, asked["challenge"].as_str().expect("a challenge"));
        alice.post("/credentials/webauthn", made).await.problem(400, "PASSKEY_INVALID");
    }
}

#[tokio::test]
async fn wa_03_the_origin_is_exactly_one_of_the_tenants() {
    let app = TestApp::new().await;
    let _other = app.tenant("Other", &["other.example"]).await;
    let (alice, key) = owner(&app, "alice").await;
    for origin in [
        "https://localhost:8000",
        "http://localhost",
        "http://localhost:8001",
        "http://sub.localhost:8000",
        "http://other.example:8000",
        "http://localhost:8000/",
        "http://LOCALHOST:8000",
        "http://localhost:8000@evil.example",
        "http://evil.example",
        "android:apk-key-hash:AAAA",
        "null",
        "",
    ] {
        let mut forger = key.forger();
        forger.origin = origin.to_owned();
        refused(&submit(&app, forger.get(&options(&app, None).await)).await);
        let new = Forger { id: vec![9; 20], origin: origin.to_owned(), ..Forger::new(Algorithm::ES256) };
        let asked = alice.get("/credentials/webauthn").await.json;
        alice.post("/credentials/webauthn", new.create(&asked)).await.problem(400, "PASSKEY_INVALID");
    }
}

#[tokio::test]
async fn wa_03_frames_of_other_origins_are_refused() {
    let app = TestApp::new().await;
    let (alice, key) = owner(&app, "alice").await;
    for extra in [
        json!({"crossOrigin": true}),
        json!({"topOrigin": "https://evil.example"}),
        json!({"crossOrigin": true, "topOrigin": "http://localhost:8000"}),
        json!({"crossOrigin": "no"}),
    ] {
        let mut forger = key.forger();
        forger.extra = extra.clone();
        refused(&submit(&app, forger.get(&options(&app, None).await)).await);
        let new = Forger { id: vec![9; 20], extra, ..Forger::new(Algorithm::ES256) };
        let asked = alice.get("/credentials/webauthn").await.json;
        alice.post("/credentials/webauthn", new.create(&asked)).await.problem(400, "PASSKEY_INVALID");
    }
}

#[tokio::test]
async fn wa_04_the_rp_id_is_the_tenants() {
    let app = TestApp::new().await;
    let (alice, key) = owner(&app, "alice").await;
    for rp_id in ["127.0.0.1", "dev.usso.io", "LOCALHOST", "other.example", ""] {
        let mut forger = key.forger();
        forger.rp_id = rp_id.to_owned();
        refused(&submit(&app, forger.get(&options(&app, None).await)).await);
        let new = Forger { id: vec![9; 20], rp_id: rp_id.to_owned(), ..Forger::new(Algorithm::ES256) };
        let asked = alice.get("/credentials/webauthn").await.json;
        alice.post("/credentials/webauthn", new.create(&asked)).await.problem(400, "PASSKEY_INVALID");
    }
}

#[tokio::test]
async fn wa_05_the_user_must_be_present_and_where_it_is_all_verified() {
    let app = TestApp::new().await;
    let (alice, key) = owner(&app, "alice").await;
    assert_eq!(options(&app, None).await["userVerification"], "required");
    for flags in [0, UV, UV | BE | BS, UP, UP | BE | BS] {
        let mut forger = key.forger();
        forger.flags = flags;
        refused(&submit(&app, forger.get(&options(&app, None).await)).await);
    }
    for flags in [0, UV] {
        let new = Forger { id: vec![9; 20], flags, ..Forger::new(Algorithm::ES256) };
        let asked = alice.get("/credentials/webauthn").await.json;
        alice.post("/credentials/webauthn", new.create(&asked)).await.problem(400, "PASSKEY_INVALID");
    }
}

#[tokio::test]
async fn wa_06_backup_flags_are_consistent_and_changes_are_recorded() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let sign = async |forger: &mut Forger, flags: u8| {
        forger.flags = UP | UV | flags;
        forger.counter += 1;
        let asked = app.anonymous().get("/auth/passkey").await.expect(200).json;
        app.anonymous().post("/auth/passkey", forger.get(&asked)).await
    };
    let register = async |forger: &Forger| {
        let asked = alice.get("/credentials/webauthn").await.json;
        alice.post("/credentials/webauthn", forger.create(&asked)).await
    };
    let handle = Some(alice.id().as_bytes().to_vec());
    // Backed up without being eligible.
    let mut bound = Forger { handle: handle.clone(), ..Forger::new(Algorithm::ES256) };
    bound.flags = UP | UV | BS;
    register(&bound).await.problem(400, "PASSKEY_INVALID");
    // Bound to its device: stays so.
    bound.flags = UP | UV;
    register(&bound).await.is(200);
    for flags in [BE, BS, BE | BS] {
        refused(&sign(&mut bound, flags).await);
    }
    sign(&mut bound, 0).await.is(200);
    // Eligible: stays so, and may come and go.
    let mut synced = Forger { id: vec![8; 32], handle, ..Forger::new(Algorithm::ES256) };
    synced.flags = UP | UV | BE;
    register(&synced).await.is(200);
    for flags in [0, BS] {
        refused(&sign(&mut synced, flags).await);
    }
    for flags in [BE, BE | BS, BE | BS, BE] {
        sign(&mut synced, flags).await.is(200);
    }
    let events = app.audit("org_default").await;
    let changes = events.iter().filter(|e| e.event == "user.passkey_backup_changed").count();
    assert_eq!(changes, 2);
}

#[tokio::test]
async fn wa_07_only_the_offered_algorithms_are_taken() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let asked = alice.get("/credentials/webauthn").await.json;
    let offered = json!([{"type": "public-key", "alg": -7}, {"type": "public-key", "alg": -257}]);
    assert_eq!(asked["pubKeyCredParams"], offered);
    for algorithm in [Algorithm::EdDSA, Algorithm::ML_DSA_44] {
        let new = Forger::new(algorithm);
        let asked = alice.get("/credentials/webauthn").await.json;
        alice.post("/credentials/webauthn", new.create(&asked)).await.problem(400, "PASSKEY_INVALID");
    }
}

#[tokio::test]
async fn wa_07_both_offered_algorithms_sign_in() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    for (id, new) in [(1, Forger::new(Algorithm::ES256)), (2, Forger::rsa())] {
        let handle = Some(alice.id().as_bytes().to_vec());
        let mut key = Forger { id: vec![id; 20], handle, ..new };
        let asked = alice.get("/credentials/webauthn").await.json;
        alice.post("/credentials/webauthn", key.create(&asked)).await.is(200);
        submit(&app, key.get(&options(&app, None).await)).await.is(200);
        let mut forged = key.get(&options(&app, None).await);
        forged["response"]["signature"] = b64url::encode([1; 256]).into();
        refused(&submit(&app, forged).await);
    }
}

#[tokio::test]
async fn wa_07_a_registration_holds_a_key() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let new = Forger::new(Algorithm::ES256);
    let whole = new.create(&alice.get("/credentials/webauthn").await.json);
    let object = b64url::decode(whole["response"]["attestationObject"].as_str().expect("an object"));
    let object = object.expect("base64url");
    let start = object.windows(32).position(|w| w == protocol::sha256(b"localhost")).expect("the hash");
    let data = &object[start..];
    // Without the key, without any credential data, without its flag, and cut off anywhere.
    let mut cut: Vec<Vec<u8>> = (0..data.len()).step_by(5).map(|end| data[..end].to_vec()).collect();
    let mut unflagged = data.to_vec();
    unflagged[32] &= !AT;
    cut.push(unflagged);
    for data in cut {
        let asked = alice.get("/credentials/webauthn").await.json;
        let challenge = asked["challenge"].as_str().expect("a challenge");
        let made = new.attestation_of("webauthn.create", challenge, &data);
        alice.post("/credentials/webauthn", made).await.problem(400, "PASSKEY_INVALID");
    }
    // And the whole one is taken.
    let asked = alice.get("/credentials/webauthn").await.json;
    let made = new.attestation_of("webauthn.create", asked["challenge"].as_str().expect("a challenge"), data);
    alice.post("/credentials/webauthn", made).await.is(200);
}

#[tokio::test]
async fn wa_08_no_attestation_is_asked_for_and_an_unknown_one_is_refused() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let new = Forger::new(Algorithm::ES256);
    for (format, taken) in [("none", true), ("nine", false), ("tpm\0", false)] {
        let asked = alice.get("/credentials/webauthn").await.json;
        assert_eq!(asked["attestation"], "none");
        let mut made = new.create(&asked);
        let object = made["response"]["attestationObject"].as_str().expect("an object");
        let mut object = b64url::decode(object).expect("base64url");
        let at = object.windows(4).position(|w| w == b"none").expect("the format");
        object[at..at + 4].copy_from_slice(format.as_bytes());
        made["response"]["attestationObject"] = b64url::encode(object).into();
        let answer = alice.post("/credentials/webauthn", made).await;
        if taken { answer.is(200) } else { answer.problem(400, "PASSKEY_INVALID") }
    }
}

#[tokio::test]
async fn wa_09_an_id_is_short_enough_and_taken_once() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let register = async |who: &User, id: Vec<u8>| {
        let new = Forger { id, ..Forger::new(Algorithm::ES256) };
        who.post("/credentials/webauthn", new.create(&who.get("/credentials/webauthn").await.json)).await
    };
    register(&alice, vec![1; 1023]).await.is(200);
    register(&alice, vec![1; 1024]).await.problem(400, "PASSKEY_INVALID");
    register(&alice, Vec::new()).await.problem(400, "PASSKEY_INVALID");
    // The same user, another one, and another tenant, where it is free.
    register(&alice, vec![1; 1023]).await.problem(409, "CONFLICT");
    register(&bob, vec![1; 1023]).await.problem(409, "CONFLICT");
    register(&bob, vec![2; 16]).await.is(200);
    // Named: keys don't make a second one for this user.
    let known = alice.get("/credentials/webauthn").await;
    assert_eq!(known["excludeCredentials"][0]["id"], b64url::encode([1; 1023]));
    // What `id` says must be what the key says.
    let asked = alice.get("/credentials/webauthn").await.json;
    let mut made = Forger { id: vec![3; 16], ..Forger::new(Algorithm::ES256) }.create(&asked);
    made["rawId"] = b64url::encode([4; 16]).into();
    alice.post("/credentials/webauthn", made.clone()).await.problem(400, "VALIDATION_ERROR");
    made["id"] = made["rawId"].clone();
    alice.post("/credentials/webauthn", made).await.problem(400, "PASSKEY_INVALID");
}

#[tokio::test]
async fn wa_09_an_id_is_unique_within_a_tenant_only() {
    let app = TestApp::new().await;
    let other = app.tenant("Other", &["other.example"]).await;
    for who in [app.user("alice").await, other.user("alice").await] {
        let rp = who.get("/credentials/webauthn").await.json;
        let rp_id = rp["rp"]["id"].as_str().expect("an RP id").to_owned();
        let new = Forger { origin: format!("http://{rp_id}:8000"), rp_id, ..Forger::new(Algorithm::ES256) };
        who.post("/credentials/webauthn", new.create(&rp)).await.is(200);
    }
}

#[tokio::test]
async fn wa_10_the_passkey_is_the_users_and_a_discoverable_one_says_whose() {
    let app = TestApp::new().await;
    let (alice, key) = owner(&app, "alice").await;
    let (bob, others) = owner(&app, "bob").await;
    let mut forger = key.forger();
    // Somebody else's handle, none, and one of nobody.
    for handle in [Some(bob.id().as_bytes().to_vec()), None, Some(b"user:nobody".to_vec()), Some(Vec::new())]
    {
        forger.handle = handle;
        refused(&submit(&app, forger.get(&options(&app, None).await)).await);
    }
    // Asked for by name no handle is needed, but a wrong one is wrong.
    let asked = options(&app, Some(&alice.identifier)).await;
    forger.handle = Some(bob.id().as_bytes().to_vec());
    refused(&submit(&app, forger.get(&asked)).await);
    forger.handle = None;
    submit(&app, forger.get(&asked)).await.is(200);
    // Bob's passkey for alice's challenge, with either id.
    let mut forger = others.forger();
    refused(&submit(&app, forger.get(&options(&app, Some(&alice.identifier)).await)).await);
    forger.id = key.passkey().credential_id.to_vec();
    refused(&submit(&app, forger.get(&options(&app, Some(&alice.identifier)).await)).await);
    // A passkey nobody has.
    forger.id = vec![1; 16];
    refused(&submit(&app, forger.get(&options(&app, None).await)).await);
}

/// Every bit of a part of an assertion, flipped; base64url decoded and encoded again.
fn flipped(assertion: &Value, part: &str) -> Vec<Value> {
    let bytes = b64url::decode(assertion["response"][part].as_str().expect("a part")).expect("base64url");
    let flip = |bit: usize| {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let mut other = assertion.clone();
        other["response"][part] = b64url::encode(bytes).into();
        other
    };
    (0..bytes.len() * 8).map(flip).collect()
}

#[tokio::test]
async fn wa_11_a_flipped_bit_is_refused_wherever_it_is() {
    let app = TestApp::new().await;
    let (_, mut key) = owner(&app, "alice").await;
    let signed = key.get(&options(&app, None).await).await;
    let mut tried = 0;
    for part in ["signature", "authenticatorData", "clientDataJSON"] {
        for other in flipped(&signed, part) {
            refused(&submit(&app, other).await);
            tried += 1;
        }
    }
    // What was refused was refused for its bit: as it was signed it is taken.
    submit(&app, signed).await.is(200);
    println!("WA-11: {tried} flipped bits, each refused");
    assert!(tried > 1_500);
}

#[tokio::test]
async fn wa_12_a_counter_that_does_not_rise_is_refused_and_flagged() {
    let app = TestApp::new().await;
    let (_, key) = owner(&app, "alice").await;
    let mut forger = key.forger();
    let mut sign = async |counter: u32| {
        forger.counter = counter;
        submit(&app, forger.get(&options(&app, None).await)).await
    };
    sign(5).await.is(200);
    for counter in [5, 4, 1, 0] {
        refused(&sign(counter).await);
    }
    let events = app.audit("org_default").await;
    let suspected: Vec<_> = events.iter().filter(|e| e.event == "user.passkey_clone_suspected").collect();
    assert_eq!(suspected.len(), 4);
    assert!(suspected.iter().all(|e| e.result == "failure" && e.data.contains_key("credential_id")));
    // A refused one doesn't move the counter, and the owner goes on.
    sign(6).await.is(200);
    refused(&sign(6).await);
}

#[tokio::test]
async fn wa_12_two_zeros_are_a_counter_that_isnt_kept() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let mut forger = Forger { handle: Some(alice.id().as_bytes().to_vec()), ..Forger::new(Algorithm::ES256) };
    let asked = alice.get("/credentials/webauthn").await.json;
    alice.post("/credentials/webauthn", forger.create(&asked)).await.is(200);
    for _ in 0..3 {
        submit(&app, forger.get(&options(&app, None).await)).await.is(200);
    }
    // Once it counted, it counts.
    forger.counter = 1;
    submit(&app, forger.get(&options(&app, None).await)).await.is(200);
    forger.counter = 0;
    refused(&submit(&app, forger.get(&options(&app, None).await)).await);
}

#[tokio::test]
async fn wa_12_of_sign_ins_with_one_counter_at_once_one_succeeds() {
    let app = TestApp::new().await;
    let (_, key) = owner(&app, "alice").await;
    let mut forger = key.forger();
    for round in 1..=10 {
        forger.counter = round * 10;
        let mut tries = Vec::new();
        for _ in 0..20 {
            let signed = forger.get(&options(&app, None).await);
            let app = app.clone();
            tries.push(tokio::spawn(async move { submit(&app, signed).await.status }));
        }
        let statuses = futures_util::future::join_all(tries).await;
        let won = statuses.iter().filter(|s| matches!(s, Ok(200))).count();
        assert_eq!(won, 1, "{statuses:?}");
    }
}

#[tokio::test]
async fn wa_13_a_user_is_named_by_an_id_that_says_nothing() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let asked = alice.get("/credentials/webauthn").await.json;
    let handle = b64url::decode(asked["user"]["id"].as_str().expect("an id")).expect("base64url");
    assert!(handle.len() <= 64 && !String::from_utf8_lossy(&handle).contains("alice"));
}

#[tokio::test]
async fn wa_13_nobody_learns_who_has_a_passkey() {
    let app = TestApp::new().await;
    let (alice, _) = owner(&app, "alice").await;
    let bob = app.user("bob").await;
    let names =
        [alice.identifier.as_str(), bob.identifier.as_str(), "nobody@example.com", "+989121234567", "no.one"];
    let mut ids = BTreeSet::new();
    for name in names {
        let name = name.replace('+', "%2B");
        let (one, other) = (options(&app, Some(&name)).await, options(&app, Some(&name)).await);
        assert_eq!(one["allowCredentials"], other["allowCredentials"], "constant: {name}");
        let [known] = one["allowCredentials"].as_array().expect("a list").as_slice() else { panic!("{one}") };
        let shape: Vec<&String> = known.as_object().expect("an object").keys().collect();
        assert_eq!(shape, ["type", "id", "transports"], "{name}");
        let id = b64url::decode(known["id"].as_str().expect("an id")).expect("base64url");
        assert!((16..=64).contains(&id.len()));
        assert!(ids.insert(id), "each its own");
        let length = |asked: &Value| asked["challenge"].as_str().map(str::len);
        assert_eq!(length(&one), length(&options(&app, None).await));
    }
    // Written in another way it is the same person.
    let (one, other) =
        (options(&app, Some("NOBODY@example.com")).await, options(&app, Some("nobody@example.com")).await);
    assert_eq!(one["allowCredentials"], other["allowCredentials"]);
    // And another tenant makes up others.
    let other = app.tenant("Other", &["other.example"]).await;
    let foreign = other.anonymous().get("/auth/passkey?identifier=nobody@example.com").await.expect(200);
    assert_ne!(foreign["allowCredentials"], one["allowCredentials"]);
}

#[tokio::test]
async fn wa_14_adding_and_removing_a_passkey_needs_a_fresh_sign_in() {
    let app = TestApp::new().await;
    let (alice, key) = owner(&app, "alice").await;
    let id = alice.get("/credentials").await.items()[1]["id"].as_str().expect("an id").to_owned();
    let asked = alice.get("/credentials/webauthn").await.json;
    app.wait(601);
    alice.get("/credentials/webauthn").await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    let new = Forger { id: vec![9; 20], ..Forger::new(Algorithm::ES256) };
    alice.post("/credentials/webauthn", new.create(&asked)).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    alice.delete(&format!("/credentials/{id}")).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    let again = alice.again().await;
    again.delete(&format!("/credentials/{id}")).await.is(200);
    refused(&submit(&app, key.forger().get(&options(&app, None).await)).await);
    let events: Vec<String> = app.audit("org_default").await.into_iter().map(|e| e.event).collect();
    for event in ["user.passkey_added", "user.credential_removed"] {
        assert!(events.iter().any(|e| e == event), "{event}");
    }
    assert!(app.platform_events().await.iter().any(|e| e == "tenant.rp_id_settled"));
}

#[tokio::test]
async fn wa_14_the_last_credential_stays() {
    let app = TestApp::new().await;
    let (alice, mut key) = owner(&app, "alice").await;
    let list = alice.get("/credentials").await;
    let id = |n: usize| list.items()[n]["id"].as_str().expect("an id").to_owned();
    alice.delete(&format!("/credentials/{}", id(0))).await.is(200);
    // The sessions have ended with the password; the passkey opens another, and is the last.
    alice.get("/me").await.is(401);
    let login = key.sign_in(&app.anonymous()).await.expect(200);
    let alice = app.anonymous().with_token(login.str("access_token"));
    alice.delete(&format!("/credentials/{}", id(1))).await.problem(400, "VALIDATION_ERROR");
    let mut another = SecurityKey::new();
    another.register(&alice).await.is(200);
    alice.delete(&format!("/credentials/{}", id(1))).await.is(200);
    another.sign_in(&app.anonymous()).await.is(200);
}

#[tokio::test]
async fn wa_14_only_the_user_in_person_registers() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let admin = app.system_admin().await;
    app.anonymous().get("/credentials/webauthn").await.problem(401, "NOT_AUTHENTICATED");
    let login = admin.post(&format!("/users/{}/impersonate", alice.id()), ()).await.expect(200);
    let impersonator = app.anonymous().with_token(login.str("access_token"));
    impersonator.get("/credentials/webauthn").await.problem(403, "PERMISSION_DENIED");
    let key = alice.post("/apikeys", json!({})).await.expect(201);
    let program = app.anonymous().with_header("x-api-key", key.str("api_key"));
    program.get("/credentials/webauthn").await.problem(403, "PERMISSION_DENIED");
    let new = Forger::new(Algorithm::ES256).create(&alice.get("/credentials/webauthn").await.json);
    for who in [impersonator, program] {
        who.post("/credentials/webauthn", new.clone()).await.problem(403, "PERMISSION_DENIED");
    }
}

#[tokio::test]
async fn a_user_has_several_passkeys_with_names() {
    let app = TestApp::new().await;
    let (alice, mut phone) = owner(&app, "alice").await;
    let mut laptop = SecurityKey::new();
    laptop.register(&alice).await.is(200);
    let list = alice.get("/credentials").await;
    let ids: Vec<String> =
        list.items()[1..].iter().map(|c| c["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(ids.len(), 2);
    for (id, name) in ids.iter().zip(["Phone", "Laptop"]) {
        let renamed = alice.patch(&format!("/credentials/{id}"), json!({"name": name})).await.expect(200);
        assert_eq!(renamed["name"], name);
        assert_eq!(alice.get(&format!("/credentials/{id}")).await["name"], name);
    }
    let path = format!("/credentials/{}", ids[0]);
    alice.patch(&path, json!({"name": "x".repeat(101)})).await.problem(400, "VALIDATION_ERROR");
    app.user("bob").await.patch(&path, json!({"name": "Mine"})).await.problem(404, "NOT_FOUND");
    phone.sign_in(&app.anonymous()).await.is(200);
    laptop.sign_in(&app.anonymous()).await.is(200);
    alice.delete(&path).await.is(200);
    laptop.sign_in(&app.anonymous()).await.is(200);
    refused(&phone.sign_in(&app.anonymous()).await);
}

#[tokio::test]
async fn a_user_has_at_most_fifty_credentials() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    for n in 0..50 {
        let new = Forger { id: vec![n; 20], ..Forger::new(Algorithm::ES256) };
        let asked = alice.get("/credentials/webauthn").await.json;
        let answer = alice.post("/credentials/webauthn", new.create(&asked)).await;
        if n < 49 { answer.is(200) } else { answer.problem(409, "CONFLICT") }
    }
}

#[tokio::test]
async fn a_tenants_rp_id_is_that_of_its_first_passkey_and_its_domains_are_related() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Both", &["one.example", "two.example"]).await;
    let alice = tenant.user("alice").await;
    let on_two = alice.clone().on_host("two.example");
    assert_eq!(alice.get("/credentials/webauthn").await["rp"]["id"], "one.example");
    // Asked at both, registered at the second first.
    let early = alice.get("/credentials/webauthn").await.json;
    let asked = on_two.get("/credentials/webauthn").await.json;
    let (two, one) = ("http://two.example:8000".to_owned(), "http://one.example:8000".to_owned());
    let handle = Some(alice.id().as_bytes().to_vec());
    let of = |id: u8, rp_id: &str, origin: &str| Forger {
        id: vec![id; 20],
        rp_id: rp_id.to_owned(),
        origin: origin.to_owned(),
        handle: handle.clone(),
        ..Forger::new(Algorithm::ES256)
    };
    let mut second = of(2, "two.example", &two);
    on_two.post("/credentials/webauthn", second.create(&asked)).await.is(200);
    alice
        .post("/credentials/webauthn", of(1, "one.example", &one).create(&early))
        .await
        .problem(400, "PASSKEY_INVALID");
    assert_eq!(alice.get("/credentials/webauthn").await["rp"]["id"], "two.example");
    // A passkey for the RP id signs in at every domain of the tenant.
    for (host, origin) in [("one.example", &one), ("two.example", &two)] {
        let guest = app.on_host(host);
        let asked = guest.get("/auth/passkey").await.expect(200).json;
        assert_eq!(asked["rpId"], "two.example");
        second.origin.clone_from(origin);
        second.counter += 1;
        guest.post("/auth/passkey", second.get(&asked)).await.is(200);
        let related = guest.get("ROOT/.well-known/webauthn").await.expect(200);
        assert_eq!(related.json, json!({"origins": [one, two]}));
    }
    // And the first one stays after it is gone.
    let credential =
        alice.again().await.get("/credentials").await.items()[1]["id"].as_str().expect("an id").to_owned();
    alice.again().await.delete(&format!("/credentials/{credential}")).await.is(200);
    assert_eq!(app.on_host("one.example").get("/auth/passkey").await["rpId"], "two.example");
}

#[tokio::test]
async fn a_tenant_without_a_host_name_has_no_passkeys() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Nowhere", &[]).await;
    tenant.anonymous().get("/auth/passkey").await.problem(400, "METHOD_NOT_AVAILABLE");
    tenant.user("alice").await.get("/credentials/webauthn").await.problem(400, "METHOD_NOT_AVAILABLE");
}

#[tokio::test]
async fn a_tenant_may_do_without_passkeys() {
    let app = TestApp::new().await;
    let (_, key) = owner(&app, "alice").await;
    let signed = key.forger().get(&options(&app, None).await);
    app.configure("org_default", json!({"allowed_login_methods": ["password"]})).await;
    app.anonymous().get("/auth/passkey").await.problem(400, "METHOD_NOT_AVAILABLE");
    submit(&app, signed).await.problem(400, "METHOD_NOT_AVAILABLE");
    app.configure("org_default", json!({"allowed_login_methods": ["password", "passkey"]})).await;
    app.anonymous().get("/auth/passkey").await.is(200);
}

#[tokio::test]
async fn a_closed_account_stays_closed() {
    let app = TestApp::new().await;
    let (alice, mut key) = owner(&app, "alice").await;
    app.change_user(&alice, |user| user.is_active = false).await;
    key.sign_in(&app.anonymous()).await.problem(403, "ACCOUNT_INACTIVE");
}

#[tokio::test]
async fn what_isnt_base64url_is_a_bad_request() {
    let app = TestApp::new().await;
    let (_, mut key) = owner(&app, "alice").await;
    let signed = key.get(&options(&app, None).await).await;
    for part in ["clientDataJSON", "authenticatorData", "signature", "userHandle"] {
        for bad in [json!("a+b/"), json!("AA=="), json!("A")] {
            let mut other = signed.clone();
            other["response"][part] = bad;
            submit(&app, other).await.problem(400, "VALIDATION_ERROR");
        }
    }
    for (name, bad) in [("id", json!("=")), ("type", json!("password")), ("rawId", json!("AAAA"))] {
        let mut other = signed.clone();
        other[name] = bad;
        submit(&app, other).await.problem(400, "VALIDATION_ERROR");
    }
}

/// Signs in with a password where that is not enough; gives the token to go on with.
async fn half_signed_in(app: &TestApp, who: &User) -> (Answer, String) {
    let asked = app.anonymous().login(&who.identifier, PASSWORD).await.expect(200);
    assert_eq!(asked["status"], "mfa_required");
    let token = asked["tokens"]["temporary"].as_str().expect("a token").to_owned();
    (asked, token)
}

/// Somebody with a security key that can't tell who holds it.
async fn owner_of_plain_key(app: &TestApp, name: &str) -> (User, Forger) {
    let user = app.user(name).await;
    let handle = Some(user.id().as_bytes().to_vec());
    let id = [name.as_bytes(), &[0; 16]].concat();
    let key = Forger { id, flags: UP, handle, ..Forger::new(Algorithm::ES256) };
    let asked = user.get("/credentials/webauthn").await.json;
    user.post("/credentials/webauthn", key.create(&asked)).await.is(200);
    (user, key)
}

#[tokio::test]
async fn wa_05_as_second_factor_presence_is_enough() {
    let app = TestApp::new().await;
    let (alice, mut key) = owner_of_plain_key(&app, "alice").await;
    let (bob, mut others) = owner_of_plain_key(&app, "bob").await;
    app.configure("org_default", json!({"require_mfa": true})).await;
    let (asked, token) = half_signed_in(&app, &alice).await;
    assert_eq!(asked["next_step"]["methods"], json!(["webauthn"]));
    let going_on = app.anonymous().with_token(&token);
    let options = async || {
        let asked = going_on.get("/auth/passkey").await.expect(200).json;
        assert_eq!(asked["userVerification"], "preferred");
        asked
    };
    // Alone it is not enough, nor after somebody else's password.
    refused(&submit(&app, key.get(&options().await)).await);
    let (_, token_of_bob) = half_signed_in(&app, &bob).await;
    let with_bobs = app.anonymous().with_token(&token_of_bob);
    refused(&with_bobs.post("/auth/passkey", key.get(&options().await)).await);
    refused(&going_on.post("/auth/passkey", others.get(&options().await)).await);
    let login = going_on.post("/auth/passkey", key.get(&options().await)).await.expect(200);
    assert_eq!((&login["status"], &login["amr"]), (&json!("completed"), &json!(["password", "webauthn"])));
    assert_eq!(login["acr"], "usso:acr:2");
}

#[tokio::test]
async fn a_verified_passkey_is_two_factors() {
    let app = TestApp::new().await;
    let (_, mut key) = owner(&app, "alice").await;
    app.configure("org_default", json!({"require_mfa": true})).await;
    let login = key.sign_in(&app.anonymous()).await.expect(200);
    assert_eq!((&login["status"], &login["acr"]), (&json!("completed"), &json!("usso:acr:2")));
}

#[tokio::test]
async fn a_passkey_is_enrolled_where_a_second_factor_is_needed() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    app.configure("org_default", json!({"require_mfa": true})).await;
    let (asked, token) = half_signed_in(&app, &alice).await;
    assert_eq!(asked["next_step"]["enrol"], json!(["totp", "webauthn"]));
    for who in
        [app.anonymous(), app.anonymous().with_token(alice.access()), app.anonymous().with_token("x.y.z")]
    {
        who.get("/auth/enrol/passkey").await.problem(401, "TOKEN_INVALID");
    }
    let going_on = app.anonymous().with_token(&token);
    let mut key = SecurityKey::new();
    let (_, other) = half_signed_in(&app, &alice).await;
    let made = key.create(&going_on.get("/auth/enrol/passkey").await.expect(200).json).await;
    // The challenge is this sign-in's.
    let elsewhere = app.anonymous().with_token(&other);
    elsewhere.post("/auth/enrol/passkey", made.clone()).await.problem(400, "PASSKEY_INVALID");
    let login = going_on.post("/auth/enrol/passkey", made).await.expect(200);
    assert_eq!((&login["status"], &login["amr"]), (&json!("completed"), &json!(["password", "webauthn"])));
    // From now on it has to be shown: nobody else's is added with the password alone.
    for who in [going_on, elsewhere] {
        who.get("/auth/enrol/passkey").await.problem(401, "TOKEN_INVALID");
        who.post("/auth/enrol", json!({"method": "totp"})).await.problem(401, "TOKEN_INVALID");
    }
    key.sign_in(&app.anonymous()).await.is(200);
}

#[tokio::test]
async fn whatever_an_authenticator_sends_is_answered() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let new = Forger::new(Algorithm::ES256);
    let mut asked = alice.get("/credentials/webauthn").await.json;
    let good = new.create(&asked)["response"]["attestationObject"].as_str().expect("an object").to_owned();
    let good = b64url::decode(good).expect("base64url");
    let mut objects: Vec<Vec<u8>> = Vec::new();
    for at in 0..good.len() {
        for value in [good[at].wrapping_add(1), good[at] ^ 0x80, 0xff, 0x00] {
            let mut other = good.clone();
            other[at] = value;
            objects.push(other);
        }
        objects.push(good[..at].to_vec());
    }
    // Nested deeply: lists, maps, tags, texts and bytes of no length, and of endless ones.
    for head in
        [&[0x81][..], &[0xa1, 0x00], &[0xc1], &[0x9f], &[0x5f], &[0x7f], &[0xbf], &[0xbf, 0x00], &[0xff]]
    {
        objects.push(head.repeat(20_000));
    }
    objects.extend([
        vec![0x9b; 9],
        vec![0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0xbb; 9],
    ]);
    for object in &objects {
        let mut made = new.create(&asked);
        made["response"]["attestationObject"] = b64url::encode(object).into();
        let answer = alice.post("/credentials/webauthn", made).await;
        match answer.status {
            // What nobody signs may be anything: it makes another passkey, and uses the challenge up.
            200 | 409 => asked = alice.get("/credentials/webauthn").await.json,
            _ => assert_eq!(answer.status, 400, "{} {}", b64url::encode(object), answer.text()),
        }
    }
    println!("{} attestation objects, each answered", objects.len());
    // The same for what it signs.
    let (_, mut key) = owner(&app, "bob").await;
    let signed = key.get(&options(&app, None).await).await;
    for data in [&[][..], &[0; 36], &[0xff; 37], &[0x81; 20_000]] {
        let mut other = signed.clone();
        other["response"]["authenticatorData"] = b64url::encode(data).into();
        refused(&submit(&app, other).await);
    }
    // Extension data that is announced, and is nonsense.
    let mut data = protocol::sha256(b"localhost").to_vec();
    data.extend_from_slice(&[UP | UV | BE | BS | 0x80, 0, 0, 0, 9]);
    for tail in [&[][..], &[0xff], &[0x81; 20_000], &[0xa1, 0x61, 0x78, 0xf6]] {
        let mut other = signed.clone();
        other["response"]["authenticatorData"] = b64url::encode([data.as_slice(), tail].concat()).into();
        refused(&submit(&app, other).await);
    }
}

#[tokio::test]
async fn wa_14_adding_and_removing_a_passkey_is_told_by_mail() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    alice.post("/auth/activate", json!({"identifier": alice.identifier})).await.is(200);
    let code = app.last_letter().await.code();
    alice.post("/auth/activate", json!({"identifier": alice.identifier, "code": code})).await.is(200);
    let mut key = SecurityKey::new();
    let added = key.register(&alice).await.expect(200);
    alice.delete(&format!("/credentials/{}", added.str("id"))).await.is(200);
    let letters = app.outbox().await;
    let told: Vec<_> = letters.iter().filter(|letter| letter.template == "security_notice").collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|letter| letter.to == alice.identifier));
    assert!(told[0].text.contains("A passkey was added"));
    assert!(told[1].text.contains("A way to sign in was removed"));
}

#[tokio::test]
async fn soc_03_a_passkey_that_waited_for_the_owner_of_an_address_is_gone_when_they_come() {
    let app = TestApp::new().await;
    // Somebody registers an address that isn't theirs, with a passkey of their own.
    let (squatter, mut key) = owner(&app, "alice").await;
    key.sign_in(&app.anonymous()).await.is(200);
    // Its owner signs in with a code that was sent there.
    let guest = app.anonymous();
    guest.post("/auth/request-otp", json!({"identifier": squatter.identifier})).await.is(200);
    let code = app.last_letter().await.code();
    let login = json!({"identifier": squatter.identifier, "method": "email/otp", "secret": code});
    guest.post("/auth/login", login).await.is(200);
    refused(&key.sign_in(&app.anonymous()).await);
    squatter.get("/me").await.is(401);
}
