//! What anybody may make us keep: a request waits in the database until somebody answers it. From one network so many
//! may wait and no more, so that nobody fills the database with them.

use super::{Context, OauthError};
use crate::identity::attempts::{self, Source};
use crate::integration::clients::model::Client;
use crate::tenant::Actor;
use crate::tenant::audit::Event;

/// How many requests may come from one network, of each kind …
const MOST: u64 = 500;
/// … within this many seconds.
const WINDOW: i64 = 600;

/// Makes room for a request of nobody in particular: of a browser where nobody is signed in.
///
/// # Errors
/// [`OauthError::TooMany`] when its network made too many.
pub async fn room(ctx: Context<'_>, purpose: &'static str) -> Result<(), OauthError> {
    let source = Source { purpose, ip: ctx.peer.ip, limit: MOST, window: WINDOW };
    let event =
        Event::refused("client.requests_limited", Actor::Anonymous, ctx.tenant.id().as_str(), ctx.peer);
    match attempts::spend(ctx.tenant, &source, event.effect(ctx.tenant)).await? {
        Some(retry_after) => Err(OauthError::TooMany { retry_after }),
        None => Ok(()),
    }
}

/// Makes room for a request of a client: one without a secret might be anybody.
///
/// # Errors
/// As [`room`].
pub async fn room_for(ctx: Context<'_>, client: &Client, purpose: &'static str) -> Result<(), OauthError> {
    if client.is_public() { room(ctx, purpose).await } else { Ok(()) }
}
