//! Coverage-guided fuzzing of the lab in memory. What an input means, and what must hold, is in
//! `netns_common::model::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    netns_common::model::fuzz::run(bytes);
});
