//! Whether applications register themselves.

/// Whether applications register themselves (RFC 7591).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientRegistration {
    /// No.
    Off,
    /// With the token or API key of somebody who may make clients.
    Token,
    /// Anybody.
    Open,
}

impl ClientRegistration {
    /// By its name; off by default.
    pub fn parse(name: &str) -> Self {
        match name {
            "token" => Self::Token,
            "open" => Self::Open,
            _ => Self::Off,
        }
    }
}
