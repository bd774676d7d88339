//! Proofs of possession (RFC 9449).

use super::profile::{Profile, Twist, changed, refusal};
use crate::oidc::conformance::crypt::{Key, b64, random, sha256};
use serde_json::{Value, json};

/// The scheme's name is read without regard to case (RFC 9110 §11.1).
pub async fn access_token_type_header_case_sensitivity(profile: &Profile) {
    let party = &profile.one;
    let tokens = profile.sign_in(party, &profile.ask(party)).await;
    in_any_case(profile, tokens.access()).await;
}

/// The same with any token of the first client.
pub async fn in_any_case(profile: &Profile, access: &str) {
    let url = profile.suite.told("userinfo_endpoint");
    for scheme in ["dpop", "DPOP", "dPoP"] {
        let key = &profile.one.bound;
        let made = super::profile::proof(key, ("GET", url, profile.suite.now()), Some(access), &Value::Null);
        let answer = profile.present(&format!("{scheme} {access}"), Some(&made)).await;
        // A token without a user gets no user information, but it is taken for what it is.
        assert!(matches!(answer.status, 200 | 403), "{scheme}: {}", answer.text());
    }
}

async fn with_proofs_of(profile: &Profile, claims: Value) {
    let party = &profile.one;
    let twist = || Twist { proof: claims.clone(), ..Twist::default() };
    let ask = profile.ask(party);
    let pushed = profile.push(party, &ask, &twist()).await.expect(201);
    let landing = profile.person.open(&profile.url(party, pushed.str("request_uri"))).await;
    let code = profile.suite.code_of(landing, &ask);
    let answer = profile.redeem(party, &code, &twist()).await.expect(200);
    let tokens = profile.checked(party, &ask, &answer).await;
    profile.resource(party, tokens.access(), &twist()).await.is(200);
}

/// Claims that a proof needn't have are no reason to refuse it (§4.2).
pub async fn check_dpop_proof_nbf_exp(profile: &Profile) {
    let now = profile.suite.now();
    with_proofs_of(profile, json!({"nbf": now, "exp": now + 60})).await;
}

/// Ten seconds late.
pub async fn ensure_dpopproof_with_iat_10seconds_before_succeeds(profile: &Profile) {
    with_proofs_of(profile, json!({"iat": profile.suite.now() - 10})).await;
}

/// Ten seconds early.
pub async fn ensure_dpopproof_with_iat_10seconds_after_succeeds(profile: &Profile) {
    with_proofs_of(profile, json!({"iat": profile.suite.now() + 10})).await;
}

/// `dpop_jkt` names another key than the proof beside it (§10.1).
pub async fn ensure_mismatched_dpop_jkt_fails(profile: &Profile) {
    let ask = profile.ask(&profile.one).with("dpop_jkt", &Key::new("ES256").thumbprint());
    let pushed = profile.push(&profile.one, &ask, &Twist::default()).await;
    refusal(&pushed, &["invalid_dpop_proof", "invalid_request"]);
}

/// The code belongs to the key of the pushed proof (§10.1), or of `dpop_jkt` (§10).
async fn bound_to_another(profile: &Profile, by_name: bool) {
    let party = &profile.one;
    let (ask, twist) = match by_name {
        true => {
            let ask = profile.ask(party).with("dpop_jkt", &party.bound.thumbprint());
            (ask, Twist { is_unproven: true, ..Twist::default() })
        }
        false => (profile.ask(party), Twist::default()),
    };
    let pushed = profile.push(party, &ask, &twist).await.expect(201);
    let landing = profile.person.open(&profile.url(party, pushed.str("request_uri"))).await;
    let code = profile.suite.code_of(landing, &ask);
    let other = Key::new("ES256");
    let answer = profile.redeem(party, &code, &Twist { bound: Some(&other), ..Twist::default() }).await;
    refusal(&answer, &["invalid_grant", "invalid_dpop_proof"]);
}

/// Another key at the token endpoint than at the pushed request.
pub async fn ensure_token_endpoint_fails_with_mismatched_dpop_proof_jkt(profile: &Profile) {
    bound_to_another(profile, false).await;
}

/// Another key at the token endpoint than `dpop_jkt` named.
pub async fn ensure_token_endpoint_fails_with_mismatched_dpop_jkt(profile: &Profile) {
    bound_to_another(profile, true).await;
}

/// The same key at both.
pub async fn ensure_dpopproof_at_par_endpoint_binding_success(profile: &Profile) {
    with_proofs_of(profile, Value::Null).await;
}

/// `dpop_jkt` and both proofs agree.
pub async fn ensure_dpop_auth_code_binding_success(profile: &Profile) {
    let party = &profile.one;
    let ask = profile.ask(party).with("dpop_jkt", &party.bound.thumbprint());
    let pushed = profile.push(party, &ask, &Twist::default()).await.expect(201);
    let landing = profile.person.open(&profile.url(party, pushed.str("request_uri"))).await;
    let code = profile.suite.code_of(landing, &ask);
    let answer = profile.redeem(party, &code, &Twist::default()).await.expect(200);
    profile.checked(party, &ask, &answer).await;
}

/// No proof, no token (FAPI 2.0 §5.3.2.1).
pub async fn ensure_holder_of_key_required(profile: &Profile) {
    let party = &profile.one;
    let code = profile.code(party, &profile.ask(party)).await;
    let answer = profile.redeem(party, &code, &Twist { is_unproven: true, ..Twist::default() }).await;
    refusal(&answer, &["invalid_dpop_proof", "invalid_request"]);
}

/// What a resource must refuse, case by case, and what it must not (§4.3, §7).
pub async fn dpop_negative_tests(profile: &Profile) {
    let party = &profile.one;
    let tokens = profile.sign_in(party, &profile.ask(party)).await;
    at_the_resource(profile, tokens.access()).await;
}

/// A proof that is wrong in one way.
struct Case {
    name: &'static str,
    header: Value,
    claims: Value,
}

/// The cases with any token of the first client.
pub async fn at_the_resource(profile: &Profile, access: &str) {
    let (key, url, now) = (&profile.one.bound, profile.suite.told("userinfo_endpoint"), profile.suite.now());
    let authorization = format!("DPoP {access}");
    let make = |case: &Case| {
        let header = changed(json!({"typ": "dpop+jwt", "alg": key.alg, "jwk": key.public()}), &case.header);
        let ath = b64(sha256(access.as_bytes()));
        let usual = json!({"jti": random(12), "htm": "GET", "htu": url, "iat": now, "ath": ath});
        key.sign(&header, &changed(usual, &case.claims))
    };
    let (mut accepted, mut refused) = (0, 0);
    for case in good(url, now) {
        let answer = profile.present(&authorization, Some(&make(&case))).await;
        assert!(matches!(answer.status, 200 | 403), "{}: {}", case.name, answer.text());
        accepted += 1;
    }
    for case in bad(key, url, now) {
        let answer = profile.present(&authorization, Some(&make(&case))).await;
        assert_eq!(answer.status, 401, "{}: {}", case.name, answer.text());
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(challenge.contains("DPoP"), "{}: {challenge}", case.name);
        refused += 1;
    }
    let usual = || make(&Case { name: "usual", header: json!({}), claims: json!({}) });
    let other = Key::new("ES256");
    let foreign = super::profile::proof(&other, ("GET", url, now), Some(access), &Value::Null);
    let spoilt = format!("{}{}", usual(), "AAAA");
    let unsigned = {
        let parts = usual();
        let claims = parts.split('.').nth(1).expect("claims").to_owned();
        format!(
            "{}.{claims}.",
            b64(json!({"typ": "dpop+jwt", "alg": "none", "jwk": key.public()}).to_string())
        )
    };
    for proof in ["", "x", "x.y.z", &foreign, &spoilt, &unsigned] {
        let answer = profile.present(&authorization, Some(proof)).await;
        assert_eq!(answer.status, 401, "{proof}: {}", answer.text());
        refused += 1;
    }
    profile.present(&authorization, None).await.is(401);
    profile.present(&format!("Bearer {access}"), Some(&usual())).await.is(401);
    // Two proofs, and the same proof twice (§4.3, §11.1).
    let (first, second) = (usual(), usual());
    let headers =
        [("authorization", authorization.as_str()), ("dpop", first.as_str()), ("dpop", second.as_str())];
    profile.suite.call("userinfo_endpoint", "GET", &headers, ()).await.is(401);
    let once = usual();
    assert!(matches!(profile.present(&authorization, Some(&once)).await.status, 200 | 403));
    profile.present(&authorization, Some(&once)).await.is(401);
    refused += 4;
    println!("dpop: {accepted} proofs accepted, {refused} refused");
    assert!(accepted + refused >= 32);
}

/// Proofs that are right.
fn good(url: &str, now: i64) -> Vec<Case> {
    let case = |name, claims| Case { name, header: json!({}), claims };
    let shouting = url.replace("https://localhost", "HTTPS://LOCALHOST");
    vec![
        case("usual", json!({})),
        case("htu in capitals", json!({"htu": shouting})),
        case("htu with a query", json!({"htu": format!("{url}?a=b")})),
        case("htu with a fragment", json!({"htu": format!("{url}#a")})),
        case("ten seconds late", json!({"iat": now - 10})),
        case("ten seconds early", json!({"iat": now + 10})),
        case("with exp and nbf", json!({"exp": now + 60, "nbf": now})),
    ]
}

/// Proofs that are wrong in one way each.
fn bad(key: &Key, url: &str, now: i64) -> Vec<Case> {
    let claim = |name, claims| Case { name, header: json!({}), claims };
    let header = |name, header| Case { name, header, claims: json!({}) };
    let other = Key::new("ES256");
    let mut private = key.public();
    private["d"] = json!(random(32));
    vec![
        claim("no jti", json!({"jti": null})),
        claim("jti is a number", json!({"jti": 7})),
        claim("no htm", json!({"htm": null})),
        claim("another method", json!({"htm": "POST"})),
        claim("no htu", json!({"htu": null})),
        claim("another path", json!({"htu": format!("{url}/x")})),
        claim("another host", json!({"htu": url.replace("localhost", "other.example")})),
        claim("another scheme", json!({"htu": url.replace("https", "http")})),
        claim("htu is no address", json!({"htu": "userinfo"})),
        claim("no iat", json!({"iat": null})),
        claim("iat is a text", json!({"iat": now.to_string()})),
        claim("an hour late", json!({"iat": now - 3_600})),
        claim("an hour early", json!({"iat": now + 3_600})),
        claim("no ath", json!({"ath": null})),
        claim("another ath", json!({"ath": b64(sha256(b"other"))})),
        claim("expired", json!({"exp": now - 120})),
        header("no typ", json!({"typ": null})),
        header("typ JWT", json!({"typ": "JWT"})),
        header("no alg", json!({"alg": null})),
        header("alg none", json!({"alg": "none"})),
        header("alg HS256", json!({"alg": "HS256"})),
        header("another alg", json!({"alg": "EdDSA"})),
        header("no jwk", json!({"jwk": null})),
        header("jwk is a text", json!({"jwk": "key"})),
        header("another jwk", json!({"jwk": other.public()})),
        header("a private jwk", json!({"jwk": private})),
        header("a kid instead", json!({"jwk": null, "kid": key.kid})),
        header("a symmetric jwk", json!({"jwk": {"kty": "oct", "k": random(32)}})),
        header("an unknown critical header", json!({"crit": ["x"], "x": 1})),
    ]
}
