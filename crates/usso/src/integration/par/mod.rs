//! Pushed authorization requests (RFC 9126): a client sends its request itself, where it says who it is, and the browser brings
//! only a reference.
//!
//! [`service::push`] checks a request as the authorization endpoint would and keeps it; [`service::unfold`] puts it in the place
//! of its reference; [`service::use_up`] is the gate before the code is made. Until then a reload finds it again.

pub mod routes;
pub mod service;
