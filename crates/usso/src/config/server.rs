//! `[server]`: where the server listens, what it is called from outside, and the limits of a request.

use crate::config::network::Network;
use crate::config::origin::Origin;
use crate::config::setting::{Invalid, section};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

section! {
    /// Where the server listens, what it is called from outside, and the limits of a request.
    Server server {
        /// The address to listen on; `0.0.0.0` or `::` for all.
        host: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST), flag "host", env "HOST";
        /// The port to listen on; 0 lets the system choose.
        port: u16 = 8000, flag "port", env "PORT";
        /// The origin of the default tenant as browsers see it: scheme, host and perhaps a port.
        /// `DOMAIN` takes just the host name and means `https://{DOMAIN}`, or `http` with the port above for localhost.
        base_url: Option<Origin> = None, shown "http://localhost:{port}", example "\"https://sso.example.com\"",
            flag "base-url", env "BASE_URL" "DOMAIN";
        /// Addresses and networks of the proxies whose forwarded headers count.
        trusted_proxies: Vec<Network> = Vec::new(), example "[\"10.0.0.0/8\", \"::1\"]", env "TRUSTED_PROXIES";
        /// The largest request body, in bytes.
        body_limit_bytes: usize = 1024 * 1024;
        /// How long a connection may be idle, or its request headers incomplete, in seconds.
        header_timeout_seconds: u32 = 75;
        /// How many connections may be open; more wait to be accepted.
        max_connections: u32 = 20_000;
        /// How long answering a request may take, in seconds.
        request_timeout_seconds: u32 = 30;
        /// How long requests in progress may go on after the signal to stop, in seconds.
        drain_seconds: u32 = 10;
        /// How long an instance goes on serving after the signal to stop while `/health/serving` already says no, in
        /// seconds, so that load balancers turn away first.
        shutdown_delay_seconds: Option<u32> = None, shown "2 with Redis, otherwise 0", example "5",
            env "SHUTDOWN_DELAY";
        /// Development mode: the log says more.
        debug: bool = false, env "DEBUG";
        /// A GeoIP file (`.mmdb`, City or Country) that tells where sessions are; read again when it changes.
        geoip_file: Option<PathBuf> = None, shown "none", example "\"/var/lib/GeoIP/GeoLite2-City.mmdb\"",
            env "GEOIP_FILE";
        /// The name shown to users.
        project_name: String = "USSO".to_owned(), env "PROJECT_NAME";
    }
}

impl Server {
    /// Checks the limits.
    ///
    /// # Errors
    /// [`Invalid`] for a limit that would refuse every request or none.
    pub fn validate(&self) -> Result<(), Invalid> {
        let body = (4096..=64 * 1024 * 1024).contains(&self.body_limit_bytes);
        Invalid::unless(body, "server.body_limit_bytes", "must be from 4096 to 67108864")?;
        let an_hour = 1..=3600;
        let hours = "must be from 1 to 3600 seconds";
        Invalid::unless(
            an_hour.contains(&self.header_timeout_seconds),
            "server.header_timeout_seconds",
            hours,
        )?;
        Invalid::unless(
            an_hour.contains(&self.request_timeout_seconds),
            "server.request_timeout_seconds",
            hours,
        )?;
        let delay = self.shutdown_delay_seconds.unwrap_or(0) <= 3600;
        Invalid::unless(delay, "server.shutdown_delay_seconds", "must be at most 3600 seconds")?;
        Invalid::unless(self.max_connections > 0, "server.max_connections", "must be at least 1")?;
        Invalid::unless(self.drain_seconds <= 3600, "server.drain_seconds", "must be at most 3600 seconds")
    }

    /// How long a client may take to send its request headers.
    pub fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_seconds.into())
    }

    /// How long answering a request may take.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds.into())
    }

    /// How long requests in progress may go on after the signal to stop.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }

    /// Whether the headers that proxies add count when `peer` sends them.
    pub fn is_trusted_proxy(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }
}
