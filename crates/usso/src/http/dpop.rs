//! The proof of possession that comes with a request (RFC 9449).
//!
//! The edge takes it from the headers once, with the method and path it must be for, so that a handler needs nothing but
//! its [`Tenant`] to have it checked.

use crate::http::Tenant;
use crate::tenant::issuer::Addressed;
use http::request::Parts;
use http::{HeaderName, Method};
use protocol::oauth::dpop::{self, ALGORITHMS, DpopError, Expected, Proof};

/// The header.
pub const HEADER: HeaderName = HeaderName::from_static("dpop");

/// A proof as it came, and what it must be for.
#[derive(Debug, Clone)]
pub struct Presented {
    proof: Result<String, DpopError>,
    method: Method,
    path: String,
}

/// The proof of a request whose path is as its tenant's routes have it.
pub fn presented(parts: &Parts) -> Option<Presented> {
    let values = parts.headers.get_all(HEADER).iter().map(|value| value.as_bytes());
    let proof = match dpop::single(values) {
        Ok(None) => return None,
        Ok(Some(proof)) => Ok(proof.to_owned()),
        Err(error) => Err(error),
    };
    Some(Presented { proof, method: parts.method.clone(), path: parts.uri.path().to_owned() })
}

impl Tenant {
    /// The proof that came with this request, checked but for its being the first of its id; none if none came.
    /// `access_token`: the one it came with, at a protected resource.
    ///
    /// # Errors
    /// [`DpopError`].
    pub fn proof(&self, access_token: Option<&str>) -> Result<Option<Proof>, DpopError> {
        let Some(Presented { proof, method, path }) = &self.info.proof else { return Ok(None) };
        let text = proof.as_ref().map_err(|error| *error)?;
        let expected = Expected {
            method: method.as_str(),
            url: &format!("{}{path}", self.root()),
            now: self.scope.now().unix_seconds(),
            access_token,
            algorithms: &ALGORITHMS,
        };
        Proof::verify(text, &expected).map(Some)
    }

    /// What stands before the path of this request at the client's end.
    fn root(&self) -> String {
        match self.addressed {
            Addressed::Header => self.scope.profile().issuers.base_origin(),
            Addressed::Host(_) | Addressed::Path => self.issuer(),
        }
    }
}
