//! Sessions: a signed-in device, its refresh generation and its end.
//!
//! A session is one record; refreshing is one compare-and-swap of it (ruling D2). It is alive while its record says so
//! and its user's and tenant's session epochs are those it began with (ruling D26).

pub mod ending;
pub mod error;
pub mod model;
pub mod places;
pub mod routes;
pub mod schema;
pub mod service;
