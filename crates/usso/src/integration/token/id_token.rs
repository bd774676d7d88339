//! Id tokens: what a client is told of a user's sign-in (OpenID Connect Core §2, §3.1.3.6, §12.2).

use crate::identity::sessions::model::Session;
use crate::identity::users::model::User;
use crate::integration::clients::model::Client;
use crate::integration::userinfo::claims::{claims_of, words};
use crate::integration::{Context, OauthError};
use crate::tenant::keys::changes;
use crate::tenant::verify::TokenType;
use kernel::{Stored, TokenId};
use protocol::jose::Algorithm;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What only an id token says.
#[derive(Debug, Clone, Copy, Default)]
pub struct IdToken<'a> {
    /// What the client sent along to recognise it by; never repeated by a refresh (Core §12.2).
    pub nonce: Option<&'a str>,
}

/// Signs an id token that goes with an access token.
///
/// # Errors
/// When no key can be made, or signing fails.
pub(super) async fn sign(
    ctx: Context<'_>,
    (client, session, user): (&Client, &Session, &Stored<User>),
    scope: &[String],
    (parts, access_token): (&IdToken<'_>, &str),
) -> Result<String, OauthError> {
    let algorithm = signs_with(ctx, client.id_token_alg);
    let mut claims = standard(ctx, (client, session), (algorithm, access_token));
    if let Some(nonce) = parts.nonce {
        claims.insert("nonce".to_owned(), nonce.into());
    }
    let requested = session.grant.as_ref().map(|grant| grant.claims.id_token.clone()).unwrap_or_default();
    for (name, value) in claims_of(user, &words(scope, &requested)) {
        // A user says many things of themself, but not these.
        claims.entry(name).or_insert(value);
    }
    signed(ctx, algorithm, &claims).await
}

fn standard(
    ctx: Context<'_>,
    (client, session): (&Client, &Session),
    (algorithm, access_token): (Algorithm, &str),
) -> Map<String, Value> {
    let now = ctx.tenant.now();
    let id = client.id.as_str();
    let browser = session.grant.as_ref().and_then(|grant| grant.browser.as_ref());
    let claims = json!({
        "iss": ctx.issuer,
        "sub": session.subject(),
        "aud": id,
        "azp": id,
        "iat": now.unix_seconds(),
        "exp": now.unix_seconds() + ctx.tenant.profile().settings.access_timeout,
        "auth_time": session.authenticated_at.unix_seconds(),
        "acr": session.acr,
        "amr": amr(session),
        "sid": browser.unwrap_or(&session.id),
        "at_hash": algorithm.half_hash(access_token),
        "jti": String::from(TokenId::generate(now, ctx.tenant.random())),
        "token_type": TokenType::Id,
        "tenant_id": ctx.tenant.id().as_str(),
    });
    match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    }
}

/// How the user signed in, in the words of RFC 8176 where it has one.
fn amr(session: &Session) -> Vec<&str> {
    let mut words: Vec<&str> = Vec::new();
    for method in &session.amr {
        let said = match method.as_str() {
            "password" => "pwd",
            "totp" | "email/otp" | "phone/otp" | "backup_codes" => "otp",
            "webauthn" => "pop",
            other => other,
        };
        if !words.contains(&said) {
            words.push(said);
        }
    }
    if session.acr == "usso:acr:2" {
        words.push("mfa");
    }
    words
}

/// What to sign with: what the client asked for, as long as the tenant signs with it.
pub(crate) fn signs_with(ctx: Context<'_>, wanted: Algorithm) -> Algorithm {
    let own = ctx.tenant.profile().tenant.algorithm;
    if wanted == Algorithm::Rs256 || wanted == own { wanted } else { own }
}

/// Signs claims with the tenant's key of an algorithm, which is made now if nobody has had need of it.
///
/// # Errors
/// When it can't be made, or signing fails.
pub(crate) async fn signed(
    ctx: Context<'_>,
    algorithm: Algorithm,
    claims: &Map<String, Value>,
) -> Result<String, OauthError> {
    signed_as(ctx, (algorithm, "JWT"), claims).await
}

/// As [`signed`], of another type.
///
/// # Errors
/// As [`signed`].
pub(crate) async fn signed_as(
    ctx: Context<'_>,
    (algorithm, typ): (Algorithm, &str),
    claims: &impl Serialize,
) -> Result<String, OauthError> {
    let now = ctx.tenant.now();
    if let Some(token) = ctx.tenant.profile().keys.sign_with(algorithm, typ, claims, now)? {
        return Ok(token);
    }
    let broken = |error: String| OauthError::Key(error);
    changes::ensure(ctx.registry, ctx.tenant.id(), algorithm).await.map_err(|e| broken(e.to_string()))?;
    let tenant = ctx.registry.open(ctx.tenant.id()).await.map_err(|e| broken(e.to_string()))?;
    let tenant = tenant.ok_or_else(|| broken("the tenant is gone".to_owned()))?;
    // As of now: the key signs from when it was made, which was after this began.
    let token = tenant.profile().keys.sign_with(algorithm, typ, claims, ctx.tenant.now())?;
    token.ok_or_else(|| broken(format!("none for {algorithm}")))
}
