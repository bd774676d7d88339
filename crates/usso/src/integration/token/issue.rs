//! The one function that makes tokens for clients. What stands in them is told to it; it decides nothing.

use super::id_token::{self, IdToken};
use crate::access_control::roles::effective::Effective;
use crate::identity::hooks;
use crate::identity::identifiers::IdentifierKind;
use crate::identity::sessions::model::Session;
use crate::identity::tokens;
use crate::identity::users::model::User;
use crate::integration::clients::model::Client;
use crate::integration::{Context, OauthError};
use crate::tenant::keys::KeyUse;
use crate::tenant::verify::{Act, Claims, Confirmation, TokenType};
use kernel::{Stored, TokenId};
use protocol::oauth::scope;
use serde::Serialize;

/// Of whom the tokens tell.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// The client itself; there is no session.
    Client,
    /// A user, in a session that was opened for the client.
    User {
        /// The session, in the generation to hand out.
        session: &'a Session,
        /// The user.
        user: &'a Stored<User>,
        /// What they hold now of what the session was opened for.
        held: &'a Effective,
    },
}

/// What to put into tokens.
#[derive(Debug, Clone)]
pub struct Issue<'a> {
    /// Of whom they tell.
    pub subject: Subject<'a>,
    /// For which client.
    pub client: &'a Client,
    /// What was granted, or less.
    pub scope: &'a [String],
    /// Who is to accept the access token.
    pub audience: String,
    /// The key it is bound to.
    pub cnf: Option<Confirmation>,
    /// Who really acts.
    pub act: Option<Act>,
    /// Whether there is to be a refresh token.
    pub refresh: bool,
    /// When the access token ends at the latest, seconds.
    pub until: Option<i64>,
    /// What is to stand in an id token, if there is to be one.
    pub id_token: Option<IdToken<'a>>,
}

/// The answer of the token endpoint (RFC 6749 §5.1).
#[derive(Serialize, utoipa::ToSchema)]
pub struct Tokens {
    /// The access token.
    pub access_token: String,
    /// `Bearer`, or `DPoP` for one that is bound to a key (RFC 9449 §5).
    pub token_type: &'static str,
    /// Seconds the access token lives.
    pub expires_in: i64,
    /// The refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// What kind of token it is, after an exchange (RFC 8693 §2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'static str>,
    /// What was granted.
    pub scope: String,
    /// The id token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// Makes tokens. Of a user only if no validator of the tenant denies it, and with the claims it adds.
///
/// # Errors
/// What a validator says; when the tenant has no key or signing fails.
pub async fn issue(ctx: Context<'_>, what: Issue<'_>) -> Result<Tokens, OauthError> {
    let Subject::User { session, user, held } = what.subject else { return all(ctx, what).await };
    let claims = hooks::before_token(ctx.identity, ctx.tenant, (user, session), ctx.peer).await?;
    if claims.is_empty() {
        return all(ctx, what).await;
    }
    let mut session = session.clone();
    session.claims.extend(claims);
    all(ctx, Issue { subject: Subject::User { session: &session, user, held }, ..what }).await
}

async fn all(ctx: Context<'_>, what: Issue<'_>) -> Result<Tokens, OauthError> {
    let mut made = access(ctx, &what)?;
    if let Subject::User { session, user, .. } = what.subject {
        if what.refresh {
            let claims = Claims {
                client_id: Some(what.client.id.as_str().to_owned()),
                ..tokens::refresh_claims(ctx.tenant, ctx.issuer, session)
            };
            made.refresh_token =
                Some(ctx.tenant.profile().keys.sign(KeyUse::Access, &claims, ctx.tenant.now())?);
        }
        if let Some(parts) = &what.id_token {
            let about = (what.client, session, user);
            made.id_token = Some(id_token::sign(ctx, about, what.scope, (parts, &made.access_token)).await?);
        }
    }
    Ok(made)
}

/// Makes an access token alone (RFC 9068).
///
/// # Errors
/// When the tenant has no key or signing fails.
pub fn access(ctx: Context<'_>, what: &Issue<'_>) -> Result<Tokens, OauthError> {
    let claims = claims(ctx, what);
    let access_token = ctx.tenant.profile().keys.sign_for_client(&claims.flattened(), ctx.tenant.now())?;
    Ok(Tokens {
        access_token,
        token_type: if what.cnf.is_some() { "DPoP" } else { "Bearer" },
        expires_in: claims.exp - claims.iat,
        refresh_token: None,
        issued_token_type: None,
        scope: what.scope.join(" "),
        id_token: None,
    })
}

fn claims(ctx: Context<'_>, what: &Issue<'_>) -> Claims {
    let claims = match what.subject {
        Subject::Client => of_client(ctx, what),
        Subject::User { session, user, held } => of_user(ctx, what, (session, user, held)),
    };
    Claims {
        aud: Some(what.audience.clone()),
        scope: (!what.scope.is_empty()).then(|| what.scope.join(" ")),
        client_id: Some(what.client.id.as_str().to_owned()),
        cnf: what.cnf.clone(),
        act: what.act.clone().or(claims.act),
        exp: what.until.map_or(claims.exp, |until| claims.exp.min(until)),
        ..claims
    }
}

fn of_user(
    ctx: Context<'_>,
    what: &Issue<'_>,
    (session, user, held): (&Session, &User, &Effective),
) -> Claims {
    let lifetime = tokens::lifetime(ctx.tenant, session);
    let wanted = scope::permissions(what.scope);
    let scopes = protocol::scope::common(&wanted, &held.scopes).into_iter().map(str::to_owned).collect();
    let held = Effective { scopes, ..held.clone() };
    let claims = tokens::access_claims(ctx.tenant, ctx.issuer, session, (user, held), lifetime);
    let has = |word: &str| what.scope.iter().any(|own| own == word);
    let told = |word: &str, claim: Option<String>| claim.filter(|_| has(word));
    Claims {
        auth_time: Some(session.authenticated_at.unix_seconds()),
        user_name: told("profile", claims.user_name),
        username: told("profile", user.verified(IdentifierKind::Username).map(str::to_owned)),
        email: told("email", claims.email),
        phone: told("phone", claims.phone),
        claims: claims.claims.filter(|_| what.client.is_first_party),
        ..claims
    }
}

fn of_client(ctx: Context<'_>, what: &Issue<'_>) -> Claims {
    let (now, id) = (ctx.tenant.now(), what.client.id.as_str().to_owned());
    Claims {
        jti: TokenId::generate(now, ctx.tenant.random()).into(),
        token_type: TokenType::Access,
        iss: ctx.issuer.to_owned(),
        sub: id,
        iat: now.unix_seconds(),
        exp: now.unix_seconds() + ctx.tenant.profile().settings.access_timeout,
        tenant_id: ctx.tenant.id().as_str().to_owned(),
        roles: Some(Vec::new()),
        scopes: Some(scope::permissions(what.scope)),
        // Relying applications know services by this word (contract 2.3).
        sub_type: Some("agent".to_owned()),
        aud: None,
        workspace_id: None,
        session_id: None,
        amr: None,
        acr: None,
        user_id: None,
        user_name: None,
        username: None,
        email: None,
        phone: None,
        act: None,
        scope: None,
        client_id: None,
        auth_time: None,
        cnf: None,
        claims: None,
        g: None,
    }
}
