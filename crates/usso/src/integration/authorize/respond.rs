//! The answer to an authorization request: where the browser goes with which parameters (RFC 6749 §4.1.2, RFC 9207,
//! OAuth 2.0 Form Post Response Mode).

use super::request::{AuthorizationRequest, ResponseMode};
use crate::integration::OauthError;
use kernel::Problem;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// An answer on its way back to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirection {
    /// One of the client's own URIs.
    pub redirect_uri: String,
    /// How it travels.
    pub mode: ResponseMode,
    /// What it says.
    pub params: Vec<(Cow<'static, str>, String)>,
}

impl Redirection {
    /// A code.
    pub fn code(request: &AuthorizationRequest, code: String) -> Self {
        let params = vec![(Cow::Borrowed("code"), code)];
        Self::with(
            (&request.redirect_uri, request.response_mode),
            (request.state.as_deref(), &request.issuer),
            params,
        )
    }

    /// An error that the standards have a word for.
    ///
    /// # Errors
    /// The others.
    pub fn error(
        place: (&str, ResponseMode),
        (state, issuer): (Option<&str>, &str),
        error: OauthError,
    ) -> Result<Self, OauthError> {
        let Some(code) = error.oauth_code() else { return Err(error) };
        let params = vec![
            (Cow::Borrowed("error"), code.as_str().to_owned()),
            (Cow::Borrowed("error_description"), error.detail().into_owned()),
        ];
        Ok(Self::with(place, (state, issuer), params))
    }

    /// An error in answer to a request.
    ///
    /// # Errors
    /// As [`Redirection::error`].
    pub fn refusal(request: &AuthorizationRequest, error: OauthError) -> Result<Self, OauthError> {
        let place = (request.redirect_uri.as_str(), request.response_mode);
        Self::error(place, (request.state.as_deref(), &request.issuer), error)
    }

    fn with(
        (redirect_uri, mode): (&str, ResponseMode),
        (state, issuer): (Option<&str>, &str),
        mut params: Vec<(Cow<'static, str>, String)>,
    ) -> Self {
        params.extend(state.map(|state| (Cow::Borrowed("state"), state.to_owned())));
        params.push((Cow::Borrowed("iss"), issuer.to_owned()));
        Self { redirect_uri: redirect_uri.to_owned(), mode, params }
    }

    /// The URI with everything in its query; what it had there stays (RFC 6749 §3.1.2).
    pub fn url(&self) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.params).finish();
        let joint = match self.redirect_uri.split_once('?') {
            Some((_, "")) => "",
            Some(_) => "&",
            None => "?",
        };
        format!("{}{joint}{query}", self.redirect_uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(redirect_uri: &str) -> String {
        let params = vec![("code".into(), "a b".to_owned())];
        Redirection::with((redirect_uri, ResponseMode::Query), (Some("x&y=\u{e9}"), "https://i"), params)
            .url()
    }

    #[test]
    fn a_query_is_kept_and_values_are_encoded() {
        let rest = "code=a+b&state=x%26y%3D%C3%A9&iss=https%3A%2F%2Fi";
        assert_eq!(url("https://a.b/c"), format!("https://a.b/c?{rest}"));
        assert_eq!(url("https://a.b/c?d=e"), format!("https://a.b/c?d=e&{rest}"));
        assert_eq!(url("https://a.b/c?"), format!("https://a.b/c?{rest}"));
        assert_eq!(url("myapp:/x"), format!("myapp:/x?{rest}"));
    }
}
