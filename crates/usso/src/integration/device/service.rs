//! Asking, entering the code, answering, and hearing of it.

use super::model::{Asked, DeviceRequest, INTERVAL, LIFETIME, State, user_code_key};
use crate::identity::attempts::{self, Source};
use crate::identity::sessions::model::Session;
use crate::identity::users::model::User;
use crate::integration::clients::authenticate::authenticate;
use crate::integration::clients::model::GrantType;
use crate::integration::token::request::{asked_scope, once};
use crate::integration::token::{Call, possession};
use crate::integration::{Context, OauthCode, OauthError, budget};
use crate::tenant::audit::Event;
use crate::tenant::one_time::OneTime;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Change, ClientId, Problem, ProblemKind, SessionId, StorageError, Stored, UserId};
use protocol::b64url;
use protocol::oauth::user_code::UserCode;
use std::borrow::Cow;

/// Wrong codes that may come from one network within [`WINDOW`] (RFC 8628 §5.1: two in ten thousand million hit).
const WRONG_CODES: u64 = 5;
/// Seconds.
const WINDOW: i64 = 600;

/// How often an unlikely clash of codes is tried to be avoided.
const TRIES: usize = 4;

/// Why a device, or whoever connects it, doesn't get what it asks for.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Nobody has answered yet.
    #[error("nobody has entered the code yet")]
    Pending,
    /// And the device asks too often.
    #[error("the device asks too often")]
    SlowDown,
    /// Nobody answered in time.
    #[error("the code was not entered in time")]
    Expired,
    /// The user said no.
    #[error("the user refused")]
    Denied,
    /// No code of this client, or its tokens were handed out.
    #[error("not a device code of this client")]
    Unknown,
    /// Nothing to connect by this code: never was, is answered, or too old.
    #[error("no such user code")]
    NotFound,
    /// Too many wrong codes were entered; seconds to wait.
    #[error("too many wrong codes")]
    TooMany(u64),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for DeviceError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Pending | Self::SlowDown | Self::Expired | Self::Denied | Self::Unknown => {
                ProblemKind::Invalid
            }
            Self::NotFound => ProblemKind::NotFound,
            Self::TooMany(retry_after) => ProblemKind::TooManyRequests { retry_after: *retry_after },
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Pending => "AUTHORIZATION_PENDING",
            Self::SlowDown => "SLOW_DOWN",
            Self::Expired => "EXPIRED_TOKEN",
            Self::Denied => "ACCESS_DENIED",
            Self::Unknown => "INVALID_GRANT",
            Self::NotFound => "NOT_FOUND",
            Self::TooMany(_) => "RATE_LIMITED",
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Pending => "Nobody has entered the code yet".into(),
            Self::SlowDown => "Ask less often: five seconds more between two requests".into(),
            Self::Expired => "The code was not entered in time".into(),
            Self::Denied => "The user refused".into(),
            Self::Unknown => "Not a device code of this client, or used before".into(),
            Self::NotFound => "There is no such code, or it is too old; look at the device again".into(),
            Self::TooMany(_) => "Too many wrong codes; try again later".into(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}

/// What a device asks for.
#[derive(Debug)]
pub struct Wanted {
    /// The client.
    pub client_id: ClientId,
    /// The words of `scope`.
    pub scope: Vec<String>,
    /// The thumbprint of the key it proved to have.
    pub jkt: Option<String>,
}

/// Codes that were just made. The device's can't be told again.
pub struct Made {
    /// The device's own.
    pub device_code: String,
    /// The one to type.
    pub user_code: UserCode,
}

/// A device asks, as the client it says it is.
///
/// # Errors
/// What the token endpoint says of clients; `unauthorized_client`, `invalid_scope`.
pub async fn ask(ctx: Context<'_>, call: Call<'_>) -> Result<Made, OauthError> {
    once(call.params)?;
    let client = authenticate(ctx, call.authorization, call.params).await?.client;
    if !client.may_use(GrantType::DeviceCode) {
        return Err(OauthError::unauthorized_client("This client may not use the grant of devices"));
    }
    let asked = asked_scope(call.params)?.unwrap_or_default();
    let scope = client.allowed(&asked);
    if scope.is_empty() && !asked.is_empty() {
        return Err(OauthError::invalid_scope("This client may ask for none of these"));
    }
    budget::room_for(ctx, &client, "device_request").await?;
    let jkt = possession::pushed(ctx, &client, call.proof).await?;
    let wanted = Wanted { client_id: client.id.clone(), scope, jkt };
    request(ctx.tenant, wanted, ctx.peer).await.map_err(OauthError::from)
}

fn device_id(code: &str) -> String {
    OneTime::id_for("device_code", &[code])
}

fn user_digest(code: &UserCode) -> String {
    OneTime::id_for("user_code", &[code.as_str()])
}

/// Makes the codes for a device (RFC 8628 §3.2).
///
/// # Errors
/// When the database is away.
pub async fn request(tenant: &TenantScope, wanted: Wanted, client: &ClientInfo) -> Result<Made, DeviceError> {
    let device_code = b64url::encode(tenant.token::<32>());
    let now = tenant.now();
    let mut request = DeviceRequest {
        id: device_id(&device_code),
        user_code: String::new(),
        client_id: wanted.client_id,
        scope: wanted.scope,
        jkt: wanted.jkt,
        ip: client.ip.to_string(),
        user_agent: client.user_agent.clone(),
        state: State::Pending,
        interval: INTERVAL,
        asked_at: None,
        until: now.plus_seconds(LIFETIME),
    };
    for _ in 0..TRIES {
        let user_code = user_code(tenant);
        request.user_code = user_digest(&user_code);
        match tenant.records::<DeviceRequest>().insert(request.clone(), Vec::new()).await {
            Ok(_) => return Ok(Made { device_code, user_code }),
            Err(StorageError::KeyTaken { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(StorageError::Contended.into())
}

fn user_code(tenant: &TenantScope) -> UserCode {
    let mut bytes = tenant.token::<32>().into_iter();
    UserCode::generate(|| match bytes.next() {
        Some(byte) => byte,
        // Rejected bytes may use up the first handful.
        None => {
            let [byte] = tenant.token::<1>();
            byte
        }
    })
}

/// What somebody is about to connect, by the code they typed. A wrong one counts against their network.
///
/// # Errors
/// [`DeviceError::NotFound`], [`DeviceError::TooMany`].
pub async fn find(
    tenant: &TenantScope,
    typed: &str,
    client: &ClientInfo,
) -> Result<Stored<DeviceRequest>, DeviceError> {
    let source = Source { purpose: "user_code", ip: client.ip, limit: WRONG_CODES, window: WINDOW };
    if let Some(wait) = attempts::spent(tenant, &source).await? {
        return Err(DeviceError::TooMany(wait));
    }
    // What can't be a code is no guess.
    let code = UserCode::parse(typed).map_err(|_| DeviceError::NotFound)?;
    let found = tenant.records::<DeviceRequest>().find(&user_code_key(&user_digest(&code))).await?;
    let is_open =
        |request: &Stored<DeviceRequest>| request.state == State::Pending && tenant.now() < request.until;
    if let Some(found) = found.filter(is_open) {
        return Ok(found);
    }
    let event = Event::refused("device.code_guessed", Actor::Anonymous, "user_code", client);
    attempts::spend(tenant, &source, event.effect(tenant)).await?;
    Err(DeviceError::NotFound)
}

/// Who answers.
#[derive(Debug, Clone, Copy)]
pub struct Approver<'a> {
    /// The user.
    pub user: &'a User,
    /// Their session.
    pub session: &'a Session,
    /// From where.
    pub client: &'a ClientInfo,
}

/// Answers a device's request, once.
///
/// # Errors
/// [`DeviceError::NotFound`] when somebody did already, or too late.
pub async fn answer(
    tenant: &TenantScope,
    request: &Stored<DeviceRequest>,
    approver: Approver<'_>,
    is_approved: bool,
) -> Result<(), DeviceError> {
    let Approver { user, session, client } = approver;
    let (state, event) = if is_approved {
        let approved = State::Approved { user_id: user.id.clone(), session_id: session.id.clone() };
        (approved, "device.approved")
    } else {
        (State::Denied, "device.denied")
    };
    let event = Event::new(event, Actor::User(user.id.as_str().to_owned()), user.id.as_str(), client)
        .with("client_id", request.client_id.as_str())
        .with("scope", request.scope.join(" "))
        .with("requester_ip", request.ip.as_str())
        .effect(tenant);
    // The device asks all the time, which changes its record, too.
    let updated = tenant
        .records::<DeviceRequest>()
        .update::<DeviceError>(&request.id, |old| {
            let next = old.answered(state.clone(), tenant.now()).ok_or(DeviceError::NotFound)?;
            Ok(Change::Put(next, vec![event.clone()]))
        })
        .await?;
    updated.map(drop).ok_or(DeviceError::NotFound)
}

/// An approval that was just handed out.
#[derive(Debug)]
pub struct Approved {
    /// What was asked for.
    pub request: DeviceRequest,
    /// Who approved.
    pub user_id: UserId,
    /// In which session.
    pub session_id: SessionId,
}

/// What became of a device's request (RFC 8628 §3.4). An approval is handed out once.
///
/// # Errors
/// [`DeviceError`], one for each answer of §3.5.
pub async fn poll(
    tenant: &TenantScope,
    device_code: &str,
    client_id: &ClientId,
    jkt: Option<&str>,
) -> Result<Approved, DeviceError> {
    let records = tenant.records::<DeviceRequest>();
    let found = records.get(&device_id(device_code)).await?;
    // Who asked with a key shows it again.
    let is_theirs = |request: &Stored<DeviceRequest>| {
        request.client_id == *client_id && (request.jkt.is_none() || request.jkt.as_deref() == jkt)
    };
    let found = found.filter(is_theirs).ok_or(DeviceError::Unknown)?;
    let (next, told) = match found.asked(tenant.now()) {
        Asked::Denied => return Err(DeviceError::Denied),
        Asked::Expired => return Err(DeviceError::Expired),
        Asked::Spent => return Err(DeviceError::Unknown),
        Asked::Pending(next) => (next, Err(DeviceError::Pending)),
        Asked::SlowDown(next) => (next, Err(DeviceError::SlowDown)),
        Asked::Approved { next, user_id, session_id } => {
            (next.clone(), Ok(Approved { request: *next, user_id, session_id }))
        }
    };
    match records.replace(&found, *next, Vec::new()).await {
        Ok(_) => told,
        // It was answered, or asked for, in between: the next question tells.
        Err(StorageError::Conflict) => Err(DeviceError::Pending),
        Err(e) => Err(e.into()),
    }
}

/// What a device is told at the token endpoint.
impl From<DeviceError> for OauthError {
    fn from(error: DeviceError) -> Self {
        let detail = error.detail();
        match error {
            DeviceError::Pending => Self::Refused(OauthCode::AuthorizationPending, detail),
            DeviceError::SlowDown => Self::Refused(OauthCode::SlowDown, detail),
            DeviceError::Expired => Self::Refused(OauthCode::ExpiredToken, detail),
            DeviceError::Denied => Self::Refused(OauthCode::AccessDenied, detail),
            DeviceError::Unknown | DeviceError::NotFound => Self::Refused(OauthCode::InvalidGrant, detail),
            DeviceError::TooMany(retry_after) => Self::TooMany { retry_after },
            DeviceError::Storage(error) => Self::Storage(error),
        }
    }
}
