//! Referrals: codes with which users bring others, counted as they register.

pub mod model;
pub mod routes;
pub mod schema;
pub mod service;
