//! Developer commands: test, walls, shots, bench.
fn main() {}
