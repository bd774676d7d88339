//! Devices that have no browser (RFC 8628): the device shows a code, somebody enters it in their own browser and approves, and
//! the device, which asks all the while, gets its tokens.
//!
//! [`model`] judges by pure functions what a device hears that asks, [`service`] keeps requests, finds them by the code that was
//! typed, answers them and hands an approval out, once. The page to enter the code at calls the same service as [`routes`].

pub mod model;
pub mod routes;
pub mod schema;
pub mod service;
