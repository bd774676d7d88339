//! usso
