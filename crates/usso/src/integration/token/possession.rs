//! The key that tokens are bound to (RFC 9449 §5): whoever asks for them proves that they have it.

use crate::integration::clients::model::Client;
use crate::integration::{Context, OauthError};
use crate::tenant::dpop::{ProofError, use_up};
use protocol::oauth::client_assertion::FAPI2_ALGORITHMS;
use protocol::oauth::dpop::Proof;

/// The thumbprint of the key a client has proven to have, whose proof is used up by this; none if it proved none and need
/// not.
///
/// # Errors
/// `invalid_dpop_proof`.
pub(crate) async fn proven(
    ctx: Context<'_>,
    client: &Client,
    proof: Option<&Proof>,
) -> Result<Option<String>, OauthError> {
    let Some(proof) = proof else {
        let is_needed = client.needs_dpop();
        return if is_needed {
            Err(OauthError::invalid_dpop_proof("This client needs a DPoP proof"))
        } else {
            Ok(None)
        };
    };
    if client.fapi2 && !FAPI2_ALGORITHMS.contains(&proof.algorithm) {
        return Err(OauthError::invalid_dpop_proof("The algorithm of the DPoP proof is not accepted"));
    }
    match use_up(ctx.tenant, proof).await {
        Ok(()) => Ok(Some(proof.jkt.clone())),
        Err(ProofError::Storage(error)) => Err(error.into()),
        Err(error) => Err(OauthError::invalid_dpop_proof(error.to_string())),
    }
}

/// As [`proven`], where a proof may come but need not yet (RFC 9449 §10.1).
///
/// # Errors
/// `invalid_dpop_proof`.
pub(crate) async fn pushed(
    ctx: Context<'_>,
    client: &Client,
    proof: Option<&Proof>,
) -> Result<Option<String>, OauthError> {
    match proof {
        Some(_) => proven(ctx, client, proof).await,
        None => Ok(None),
    }
}
