//! The relying party of the conformance tests, and the provider as it sees it: by its metadata, nothing else.

use super::crypt::{Key, b64, random, sha256, sha512, verify};
use super::pages::{Landing, Person};
use crate::app::{Answer, Body, Requests, TestApp};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use usso::config::{Config, Origin};

/// The provider's address, which is its issuer.
pub const ORIGIN: &str = "https://localhost:8000";
/// Where answers go.
pub const BACK: &str = "https://rp.example/back";
/// Another place where answers may go.
pub const BACK_TOO: &str = "https://rp.example/back-too";
/// Where logout may lead.
pub const LEFT: &str = "https://rp.example/left";

/// Parameters in order.
pub type Pairs = Vec<(String, String)>;

/// Parameters as a query or a form.
pub fn url_encoded(pairs: &Pairs) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// How a client says who it is (OpenID Connect Core §9).
#[derive(Clone)]
pub enum Authentication {
    /// `client_secret_basic`.
    Basic(String),
    /// `client_secret_post`.
    Post(String),
    /// `none`.
    Public,
    /// `private_key_jwt`.
    Signed(Arc<Key>),
}

/// A registered client.
#[derive(Clone)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// What registering it answered.
    pub registered: Value,
    /// How it says who it is.
    pub authentication: Authentication,
}

/// An authorization request.
#[derive(Clone)]
pub struct Ask(pub Pairs);

impl Ask {
    /// A parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// With a parameter in place of those of that name.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(own, _)| own != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without a parameter.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(own, _)| own != name);
        self
    }
}

/// What the token endpoint gave for a code.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The answer.
    pub answer: Value,
    /// The claims of its id token, checked.
    pub claims: Value,
}

impl Tokens {
    /// The access token.
    pub fn access(&self) -> &str {
        self.answer["access_token"].as_str().expect("an access token")
    }

    /// The refresh token.
    pub fn refresh(&self) -> &str {
        self.answer["refresh_token"].as_str().expect("a refresh token")
    }

    /// The id token.
    pub fn id_token(&self) -> &str {
        self.answer["id_token"].as_str().expect("an id token")
    }
}

/// A provider under test.
pub struct Suite {
    /// The server.
    pub app: TestApp,
    /// Its metadata.
    pub metadata: Value,
    /// The `response_mode` that is asked for.
    pub mode: Option<&'static str>,
}

impl Suite {
    /// A provider, asked for no response mode.
    pub async fn query() -> Self {
        Self::with(None, |_| {}).await
    }

    /// A provider that is asked to answer by a form (OAuth 2.0 Form Post Response Mode).
    pub async fn form_post() -> Self {
        Self::with(Some("form_post"), |_| {}).await
    }

    /// A provider with another configuration.
    pub async fn with(mode: Option<&'static str>, change: impl FnOnce(&mut Config)) -> Self {
        let app = TestApp::with(|config| {
            config.server.base_url = Some(Origin::parse(ORIGIN).expect("an origin"));
            change(config);
        })
        .await;
        app.configure("org_default", json!({"oauth": {"registration": "open"}})).await;
        let found = app.anonymous().over_tls().get("ROOT/.well-known/openid-configuration").await.expect(200);
        assert_eq!(found.header("content-type"), Some("application/json"));
        Self { app, metadata: found.json, mode }
    }

    /// A text of the metadata, such as the address of an endpoint.
    #[track_caller]
    pub fn told(&self, name: &str) -> &str {
        self.metadata[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", self.metadata))
    }

    /// Whether a list of the metadata has a value.
    pub fn lists(&self, name: &str, value: &str) -> bool {
        self.metadata[name].as_array().is_some_and(|list| list.contains(&json!(value)))
    }

    /// Asks an endpoint of the metadata, as a server and not a browser.
    pub async fn call(
        &self,
        endpoint: &str,
        method: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let url = self.told(endpoint);
        let path =
            url.strip_prefix(ORIGIN).unwrap_or_else(|| panic!("{endpoint} is not below the issuer: {url}"));
        let mut who = self.app.anonymous().over_tls();
        for (name, value) in headers {
            who = who.with_another_header(name, value);
        }
        who.send(method, &format!("ROOT{path}"), body).await
    }

    /// The published keys.
    pub async fn keys(&self) -> Value {
        self.call("jwks_uri", "GET", &[], ()).await.expect(200).json
    }

    /// Now, in Unix seconds.
    pub fn now(&self) -> i64 {
        self.app.clock_seconds()
    }

    /// Somebody at a new browser.
    pub async fn person(&self) -> Person {
        Person::new(&self.app, "alice").await
    }

    /// A client that registers itself (RFC 7591), with changes to the usual metadata; null leaves one out.
    pub async fn client(&self, changes: Value) -> Client {
        let answer = self.try_register(changes).await.expect(201);
        let secret = || answer.str("client_secret").to_owned();
        let authentication = match answer.str("token_endpoint_auth_method") {
            "client_secret_post" => Authentication::Post(secret()),
            "none" => Authentication::Public,
            _ => Authentication::Basic(secret()),
        };
        Client { id: answer.str("client_id").to_owned(), registered: answer.json, authentication }
    }

    /// Tries to register a client.
    pub async fn try_register(&self, changes: Value) -> Answer {
        let mut metadata = json!({
            "client_name": "The relying party", "redirect_uris": [BACK], "post_logout_redirect_uris": [LEFT],
            "grant_types": ["authorization_code"], "response_types": ["code"], "contacts": ["ops@rp.example"],
        });
        for (name, value) in changes.as_object().expect("an object") {
            metadata[name] = value.clone();
        }
        metadata.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        self.call("registration_endpoint", "POST", &[], metadata).await
    }

    /// The usual authorization request of a client.
    pub fn ask(&self, client: &Client) -> Ask {
        let mode = self.mode.map(|mode| ("response_mode", mode.to_owned()));
        let usual = [
            ("client_id", client.id.clone()),
            ("redirect_uri", BACK.to_owned()),
            ("scope", "openid".to_owned()),
            ("state", random(8)),
            ("nonce", random(8)),
            ("response_type", "code".to_owned()),
        ];
        Ask(usual.into_iter().chain(mode).map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The address of an authorization request.
    pub fn url(&self, ask: &Ask) -> String {
        format!("{}?{}", self.told("authorization_endpoint"), url_encoded(&ask.0))
    }

    /// Somebody opens an authorization request.
    pub async fn authorize(&self, person: &Person, ask: &Ask) -> Landing {
        person.open(&self.url(ask)).await
    }

    /// What came back to the client: checked for its state, its issuer and the way it came (RFC 6749 §4.1.2, RFC 9207 §2).
    #[track_caller]
    pub fn back(&self, landing: Landing, ask: &Ask) -> HashMap<String, String> {
        let is_posted = matches!(landing, Landing::Elsewhere { is_posted: true, .. });
        let params = landing.elsewhere(ask.get("redirect_uri").unwrap_or(BACK));
        assert_eq!(is_posted, self.mode == Some("form_post"), "{params:?}");
        assert_eq!(params.get("state").map(String::as_str), ask.get("state"), "{params:?}");
        assert_eq!(params.get("iss").map(String::as_str), Some(self.told("issuer")), "{params:?}");
        params
    }

    /// The code that came back.
    #[track_caller]
    pub fn code_of(&self, landing: Landing, ask: &Ask) -> String {
        let params = self.back(landing, ask);
        assert_eq!(params.get("error"), None, "{params:?}");
        let code = params.get("code").expect("a code").clone();
        // 128 bits and more (RFC 6749 §10.10, RFC 9700 §4.13).
        assert!(code.len() >= 22, "{} characters are no secret", code.len());
        code
    }

    /// The error that came back.
    #[track_caller]
    pub fn error_of(&self, landing: Landing, ask: &Ask) -> String {
        let params = self.back(landing, ask);
        assert_eq!(params.get("code"), None, "{params:?}");
        params.get("error").unwrap_or_else(|| panic!("no error: {params:?}")).clone()
    }

    /// Asks the token endpoint, as the client.
    pub async fn token(&self, client: &Client, more: &[(&str, &str)]) -> Answer {
        self.form_as(client, "token_endpoint", more, &[]).await
    }

    /// Posts a form to an endpoint, as the client.
    pub async fn form_as(
        &self,
        client: &Client,
        endpoint: &str,
        more: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut form: Pairs = more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let mut headers: Pairs = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let mut add = |name: &str, value: &str| form.push((name.to_owned(), value.to_owned()));
        match &client.authentication {
            // Each part form-encoded first (RFC 6749 §2.3.1).
            Authentication::Basic(secret) => {
                let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", part(&client.id), part(secret));
                let pair = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, pair);
                headers.push(("authorization".to_owned(), format!("Basic {pair}")));
            }
            Authentication::Post(secret) => {
                add("client_id", &client.id);
                add("client_secret", secret);
            }
            Authentication::Public => add("client_id", &client.id),
            Authentication::Signed(key) => {
                add("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
                add("client_assertion", &key.sign(&assertion_header(key), &self.assertion(&client.id)));
            }
        }
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let form = url_encoded(&form);
        self.call(endpoint, "POST", &headers, ("application/x-www-form-urlencoded", form.as_str())).await
    }

    /// The claims of a client assertion (RFC 7523 §3), with the issuer as only audience.
    pub fn assertion(&self, client_id: &str) -> Value {
        let now = self.now();
        json!({"iss": client_id, "sub": client_id, "aud": self.told("issuer"), "jti": random(16), "iat": now,
            "nbf": now, "exp": now + 60})
    }

    /// Redeems a code.
    pub async fn redeem(&self, client: &Client, ask: &Ask, code: &str) -> Answer {
        let redirect_uri = ask.get("redirect_uri").unwrap_or(BACK);
        self.token(
            client,
            &[("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)],
        )
        .await
    }

    /// The whole flow, with everything checked on the way.
    pub async fn sign_in(&self, person: &Person, client: &Client, ask: &Ask) -> Tokens {
        let code = self.code_of(self.authorize(person, ask).await, ask);
        let answer = self.redeem(client, ask, &code).await.expect(200);
        self.tokens(client, ask, &answer).await
    }

    /// Checks what the token endpoint gave for a code (OpenID Connect Core §3.1.3.3).
    pub async fn tokens(&self, client: &Client, ask: &Ask, answer: &Answer) -> Tokens {
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("cache-control").is_some_and(|value| value.contains("no-store")));
        let kind = answer.str("token_type");
        assert!(kind.eq_ignore_ascii_case("bearer") || kind.eq_ignore_ascii_case("dpop"), "{kind}");
        assert!(answer["expires_in"].as_i64().is_some_and(|seconds| seconds > 0));
        let claims = self.id_token(client, answer.str("id_token"), answer.str("access_token")).await;
        assert_eq!(claims["nonce"].as_str(), ask.get("nonce"), "{claims}");
        if ask.get("max_age").is_some() {
            assert!(claims["auth_time"].is_i64(), "{claims}");
        }
        Tokens { answer: answer.json.clone(), claims }
    }

    /// The claims of an id token, checked (OpenID Connect Core §3.1.3.7 and §2).
    pub async fn id_token(&self, client: &Client, token: &str, access: &str) -> Value {
        let (header, claims) = verify(token, &self.keys().await);
        let wanted = client.registered["id_token_signed_response_alg"].as_str().unwrap_or("RS256");
        assert_eq!(header["alg"], wanted, "{header}");
        assert_eq!(claims["iss"], self.told("issuer"), "{claims}");
        assert_eq!(claims["aud"], client.id, "{claims}");
        assert!(claims["azp"].is_null() || claims["azp"] == client.id, "{claims}");
        let number = |name: &str| claims[name].as_i64().unwrap_or_else(|| panic!("{name}: {claims}"));
        assert!(number("exp") > self.now() && (number("iat") - self.now()).abs() <= 60, "{claims}");
        let sub = claims["sub"].as_str().expect("a subject");
        assert!(!sub.is_empty() && sub.len() <= 255 && sub.is_ascii(), "{sub}");
        if let Some(hash) = claims["at_hash"].as_str() {
            // Half of the digest that belongs to the algorithm (§3.1.3.6); Ed25519's is SHA-512.
            let digest =
                if wanted == "EdDSA" { sha512(access.as_bytes()) } else { sha256(access.as_bytes()) };
            assert_eq!(hash, b64(&digest[..digest.len() / 2]), "{claims}");
        }
        assert!(claims["acr"].is_null() || claims["acr"].is_string(), "{claims}");
        claims
    }

    /// The user information by an access token (OpenID Connect Core §5.3).
    pub async fn userinfo(&self, tokens: &Tokens) -> Value {
        let bearer = format!("Bearer {}", tokens.access());
        let answer =
            self.call("userinfo_endpoint", "GET", &[("authorization", &bearer)], ()).await.expect(200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer["sub"], tokens.claims["sub"], "{}", answer.json);
        answer.json
    }
}

/// The header of a client assertion.
pub fn assertion_header(key: &Key) -> Value {
    json!({"alg": key.alg, "typ": "JWT", "kid": key.kid})
}
