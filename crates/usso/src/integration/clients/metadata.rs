//! From what is said of a client to a client that can be: the rules of RFC 7591 §2 and of ours.
//!
//! The same for administrators, for clients that register themselves and for metadata documents; who may say what, and
//! grant which scopes, is for whoever calls.

use super::error::ClientError;
use super::model::{AuthMethod, Client, GrantType};
use super::schema::ClientMetadata;
use protocol::jose::{Algorithm, JwkSet};
use protocol::oauth::{redirect_uri, scope};
use serde_json::Value;

const MAX_NAME: usize = 200;
const MAX_TEXT: usize = 2_000;
const MAX_LIST: usize = 50;
const MAX_SCOPES: usize = 200;
const MAX_JWKS: usize = 65_536;

type Said<T> = Option<Option<T>>;

fn invalid(field: &'static str, why: impl Into<std::borrow::Cow<'static, str>>) -> ClientError {
    ClientError::Invalid(field, why.into())
}

impl Client {
    /// The client after something was said of it. `own`: what the tenant signs with besides RS256.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] with the member to blame.
    pub fn with(mut self, said: &ClientMetadata, own: Algorithm) -> Result<Self, ClientError> {
        self.describe(said)?;
        self.authenticate_by(said)?;
        self.grant(said)?;
        self.redirect(said)?;
        self.sign(said, own)?;
        self.sign_out(said)?;
        self.require(said);
        self.check()?;
        Ok(self)
    }

    fn describe(&mut self, said: &ClientMetadata) -> Result<(), ClientError> {
        let name = if said.name.is_some() { &said.name } else { &said.client_name };
        set_text(&mut self.name, "client_name", name, MAX_NAME)?;
        set_text(&mut self.description, "description", &said.description, MAX_TEXT)?;
        set_text(&mut self.software_id, "software_id", &said.software_id, MAX_NAME)?;
        set_text(&mut self.software_version, "software_version", &said.software_version, MAX_NAME)?;
        set_uri(&mut self.display.client_uri, "client_uri", &said.client_uri)?;
        set_uri(&mut self.display.logo_uri, "logo_uri", &said.logo_uri)?;
        set_uri(&mut self.display.policy_uri, "policy_uri", &said.policy_uri)?;
        set_uri(&mut self.display.tos_uri, "tos_uri", &said.tos_uri)?;
        if let Some(contacts) = &said.contacts {
            let fits =
                |text: &String| (1..=MAX_NAME).contains(&text.len()) && !text.chars().any(char::is_control);
            if contacts.len() > MAX_LIST || !contacts.iter().all(fits) {
                return Err(invalid("contacts", "at most 50, of 1 to 200 characters"));
            }
            self.display.contacts.clone_from(contacts);
        }
        self.is_active = said.is_active.unwrap_or(self.is_active);
        self.is_first_party = said.is_first_party.unwrap_or(self.is_first_party);
        Ok(())
    }

    fn authenticate_by(&mut self, said: &ClientMetadata) -> Result<(), ClientError> {
        let by_type = match said.client_type.as_deref() {
            None => None,
            Some("public") => Some(true),
            Some("confidential") => Some(false),
            Some(_) => return Err(invalid("client_type", "must be `confidential` or `public`")),
        };
        if let Some(name) = &said.token_endpoint_auth_method {
            let method = AuthMethod::parse(name)
                .ok_or_else(|| invalid("token_endpoint_auth_method", "no such way to say who one is here"))?;
            if by_type.is_some_and(|public| public != (method == AuthMethod::None)) {
                return Err(invalid("client_type", "contradicts token_endpoint_auth_method"));
            }
            self.auth_methods = vec![method];
        } else if by_type == Some(true) {
            self.auth_methods = vec![AuthMethod::None];
        } else if by_type == Some(false) && self.is_public() {
            self.auth_methods = vec![AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost];
        }
        if let Some(alg) = &said.token_endpoint_auth_signing_alg {
            let parse = |name: &String| {
                let unknown = |_| invalid("token_endpoint_auth_signing_alg", "no such algorithm here");
                Algorithm::from_header(name).map_err(unknown)
            };
            self.assertion_alg = alg.as_ref().map(parse).transpose()?;
        }
        if let Some(jwks) = &said.jwks {
            self.jwks = jwks.as_ref().map(checked_jwks).transpose()?;
        }
        set_https(&mut self.jwks_uri, "jwks_uri", &said.jwks_uri)
    }

    fn grant(&mut self, said: &ClientMetadata) -> Result<(), ClientError> {
        if let Some(names) = &said.grant_types {
            let parse = |name: &String| {
                GrantType::parse(name)
                    .ok_or_else(|| invalid("grant_types", format!("`{name}` is no grant here")))
            };
            let mut grants = names.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
            grants.sort_by_key(|grant| grant.as_str());
            grants.dedup();
            self.grant_types = grants;
        }
        if let Some(types) = &said.response_types {
            let takes_codes = self.may_use(GrantType::AuthorizationCode);
            if types.iter().any(|name| name != "code") || types.is_empty() == takes_codes {
                return Err(invalid(
                    "response_types",
                    "must be `code` with the grant authorization_code, and nothing else",
                ));
            }
        }
        let words = said.scopes.clone().or_else(|| said.allowed_scopes.clone());
        let text = said
            .scope
            .as_deref()
            .map(scope::parse)
            .transpose()
            .map_err(|e| invalid("scope", e.to_string()))?;
        if words.is_some() && text.is_some() && words != text {
            return Err(invalid("scope", "contradicts `scopes`"));
        }
        if let Some(words) = words.or(text) {
            if words.len() > MAX_SCOPES || !words.iter().all(|word| scope::is_word(word)) {
                return Err(invalid(
                    "scope",
                    "at most 200 words of printable ASCII without quotes and spaces",
                ));
            }
            self.scopes = words;
        }
        if let Some(audiences) = &said.audiences {
            let fits =
                |text: &String| (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
            if audiences.len() > MAX_LIST || !audiences.iter().all(fits) {
                return Err(invalid("audiences", "at most 50, of 1 to 255 printable characters"));
            }
            self.audiences.clone_from(audiences);
        }
        Ok(())
    }

    fn redirect(&mut self, said: &ClientMetadata) -> Result<(), ClientError> {
        self.application_type = said.application_type.unwrap_or(self.application_type);
        if let Some(uris) = &said.redirect_uris {
            self.redirect_uris = checked_uris("redirect_uris", uris)?;
        }
        set_https(&mut self.initiate_login_uri, "initiate_login_uri", &said.initiate_login_uri)
    }

    fn sign(&mut self, said: &ClientMetadata, own: Algorithm) -> Result<(), ClientError> {
        let parse = |field: &'static str, name: &str| match Algorithm::from_header(name) {
            Ok(alg) if alg == Algorithm::Rs256 || alg == own => Ok(alg),
            _ => Err(invalid(field, format!("must be RS256 or {own}"))),
        };
        if let Some(name) = &said.id_token_signed_response_alg {
            self.id_token_alg = parse("id_token_signed_response_alg", name)?;
        }
        if let Some(name) = &said.userinfo_signed_response_alg {
            let alg = name.as_ref().map(|name| parse("userinfo_signed_response_alg", name)).transpose()?;
            self.userinfo_alg = alg;
        }
        Ok(())
    }

    fn sign_out(&mut self, said: &ClientMetadata) -> Result<(), ClientError> {
        let logout = &mut self.logout;
        if let Some(uris) = &said.post_logout_redirect_uris {
            logout.post_logout_redirect_uris = checked_uris("post_logout_redirect_uris", uris)?;
        }
        set_uri(&mut logout.backchannel_logout_uri, "backchannel_logout_uri", &said.backchannel_logout_uri)?;
        set_uri(
            &mut logout.frontchannel_logout_uri,
            "frontchannel_logout_uri",
            &said.frontchannel_logout_uri,
        )?;
        let (back, front) =
            (said.backchannel_logout_session_required, said.frontchannel_logout_session_required);
        logout.backchannel_logout_session_required =
            back.unwrap_or(logout.backchannel_logout_session_required);
        logout.frontchannel_logout_session_required =
            front.unwrap_or(logout.frontchannel_logout_session_required);
        Ok(())
    }

    fn require(&mut self, said: &ClientMetadata) {
        if let Some(max_age) = said.default_max_age {
            self.default_max_age = max_age;
        }
        self.require_pkce = said.require_pkce.unwrap_or(self.require_pkce);
        self.require_pushed_authorization_requests =
            said.require_pushed_authorization_requests.unwrap_or(self.require_pushed_authorization_requests);
        self.dpop_bound_access_tokens =
            said.dpop_bound_access_tokens.unwrap_or(self.dpop_bound_access_tokens);
        self.fapi2 = said.fapi2.unwrap_or(self.fapi2);
    }

    /// What must hold of the whole.
    fn check(&self) -> Result<(), ClientError> {
        if self.may_use(GrantType::AuthorizationCode) && self.redirect_uris.is_empty() {
            return Err(invalid("redirect_uris", "the grant authorization_code needs at least one"));
        }
        if self.is_public() && self.may_use(GrantType::TokenExchange) {
            return Err(invalid("grant_types", "token exchange is for clients that can prove who they are"));
        }
        if self.is_public() && self.may_use(GrantType::ClientCredentials) {
            return Err(invalid(
                "grant_types",
                "client_credentials is for clients that can prove who they are",
            ));
        }
        if self.jwks.is_some() && self.jwks_uri.is_some() {
            return Err(invalid("jwks", "give this or `jwks_uri`, not both"));
        }
        let shows_key = self.may_authenticate_by(AuthMethod::PrivateKeyJwt);
        if shows_key && self.jwks.is_none() && self.jwks_uri.is_none() {
            return Err(invalid("jwks", "private_key_jwt needs this or `jwks_uri`"));
        }
        if self.fapi2 && (!shows_key || self.id_token_alg == Algorithm::Rs256) {
            return Err(invalid(
                "fapi2",
                "needs private_key_jwt, and id tokens that are not signed with RS256",
            ));
        }
        Ok(())
    }
}

fn set_text(
    target: &mut Option<String>,
    field: &'static str,
    said: &Said<String>,
    max: usize,
) -> Result<(), ClientError> {
    let Some(value) = said else { return Ok(()) };
    let value = value.as_deref().map(str::trim).filter(|text| !text.is_empty());
    if value
        .is_some_and(|text| text.chars().count() > max || text.chars().any(|c| c.is_control() && c != '\n'))
    {
        return Err(invalid(field, format!("at most {max} characters")));
    }
    *target = value.map(str::to_owned);
    Ok(())
}

fn set_uri(target: &mut Option<String>, field: &'static str, said: &Said<String>) -> Result<(), ClientError> {
    set_checked(target, field, said, |uri| uri.starts_with("https://") || uri.starts_with("http://"))
}

fn set_https(
    target: &mut Option<String>,
    field: &'static str,
    said: &Said<String>,
) -> Result<(), ClientError> {
    set_checked(target, field, said, |uri| uri.starts_with("https://"))
}

fn set_checked(
    target: &mut Option<String>,
    field: &'static str,
    said: &Said<String>,
    fits: impl Fn(&str) -> bool,
) -> Result<(), ClientError> {
    let Some(value) = said else { return Ok(()) };
    if let Some(uri) = value {
        let is_web =
            fits(uri) && uri.len() <= MAX_TEXT && uri.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        let has_host = uri
            .split_once("://")
            .is_some_and(|(_, rest)| !rest.starts_with(['/', '?', '#']) && !rest.is_empty());
        if !is_web || !has_host || uri.contains('#') {
            return Err(invalid(field, "must be a web address (https) without a fragment"));
        }
    }
    target.clone_from(value);
    Ok(())
}

fn checked_uris(field: &'static str, uris: &[String]) -> Result<Vec<String>, ClientError> {
    if uris.len() > MAX_LIST {
        return Err(invalid(field, "at most 50"));
    }
    for uri in uris {
        redirect_uri::check(uri).map_err(|why| invalid(field, format!("`{uri}` {why}")))?;
    }
    Ok(uris.to_vec())
}

fn checked_jwks(jwks: &Value) -> Result<Value, ClientError> {
    let text = jwks.to_string();
    let keys = JwkSet::from_slice_skipping_unsupported(text.as_bytes());
    let is_private = jwks["keys"].as_array().into_iter().flatten().any(|key| key.get("d").is_some());
    match keys {
        Ok(set) if text.len() <= MAX_JWKS && !set.keys().is_empty() && !is_private => Ok(jwks.clone()),
        _ => Err(invalid(
            "jwks",
            "must be a set of public keys (RFC 7517) with at least one that can be used here",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::ClientId;
    use serde_json::json;

    fn client(said: Value) -> Result<Client, String> {
        let said: ClientMetadata = serde_json::from_value(said).unwrap();
        let new = Client::new(ClientId::parse("client_a").unwrap(), None);
        new.with(&said, Algorithm::EdDsa).map_err(|e| e.to_string())
    }

    #[test]
    fn both_vocabularies_say_the_same() {
        let ours = json!({"name": "Shop", "scopes": ["openid", "email"], "redirect_uris": ["https://a.b/c"]});
        let theirs =
            json!({"client_name": "Shop", "scope": "openid email", "redirect_uris": ["https://a.b/c"]});
        assert_eq!(client(ours), client(theirs));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let uris = json!(["https://a.b/c"]);
        for (said, field) in [
            (json!({}), "redirect_uris"),
            (json!({"redirect_uris": ["http://a.b/c"]}), "redirect_uris"),
            (json!({"redirect_uris": uris, "scope": "a", "scopes": ["b"]}), "scope"),
            (json!({"redirect_uris": uris, "scope": "a\"b"}), "scope"),
            (json!({"redirect_uris": uris, "client_type": "secret"}), "client_type"),
            (
                json!({"redirect_uris": uris, "client_type": "public", "token_endpoint_auth_method": "client_secret_post"}),
                "client_type",
            ),
            (json!({"grant_types": ["client_credentials"], "client_type": "public"}), "grant_types"),
            (json!({"grant_types": ["implicit"]}), "grant_types"),
            (json!({"grant_types": ["password"]}), "grant_types"),
            (json!({"redirect_uris": uris, "response_types": ["token"]}), "response_types"),
            (json!({"redirect_uris": uris, "response_types": []}), "response_types"),
            (json!({"grant_types": ["client_credentials"], "response_types": ["code"]}), "response_types"),
            (
                json!({"redirect_uris": uris, "token_endpoint_auth_method": "client_secret_jwt"}),
                "token_endpoint_auth_method",
            ),
            (
                json!({"redirect_uris": uris, "id_token_signed_response_alg": "none"}),
                "id_token_signed_response_alg",
            ),
            (
                json!({"redirect_uris": uris, "id_token_signed_response_alg": "HS256"}),
                "id_token_signed_response_alg",
            ),
            (
                json!({"redirect_uris": uris, "id_token_signed_response_alg": "ES256"}),
                "id_token_signed_response_alg",
            ),
            (json!({"redirect_uris": uris, "logo_uri": "javascript:alert(1)"}), "logo_uri"),
            (json!({"redirect_uris": uris, "jwks_uri": "http://a.b/jwks"}), "jwks_uri"),
            (json!({"redirect_uris": uris, "jwks": {"keys": []}}), "jwks"),
            (json!({"redirect_uris": uris, "initiate_login_uri": "http://a.b/x"}), "initiate_login_uri"),
            (json!({"redirect_uris": uris, "contacts": [""]}), "contacts"),
        ] {
            let error = client(said.clone()).unwrap_err();
            assert!(error.starts_with(field), "{said}: {error}");
        }
    }

    #[test]
    fn null_takes_away_and_absence_leaves() {
        let named = client(json!({"name": "Shop", "redirect_uris": ["https://a.b/c"]})).unwrap();
        let said: ClientMetadata = serde_json::from_value(json!({"description": "x"})).unwrap();
        let same = named.clone().with(&said, Algorithm::EdDsa).unwrap();
        assert_eq!((same.name.as_deref(), same.description.as_deref()), (Some("Shop"), Some("x")));
        let said: ClientMetadata = serde_json::from_value(json!({"name": null})).unwrap();
        assert_eq!(named.with(&said, Algorithm::EdDsa).unwrap().name, None);
    }
}
