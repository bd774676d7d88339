//! Asking the servers of clients: for their keys and metadata, and to tell them that somebody signed out.
//!
//! Where such a server is, a stranger may have said. All of it goes through [`Internet::send`], which asks public addresses
//! only, connects to the very address it judged, and follows no redirect; here answers are kept short and waits shorter.

use kernel::{Internet, WebAnswer, WebRequest};
use std::time::Duration;

/// How long a document may take in all.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a notice may take in all (OpenID Connect Back-Channel Logout §2.5).
const NOTICE: Duration = Duration::from_secs(5);

/// The largest document, in bytes.
pub const MAX_DOCUMENT: usize = 64 * 1024;

/// Nobody answered in time, or not with what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client's server does not answer as it should")]
pub struct Unreachable;

/// Fetches a JSON document.
///
/// # Errors
/// [`Unreachable`]: not 200, not within three seconds, larger than 64 KiB, or not at a public address.
pub async fn document(internet: &dyn Internet, url: &str) -> Result<Vec<u8>, Unreachable> {
    let request = WebRequest {
        method: "GET",
        url: url.to_owned(),
        headers: vec![("accept", "application/json".to_owned()), ("user-agent", "usso".to_owned())],
        body: Vec::new(),
    };
    let answer = ask(internet, request, PATIENCE).await?;
    if answer.status == 200 && answer.body.len() <= MAX_DOCUMENT { Ok(answer.body) } else { Err(Unreachable) }
}

/// Sends a form, and answers the status that came back.
///
/// # Errors
/// [`Unreachable`]: not within five seconds, or not at a public address.
pub async fn post(internet: &dyn Internet, url: &str, form: String) -> Result<u16, Unreachable> {
    let request = WebRequest {
        method: "POST",
        url: url.to_owned(),
        headers: vec![
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("user-agent", "usso".to_owned()),
        ],
        body: form.into_bytes(),
    };
    Ok(ask(internet, request, NOTICE).await?.status)
}

async fn ask(
    internet: &dyn Internet,
    request: WebRequest,
    patience: Duration,
) -> Result<WebAnswer, Unreachable> {
    let answer = tokio::time::timeout(patience, internet.send(request)).await;
    answer.ok().and_then(Result::ok).ok_or(Unreachable)
}
