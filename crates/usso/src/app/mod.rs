//! Wiring: configuration becomes adapters, adapters become an instance, an instance serves. Sees every layer; no layer
//! sees it.

pub mod archive;
pub mod bootstrap;
pub mod coherence;
pub mod geoip;
pub mod idle;
pub mod jobs;
pub mod lease;
pub mod logging;
pub mod master_key;
pub mod post;
pub mod probe;
pub mod recorder;
pub mod rest;
pub mod router;
pub mod server;
pub mod startup;
pub mod tls;
pub mod upkeep;
