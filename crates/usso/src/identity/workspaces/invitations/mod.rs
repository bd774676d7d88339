//! Invitations to workspaces.
//!
//! By id somebody of the tenant becomes a member at once. By e-mail address, phone number or user name an invitation waits
//! for whoever is told its token: told once, kept as a digest, good for one answer and some days. What it gives is
//! measured twice by what the inviter holds: when it is made, and when it is accepted.

pub mod model;
pub mod routes;
pub mod schema;
pub mod service;
