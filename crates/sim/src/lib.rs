//! Virtual clock with simulated callers and agents, driving the real floor.
