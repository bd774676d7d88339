//! `[tenants]`: how tenants are found, and how they prove that a domain is theirs. What a tenant can set for itself is not configuration.

use crate::config::origin::HostName;
use crate::config::setting::{Invalid, section};
use std::net::SocketAddr;

section! {
    /// How tenants are found, and how they prove that a domain is theirs. What a tenant sets for itself lies in its record, not here.
    Tenants tenants {
        /// Host names of the default tenant besides that of the base URL; on them a header or the path may choose another tenant.
        default_domains: Vec<HostName> = HostName::defaults();
        /// DNS servers asked for the proofs of domains.
        name_servers: Vec<SocketAddr> = Vec::new(), shown "those of the system", example "[\"9.9.9.9:53\"]";
        /// The port from which the file is fetched that proves a domain.
        proof_port: u16 = 80;
        /// Whether that file may be fetched from private addresses: only where no tenant is a stranger to the network.
        proof_from_private_addresses: bool = false;
    }
}

impl Tenants {
    /// Nothing to compare: each value was checked when read.
    ///
    /// # Errors
    /// None.
    pub fn validate(&self) -> Result<(), Invalid> {
        Ok(())
    }
}
