//! Registration keys: what a user hands to a service so that it can register itself as an agent, once.
//!
//! The service sends its public key and keeps the private one to itself. It gets no more than the registration key was
//! made for, and no more than whoever made it holds when it is used.

pub mod routes;
pub mod schema;
pub mod service;
