//! What the checks found.

use std::fmt::Write as _;
use std::time::Duration;

/// How a promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Something acknowledged is gone.
    Lost,
    /// Something ended lives again.
    Revived,
    /// A change without its event.
    Silent,
    /// An event without its change.
    Invented,
    /// The database file is damaged.
    Damaged,
    /// An answer nothing explains.
    Unexpected,
    /// The server was not ready in time.
    Slow,
}

const FAULTS: [(Fault, &str); 7] = [
    (Fault::Lost, "acknowledged and lost"),
    (Fault::Revived, "ended and living again"),
    (Fault::Silent, "changes without their event"),
    (Fault::Invented, "events without their change"),
    (Fault::Damaged, "integrity checks failed"),
    (Fault::Unexpected, "unexpected answers"),
    (Fault::Slow, "restarts slower than 2 s"),
];

/// Checks made and faults found.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// How many facts were checked.
    pub checked: u64,
    faults: Vec<(Fault, String)>,
}

impl Findings {
    /// Checks one fact.
    pub fn check(&mut self, holds: bool, fault: Fault, text: impl FnOnce() -> String) {
        self.checked += 1;
        if !holds {
            self.faults.push((fault, text()));
        }
    }

    /// Takes over what another check found.
    pub fn merge(&mut self, other: Self) {
        self.checked += other.checked;
        self.faults.extend(other.faults);
    }

    /// How often a promise was broken so.
    pub fn count(&self, fault: Fault) -> usize {
        self.faults.iter().filter(|(kind, _)| *kind == fault).count()
    }

    /// Whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    /// The first faults in words.
    pub fn first(&self, count: usize) -> Vec<String> {
        self.faults.iter().take(count).map(|(kind, text)| format!("{kind:?}: {text}")).collect()
    }
}

/// The result of a run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How often the server was killed.
    pub kills: u32,
    /// Entries in the ledger.
    pub acknowledged: u64,
    /// What the checks found.
    pub findings: Findings,
    /// Restart to first healthy answer, the slowest.
    pub slowest_ready: Duration,
    /// The seed.
    pub seed: u64,
}

impl Report {
    /// Whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        self.findings.is_clean()
    }

    /// The result as a Markdown table.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "| what | count |\n|---|---|\n| kills (`SIGKILL` under load, seed {}) | {} |\n\
             | writes acknowledged | {} |\n| facts checked over HTTP and in the database file | {} |\n",
            self.seed, self.kills, self.acknowledged, self.findings.checked
        );
        for (fault, name) in FAULTS {
            let _ = writeln!(text, "| {name} | {} |", self.findings.count(fault));
        }
        let _ = writeln!(
            text,
            "| slowest restart to the first healthy answer | {} ms |",
            self.slowest_ready.as_millis()
        );
        text
    }
}
