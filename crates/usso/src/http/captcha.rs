//! Proofs of solved captchas, wherever a request has them (contract 9.5).

use crate::http::{ApiError, Tenant, cookie};
use crate::identity::captcha::error::CaptchaError;
use crate::identity::captcha::service::is_satisfied;
use http::HeaderMap;

/// The header that carries one.
pub const TOKEN: &str = "x-captcha-token";

/// The proofs a request presents: in its header, in a field of its body or query, in its cookie.
pub fn presented<'a>(headers: &'a HeaderMap, field: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    let header = headers.get(TOKEN).and_then(|value| value.to_str().ok());
    header.into_iter().chain(field).chain(cookie::get(headers, cookie::CAPTCHA))
}

/// Refuses a request without a proof where every one needs it: before anything is sent that costs somebody money.
///
/// # Errors
/// `CAPTCHA_REQUIRED`.
pub fn require(tenant: &Tenant, headers: &HeaderMap) -> Result<(), ApiError> {
    if is_satisfied(&tenant.scope, presented(headers, None), 0)? {
        Ok(())
    } else {
        Err(CaptchaError::Required.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header};

    #[test]
    fn a_proof_is_found_wherever_it_is() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("usso-captcha=cookie"));
        headers.insert(TOKEN, HeaderValue::from_static("header"));
        assert_eq!(presented(&headers, Some("field")).collect::<Vec<_>>(), ["header", "field", "cookie"]);
        assert_eq!(presented(&HeaderMap::new(), None).count(), 0);
    }
}
