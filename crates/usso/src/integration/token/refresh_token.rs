//! `refresh_token` (RFC 6749 §6): by generations of the session, as everywhere (rulings D2, D21).
//!
//! What is refused changes nothing, with one exception: a generation that was left behind long ago has been copied, and ends
//! the session with everything that was issued in it (RFC 9700 §4.14.2).

use super::Bearer;
use super::id_token::IdToken;
use super::issue::{Issue, Subject, Tokens, issue};
use super::request::{RefreshGrant, Target};
use crate::identity::sessions::model::Session;
use crate::identity::sessions::service::{Handout, SessionError, rotate};
use crate::identity::users::model::User;
use crate::integration::{Context, OauthError};
use crate::tenant::verify::{TokenError, verify};
use kernel::Stored;

/// New tokens for a refresh token of this client.
///
/// # Errors
/// `invalid_grant`; `invalid_scope` for more than was granted; `invalid_target`.
pub(super) async fn refresh(
    ctx: Context<'_>,
    who: Bearer<'_>,
    grant: RefreshGrant,
    target: Target,
) -> Result<Tokens, OauthError> {
    let client = who.client;
    let claims = verify(ctx.tenant, &grant.token).map_err(SessionError::Token)?;
    let audience = target.0.is_some().then(|| target.audience(ctx, client)).transpose()?;
    let handout = ForClient { ctx, who, asked: grant.scope.as_deref(), audience };
    let (tokens, _) = rotate(ctx.identity, ctx.tenant, (&claims, ctx.peer), &handout).await?;
    Ok(tokens)
}

/// Tokens for a client.
struct ForClient<'a> {
    ctx: Context<'a>,
    who: Bearer<'a>,
    /// What of the grant is wanted, if not all of it.
    asked: Option<&'a [String]>,
    /// For whom, if not for whom the grant was given.
    audience: Option<String>,
}

impl Handout for ForClient<'_> {
    type Answer = Tokens;
    type Error = OauthError;

    fn admits(&self, session: &Session) -> Result<(), OauthError> {
        let own = session.grant.as_ref().filter(|grant| grant.client_id == self.who.client.id);
        let grant = own.ok_or_else(|| OauthError::from(SessionError::Token(TokenError::Invalid)))?;
        // Only the client's own proof keeps another from using the token of one that keeps no secret (RFC 9449 section 5).
        let is_bearers = match (grant.jkt.as_deref(), self.who.jkt) {
            (Some(bound), Some(jkt)) => !(grant.is_public || self.who.client.is_public()) || bound == jkt,
            (Some(_), None) => false,
            (None, _) => true,
        };
        if !is_bearers {
            return Err(OauthError::invalid_grant("The refresh token is bound to another key"));
        }
        if self.ctx.tenant.profile().settings.require_mfa && session.is_weak() {
            return Err(SessionError::MfaRequired.into());
        }
        let is_more = |word: &String| !grant.scope.contains(word);
        if self.asked.is_some_and(|asked| asked.iter().any(is_more)) {
            return Err(OauthError::invalid_scope("More than was granted"));
        }
        Ok(())
    }

    async fn make(
        &self,
        old: &Stored<Session>,
        next: Session,
        user: &Stored<User>,
    ) -> Result<(Tokens, Option<Stored<Session>>), SessionError> {
        let Self { ctx, who, asked, audience } = self;
        let client = who.client;
        let held = ctx.identity.held_in(ctx.tenant, (&next, user), next.workspace_id.as_deref()).await?;
        let mut held = held.ok_or(TokenError::Revoked)?;
        if !client.is_first_party {
            held.roles.clear();
        }
        let granted = next.grant.as_ref().map(|grant| grant.scope.clone()).unwrap_or_default();
        // What was taken from the client since is gone.
        let scope = client.allowed(&asked.map_or(granted, <[String]>::to_vec));
        let audience = audience.clone().or_else(|| next.aud.clone());
        let what = Issue {
            subject: Subject::User { session: &next, user, held: &held },
            client,
            scope: &scope,
            audience: audience.unwrap_or_else(|| client.id.as_str().to_owned()),
            cnf: who.confirmation(),
            act: None,
            until: None,
            refresh: true,
            id_token: scope.iter().any(|word| word == "openid").then(IdToken::default),
        };
        let tokens = issue(*ctx, what).await.map_err(unsaid)?;
        let stored = match next == old.record {
            true => None,
            false => Some(ctx.tenant.records::<Session>().replace(old, next, Vec::new()).await?),
        };
        Ok((tokens, stored))
    }
}

/// What can go wrong while issuing is not the grant's fault.
fn unsaid(error: OauthError) -> SessionError {
    match error {
        OauthError::Sign(e) => SessionError::Sign(e),
        OauthError::Storage(e) => SessionError::Storage(e),
        _ => SessionError::Sign(crate::tenant::keys::keyring::KeyRingError::NoKey),
    }
}
