//! Two clients of the FAPI 2.0 Security Profile: signed assertions, pushed requests, tokens bound to keys.

use crate::app::{Answer, Requests};
use crate::oidc::conformance::crypt::{Key, b64, random, sha256};
use crate::oidc::conformance::pages::{Landing, Person};
use crate::oidc::conformance::party::{
    Ask, Authentication, BACK, Client, Pairs, Suite, Tokens, assertion_header, url_encoded,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// The type of signed assertions (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client of the profile.
pub struct Party {
    /// The client.
    pub client: Client,
    /// The key it signs assertions with.
    pub key: Arc<Key>,
    /// The key its tokens are bound to.
    pub bound: Key,
    /// The verifier of its proof key.
    pub verifier: String,
}

/// A provider with two such clients, and somebody at a browser.
pub struct Profile {
    /// The provider.
    pub suite: Suite,
    /// The user.
    pub person: Person,
    /// The client.
    pub one: Party,
    /// Another client.
    pub two: Party,
}

/// What a request to the token endpoint, the endpoint for pushed requests or a resource differs in.
#[derive(Default)]
pub struct Twist<'a> {
    /// Claims of the assertion in place of the usual ones; null leaves one out.
    pub assertion: Value,
    /// An assertion in place of the usual one; an empty one means none.
    pub instead: Option<String>,
    /// Claims of the proof in place of the usual ones; null leaves one out.
    pub proof: Value,
    /// The key of the proof, in place of the client's own.
    pub bound: Option<&'a Key>,
    /// Whether there is no proof.
    pub is_unproven: bool,
    /// Further parameters.
    pub more: &'a [(&'a str, &'a str)],
}

/// Claims with others in their place; null leaves one out.
pub fn changed(mut claims: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    claims
}

async fn party(suite: &Suite, name: &str, alg: &'static str) -> Party {
    let key = Arc::new(Key::new(alg));
    let metadata = json!({
        "client_name": name, "redirect_uris": [BACK], "response_types": ["code"],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "scope": "openid profile email offline_access", "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": alg, "jwks": {"keys": [key.published()]},
        "id_token_signed_response_alg": "EdDSA", "fapi2": true,
    });
    let answer = suite.app.system_admin().await.post("/oauth/clients", metadata).await.expect(201);
    assert_eq!(answer["fapi2"], true, "{}", answer.json);
    let client = Client {
        id: answer.str("client_id").to_owned(),
        registered: answer.json,
        authentication: Authentication::Signed(key.clone()),
    };
    Party { client, key, bound: Key::new("ES256"), verifier: random(32) }
}

/// A proof of possession (RFC 9449 §4.2).
pub fn proof(
    key: &Key,
    (method, url, now): (&str, &str, i64),
    access: Option<&str>,
    changes: &Value,
) -> String {
    let header = json!({"typ": "dpop+jwt", "alg": key.alg, "jwk": key.public()});
    let mut claims = json!({"jti": random(12), "htm": method, "htu": url, "iat": now});
    if let Some(access) = access {
        claims["ath"] = json!(b64(sha256(access.as_bytes())));
    }
    key.sign(&header, &changed(claims, changes))
}

impl Profile {
    /// A provider and its clients: one signs with PS256, the other with EdDSA.
    pub async fn new() -> Self {
        let suite = Suite::query().await;
        let (one, two) = (party(&suite, "One", "PS256").await, party(&suite, "Two", "EdDSA").await);
        Self { person: suite.person().await, one, two, suite }
    }

    /// The usual authorization request of a client.
    pub fn ask(&self, party: &Party) -> Ask {
        self.suite
            .ask(&party.client)
            .with("scope", "openid offline_access")
            .with("code_challenge", &b64(sha256(party.verifier.as_bytes())))
            .with("code_challenge_method", "S256")
    }

    /// Posts a form to an endpoint with an assertion and a proof.
    pub async fn post(&self, party: &Party, endpoint: &str, form: &Pairs, twist: &Twist<'_>) -> Answer {
        let mut form = form.clone();
        let assertion = twist.instead.clone().unwrap_or_else(|| {
            let claims = changed(self.suite.assertion(&party.client.id), &twist.assertion);
            party.key.sign(&assertion_header(&party.key), &claims)
        });
        if !assertion.is_empty() {
            form.push(("client_assertion_type".to_owned(), ASSERTION_TYPE.to_owned()));
            form.push(("client_assertion".to_owned(), assertion));
        }
        form.extend(twist.more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let key = twist.bound.unwrap_or(&party.bound);
        let made = proof(key, ("POST", self.suite.told(endpoint), self.suite.now()), None, &twist.proof);
        let headers: &[(&str, &str)] = if twist.is_unproven { &[] } else { &[("dpop", &made)] };
        let form = url_encoded(&form);
        self.suite.call(endpoint, "POST", headers, ("application/x-www-form-urlencoded", form.as_str())).await
    }

    /// Pushes a request (RFC 9126 §2.1).
    pub async fn push(&self, party: &Party, ask: &Ask, twist: &Twist<'_>) -> Answer {
        self.post(party, "pushed_authorization_request_endpoint", &ask.0, twist).await
    }

    /// Pushes a request without a proof, and gives its reference (RFC 9126 §2.2).
    pub async fn pushed(&self, party: &Party, ask: &Ask) -> String {
        let twist = Twist { is_unproven: true, ..Twist::default() };
        let answer = self.push(party, ask, &twist).await.expect(201);
        let seconds = answer["expires_in"].as_i64().expect("a lifetime");
        assert!((5..=600).contains(&seconds), "{seconds}");
        assert!(answer.header("cache-control").is_some_and(|value| value.contains("no-store")));
        let reference = answer.str("request_uri").to_owned();
        let secret = reference.rsplit(':').next().expect("a last part");
        assert!(
            reference.starts_with("urn:ietf:params:oauth:request_uri:") && secret.len() >= 22,
            "{reference}"
        );
        reference
    }

    /// The address of a pushed request.
    pub fn url(&self, party: &Party, reference: &str) -> String {
        let pairs = [("client_id", party.client.id.as_str()), ("request_uri", reference)];
        self.suite.url(&Ask(pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec()))
    }

    /// The code for a pushed request.
    pub async fn code(&self, party: &Party, ask: &Ask) -> String {
        let reference = self.pushed(party, ask).await;
        self.suite.code_of(self.person.open(&self.url(party, &reference)).await, ask)
    }

    /// Redeems a code.
    pub async fn redeem(&self, party: &Party, code: &str, twist: &Twist<'_>) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", BACK),
            ("code_verifier", party.verifier.as_str()),
        ];
        self.post(party, "token_endpoint", &form.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(), twist)
            .await
    }

    /// The whole flow, with everything checked on the way.
    pub async fn sign_in(&self, party: &Party, ask: &Ask) -> Tokens {
        let code = self.code(party, ask).await;
        let answer = self.redeem(party, &code, &Twist::default()).await.expect(200);
        self.checked(party, ask, &answer).await
    }

    /// What the token endpoint gave, checked: bound to the key of the proof (RFC 9449 §5 and §6).
    pub async fn checked(&self, party: &Party, ask: &Ask, answer: &Answer) -> Tokens {
        assert_eq!(answer.str("token_type"), "DPoP");
        self.suite.tokens(&party.client, ask, answer).await
    }

    /// Asks the resource with a token and a proof: by default userinfo, by GET.
    pub async fn resource(&self, party: &Party, access: &str, twist: &Twist<'_>) -> Answer {
        let url = self.suite.told("userinfo_endpoint");
        let key = twist.bound.unwrap_or(&party.bound);
        let made = proof(key, ("GET", url, self.suite.now()), Some(access), &twist.proof);
        self.present(&format!("DPoP {access}"), Some(&made)).await
    }

    /// Asks the resource with any header and any proof.
    pub async fn present(&self, authorization: &str, proof: Option<&str>) -> Answer {
        let mut headers = vec![("authorization", authorization)];
        headers.extend(proof.map(|proof| ("dpop", proof)));
        self.suite.call("userinfo_endpoint", "GET", &headers, ()).await
    }

    /// A token without a user (RFC 6749 §4.4).
    pub async fn client_credentials(&self, party: &Party, twist: &Twist<'_>) -> Answer {
        let form = vec![("grant_type".to_owned(), "client_credentials".to_owned())];
        self.post(party, "token_endpoint", &form, twist).await
    }

    /// Somewhere it was refused: at the endpoint for pushed requests, or at the authorization endpoint, on a page or at the client.
    pub async fn refused(&self, party: &Party, ask: &Ask, errors: &[&str]) {
        let twist = Twist { is_unproven: true, ..Twist::default() };
        let pushed = self.push(party, ask, &twist).await;
        if pushed.status != 201 {
            return refusal(&pushed, errors);
        }
        let landing = self.person.open(&self.url(party, pushed.str("request_uri"))).await;
        self.refused_there(landing, ask, errors);
    }

    /// The authorization endpoint refused, on a page or at the client.
    pub fn refused_there(&self, landing: Landing, ask: &Ask, errors: &[&str]) {
        match landing {
            Landing::Page(page) => assert!((400..500).contains(&page.status), "{}", page.text()),
            elsewhere => {
                let error = self.suite.error_of(elsewhere, ask);
                assert!(errors.contains(&error.as_str()), "{error}");
            }
        }
    }
}

/// An endpoint refused, by one of these errors (RFC 6749 §5.2).
#[track_caller]
pub fn refusal(answer: &Answer, errors: &[&str]) {
    assert!(
        matches!(answer.status, 400 | 401),
        "{} answered {} {}",
        answer.asked,
        answer.status,
        answer.text()
    );
    assert!(errors.contains(&answer.str("error")), "{} answered {}", answer.asked, answer.text());
}
