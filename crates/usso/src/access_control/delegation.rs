//! Delegation: nobody can grant what they do not hold (contract 4.6).

use kernel::{Problem, ProblemKind};
use protocol::scope::{Scope, ScopeError, is_narrower};
use std::borrow::Cow;

/// A scope that can't be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DelegationError {
    /// Not a scope.
    #[error("`{0}`: {1}")]
    Malformed(String, ScopeError),
    /// The granter doesn't hold it.
    #[error("`{0}` is not held")]
    NotHeld(String),
}

impl Problem for DelegationError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Malformed(..) => ProblemKind::Invalid,
            Self::NotHeld(_) => ProblemKind::Forbidden,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Malformed(..) => "INVALID_SCOPE",
            Self::NotHeld(_) => "SCOPE_NOT_DELEGABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Malformed(scope, error) => format!("`{scope}` is no scope: {error}").into(),
            Self::NotHeld(scope) => format!("You can't grant `{scope}`: you don't hold it").into(),
        }
    }
}

/// Checks that each scope is well formed and narrower than, or the same as, one that is held.
///
/// # Errors
/// The first scope that can't be granted.
pub fn may_grant(held: &[String], granted: &[String]) -> Result<(), DelegationError> {
    for text in granted {
        let child = Scope::validate_new(text).map_err(|e| DelegationError::Malformed(text.clone(), e))?;
        if !held.iter().any(|parent| is_narrower(&child, &Scope::parse(parent))) {
            return Err(DelegationError::NotHeld(text.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(held: &[&str], scopes: &[&str]) -> Result<(), DelegationError> {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        may_grant(&own(held), &own(scopes))
    }

    #[test]
    fn what_is_held_and_what_is_narrower_can_be_granted() {
        assert_eq!(
            granted(&["update:users"], &["read:users", "update:users", "read:users?user_id=1"]),
            Ok(())
        );
        assert_eq!(granted(&["*:*"], &["delete:anything/at/all"]), Ok(()));
    }

    #[test]
    fn what_is_wider_can_not() {
        for (held, scope) in
            [("read:users", "update:users"), ("read:sso/users", "read:users"), ("*:*", "superadmin:*")]
        {
            assert_eq!(granted(&[held], &[scope]), Err(DelegationError::NotHeld(scope.to_owned())));
        }
        assert!(granted(&[], &["read:users"]).is_err());
    }

    #[test]
    fn what_is_no_scope_is_refused_before() {
        assert!(matches!(granted(&["*:*"], &["read:[a]"]), Err(DelegationError::Malformed(..))));
    }
}
