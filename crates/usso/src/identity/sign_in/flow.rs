//! A tenant's flow: which proofs a sign-in takes, in which order. Pure.
//!
//! A tenant that has configured `auth.login_flow` gets exactly its steps. Anybody else has one step of any allowed method, and a
//! second of any other factor where the tenant or the user's own authenticator asks for it.

use super::proof::{Method, Shown, factors};
use crate::identity::identifiers::IdentifierKind;
use crate::tenant::settings::{LoginFlow, Settings};

/// The methods a sign-in with an identifier may begin with.
const BEGINNING: [Method; 5] =
    [Method::Password, Method::EmailOtp, Method::PhoneOtp, Method::MagicLink, Method::Webauthn];

/// What is needed next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Done,
    /// So many of these methods.
    Need {
        /// Any of them.
        methods: Vec<Method>,
        /// How many.
        required: usize,
    },
}

/// What a user could show, for what they have or where they can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Possible {
    /// How.
    pub method: Method,
    /// Over which channel.
    pub channel: String,
}

/// Whether a tenant's people may use a method.
pub fn is_allowed(settings: &Settings, method: Method) -> bool {
    match &settings.login_flow {
        Some(flow) => {
            let mut named = flow.steps.iter().flat_map(|step| &step.methods);
            named.any(|name| method.is_named(name))
        }
        None => settings.allowed_login_methods.iter().any(|name| method.is_named(name)),
    }
}

/// The methods a sign-in with this kind of identifier may begin with. Nothing here depends on the account.
pub fn first_methods(settings: &Settings, kind: IdentifierKind) -> Vec<Method> {
    let named = |method: &Method| match settings.login_flow.as_ref().and_then(|flow| flow.steps.first()) {
        Some(first) => first.methods.iter().any(|name| method.is_named(name)),
        None => is_allowed(settings, *method),
    };
    let fits = |method: &Method| match method {
        _ if !BEGINNING.contains(method) => false,
        Method::EmailOtp | Method::MagicLink => kind == IdentifierKind::Email,
        Method::PhoneOtp => kind == IdentifierKind::Phone,
        // These don't begin with an identifier.
        Method::Oauth | Method::Telegram | Method::Qr => false,
        other => other.may_begin(),
    };
    Method::ALL.into_iter().filter(|method| fits(method) && named(method)).collect()
}

/// What is needed after these proofs, of a user who could show those. `wants_second`: whether the tenant or the user asks for
/// a second factor.
pub fn next(settings: &Settings, shown: &[Shown], possible: &[Possible], wants_second: bool) -> Next {
    let stepped = settings.login_flow.as_ref().map_or(Next::Done, |flow| next_step(flow, shown, possible));
    if stepped == Next::Done && wants_second && factors(shown) < 2 {
        return Next::Need { methods: second(settings, shown, possible), required: 1 };
    }
    stepped
}

fn next_step(flow: &LoginFlow, shown: &[Shown], possible: &[Possible]) -> Next {
    let mut left: Vec<&Shown> = distinct(shown);
    for step in &flow.steps {
        let is_of_step = |method: Method| step.methods.iter().any(|name| method.is_named(name));
        let mut missing = usize::from(step.required_num);
        // Each proof counts once, in the first step it fits.
        left.retain(|own| {
            let counts = missing > 0 && is_of_step(own.method);
            missing -= usize::from(counts);
            !counts
        });
        if missing > 0 {
            let is_new =
                |p: &&Possible| is_of_step(p.method) && !shown.iter().any(|s| s.channel == p.channel);
            return Next::Need { methods: methods(possible.iter().filter(is_new)), required: missing };
        }
    }
    Next::Done
}

/// One proof of each channel, in the order they were shown.
fn distinct(shown: &[Shown]) -> Vec<&Shown> {
    let is_first = |at: usize, own: &Shown| !shown.iter().take(at).any(|other| other.channel == own.channel);
    shown.iter().enumerate().filter(|(at, own)| is_first(*at, own)).map(|(_, own)| own).collect()
}

/// Whether a method may be the second factor of a sign-in.
pub fn may_be_second(settings: &Settings, method: Method) -> bool {
    is_allowed(settings, method) || settings.allowed_login_methods.iter().any(|name| method.is_named(name))
}

fn second(settings: &Settings, shown: &[Shown], possible: &[Possible]) -> Vec<Method> {
    let is_new = |p: &&Possible| !shown.iter().any(|s| s.channel == p.channel);
    methods(possible.iter().filter(|p| is_new(p) && may_be_second(settings, p.method)))
}

fn methods<'a>(possible: impl Iterator<Item = &'a Possible>) -> Vec<Method> {
    let mut methods: Vec<Method> = possible.map(|p| p.method).collect();
    methods.sort_unstable();
    methods.dedup();
    methods
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::settings::Config;
    use serde_json::{Value, json};

    fn settings(config: Value) -> Settings {
        let mut own = Config::default();
        own.apply(config.as_object().unwrap()).unwrap();
        own.settings()
    }

    fn shown(method: Method) -> Shown {
        (&super::super::proof::Proof::of(method)).into()
    }

    fn possible(methods: &[Method]) -> Vec<Possible> {
        let one = |method: &Method| Possible { method: *method, channel: shown(*method).channel };
        methods.iter().map(one).collect()
    }

    fn need(methods: &[Method], required: usize) -> Next {
        Next::Need { methods: methods.to_vec(), required }
    }

    #[test]
    fn one_factor_is_enough_where_nobody_asks_for_two() {
        let (settings, has) = (settings(json!({})), possible(&[Method::Password, Method::Totp]));
        assert_eq!(next(&settings, &[shown(Method::Password)], &has, false), Next::Done);
        let wanted = need(&[Method::Totp], 1);
        assert_eq!(next(&settings, &[shown(Method::Password)], &has, true), wanted);
        let both = [shown(Method::Password), shown(Method::Totp)];
        assert_eq!(next(&settings, &both, &has, true), Next::Done);
    }

    #[test]
    fn the_steps_of_a_flow_are_taken_in_order() {
        let flow = json!({"auth": {"login_flow": {"allowed_identifiers": ["email"], "steps": [
            {"methods": ["password", "webauthn"]}, {"methods": ["totp", "email/otp"], "required_num": 1}]}}});
        let settings = settings(flow);
        let has = possible(&[Method::Password, Method::Webauthn, Method::Totp, Method::EmailOtp]);
        let first = next(&settings, &[], &has, false);
        assert_eq!(first, need(&[Method::Password, Method::Webauthn], 1));
        let second = next(&settings, &[shown(Method::Password)], &has, false);
        assert_eq!(second, need(&[Method::EmailOtp, Method::Totp], 1));
        let done = next(&settings, &[shown(Method::Password), shown(Method::Totp)], &has, false);
        assert_eq!(done, Next::Done);
        // A proof of the second step doesn't take the first.
        let only_second = next(&settings, &[shown(Method::Totp)], &has, false);
        assert_eq!(only_second, need(&[Method::Password, Method::Webauthn], 1));
    }

    #[test]
    fn a_step_may_want_several_of_its_methods() {
        let flow = json!({"auth": {"login_flow": {"allowed_identifiers": ["email"], "steps": [
            {"methods": ["password", "totp", "email/otp"], "required_num": 2}]}}});
        let settings = settings(flow);
        let has = possible(&[Method::Password, Method::Totp, Method::EmailOtp]);
        let wanted = need(&[Method::EmailOtp, Method::Totp], 1);
        assert_eq!(next(&settings, &[shown(Method::Password)], &has, false), wanted);
        // The same proof twice is one.
        let twice = [shown(Method::Password), shown(Method::Password)];
        assert_eq!(next(&settings, &twice, &has, false), wanted);
    }

    #[test]
    fn an_authenticator_begins_no_sign_in() {
        let settings = settings(json!({}));
        let first = first_methods(&settings, IdentifierKind::Username);
        assert!(!first.contains(&Method::Totp) && !first.contains(&Method::EmailOtp), "{first:?}");
        assert!(first_methods(&settings, IdentifierKind::Email).contains(&Method::MagicLink));
    }
}
