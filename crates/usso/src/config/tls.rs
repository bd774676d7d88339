//! `[tls]`: the optional TLS listener.

use crate::config::setting::{Invalid, section};
use std::path::{Path, PathBuf};

section! {
    /// The optional TLS listener; without it a proxy in front does TLS. The files are read again when they change, and on
    /// SIGHUP.
    Tls tls {
        /// The certificate chain, a PEM file; the server's own certificate first.
        cert: Option<PathBuf> = None, shown "none", example "\"/etc/usso/tls.crt\"", env "TLS_CERT";
        /// The private key of the certificate, a PEM file: PKCS#8, SEC1 or PKCS#1, without a password.
        key: Option<PathBuf> = None, shown "none", example "\"/etc/usso/tls.key\"", env "TLS_KEY";
    }
}

impl Tls {
    /// Checks that certificate and key come together.
    ///
    /// # Errors
    /// [`Invalid`] when there is one without the other.
    pub fn validate(&self) -> Result<(), Invalid> {
        Invalid::unless(
            self.key.is_none() || self.cert.is_some(),
            "tls.key",
            "needs tls.cert (TLS_CERT) as well",
        )?;
        Invalid::unless(
            self.cert.is_none() || self.key.is_some(),
            "tls.cert",
            "needs tls.key (TLS_KEY) as well",
        )
    }

    /// Certificate and key when the listener speaks TLS.
    pub fn pair(&self) -> Option<(&Path, &Path)> {
        self.cert.as_deref().zip(self.key.as_deref())
    }
}
