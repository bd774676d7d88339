//! Adapters of the kernel's ports: one module per external system, each behind a cargo feature.
//!
//! Nothing here decides anything about the product. An adapter passes the kernel's conformance suites and is
//! wired up at start; what all SQL databases share is in `sql`.

#[cfg(feature = "internet")]
pub mod internet;
#[cfg(feature = "mail")]
pub mod messenger;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub mod sql;
#[cfg(feature = "internet")]
mod web;
