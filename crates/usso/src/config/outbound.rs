//! `[outbound]`: whom the server may ask on behalf of tenants and their clients.

use crate::config::origin::HostName;
use crate::config::setting::{Invalid, section};
use std::path::PathBuf;

section! {
    /// Whom the server may ask on behalf of tenants and their clients: for key sets, at logout, when somebody signs in with
    /// another's account. Without these settings only hosts with public addresses are asked, and over TLS.
    Outbound outbound {
        /// Hosts that may have private addresses, and be asked over plain HTTP: only those where no tenant may do harm.
        allow_hosts: Vec<HostName> = Vec::new(), example "[\"rp.internal.example\"]";
        /// A PEM file with certificates of authorities that are trusted besides those of the system.
        extra_ca_pem: Option<PathBuf> = None, shown "none", example "\"/etc/usso/private-ca.pem\"";
    }
}

impl Outbound {
    /// Nothing to compare: each value was checked when read.
    ///
    /// # Errors
    /// None.
    pub fn validate(&self) -> Result<(), Invalid> {
        Ok(())
    }
}
