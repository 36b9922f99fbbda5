//! Faults of the store, and what the work notices of them.
