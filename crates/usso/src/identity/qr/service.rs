//! The request, its approval, and the session that comes of it.

use crate::identity::picture;
use crate::identity::sessions::model::Session;
use crate::identity::sign_in::proof::{Method, Proof};
use crate::identity::sign_in::{Carried, Context, SignInError, Step, proven};
use crate::identity::social::may_begin;
use crate::identity::users::credentials::check_recent;
use crate::identity::users::model::User;
use crate::tenant::audit::Event;
use crate::tenant::one_time::OneTime;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Change, SessionId, StorageError, Stored, Timestamp, UserId};
use protocol::b64url;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Seconds a request is good.
pub const LIFETIME: i64 = 120;
/// Characters of a `User-Agent` in a picture: it must stay readable.
const MAX_AGENT: usize = 80;
/// The `acr` of sessions opened with two factors.
const TWO_FACTORS: &str = "usso:acr:2";

const CODE: &[u8] = b"qr-code";
const TOKEN: &[u8] = b"qr-token";

/// A request, as it travels in the picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    id: String,
    number: u8,
    /// What to choose from.
    pub choices: [u8; 3],
    /// From where.
    pub ip: String,
    /// With what.
    pub agent: Option<String>,
    expires_at: Timestamp,
}

/// A request, as the browser keeps it that asked.
#[derive(Serialize, Deserialize)]
struct Ticket {
    id: String,
    browser: String,
    expires_at: Timestamp,
}

/// What was made for a browser.
pub struct Made {
    /// What to ask with.
    pub token: String,
    /// What the picture holds.
    pub code: String,
    /// The number to show.
    pub number: u8,
}

/// What became of a request that was scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Scanned,
    Approved,
    Rejected,
    Spent,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Approval {
    state: State,
    user_id: String,
    session_id: String,
    factors: u8,
}

/// Where a request stands.
#[derive(Debug)]
pub enum Status {
    /// Nobody has scanned it.
    Pending,
    /// Somebody has.
    Scanned,
    /// And refused, or chosen a wrong number.
    Rejected,
    /// Its time is over, or it was used.
    Expired,
    /// Approved: this is what came of it. `is_same`: whether the browser is the one that asked.
    Authenticated {
        /// What came of it.
        step: Box<Step>,
        /// Whether the browser is the one that asked.
        is_same: bool,
    },
}

/// Whoever answers a request.
pub struct Approver<'a> {
    /// Who.
    pub user: &'a Stored<User>,
    /// In which session.
    pub session: &'a Stored<Session>,
    /// From where.
    pub client: &'a ClientInfo,
}

fn check_open(tenant: &TenantScope) -> Result<(), SignInError> {
    let is_open = may_begin(&tenant.profile().settings, Method::Qr);
    if is_open { Ok(()) } else { Err(SignInError::MethodNotAllowed(Method::Qr.as_str().to_owned())) }
}

fn seal(tenant: &TenantScope, place: &[u8], value: &impl Serialize) -> Result<String, SignInError> {
    let broken = || SignInError::Storage(StorageError::Corrupt("a request can't be sealed".to_owned()));
    let plain = serde_json::to_vec(value).map(Zeroizing::new).map_err(|_| broken())?;
    tenant.profile().seal.seal(place, &plain).map_err(|_| broken())
}

/// Makes a request of a browser. Nothing is written.
///
/// # Errors
/// [`SignInError::MethodNotAllowed`].
pub fn make(tenant: &TenantScope, client: &ClientInfo, browser: &str) -> Result<Made, SignInError> {
    check_open(tenant)?;
    let choices = choices(tenant.token::<8>());
    let [at, ..] = tenant.token::<1>();
    let number = choices.iter().cycle().nth(usize::from(at)).copied().unwrap_or_default();
    let agent = client.user_agent.as_ref().map(|agent| agent.chars().take(MAX_AGENT).collect());
    let id = b64url::encode(tenant.token::<16>());
    let expires_at = tenant.now().plus_seconds(LIFETIME);
    let ticket = Ticket { id: id.clone(), browser: digest(browser), expires_at };
    let request = Request { id, number, choices, ip: client.ip.to_string(), agent, expires_at };
    Ok(Made { token: seal(tenant, TOKEN, &ticket)?, code: seal(tenant, CODE, &request)?, number })
}

/// Three different numbers of two digits.
fn choices(random: [u8; 8]) -> [u8; 3] {
    let [a, b, c, ..] = random;
    let first = 10 + a % 90;
    let second = 10 + (first - 10 + 1 + b % 44) % 90;
    let third = 10 + (second - 10 + 1 + c % 44) % 90;
    [first, second, third]
}

fn digest(text: &str) -> String {
    b64url::encode(protocol::sha256(text.as_bytes()))
}

/// The picture of a request.
pub fn picture(url: &str) -> String {
    picture::qr(url).unwrap_or_default()
}

/// Reads what a picture holds: the code, or the address with it.
///
/// # Errors
/// [`SignInError::InvalidCredentials`] for what is none of this tenant, or over.
pub fn read(tenant: &TenantScope, code: &str) -> Result<Request, SignInError> {
    let code = code.rsplit_once("qr_code=").map_or(code, |(_, code)| code);
    let plain = tenant.profile().seal.open(CODE, code).map_err(|_| SignInError::InvalidCredentials)?;
    let request: Request = serde_json::from_slice(&plain).map_err(|_| SignInError::InvalidCredentials)?;
    if tenant.now() < request.expires_at { Ok(request) } else { Err(SignInError::InvalidCredentials) }
}

fn record_id(id: &str) -> String {
    OneTime::id_for("qr", &[id])
}

/// Scans a request, and answers it if a number is chosen or it is refused. The first device to scan it is the only one that may.
/// Gives `scanned`, `completed` or `rejected`.
///
/// # Errors
/// [`SignInError::InvalidCredentials`] when it is another device's, or answered; when the approver isn't recent.
pub async fn answer(
    tenant: &TenantScope,
    request: &Request,
    approver: Approver<'_>,
    (approve, number): (bool, Option<u8>),
) -> Result<&'static str, SignInError> {
    check_open(tenant)?;
    check_recent(tenant, approver.session)?;
    let own = Approval {
        state: State::Scanned,
        user_id: approver.user.id.as_str().to_owned(),
        session_id: approver.session.id.as_str().to_owned(),
        factors: if approver.session.acr == TWO_FACTORS { 2 } else { 1 },
    };
    let scanned = OneTime { id: record_id(&request.id), data: data(&own), expires_at: request.expires_at };
    match tenant.records::<OneTime>().insert(scanned, Vec::new()).await {
        Ok(_) | Err(StorageError::Exists) => {}
        Err(e) => return Err(e.into()),
    }
    let is_right = approve && number == Some(request.number);
    let is_answer = !approve || number.is_some();
    let (state, name, event) = match (is_answer, is_right) {
        (false, _) => (State::Scanned, "scanned", None),
        (true, true) => (State::Approved, "completed", Some("user.qr_approved")),
        (true, false) => (State::Rejected, "rejected", Some("user.qr_rejected")),
    };
    let actor = Actor::User(own.user_id.clone());
    let event = event.map(|event| {
        let told = Event::new(event, actor, &own.user_id, approver.client);
        told.with("requester_ip", request.ip.as_str()).effect(tenant)
    });
    let updated = tenant
        .records::<OneTime>()
        .update::<SignInError>(&record_id(&request.id), |old| {
            let kept: Approval =
                serde_json::from_value(old.data.clone()).map_err(|_| SignInError::InvalidCredentials)?;
            if kept.state != State::Scanned || kept.session_id != own.session_id {
                return Err(SignInError::InvalidCredentials);
            }
            if state == State::Scanned {
                return Ok(Change::Keep);
            }
            let next = OneTime { data: data(&Approval { state, ..own.clone() }), ..old.record.clone() };
            Ok(Change::Put(next, event.iter().cloned().collect()))
        })
        .await?;
    updated.map(|_| name).ok_or(SignInError::InvalidCredentials)
}

fn data(approval: &Approval) -> serde_json::Value {
    serde_json::to_value(approval).unwrap_or_default()
}

/// Where a request stands; the first to ask once it is approved gets the session.
///
/// # Errors
/// [`SignInError::AccountInactive`], when the session can't be opened.
pub async fn status(context: Context<'_>, token: &str, browser: Option<&str>) -> Result<Status, SignInError> {
    let tenant = context.tenant;
    check_open(tenant)?;
    let plain = tenant.profile().seal.open(TOKEN, token).ok();
    let Some(ticket) = plain.and_then(|plain| serde_json::from_slice::<Ticket>(&plain).ok()) else {
        return Ok(Status::Expired);
    };
    if tenant.now() >= ticket.expires_at {
        return Ok(Status::Expired);
    }
    let records = tenant.records::<OneTime>();
    let Some(found) = records.get(&record_id(&ticket.id)).await? else { return Ok(Status::Pending) };
    let approval: Approval =
        serde_json::from_value(found.data.clone()).map_err(|_| SignInError::InvalidCredentials)?;
    match approval.state {
        State::Scanned => return Ok(Status::Scanned),
        State::Rejected => return Ok(Status::Rejected),
        State::Spent => return Ok(Status::Expired),
        State::Approved => {}
    }
    let spent = data(&Approval { state: State::Spent, ..approval.clone() });
    let next = OneTime { data: spent, ..found.record.clone() };
    match records.replace(&found, next, Vec::new()).await {
        Ok(_) => {}
        Err(StorageError::Conflict) => return Ok(Status::Expired),
        Err(e) => return Err(e.into()),
    }
    let Some(user) = approver(context, &approval).await? else { return Ok(Status::Expired) };
    let proof = Proof { factors: approval.factors, ..Proof::of(Method::Qr) };
    let step = Box::new(proven(context, user, proof, Carried::default()).await?);
    let is_same = browser.is_some_and(|secret| digest(secret) == ticket.browser);
    Ok(Status::Authenticated { step, is_same })
}

/// The approver, if the session they approved in still lives.
async fn approver(context: Context<'_>, approval: &Approval) -> Result<Option<Stored<User>>, SignInError> {
    let Context { identity, tenant, .. } = context;
    let ids = (SessionId::parse(&approval.session_id), UserId::parse(&approval.user_id));
    let (Ok(session), Ok(user)) = ids else { return Ok(None) };
    let session = identity.session_from_store(tenant, &session).await?;
    let user = identity.user_from_store(tenant, &user).await?;
    let Some((session, user)) = session.zip(user) else { return Ok(None) };
    let profile = tenant.profile();
    let idle = profile.settings.session_inactivity_timeout;
    let is_live = session.is_live(user.session_epoch, profile.tenant.session_epoch, idle, tenant.now());
    Ok(is_live.then(|| (*user).clone()))
}
