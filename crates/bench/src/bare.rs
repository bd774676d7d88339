//! The bare routes: what the same axum, hyper, allocator and cryptography can do with nothing else around them.
//! They are the limits the product's figures are held against.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use protocol::jose::{
    Algorithm, JoseError, JwkSet, PreparedHeader, SigningKey, Untrusted, VerifyingKey, sign_compact,
};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpListener;

const KID: &str = "key_01k9r3m6v8bare";

/// The claims of a first-party access token, as many and as long as the product's.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    jti: String,
    token_type: String,
    iss: String,
    sub: String,
    iat: i64,
    exp: i64,
    tenant_id: String,
    session_id: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    amr: Vec<String>,
    acr: String,
    user_id: String,
    sub_type: String,
}

impl Claims {
    fn example(token_type: &str) -> Self {
        Self {
            jti: "jwt_01k9r3m6v8q2w4x6y8z0abcdef".to_owned(),
            token_type: token_type.to_owned(),
            iss: "http://localhost:8000".to_owned(),
            sub: "user:01k9r3m6v8q2w4x6y8z0abcdef".to_owned(),
            iat: 1_800_000_000,
            exp: 4_000_000_000,
            tenant_id: "org_default".to_owned(),
            session_id: "session:01k9r3m6v8q2w4x6y8z0abcdef".to_owned(),
            roles: vec!["user".to_owned()],
            scopes: vec!["read:profiles".to_owned(), "update:profiles".to_owned()],
            amr: vec!["password".to_owned()],
            acr: "usso:acr:1".to_owned(),
            user_id: "user:01k9r3m6v8q2w4x6y8z0abcdef".to_owned(),
            sub_type: "user".to_owned(),
        }
    }
}

struct Bare {
    header: PreparedHeader,
    signing: SigningKey,
    verifying: VerifyingKey,
    key_set: Bytes,
}

#[derive(Serialize)]
struct Pair {
    access_token: String,
    refresh_token: String,
    token_type: &'static str,
    expires_in: u32,
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: String,
}

impl Bare {
    fn new() -> Result<Self, JoseError> {
        let signing = SigningKey::generate(Algorithm::EdDsa)?;
        let public = signing.public_jwk(KID)?;
        let verifying = VerifyingKey::from_jwk(&public)?;
        let key_set = serde_json::to_vec(&JwkSet::new(vec![public])?).unwrap_or_default().into();
        Ok(Self { header: PreparedHeader::new(Algorithm::EdDsa, "JWT", KID)?, signing, verifying, key_set })
    }

    fn verify(&self, token: &str) -> Result<Claims, JoseError> {
        Untrusted::parse(token)?.verify(&self.verifying)?.claims()
    }

    fn pair(&self) -> Result<Pair, JoseError> {
        Ok(Pair {
            access_token: sign_compact(&self.header, &Claims::example("access"), &self.signing)?,
            refresh_token: sign_compact(&self.header, &Claims::example("refresh"), &self.signing)?,
            token_type: "Bearer",
            expires_in: 3600,
        })
    }
}

async fn static_json(State(bare): State<Arc<Bare>>) -> Response {
    ([(CONTENT_TYPE, "application/json")], bare.key_set.clone()).into_response()
}

async fn verify(State(bare): State<Arc<Bare>>, headers: HeaderMap) -> Response {
    let token =
        headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    match token.and_then(|t| bare.verify(t).ok()) {
        Some(claims) => Json(serde_json::json!({ "sub": claims.sub, "valid": true })).into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn verify_sign(State(bare): State<Arc<Bare>>, Json(body): Json<Refresh>) -> Response {
    match bare.verify(&body.refresh_token).and_then(|_| bare.pair()) {
        Ok(pair) => Json(pair).into_response(),
        Err(_) => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn token(State(bare): State<Arc<Bare>>) -> Response {
    match bare.pair() {
        Ok(pair) => Json(pair).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn sign(State(bare): State<Arc<Bare>>) -> Response {
    match sign_compact(&bare.header, &Claims::example("access"), &bare.signing) {
        Ok(access_token) => Json(
            serde_json::json!({ "access_token": access_token, "token_type": "Bearer", "expires_in": 3600 }),
        )
        .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Serves the bare routes on the loopback address with two worker threads until the process ends.
///
/// # Errors
/// When the key can't be made or the port is taken.
pub fn serve(port: u16) -> io::Result<()> {
    let state = Arc::new(Bare::new().map_err(io::Error::other)?);
    let router = Router::new()
        .route("/static-json", get(static_json))
        .route("/verify", get(verify))
        .route("/verify-sign", post(verify_sign))
        .route("/token", get(token))
        .route("/sign", post(sign))
        .with_state(state);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await
    })
}
