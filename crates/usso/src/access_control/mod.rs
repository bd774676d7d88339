//! The access control layer: what a caller may do.

pub mod catalog;
pub mod delegation;
pub mod gateway;
pub mod operations;
pub mod permission;
pub mod roles;
pub mod visible;
