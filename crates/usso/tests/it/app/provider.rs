//! A provider that people sign in with: a real server on the loopback, that speaks OpenID Connect and GitHub's OAuth 2.0, and
//! lies when told to.

use super::TestApp;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use protocol::b64url;
use protocol::jose::{Algorithm, JwkSet, PreparedHeader, SigningKey, sign_compact};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// What the provider calls us.
pub const CLIENT: &str = "usso-at-provider";
/// And the secret it gave us.
pub const CLIENT_SECRET: &str = "canary-client-secret";

struct Signer {
    kid: String,
    key: SigningKey,
}

struct Book {
    signer: Signer,
    published: Vec<(String, PublicOf)>,
    /// By code: nonce, challenge, address to come back to.
    codes: HashMap<String, (String, String, String)>,
    /// Claims in place of the true ones; `null` leaves one out.
    lies: Map<String, Value>,
    /// An id token in place of the true one.
    forged: Option<String>,
    names_itself: bool,
    hangs: bool,
    /// How often its keys were asked for.
    key_requests: usize,
    /// The forms that redeemed codes.
    forms: Vec<HashMap<String, String>>,
    user: Value,
    emails: Value,
}

type PublicOf = protocol::jose::Jwk;

/// The provider.
#[derive(Clone)]
pub struct Provider {
    /// Its address, which is its issuer.
    pub issuer: String,
    app: TestApp,
    book: Arc<Mutex<Book>>,
    /// None in the server's own hands, which would hold itself up for ever.
    _server: Option<Arc<Server>>,
}

/// The server's task, which ends with the last handle to the provider.
struct Server(tokio::task::AbortHandle);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Provider {
    /// A server that signs in with the provider, which knows one person.
    pub async fn start() -> (TestApp, Self) {
        let app = TestApp::with(|config| config.tenants.proof_from_private_addresses = true).await;
        let provider = Self::beside(&app).await;
        provider.set_up("org_default", "corp", json!({})).await;
        (app, provider)
    }

    /// A provider beside a server that doesn't know it.
    pub async fn beside(app: &TestApp) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("a port"));
        let signer =
            Signer { kid: "first".to_owned(), key: SigningKey::generate(Algorithm::Es256).expect("a key") };
        let published = vec![public(&signer)];
        let book = Book {
            signer,
            published,
            codes: HashMap::new(),
            lies: Map::new(),
            forged: None,
            names_itself: true,
            hangs: false,
            key_requests: 0,
            forms: Vec::new(),
            user: json!({"id": 583_231, "login": "octocat", "name": "Octo Cat", "email": "no@proof.example"}),
            emails: json!([{"email": "octo@example.com", "primary": true, "verified": true}]),
        };
        let provider = Self { issuer, app: app.clone(), book: Arc::new(Mutex::new(book)), _server: None };
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/jwks", get(keys))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .route("/emails", get(emails))
            .with_state(provider.clone());
        let task = tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { _server: Some(Arc::new(Server(task.abort_handle()))), ..provider }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("the book")
    }

    /// Sets the provider up at a tenant.
    pub async fn set_up(&self, tenant: &str, name: &str, more: Value) {
        let mut own = json!({"client_id": CLIENT, "client_secret": CLIENT_SECRET, "issuer": self.issuer});
        for (key, value) in more.as_object().expect("an object") {
            own[key] = value.clone();
        }
        self.app.configure(tenant, json!({"integration": {"oauth_providers": {name: own}}})).await;
    }

    /// Sets it up as a provider of GitHub's shape.
    pub async fn set_up_as_github(&self, tenant: &str) {
        let at = |path: &str| format!("{}{path}", self.issuer);
        let more = json!({"issuer": null, "kind": "github", "authorize_url": at("/authorize"),
            "token_url": at("/token"), "userinfo_url": at("/userinfo"), "emails_url": at("/emails")});
        self.set_up(tenant, "github", more).await;
    }

    /// From now on claims say this.
    pub fn lie(&self, claims: Value) {
        self.book().lies = claims.as_object().cloned().expect("an object");
    }

    /// From now on the id token is this.
    pub fn forge(&self, token: &str) {
        self.book().forged = Some(token.to_owned());
    }

    /// From now on it takes connections and answers nothing.
    pub fn hang(&self) {
        self.book().hangs = true;
    }

    /// Signs with a new key, published or not.
    pub fn rotate(&self, kid: &str, is_published: bool) {
        let key = SigningKey::generate(Algorithm::Es256).expect("a key");
        let signer = Signer { kid: kid.to_owned(), key };
        let mut book = self.book();
        if is_published {
            book.published.push(public(&signer));
        }
        book.signer = signer;
    }

    /// How often its keys were asked for.
    pub fn key_requests(&self) -> usize {
        self.book().key_requests
    }

    /// The form that redeemed the last code.
    pub fn last_form(&self) -> HashMap<String, String> {
        self.book().forms.last().cloned().expect("a form")
    }

    /// What its user endpoint and its list of addresses tell.
    pub fn tell(&self, user: Value, emails: Value) {
        let mut book = self.book();
        (book.user, book.emails) = (user, emails);
    }

    /// Somebody agrees there: the query the browser comes back with.
    pub fn agree(&self, url: &str) -> Vec<(String, String)> {
        let asked = query(url);
        assert_eq!((asked["response_type"].as_str(), asked["client_id"].as_str()), ("code", CLIENT), "{url}");
        assert_eq!(asked["code_challenge_method"], "S256");
        let mut book = self.book();
        let code = format!("code-{}", book.codes.len() + book.forms.len() + 1);
        let nonce = asked.get("nonce").cloned().unwrap_or_default();
        book.codes
            .insert(code.clone(), (nonce, asked["code_challenge"].clone(), asked["redirect_uri"].clone()));
        let mut back = vec![("code".to_owned(), code), ("state".to_owned(), asked["state"].clone())];
        if book.names_itself {
            back.push(("iss".to_owned(), self.issuer.clone()));
        }
        back
    }

    /// An id token signed by the provider's key over these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let book = self.book();
        let header = PreparedHeader::new(Algorithm::Es256, "JWT", &book.signer.kid).expect("a header");
        sign_compact(&header, claims, &book.signer.key).expect("a token")
    }

    fn claims(&self, nonce: &str) -> Value {
        let now = self.app.clock_seconds();
        let mut claims = json!({"iss": self.issuer, "sub": "subject-1", "aud": CLIENT, "nonce": nonce, "iat": now,
            "exp": now + 300, "email": "alice@example.com", "email_verified": true, "name": "Alice"});
        let own = claims.as_object_mut().expect("an object");
        for (name, value) in &self.book().lies {
            if value.is_null() {
                own.remove(name);
            } else {
                own.insert(name.clone(), value.clone());
            }
        }
        claims
    }
}

fn public(signer: &Signer) -> (String, PublicOf) {
    (signer.kid.clone(), signer.key.public_jwk(&signer.kid).expect("a key"))
}

/// The parameters of an address.
pub fn query(url: &str) -> HashMap<String, String> {
    let text = url.split_once('?').map(|(_, query)| query).unwrap_or_default();
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// Parameters as a query.
pub fn encode(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn metadata(State(own): State<Provider>) -> Response {
    if own.book().hangs {
        std::future::pending::<()>().await;
    }
    let at = |path: &str| format!("{}{path}", own.issuer);
    let names_itself = own.book().names_itself;
    Json(json!({"issuer": own.issuer, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"), "jwks_uri": at("/jwks"),
        "authorization_response_iss_parameter_supported": names_itself,
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"]}))
    .into_response()
}

async fn keys(State(own): State<Provider>) -> Response {
    let mut book = own.book();
    book.key_requests += 1;
    let keys = book.published.iter().map(|(_, key)| key.clone()).collect();
    Json(JwkSet::new(keys).expect("keys")).into_response()
}

async fn token(State(own): State<Provider>, body: Bytes) -> Response {
    if own.book().hangs {
        std::future::pending::<()>().await;
    }
    let form: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let found = {
        let mut book = own.book();
        book.forms.push(form.clone());
        form.get("code").and_then(|code| book.codes.remove(code))
    };
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response();
    let Some((nonce, challenge, redirect_uri)) = found else { return refused("invalid_grant") };
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let is_ours = b64url::encode(protocol::sha256(text("code_verifier").as_bytes())) == challenge;
    if !is_ours || text("redirect_uri") != redirect_uri {
        return refused("invalid_grant");
    }
    if text("client_id") != CLIENT {
        return refused("invalid_client");
    }
    let forged = own.book().forged.clone();
    let id_token = forged.unwrap_or_else(|| own.sign(&own.claims(&nonce)));
    Json(json!({"access_token": "canary-at-provider", "token_type": "Bearer", "id_token": id_token}))
        .into_response()
}

fn is_bearer(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value == "Bearer canary-at-provider")
}

async fn userinfo(State(own): State<Provider>, headers: HeaderMap) -> Response {
    if !is_bearer(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(own.book().user.clone()).into_response()
}

async fn emails(State(own): State<Provider>, headers: HeaderMap) -> Response {
    if !is_bearer(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(own.book().emails.clone()).into_response()
}
