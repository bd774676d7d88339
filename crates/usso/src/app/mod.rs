//! Wiring: configuration becomes adapters, adapters become an instance, an instance serves. Sees every layer; no layer
//! sees it.

pub mod bootstrap;
pub mod jobs;
pub mod logging;
pub mod master_key;
pub mod router;
pub mod server;
pub mod startup;
