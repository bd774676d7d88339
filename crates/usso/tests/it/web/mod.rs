//! The hosted pages, as a browser without JavaScript uses them.

mod account;
mod device;
mod enumeration;
mod headers;
mod languages;
mod methods;
mod oauth;
mod recovery;
mod register;
mod second;
mod sign_in;
mod target;
