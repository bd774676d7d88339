//! `[smtp]`: how mail leaves when a tenant has no mail server of its own.

use crate::config::secret::Secret;
use crate::config::setting::{Invalid, section};

section! {
    /// How mail leaves when a tenant has no mail server of its own.
    Smtp smtp {
        /// The mail server. Without it nothing is mailed.
        host: Option<String> = None, shown "none", example "\"smtp.example.com\"", env "SMTP_HOST";
        /// Its port.
        port: u16 = 587, env "SMTP_PORT";
        /// The account on the mail server.
        username: Option<String> = None, shown "none", example "\"usso\"", env "SMTP_USERNAME";
        /// Its password.
        password: Option<Secret> = None, shown "none", env "SMTP_PASSWORD";
        /// The address that mail comes from, alone or as `Name <address>`.
        sender: Option<String> = None, shown "none", example "\"USSO <no-reply@example.com>\"", env "SMTP_SENDER";
        /// Whether mail goes over TLS: from the first byte on port 465, by STARTTLS on others. Off only for a server on this machine.
        use_tls: bool = true, env "SMTP_USE_TLS";
    }
}

impl Smtp {
    /// Checks that what belongs together is there.
    ///
    /// # Errors
    /// [`Invalid`] for a server without a sender, an account without its password or the reverse, port 0, or a sender
    /// that is no address.
    pub fn validate(&self) -> Result<(), Invalid> {
        Invalid::unless(self.port != 0, "smtp.port", "must not be 0")?;
        let has_sender = self.host.is_none() || self.sender.is_some();
        Invalid::unless(has_sender, "smtp.host", "needs smtp.sender (SMTP_SENDER) as well")?;
        let has_password = self.username.is_none() || self.password.is_some();
        Invalid::unless(has_password, "smtp.username", "needs smtp.password (SMTP_PASSWORD) as well")?;
        let has_username = self.password.is_none() || self.username.is_some();
        Invalid::unless(has_username, "smtp.password", "needs smtp.username (SMTP_USERNAME) as well")?;
        let is_address = self.sender.as_deref().is_none_or(is_sender);
        Invalid::unless(
            is_address,
            "smtp.sender",
            "is not an address like usso@example.com or Name <usso@example.com>",
        )
    }
}

fn is_sender(text: &str) -> bool {
    let address = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let is_plain = !address.contains(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';'));
    is_plain && !local.is_empty() && !domain.is_empty()
}
