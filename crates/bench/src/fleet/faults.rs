//! The rules a driver checks, how often each was checked, and what broke it.

use crate::table::Row;
use std::collections::BTreeMap;

const SHOWN: usize = 3;
const SHOWN_LENGTH: usize = 200;

#[derive(Debug, Clone, Default)]
struct Rule {
    checked: u64,
    broken: u64,
    examples: Vec<String>,
}

/// Rules by their wording.
#[derive(Debug, Clone, Default)]
pub struct Faults(BTreeMap<&'static str, Rule>);

impl Faults {
    /// Checks a rule once; answers whether it holds.
    pub fn check(&mut self, rule: &'static str, holds: bool, example: impl FnOnce() -> String) -> bool {
        let rule = self.0.entry(rule).or_default();
        rule.checked += 1;
        if !holds {
            rule.broken += 1;
            if rule.examples.len() < SHOWN {
                rule.examples.push(example().chars().take(SHOWN_LENGTH).collect());
            }
        }
        holds
    }

    /// Adds what another client checked.
    pub fn merge(&mut self, other: Self) {
        for (name, theirs) in other.0 {
            let mine = self.0.entry(name).or_default();
            mine.checked += theirs.checked;
            mine.broken += theirs.broken;
            let room = SHOWN.saturating_sub(mine.examples.len());
            mine.examples.extend(theirs.examples.into_iter().take(room));
        }
    }

    /// One row per rule: how often it was broken; the goal is never.
    pub fn rows(&self) -> Vec<Row> {
        self.0
            .iter()
            .map(|(name, rule)| Row {
                what: (*name).to_owned(),
                figure: format!("{} of {} not so", rule.broken, rule.checked),
                bare: "–".to_owned(),
                ratio: "–".to_owned(),
                goal: "0".to_owned(),
                met: Some(rule.broken == 0 && rule.checked > 0),
                note: rule.examples.join("; ").replace(['|', '\n'], " "),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_met_when_it_was_checked_and_never_broken() {
        let mut faults = Faults::default();
        faults.check("a", true, String::new);
        faults.check("b", true, String::new);
        faults.check("b", false, || "why".to_owned());
        let rows = faults.rows();
        let seen: Vec<_> = rows.iter().map(|r| (r.what.as_str(), r.met, r.note.as_str())).collect();
        assert_eq!(seen, [("a", Some(true), ""), ("b", Some(false), "why")]);
    }

    #[test]
    fn what_many_clients_checked_is_added_up() {
        let (mut all, mut one) = (Faults::default(), Faults::default());
        one.check("a", false, || "x".to_owned());
        (0..5).for_each(|_| all.merge(one.clone()));
        assert_eq!(all.rows().first().map(|r| r.figure.clone()), Some("5 of 5 not so".to_owned()));
    }
}
