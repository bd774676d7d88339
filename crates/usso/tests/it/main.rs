//! The integration tests: the whole server in process, without sockets, sleeps or a wall clock.
//!
//! `app` builds a server and the people who talk to it; the other files mirror the URLs. `USSO_TEST_STORAGE` runs
//! every test on another storage: `memory` (the default), `document` or `sqlite`.

#![expect(clippy::print_stdout, reason = "how much was tried belongs in the output of a test")]

#[cfg(test)]
mod api;
#[cfg(test)]
mod app;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod checklist;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod fuzz_corpus;
#[cfg(test)]
mod house;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod lattice;
#[cfg(test)]
mod oidc;
#[cfg(test)]
mod permissions;
#[cfg(test)]
mod races;
#[cfg(test)]
mod records;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod tenancy;
#[cfg(test)]
mod tenants;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod upkeep;
#[cfg(test)]
mod ways;
#[cfg(test)]
mod web;
