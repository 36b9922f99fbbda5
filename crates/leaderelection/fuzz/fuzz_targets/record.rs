//! Arbitrary bytes as a record.

#![no_main]

#[path = "../record_property.rs"]
mod record_property;

libfuzzer_sys::fuzz_target!(|json: &[u8]| record_property::holds(json));
