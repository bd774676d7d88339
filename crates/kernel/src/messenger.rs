//! The way out for messages to people.

use crate::BoxFuture;

/// Over what somebody is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// E-mail.
    Email,
    /// A text to a phone.
    Sms,
}

impl Channel {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Email, Self::Sms].into_iter().find(|channel| channel.as_str() == name)
    }
}

/// A message as it is sent. It may hold a code or a link, so it is never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// Over what.
    pub channel: Channel,
    /// To which address or number.
    pub to: String,
    /// What it is about: one line.
    pub subject: String,
    /// Its words.
    pub text: String,
    /// The same as a page, for those who read pages.
    pub html: Option<String>,
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// A mail server.
#[derive(Clone, PartialEq, Eq)]
pub struct MailServer {
    /// Its host name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The account on it, and the account's password.
    pub account: Option<(String, String)>,
    /// The address mail comes from, alone or as `Name <address>`.
    pub sender: String,
    /// Whether mail goes over TLS: from the first byte on port 465, by STARTTLS on others (RFC 8314, RFC 3207).
    pub use_tls: bool,
    /// Whether it may be at a private address: the operator's may, a tenant's may not.
    pub may_be_private: bool,
}

impl std::fmt::Debug for MailServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailServer")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Why a message wasn't taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It may be taken later.
    #[error("not taken now: {0}")]
    Later(String),
    /// It will never be taken.
    #[error("refused: {0}")]
    Refused(String),
}

/// Takes messages.
pub trait Messenger: Send + Sync + 'static {
    /// Gives a message to a mail server.
    fn mail<'a>(&'a self, server: &'a MailServer, letter: &'a Letter)
    -> BoxFuture<'a, Result<(), SendError>>;

    /// Keeps a message where a developer can read it. `name` is its own: keeping it twice keeps one.
    fn keep<'a>(&'a self, name: &'a str, letter: &'a Letter) -> BoxFuture<'a, Result<(), SendError>>;
}
