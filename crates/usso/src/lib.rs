//! USSO: multi-tenant single sign-on in one binary.
//!
//! The layers, each using only those after it: [`web`], [`identity`], [`access_control`], [`tenant`], then the
//! kernel and protocol crates. [`http`] is the edge, [`app`] wires everything and nobody sees it. ARCHITECTURE.md
//! draws this and follows two requests through it.

pub mod access_control;
pub mod app;
pub mod cli;
pub mod config;
pub mod http;
pub mod identity;
pub mod integration;
pub mod tenant;
pub mod web;
