//! The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2): a browser comes with a client's request, and goes
//! back with a code.
//!
//! ```text
//! target.rs       where an answer may go: client and redirection URI; until then nothing is sent anywhere
//! checks.rs       the request, check by check, in order
//! request.rs      what it is then
//! transaction.rs  how it waits for its user
//! code.rs         the code
//! respond.rs      the way back, page.rs when it is a form
//! ```
//!
//! [`begin`] reads a request, [`resume`] finds one that waits, and both `proceed`: somebody must be signed in, as recently
//! and as whom the request says; they must have consented; then there is a code. What a page must do in between, a [`Step`]
//! says; the page does it and comes back with the handle.

pub(super) mod checks;
pub mod code;
pub mod page;
pub mod request;
pub mod respond;
pub mod routes;
pub mod target;
pub mod transaction;

use super::clients::model::Client;
use super::clients::service as clients;
use super::consents::service as consents;
use super::par::service as par;
use super::{Browser, Context, OauthCode, OauthError, budget};
use kernel::Stored;
use protocol::oauth::Params;
use respond::Redirection;
use std::sync::Arc;
use transaction::{Obstacle, Transaction, Waiting};

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// Back to the client.
    Back(Redirection),
    /// The user signs in, or in another account, and comes back with the handle.
    SignIn(Pause),
    /// The user is asked, and decides by the handle (see [`consents::decide`]).
    Consent(Pause),
}

/// A request that waits at a page.
#[derive(Debug)]
pub struct Pause {
    /// What it is found by.
    pub handle: String,
    /// The request.
    pub transaction: Transaction,
    /// Whose it is.
    pub client: Arc<Stored<Client>>,
}

/// Takes up a request.
///
/// # Errors
/// What is to be shown, not sent: an unknown client or redirection URI, and our own troubles.
pub async fn begin(ctx: Context<'_>, params: &Params, browser: Option<&Browser>) -> Result<Step, OauthError> {
    let unfolded = par::unfold(ctx, params).await?;
    let (params, pushed) = match &unfolded {
        Some((pushed, id)) => (pushed, Some(id.as_str())),
        None => (params, None),
    };
    let target = target::find(ctx, params).await?;
    match checks::run(ctx, (params, pushed), &target) {
        Ok(request) => {
            let transaction = Transaction::new(request, ctx.tenant.now());
            proceed(ctx, (transaction, &target.client), None, browser).await
        }
        Err(error) => target.refuse(ctx.issuer, error).map(Step::Back),
    }
}

/// Takes a request up again that waits.
///
/// # Errors
/// As [`begin`]; a handle nothing waits under.
pub async fn resume(ctx: Context<'_>, handle: &str, browser: Option<&Browser>) -> Result<Step, OauthError> {
    if let Some(answer) = transaction::take_answer(ctx.tenant, handle).await? {
        return Ok(Step::Back(answer));
    }
    let waiting = waiting(ctx, handle).await?;
    let client = client_of(ctx, &waiting.transaction).await?;
    proceed(ctx, (waiting.transaction.clone(), &client), Some((handle, &waiting)), browser).await
}

/// Finds a request that waits.
///
/// # Errors
/// `invalid_request` when none does.
pub async fn waiting(ctx: Context<'_>, handle: &str) -> Result<Waiting, OauthError> {
    transaction::find(ctx.tenant, handle).await?.ok_or_else(gone)
}

/// The client of a request that waits.
///
/// # Errors
/// `invalid_request` when it is gone.
pub async fn client_of(
    ctx: Context<'_>,
    transaction: &Transaction,
) -> Result<Arc<Stored<Client>>, OauthError> {
    let id = &transaction.request.client_id;
    clients::live(ctx.identity, ctx.integration, ctx.tenant, id).await?.ok_or_else(gone)
}

fn gone() -> OauthError {
    OauthError::invalid_request("This request is unknown, was answered, or waited too long; start again")
}

/// Somebody must be signed in as the request says; they must have consented; then there is a code.
async fn proceed(
    ctx: Context<'_>,
    (transaction, client): (Transaction, &Arc<Stored<Client>>),
    kept: Option<(&str, &Waiting)>,
    browser: Option<&Browser>,
) -> Result<Step, OauthError> {
    let request = &transaction.request;
    let obstacle = match browser {
        Some(browser) => transaction.obstacle(browser, ctx.tenant.now()),
        None => Some(Obstacle::SignIn),
    };
    let browser = match (browser, obstacle) {
        (_, Some(Obstacle::TooWeak)) => {
            return refuse(&transaction, OauthCode::UnmetAuthenticationRequirements);
        }
        (_, Some(Obstacle::AnotherUser)) => return refuse(&transaction, OauthCode::LoginRequired),
        (Some(browser), None) => browser,
        _ if request.prompt.none => return refuse(&transaction, OauthCode::LoginRequired),
        _ => return pause(ctx, (transaction, client), kept, browser).await.map(Step::SignIn),
    };
    if consents::is_needed(ctx, (request, client), browser).await? {
        if request.prompt.none {
            return refuse(&transaction, OauthCode::ConsentRequired);
        }
        return pause(ctx, (transaction, client), kept, Some(browser)).await.map(Step::Consent);
    }
    if let Some((_, waiting)) = kept
        && !waiting.take(ctx.tenant).await?
    {
        return Err(gone());
    }
    finish(ctx, &transaction, browser).await.map(Step::Back)
}

/// Gives the client its code.
///
/// # Errors
/// When the database is away.
pub(super) async fn finish(
    ctx: Context<'_>,
    transaction: &Transaction,
    browser: &Browser,
) -> Result<Redirection, OauthError> {
    // What was pushed is answered once (RFC 9126 section 7.3).
    if let Some(id) = &transaction.request.pushed
        && !par::use_up(ctx.tenant, id).await?
    {
        return Redirection::refusal(&transaction.request, par::used());
    }
    let code = code::make(ctx.tenant, &transaction.request, browser).await?;
    Ok(Redirection::code(&transaction.request, code))
}

fn refuse(transaction: &Transaction, code: OauthCode) -> Result<Step, OauthError> {
    let detail = match code {
        OauthCode::LoginRequired => "The user must sign in",
        OauthCode::ConsentRequired => "The user must be asked",
        OauthCode::UnmetAuthenticationRequirements => "The user did not sign in as strongly as is essential",
        _ => "The request was refused",
    };
    Redirection::refusal(&transaction.request, OauthError::Refused(code, detail.into())).map(Step::Back)
}

async fn pause(
    ctx: Context<'_>,
    (transaction, client): (Transaction, &Arc<Stored<Client>>),
    kept: Option<(&str, &Waiting)>,
    browser: Option<&Browser>,
) -> Result<Pause, OauthError> {
    let handle = match kept {
        Some((handle, _)) => handle.to_owned(),
        None => {
            if browser.is_none() {
                budget::room(ctx, "authorization_request").await?;
            }
            transaction::keep(ctx.tenant, &transaction).await?
        }
    };
    Ok(Pause { handle, transaction, client: client.clone() })
}
