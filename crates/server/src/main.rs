//! The cordboard binary: configuration, wiring, embedded web UI, shutdown, command line.
fn main() {}
