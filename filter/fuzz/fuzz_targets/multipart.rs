#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| meshtap_filter::fuzzing::multipart(data));
