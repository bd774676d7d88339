//! The checks in the database file, as the kill left it: a copy of the file and its log is opened, which replays
//! the log as the server's restart will, and every row is held against the ledger and the events.

use super::findings::{Fault, Findings};
use super::worker::{State, Worker};
use rusqlite::Connection;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{Error, Result};
use std::path::Path;

/// The events that end a session.
const ENDS: [&str; 3] = ["session.logged_out", "session.revoked", "session.refresh_token_reused"];

/// What the file says.
struct Contents {
    users: HashSet<String>,
    /// Generation, and whether it was ended.
    sessions: HashMap<String, (u64, bool)>,
    /// How often an event of this name was recorded for this target.
    events: HashMap<(String, String), u64>,
    /// How many denials the events of a user tell, or will when the minute is over.
    denials: HashMap<String, u64>,
}

/// Copies the database into `scratch` and checks it against what the clients know.
///
/// # Errors
/// When the file can't be copied or read at all.
pub fn check(data: &Path, scratch: &Path, workers: &[Worker]) -> Result<Findings> {
    let copy = scratch.join("usso.db");
    for end in ["", "-wal"] {
        let (from, to) = (data.join(format!("usso.db{end}")), scratch.join(format!("usso.db{end}")));
        let _ = fs::remove_file(&to);
        if from.exists() {
            fs::copy(&from, &to)?;
        }
    }
    let _ = fs::remove_file(scratch.join("usso.db-shm"));
    let connection = Connection::open(&copy).map_err(Error::other)?;
    let mut findings = Findings::default();
    let integrity: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(Error::other)?;
    findings.check(integrity == "ok", Fault::Damaged, || integrity);
    let contents = read(&connection).map_err(Error::other)?;
    for worker in workers {
        acknowledged(worker, &contents, &mut findings);
        tenant(worker, &connection, &contents, &mut findings)?;
    }
    changes_have_events(&contents, &mut findings);
    events_have_changes(&contents, &mut findings);
    Ok(findings)
}

fn read(connection: &Connection) -> rusqlite::Result<Contents> {
    let users = connection
        .prepare("SELECT id FROM user")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let sessions = connection
        .prepare("SELECT id, body ->> '$.generation', body ->> '$.revoked_at' IS NOT NULL FROM session")?
        .query_map([], |row| Ok((row.get(0)?, (row.get::<_, i64>(1)?.unsigned_abs(), row.get(2)?))))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Contents { users, sessions, events: events(connection)?, denials: denials(connection)? })
}

/// The events still waiting as effects and those already drained into records, each position once.
fn events(connection: &Connection) -> rusqlite::Result<HashMap<(String, String), u64>> {
    let waiting = "SELECT printf('event_%020d', position) AS id, payload ->> '$.event' AS event,
                   payload ->> '$.target' AS target FROM effects WHERE topic = 'audit'";
    // An id is the position and a digest, see `AuditEvent::from_effect`.
    let drained = "SELECT substr(id, 1, 26), body ->> '$.event', body ->> '$.target' FROM audit_event";
    let is_there = "SELECT count(*) > 0 FROM sqlite_master WHERE name = 'audit_event'";
    let union = if connection.query_row(is_there, [], |row| row.get(0))? {
        format!("{waiting} UNION {drained}")
    } else {
        waiting.to_owned()
    };
    let sql = format!("SELECT event, target, count(*) FROM ({union}) GROUP BY event, target");
    connection
        .prepare(&sql)?
        .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get::<_, i64>(2)?.unsigned_abs())))?
        .collect()
}

/// Those told, each position once, and those that are being counted.
fn denials(connection: &Connection) -> rusqlite::Result<HashMap<String, u64>> {
    let sql = "SELECT actor, sum(n) FROM (
            SELECT printf('event_%020d', position) AS id, payload ->> '$.actor' AS actor,
                coalesce(payload ->> '$.data.count', 1) AS n
            FROM effects WHERE topic = 'audit' AND payload ->> '$.event' = 'permission.denied'
            UNION
            SELECT substr(id, 1, 26), body ->> '$.actor', coalesce(body ->> '$.data.count', 1)
            FROM audit_event WHERE body ->> '$.event' = 'permission.denied'
            UNION ALL
            SELECT one_time.id, payload ->> '$.event.actor', coalesce(one_time.body ->> '$.data.count', 0)
            FROM effects JOIN one_time ON one_time.id = effects.payload ->> '$.id' WHERE topic = 'tally'
        ) GROUP BY actor";
    connection
        .prepare(sql)?
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?
        .collect()
}

impl Contents {
    fn has_event(&self, name: &str, target: &str) -> bool {
        self.events.contains_key(&(name.to_owned(), target.to_owned()))
    }

    /// The targets of the events that end sessions, whatever the reason.
    fn ends(&self) -> HashSet<&str> {
        let ends = self.events.keys().filter(|(name, _)| ENDS.contains(&name.as_str()));
        ends.map(|(_, target)| target.as_str()).collect()
    }
}

fn acknowledged(worker: &Worker, contents: &Contents, findings: &mut Findings) {
    for (user, (told, asked)) in &worker.denied {
        let count = contents.denials.get(user).copied().unwrap_or(0);
        let text = || format!("{user} was denied {told} of {asked} times, the events tell {count}");
        findings.check(count >= *told, Fault::Silent, text);
        findings.check(count <= *asked, Fault::Invented, text);
    }
    for account in &worker.accounts {
        findings.check(contents.users.contains(&account.user), Fault::Lost, || {
            format!("{} is gone", account.user)
        });
    }
    for session in &worker.sessions {
        let stored = contents.sessions.get(&session.id);
        findings.check(stored.is_some_and(|(g, _)| *g >= session.generation), Fault::Lost, || {
            format!("{}: acknowledged generation {}, stored {stored:?}", session.id, session.generation)
        });
        let Some((_, ended)) = stored else { continue };
        match session.state {
            State::Live => findings.check(!ended, Fault::Lost, || format!("{} ended by itself", session.id)),
            State::Ended => {
                findings.check(*ended, Fault::Revived, || format!("{} is open again", session.id))
            }
            State::Open => {}
        }
    }
}

fn tenant(
    worker: &Worker,
    connection: &Connection,
    contents: &Contents,
    findings: &mut Findings,
) -> Result<()> {
    let Some(duty) = &worker.duty else { return Ok(()) };
    let sql = "SELECT body ->> '$.custom_payload.number' FROM tenant WHERE id = ?1";
    let number: Option<i64> =
        connection.query_row(sql, [&duty.tenant], |row| row.get(0)).map_err(Error::other)?;
    let number = number.map(i64::unsigned_abs);
    findings.check(number.is_some_and(|n| (duty.acknowledged..=duty.sent).contains(&n)), Fault::Lost, || {
        format!("the tenant's number is {number:?}, acknowledged {}", duty.acknowledged)
    });
    let key = ("tenant.updated".to_owned(), duty.tenant.clone());
    let events = contents.events.get(&key).copied().unwrap_or(0);
    findings.check(events >= duty.changes, Fault::Silent, || {
        format!("{} changes of the tenant, {events} events", duty.changes)
    });
    findings.check(events <= duty.sent, Fault::Invented, || format!("{} sent, {events} events", duty.sent));
    Ok(())
}

/// Every account, every session and every end of a session has its event, acknowledged or not.
fn changes_have_events(contents: &Contents, findings: &mut Findings) {
    let ends = contents.ends();
    for user in &contents.users {
        findings.check(contents.has_event("user.registered", user), Fault::Silent, || user.clone());
    }
    for (session, (_, ended)) in &contents.sessions {
        findings.check(contents.has_event("session.opened", session), Fault::Silent, || session.clone());
        if *ended {
            findings
                .check(ends.contains(session.as_str()), Fault::Silent, || format!("the end of {session}"));
        }
    }
}

/// Every such event has its account, its session, its end.
fn events_have_changes(contents: &Contents, findings: &mut Findings) {
    for (name, target) in contents.events.keys() {
        let holds = match name.as_str() {
            "user.registered" => contents.users.contains(target),
            "session.opened" => contents.sessions.contains_key(target),
            _ if name.starts_with("session.") => {
                contents.sessions.get(target).is_some_and(|(_, ended)| *ended)
            }
            _ => continue,
        };
        findings.check(holds, Fault::Invented, || format!("{name} of {target}"));
    }
}
