//! OAuth 2.0 and OpenID Connect, file by file as the standards are. A rejection is a test, named after its rule and, where the
//! checklist has one, its id.

mod authorize;
mod client_assertion;
mod clients;
mod code;
mod conformance;
mod confusion;
mod consent;
mod device;
mod discovery;
mod dpop;
mod exchange;
mod id_token;
mod introspection;
mod isolation;
mod jwt_bearer;
mod keys;
mod logout;
mod outbound;
mod par;
mod pkce;
mod redirect_uris;
mod refresh;
mod registration;
mod revocation;
mod sign_in_demands;
mod token;
mod userinfo;

use crate::app::token::Jwt;
use crate::app::{Answer, Browser, PASSWORD, Requests, TestApp, User};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7636, appendix B.
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Where codes go unless a test says otherwise.
pub const CALLBACK: &str = "https://app.example.com/callback";

/// A relying party.
#[derive(Clone)]
pub struct Rp {
    /// Who talks for it.
    pub who: crate::app::Anonymous,
    /// Its id.
    pub id: String,
    /// Its secret, if it keeps one.
    pub secret: Option<String>,
    /// What making it answered.
    pub made: Value,
    /// Where codes go.
    pub callback: String,
}

impl Rp {
    /// A confidential client of the tenant's own that signs with the tenant's key, with these differences.
    pub async fn new(admin: &User, differences: Value) -> Self {
        let mut said = json!({
            "client_name": "Shop",
            "redirect_uris": [CALLBACK],
            "scope": "openid profile email phone offline_access",
            "id_token_signed_response_alg": "EdDSA",
            "is_first_party": true,
        });
        let object = said.as_object_mut().expect("an object");
        object.extend(differences.as_object().expect("an object").clone());
        let answer = admin.post("/oauth/clients", said).await.expect(201);
        Self {
            who: admin.signed_out(),
            id: answer.str("client_id").to_owned(),
            secret: answer["client_secret"].as_str().map(str::to_owned),
            callback: answer["redirect_uris"][0].as_str().unwrap_or(CALLBACK).to_owned(),
            made: answer.json,
        }
    }

    /// A client that keeps no secret.
    pub async fn public(admin: &User) -> Self {
        Self::new(admin, json!({"token_endpoint_auth_method": "none"})).await
    }

    /// A client that users must be asked about.
    pub async fn foreign(admin: &User) -> Self {
        Self::new(admin, json!({"is_first_party": false})).await
    }

    /// The parameters of a plain request, with changes; an empty value takes one away.
    pub fn request(&self, changes: &[(&str, &str)]) -> String {
        let mut params = BTreeMap::from([
            ("client_id", self.id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", self.callback.as_str()),
            ("scope", "openid"),
            ("state", "s-1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        params.extend(changes.iter().copied());
        params.retain(|_, value| !value.is_empty());
        form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish()
    }

    /// Sends a browser with a request.
    pub async fn authorize(&self, browser: &Browser, changes: &[(&str, &str)]) -> Answer {
        browser.get(&format!("ROOT/oauth/authorize?{}", self.request(changes))).await
    }

    /// The code a browser brings back.
    #[track_caller]
    pub fn code(&self, browser: &Browser, changes: &[(&str, &str)]) -> impl Future<Output = String> {
        let (own, browser) = (self.clone(), browser.clone());
        let changes: Vec<(String, String)> =
            changes.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        async move {
            let changes: Vec<(&str, &str)> = changes.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let back = back(&own.authorize(&browser, &changes).await);
            back.get("code").unwrap_or_else(|| panic!("no code: {back:?}")).clone()
        }
    }

    /// Calls the token endpoint, saying who it is.
    pub async fn token(&self, fields: &[(&str, &str)]) -> Answer {
        self.post("token", fields).await
    }

    /// Calls an endpoint, saying who it is.
    pub async fn post(&self, endpoint: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all = fields.to_vec();
        if let Some(secret) = &self.secret {
            all.push(("client_secret", secret));
        }
        all.push(("client_id", &self.id));
        self.who.form(&format!("ROOT/oauth/{endpoint}"), &all).await
    }

    /// Redeems a code of a plain request.
    pub async fn redeem(&self, code: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.callback.as_str()),
            ("code_verifier", VERIFIER),
        ];
        self.token(&fields).await
    }

    /// Signs a user in who is signed in in this browser.
    pub async fn tokens(&self, browser: &Browser, changes: &[(&str, &str)]) -> Answer {
        let code = self.code(browser, changes).await;
        self.redeem(&code).await.expect(200)
    }

    /// Refreshes.
    pub async fn refresh(&self, token: &str) -> Answer {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Asks for userinfo.
    pub async fn userinfo(&self, token: &str) -> Answer {
        self.who.clone().with_token(token).get("ROOT/oauth/userinfo").await
    }
}

/// A browser in which somebody is signed in.
pub async fn signed_in(app: &TestApp, name: &str) -> Browser {
    let user = app.user(name).await;
    sign_in(&app.browser(), &user.identifier).await
}

/// Signs somebody in, in a browser.
pub async fn sign_in(browser: &Browser, identifier: &str) -> Browser {
    let body = json!({"identifier": identifier, "secret": PASSWORD});
    browser.post("/auth/login", body).await.expect(200);
    browser.clone()
}

/// Where an answer sends a browser.
#[track_caller]
pub fn location(answer: &Answer) -> String {
    let target = answer.header("location");
    let target = target.unwrap_or_else(|| panic!("{} goes nowhere: {}", answer.asked, answer.text()));
    assert_eq!(answer.status, 303, "{}", answer.asked);
    target.to_owned()
}

/// What a client is told by the address a browser is sent to.
#[track_caller]
pub fn back(answer: &Answer) -> BTreeMap<String, String> {
    let target = location(answer);
    let (_, query) = target.split_once('?').unwrap_or_else(|| panic!("nothing in {target}"));
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Insists on an error that is sent back to the client, with state and issuer.
#[track_caller]
pub fn refused(answer: &Answer, error: &str) {
    let back = back(answer);
    assert_eq!(back.get("error").map(String::as_str), Some(error), "{} {back:?}", answer.asked);
    assert_eq!(back.get("iss").map(String::as_str), Some(crate::app::ORIGIN), "{back:?}");
    assert!(!back.contains_key("code"), "{back:?}");
}

/// Insists on an error of an endpoint that clients call.
#[track_caller]
pub fn oauth_error(answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.str("error")), (status, error), "{} {}", answer.asked, answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", answer.asked);
}

/// The handle of a request that waits, from where a browser was sent.
#[track_caller]
pub fn handle(answer: &Answer) -> String {
    let back = back(answer);
    match (back.get("state"), back.get("return_to")) {
        (Some(handle), _) => handle.clone(),
        (None, Some(way)) => way.split_once("state=").expect("a handle").1.to_owned(),
        _ => panic!("no handle: {back:?}"),
    }
}

/// The claims of a token.
pub fn claims(token: &str) -> Value {
    Jwt::decode(token).claims
}
