//! Real servers for tests and benchmarks: each on a private port and directory of its own, gone when dropped.
//!
//! `/usr/lib/postgresql/*/bin` and `redis-server` come from Debian's packages, which the test command installs.

mod child;
pub mod postgres;
mod processes;
pub mod proxy;
pub mod redis;
