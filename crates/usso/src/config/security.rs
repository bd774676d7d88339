//! `[security]`: the two secrets an installation starts from, and the passwords nobody may choose.

use crate::config::secret::{MasterKey, Secret};
use crate::config::setting::{Invalid, section};
use secrecy::SecretString;
use std::path::PathBuf;

section! {
    /// The two secrets an installation starts from, better given by the environment or a file of their own than here; and the passwords nobody may choose.
    Security security {
        /// The password of the system administrator (`admin`), set and reset at every start. Generated and printed once if absent.
        system_password: Option<Secret> = None, shown "generated", env "SYSTEM_PASSWORD";
        /// Base64 of 32 bytes that seal the private keys and the secrets of providers. Generated into the data directory if absent.
        master_key: Option<MasterKey> = None, shown "generated", env "MASTER_KEY";
        /// A file with the SHA-1 digests of passwords nobody may choose: in hexadecimal, one a line, in order, each with or without `:` and a count.
        breached_passwords: Option<PathBuf> = None, shown "none", example "\"/etc/usso/breached.txt\"", env "BREACHED_PASSWORDS";
    }
}

impl Security {
    /// Nothing to compare: each value was checked when read.
    ///
    /// # Errors
    /// None.
    pub fn validate(&self) -> Result<(), Invalid> {
        Ok(())
    }

    /// The system administrator's password, if one is set.
    pub fn system_password(&self) -> Option<&SecretString> {
        self.system_password.as_ref().map(Secret::secret)
    }
}
