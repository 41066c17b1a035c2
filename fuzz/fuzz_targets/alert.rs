#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    (colourstream::fuzzing::TARGETS[9].1)(bytes);
});
