//! What is handed out for a refresh token: our own tokens, or a client's.

use super::error::SessionError;
use super::model::Session;
use crate::identity::users::model::User;
use kernel::Stored;

/// What is handed out for a refresh token.
pub trait Handout: Sync {
    /// What.
    type Answer: Send;
    /// Why not.
    type Error: From<SessionError> + Send;

    /// Whether there is to be anything for this session.
    ///
    /// # Errors
    /// Why not.
    fn admits(&self, session: &Session) -> Result<(), Self::Error>;

    /// Makes it, for the session's next state, and writes that if it differs.
    fn make(
        &self,
        old: &Stored<Session>,
        next: Session,
        user: &Stored<User>,
    ) -> impl Future<Output = Result<(Self::Answer, Option<Stored<Session>>), SessionError>> + Send;
}
