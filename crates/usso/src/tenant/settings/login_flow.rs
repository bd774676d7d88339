//! The flow a tenant configures for signing in (`auth.login_flow`).

use crate::tenant::settings::{LOGIN_METHODS, login_method};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most steps of a flow.
const MAX_STEPS: usize = 5;

/// Who may sign in with what, step by step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginFlow {
    /// The kinds of identifier that may sign in: `email`, `phone`, `username`.
    pub allowed_identifiers: Vec<String>,
    /// The steps, in order.
    pub steps: Vec<LoginStep>,
}

/// A step of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginStep {
    /// The methods that count.
    pub methods: Vec<String>,
    /// How many of them are needed.
    #[serde(default = "one")]
    pub required_num: u8,
}

const fn one() -> u8 {
    1
}

impl LoginFlow {
    /// The flow a value describes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(value: &Value) -> Result<Self, String> {
        let flow: Self = serde_json::from_value(value.clone()).map_err(|e| e.to_string())?;
        flow.check().map(|()| flow).map_err(str::to_owned)
    }

    fn check(&self) -> Result<(), &'static str> {
        if !is_set(&self.allowed_identifiers, |kind| matches!(kind, "email" | "phone" | "username")) {
            return Err("allowed_identifiers: needs one or more of email, phone and username, each once");
        }
        if self.steps.is_empty() || self.steps.len() > MAX_STEPS {
            return Err("steps: needs 1 to 5");
        }
        if !self.steps.iter().all(|step| is_set(&step.methods, |name| login_method(name).is_ok())) {
            return Err("methods: needs one or more ways to sign in, each once");
        }
        let fits = |step: &LoginStep| (1..=step.methods.len()).contains(&usize::from(step.required_num));
        if !self.steps.iter().all(fits) {
            return Err("required_num: needs to be from 1 to the number of methods");
        }
        let begins = |step: &LoginStep| step.methods.iter().any(|name| !is_second_only(name));
        if !self.steps.first().is_some_and(begins) {
            return Err("the first step needs a method that tells who somebody is");
        }
        Ok(())
    }
}

/// Whether a method proves no account by itself.
fn is_second_only(name: &str) -> bool {
    debug_assert!(LOGIN_METHODS.contains(name));
    matches!(name, "totp" | "backup_codes")
}

/// Whether there is at least one, each fits, and none comes twice.
fn is_set(names: &[String], fits: impl Fn(&str) -> bool) -> bool {
    let is_first = |at: usize, name: &String| !names.iter().take(at).any(|other| other == name);
    !names.is_empty() && names.iter().enumerate().all(|(at, name)| fits(name) && is_first(at, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(flow: Value) -> String {
        LoginFlow::parse(&flow).unwrap_err()
    }

    #[test]
    fn a_flow_without_identifiers_steps_or_methods_is_refused() {
        let steps = json!([{"methods": ["password"]}]);
        assert!(LoginFlow::parse(&json!({"allowed_identifiers": ["email"], "steps": steps})).is_ok());
        let named = |name: &str, flow: Value| {
            let text = refusal(flow);
            assert!(text.contains(name), "{text}");
        };
        named("allowed_identifiers", json!({"allowed_identifiers": [], "steps": steps}));
        named("allowed_identifiers", json!({"allowed_identifiers": ["face"], "steps": steps}));
        named("steps", json!({"allowed_identifiers": ["email"], "steps": []}));
        named("methods", json!({"allowed_identifiers": ["email"], "steps": [{"methods": []}]}));
        let twice = json!([{"methods": ["password", "password"]}]);
        named("methods", json!({"allowed_identifiers": ["email"], "steps": twice}));
        let many = json!([{"methods": ["password"], "required_num": 2}]);
        named("required_num", json!({"allowed_identifiers": ["email"], "steps": many}));
        let none = json!([{"methods": ["password"], "required_num": 0}]);
        named("required_num", json!({"allowed_identifiers": ["email"], "steps": none}));
        named("first step", json!({"allowed_identifiers": ["email"], "steps": [{"methods": ["totp"]}]}));
        named("unknown field", json!({"allowed_identifiers": ["email"], "steps": steps, "colour": 1}));
    }
}
