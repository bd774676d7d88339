//! The checks of an authorization request, in order. Each reads its parameters and writes what it found into the request;
//! the first that objects is the answer, sent to the client.

use super::request::{AuthorizationRequest, ClaimsAsked, Prompt, ResponseMode};
use super::target::Target;
use crate::identity::sessions::model::RequestedClaims;
use crate::integration::clients::model::{Client, GrantType};
use crate::integration::token::request as token;
use crate::integration::userinfo::claims::word_of;
use crate::integration::{Context, OauthCode, OauthError};
use crate::tenant::verify::{TokenType, authenticate};
use kernel::UserId;
use protocol::oauth::Params;
use protocol::oauth::pkce::Challenge;
use serde_json::Value;

/// Most characters of a parameter that is kept.
const MAX_TEXT: usize = 4_096;

/// Deepest nesting of the `claims` parameter.
const MAX_DEPTH: usize = 6;

/// A request while it is being checked.
struct Draft<'a> {
    ctx: Context<'a>,
    params: &'a Params,
    client: &'a Client,
    request: AuthorizationRequest,
}

type Check = fn(&mut Draft<'_>) -> Result<(), OauthError>;

/// Every check, in order.
const CHECKS: [(&str, Check); 16] = [
    ("no parameter is there twice", once),
    ("none is too long", short),
    ("the response type is `code`", response_type),
    ("the response mode is one of ours", response_mode),
    ("request objects are refused, not ignored", request_objects),
    ("the client may use codes", may_use_codes),
    ("what must be pushed was pushed", was_pushed),
    ("a proof key, where one is needed", proof_key),
    ("the scope is the client's", allowed_scope),
    ("the prompt makes sense", prompt),
    ("the age is a number", max_age),
    ("hints and preferences", hints),
    ("the id token that hints at a user is ours", id_token_hint),
    ("the single claims are claims", claims),
    ("the resource is the client's", resource),
    ("the key is a thumbprint", dpop_jkt),
];

/// Checks a request. `pushed`: what keeps it, if it was pushed.
///
/// # Errors
/// What the first check that objects says.
pub(crate) fn run(
    ctx: Context<'_>,
    (params, pushed): (&Params, Option<&str>),
    target: &Target,
) -> Result<AuthorizationRequest, OauthError> {
    let request = AuthorizationRequest {
        client_id: target.client.id.clone(),
        redirect_uri: target.redirect_uri.clone(),
        redirect_uri_was_named: target.was_named,
        response_mode: target.mode,
        state: target.state.clone(),
        scope: Vec::new(),
        nonce: None,
        challenge: None,
        prompt: Prompt::default(),
        max_age: None,
        login_hint: None,
        hinted: None,
        ui_locales: None,
        acr_values: Vec::new(),
        claims: ClaimsAsked::default(),
        resource: None,
        dpop_jkt: None,
        issuer: ctx.issuer.to_owned(),
        pushed: pushed.map(str::to_owned),
    };
    let mut draft = Draft { ctx, params, client: &target.client, request };
    for (what, check) in CHECKS {
        check(&mut draft)
            .inspect_err(|error| tracing::debug!(what, %error, "an authorization request is refused"))?;
    }
    Ok(draft.request)
}

fn once(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    token::once(draft.params)
}

fn short(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    match draft.params.pairs().find(|(_, value)| value.len() > MAX_TEXT) {
        Some((name, _)) => {
            Err(OauthError::invalid_request(format!("{name} is longer than {MAX_TEXT} bytes")))
        }
        None => Ok(()),
    }
}

fn response_type(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    match token::required(draft.params, "response_type")? {
        "code" => Ok(()),
        _ => {
            let detail = "Only the response type `code` is answered".into();
            Err(OauthError::Refused(OauthCode::UnsupportedResponseType, detail))
        }
    }
}

fn response_mode(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    match draft.params.get("response_mode") {
        Some(name) if ResponseMode::parse(name).is_none() => {
            Err(OauthError::invalid_request("response_mode must be query or form_post"))
        }
        _ => Ok(()),
    }
}

/// Ignoring them would answer another request than was made (Core §6.1, §7.2.1, RFC 9101 §10.3).
fn request_objects(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    let refused = |code, detail: &'static str| Err(OauthError::Refused(code, detail.into()));
    if draft.params.has("request") {
        return refused(OauthCode::RequestNotSupported, "Request objects are not read here");
    }
    if draft.params.has("request_uri") {
        return refused(OauthCode::RequestUriNotSupported, "Request objects are not fetched here");
    }
    if draft.params.has("registration") {
        return refused(OauthCode::RegistrationNotSupported, "Clients don't register in a request here");
    }
    Ok(())
}

fn may_use_codes(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    if draft.client.may_use(GrantType::AuthorizationCode) {
        return Ok(());
    }
    Err(OauthError::unauthorized_client("This client may not use the grant authorization_code"))
}

/// RFC 9126 §6.
fn was_pushed(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    if draft.client.needs_par() && draft.request.pushed.is_none() {
        return Err(OauthError::invalid_request("This client must push its requests first"));
    }
    Ok(())
}

/// RFC 7636 §4.3, ruling D25.
fn proof_key(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    let (challenge, method) = (draft.params.get("code_challenge"), draft.params.get("code_challenge_method"));
    draft.request.challenge = match challenge {
        Some(challenge) => {
            let parsed = Challenge::parse(challenge, method);
            Some(parsed.map_err(|e| OauthError::invalid_request(e.to_string()))?)
        }
        None if method.is_some() => return Err(OauthError::invalid_request("code_challenge is missing")),
        None if draft.client.needs_pkce() => {
            return Err(OauthError::invalid_request("This client needs a code_challenge"));
        }
        None => None,
    };
    Ok(())
}

/// Words that the client may not ask for, or that nobody knows, are left out (Core §3.1.2.1); if none is left, the request was
/// for something else.
fn allowed_scope(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    let asked = token::asked_scope(draft.params)?.unwrap_or_default();
    draft.request.scope = draft.client.allowed(&asked);
    if draft.request.scope.is_empty() && !asked.is_empty() {
        return Err(OauthError::invalid_scope("This client may ask for none of these"));
    }
    // Offline access is a refresh token that lasts; who may not refresh has no use for it (Core section 11).
    if !draft.client.may_use(GrantType::RefreshToken) {
        draft.request.scope.retain(|word| word != "offline_access");
    }
    Ok(())
}

fn prompt(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    let prompt = &mut draft.request.prompt;
    for word in draft.params.get("prompt").unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
        match word {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "consent" => prompt.consent = true,
            "select_account" => prompt.select_account = true,
            _ => {
                return Err(OauthError::invalid_request(
                    "prompt must be none, login, consent or select_account",
                ));
            }
        }
    }
    if prompt.none && (prompt.login || prompt.consent || prompt.select_account) {
        return Err(OauthError::invalid_request("prompt=none goes with nothing else"));
    }
    Ok(())
}

fn max_age(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    let asked = draft.params.get("max_age").map(str::parse::<u32>).transpose();
    let asked = asked.map_err(|_| OauthError::invalid_request("max_age must be a number of seconds"))?;
    draft.request.max_age = asked.or(draft.client.default_max_age).map(i64::from);
    Ok(())
}

fn hints(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    let text = |name| draft.params.get(name).map(str::to_owned);
    draft.request.nonce = text("nonce");
    draft.request.login_hint = text("login_hint");
    draft.request.ui_locales = text("ui_locales");
    let acr = draft.params.get("acr_values").unwrap_or_default();
    draft.request.acr_values = acr.split(' ').filter(|v| !v.is_empty()).map(str::to_owned).collect();
    Ok(())
}

/// A hint may be outdated, but it must be one of our own id tokens (Core §3.1.2.1).
fn id_token_hint(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    let Some(token) = draft.params.get("id_token_hint") else { return Ok(()) };
    let claims =
        authenticate(draft.ctx.tenant, token).ok().filter(|claims| claims.token_type == TokenType::Id);
    let user = claims.and_then(|claims| UserId::parse(&claims.sub).ok());
    draft.request.hinted =
        Some(user.ok_or_else(|| OauthError::invalid_request("id_token_hint is no id token of this issuer"))?);
    Ok(())
}

fn claims(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    let Some(text) = draft.params.get("claims") else { return Ok(()) };
    let malformed = || OauthError::invalid_request("claims must be a JSON object (OpenID Connect Core 5.5)");
    let asked: Value =
        protocol::jose::strict_json::from_slice(text.as_bytes(), MAX_DEPTH).map_err(|_| malformed())?;
    let asked = asked.as_object().ok_or_else(malformed)?;
    // A single claim is no way around the words a client may ask for.
    let may_ask =
        |name: &str| word_of(name).is_some_and(|word| draft.client.scopes.iter().any(|own| own == word));
    let names = |part: &str| match asked.get(part) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(claims)) => Ok(claims.keys().filter(|name| may_ask(name)).cloned().collect()),
        Some(_) => Err(malformed()),
    };
    let single = |name: &str| asked.get("id_token").and_then(|part| part.get(name));
    let acr = single("acr").filter(|acr| acr["essential"] == true);
    let wanted =
        |acr: &Value| acr["values"].as_array().cloned().unwrap_or_else(|| vec![acr["value"].clone()]);
    draft.request.claims = ClaimsAsked {
        names: RequestedClaims { userinfo: names("userinfo")?, id_token: names("id_token")? },
        acr: acr.map(wanted).into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        sub: single("sub").and_then(|sub| sub["value"].as_str()).map(str::to_owned),
    };
    Ok(())
}

/// RFC 8707 §2.1.
fn resource(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    let target = token::Target::parse(draft.params)?;
    target.audience(draft.ctx, draft.client)?;
    draft.request.resource = target.0;
    Ok(())
}

/// RFC 9449 §10.
fn dpop_jkt(draft: &mut Draft<'_>) -> Result<(), OauthError> {
    let Some(jkt) = draft.params.get("dpop_jkt") else { return Ok(()) };
    if !protocol::b64url::decode(jkt).is_ok_and(|digest| digest.len() == 32) {
        return Err(OauthError::invalid_request("dpop_jkt must be a SHA-256 thumbprint in base64url"));
    }
    draft.request.dpop_jkt = Some(jkt.to_owned());
    Ok(())
}
