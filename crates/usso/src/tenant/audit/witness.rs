//! What somebody can tell of an export who has nothing but the tenant's published keys: that it has no gap, follows from
//! what was removed before it, and has all that was signed of this log, here or in what they kept of it earlier.

use super::checkpoint::Statement;
use protocol::jose::{JwkSet, Untrusted, VerifyingKey};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A line of an export: an event or a checkpoint.
#[derive(Debug, Deserialize)]
struct Line {
    sequence: Option<u64>,
    mac: Option<String>,
    prev: Option<String>,
    checkpoint: Option<String>,
}

/// What a look at an export brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many events it has.
    pub events: u64,
    /// How many checkpoints were checked.
    pub checkpoints: u64,
    /// What is not as it should be, a sentence each.
    pub findings: Vec<String>,
}

/// Looks at an export, with published keys and whatever else has checkpoints of the same log.
///
/// # Errors
/// The line that is none of an export.
pub fn check(export: &str, keys: &[JwkSet], kept: &[String]) -> Result<Seen, String> {
    let mut seen = Seen::default();
    let (events, mut tokens) = read(export)?;
    for earlier in kept {
        let (before, more) = read(earlier)?;
        tokens.extend(more);
        for (number, (mac, _)) in before {
            if events.get(&number).is_some_and(|(now, _)| *now != mac) {
                seen.findings.push(format!("event {number} is another one than the one that was kept"));
            }
        }
    }
    seen.events = events.len() as u64;
    let first = events.first_key_value().map_or(1, |(number, _)| *number);
    let last = events.last_key_value().map_or(0, |(number, _)| *number);
    let mut before = None;
    for number in first..=last {
        let here = events.get(&number);
        match here {
            None => seen.findings.push(format!("event {number} is missing")),
            Some((_, prev)) if before.is_some_and(|mac: &String| mac != prev) => {
                seen.findings.push(format!("event {number} does not follow from the one before"));
            }
            Some(_) => {}
        }
        before = here.map(|(mac, _)| mac);
    }
    let mut begins = first <= 1;
    let mut log: Option<String> = None;
    for token in tokens {
        let Some(stated) = verified(&token, keys) else {
            seen.findings.push("a checkpoint is not signed by one of these keys".to_owned());
            continue;
        };
        seen.checkpoints += 1;
        let number = stated.sequence;
        if log.get_or_insert_with(|| stated.log.clone()) != &stated.log {
            seen.findings.push(format!("the checkpoint of event {number} is of another log"));
        } else if number > last {
            seen.findings.push(format!("the log was cut: it ends with {last}, and {number} was signed"));
        } else if let Some((mac, _)) = events.get(&number) {
            if *mac != stated.mac {
                seen.findings.push(format!("event {number} is not the one that was signed"));
            }
        } else if number + 1 == first {
            begins |= events.get(&first).is_some_and(|(_, prev)| *prev == stated.mac);
        }
    }
    if !begins {
        seen.findings
            .push(format!("the log begins with {first}, and no checkpoint stands for what was before"));
    }
    Ok(seen)
}

type Events = BTreeMap<u64, (String, String)>;

fn read(export: &str) -> Result<(Events, Vec<String>), String> {
    let (mut events, mut checkpoints) = (Events::new(), Vec::new());
    for (n, text) in export.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let line: Line = serde_json::from_str(text).map_err(|e| format!("line {}: {e}", n + 1))?;
        match line {
            Line { checkpoint: Some(token), .. } => checkpoints.push(token),
            Line { sequence: Some(sequence), mac: Some(mac), prev, .. } => {
                events.insert(sequence, (mac, prev.unwrap_or_default()));
            }
            // From before the chain.
            _ => {}
        }
    }
    Ok((events, checkpoints))
}

fn verified(token: &str, keys: &[JwkSet]) -> Option<Statement> {
    let untrusted = Untrusted::parse(token).ok()?;
    let kid = untrusted.require_kid().ok()?;
    let key = keys.iter().find_map(|set| set.get(kid))?;
    Statement::read(token, &VerifyingKey::from_jwk(key).ok()?)
}
