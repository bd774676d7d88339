//! `[tenants]`: how tenants are found. What a tenant can set for itself is not configuration.

use crate::config::origin::HostName;
use crate::config::setting::{Invalid, section};

section! {
    /// How tenants are found. What a tenant sets for itself lies in its record, not here.
    Tenants tenants {
        /// Host names of the default tenant besides that of the base URL; on them a header or the path may choose another tenant.
        default_domains: Vec<HostName> = HostName::defaults();
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
