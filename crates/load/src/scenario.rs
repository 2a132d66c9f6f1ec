//! One file for each load. Each takes a server and its own options and gives a [`crate::report::Report`].
pub mod bare;
pub mod browser;
pub mod calls;
pub mod flat;
pub mod media;
pub mod overload;
pub mod register;
