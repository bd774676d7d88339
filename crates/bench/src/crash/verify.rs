//! The checks over HTTP after a restart.

use super::findings::Fault;
use super::worker::{Session, State, Worker, ask, refresh_body};
use crate::accounts::credentials;
use crate::client::Connection;
use serde_json::Value;
use std::io::Result;
use std::net::SocketAddr;
use std::time::Duration;

/// Checks everything a client knows. Sessions used in this round are refreshed, which must go on from the
/// generation last acknowledged; older ones are only looked at; ended ones must be refused with both tokens.
///
/// # Errors
/// When the connection breaks.
pub async fn worker(mut worker: Worker, addr: SocketAddr, round: u32) -> Result<Worker> {
    let mut connection = Connection::open(addr).await?;
    let mut sessions = std::mem::take(&mut worker.sessions);
    for session in &mut sessions {
        match session.state {
            State::Live => live(&mut worker, &mut connection, session, round).await?,
            State::Ended | State::Open => over(&mut worker, &mut connection, session).await?,
        }
    }
    worker.sessions = sessions;
    logins(&mut worker, &mut connection, round).await?;
    tenant(&mut worker, &mut connection).await?;
    Ok(worker)
}

async fn live(
    worker: &mut Worker,
    connection: &mut Connection,
    session: &mut Session,
    round: u32,
) -> Result<()> {
    let me = ask(connection, ("GET", "/me"), Some(&session.access), None).await?;
    worker.findings.check(me.status == 200, Fault::Lost, || format!("{} /me: {}", session.id, me.text()));
    if session.round != round {
        return Ok(());
    }
    let reply =
        ask(connection, ("POST", "/auth/refresh"), None, Some(&refresh_body(&session.refresh))).await?;
    let next = if reply.status == 200 { reply.session(round) } else { None };
    // Whether the refresh that was cut off had been committed or not, the next generation is the same (ruling D2).
    let holds = next.as_ref().is_some_and(|(_, n)| n.generation == session.generation + 1);
    worker.findings.check(holds, Fault::Lost, || {
        format!("{} at generation {}: {}", session.id, session.generation, reply.text())
    });
    if let Some((_, next)) = next {
        *session = next;
    }
    Ok(())
}

/// An ended session stays ended; one whose end was cut off is either, but for both tokens alike.
async fn over(worker: &mut Worker, connection: &mut Connection, session: &mut Session) -> Result<()> {
    let me = ask(connection, ("GET", "/me"), Some(&session.access), None).await?.status;
    let body = refresh_body(&session.refresh);
    let reply = ask(connection, ("POST", "/auth/refresh"), None, Some(&body)).await?;
    let both = (me, reply.status);
    if session.state == State::Ended {
        worker.findings.check(both == (401, 401), Fault::Revived, || format!("{}: {both:?}", session.id));
        return Ok(());
    }
    worker.findings.check(matches!(both, (401, 401) | (200, 200)), Fault::Unexpected, || {
        format!("{} is half ended: {both:?}", session.id)
    });
    match reply.session(session.round) {
        Some((_, next)) if reply.status == 200 => *session = next,
        _ => session.state = State::Ended,
    }
    Ok(())
}

async fn logins(worker: &mut Worker, connection: &mut Connection, round: u32) -> Result<()> {
    let fresh: Vec<_> = worker.accounts.iter().filter(|a| a.round == round).cloned().collect();
    for _ in 0..worker.login_checks().min(fresh.len()) {
        let Some(account) = fresh.get(worker.dice.below(fresh.len())) else { break };
        let body = credentials(&account.identifier, &account.password);
        let mut reply = ask(connection, ("POST", "/auth/login"), None, Some(&body)).await?;
        for _ in 0..50 {
            if reply.status != 503 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            reply = ask(connection, ("POST", "/auth/login"), None, Some(&body)).await?;
        }
        let session = if reply.status == 200 { reply.session(round) } else { None };
        worker
            .findings
            .check(session.is_some(), Fault::Lost, || format!("{}: {}", account.identifier, reply.text()));
        worker.sessions.extend(session.map(|(_, session)| session));
    }
    Ok(())
}

async fn tenant(worker: &mut Worker, connection: &mut Connection) -> Result<()> {
    let Some(duty) = &worker.duty else { return Ok(()) };
    let (acknowledged, sent) = (duty.acknowledged, duty.sent);
    let reply =
        ask(connection, ("GET", &format!("/tenants/{}", duty.tenant)), Some(&duty.admin), None).await?;
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let number = body.pointer("/custom_payload/number").and_then(Value::as_u64);
    let holds = number.is_some_and(|n| (acknowledged..=sent).contains(&n));
    worker.findings.check(holds, Fault::Lost, || {
        format!("the tenant's number is {number:?}, acknowledged {acknowledged}, sent {sent}")
    });
    Ok(())
}
