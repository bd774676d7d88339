//! Workspaces: groups of people within a tenant, who hold further roles while they work there.
//!
//! Membership is part of the user's record, ownership of the workspace's: each is one write. An owner counts as such only
//! while they are a member, so what is left behind by half a removal gives nothing.

pub mod access;
pub mod error;
pub mod invitations;
pub mod members;
pub mod memory;
pub mod model;
pub mod routes;
pub mod schema;
pub mod service;
