//! brotli-decompressor 6.2.0 <https://github.com/dropbox/rust-brotli-decompressor>, changed:
//!
//! - the words of RFC 7932, appendix A, are compressed in the program (`dictionary/words.deflate`) and expanded when the
//!   first body wants one: they were a fifth of the filter's module;
//! - left out are what the filter does not use: readers and writers, the C interface, the tests.
//!
//! Its code is theirs, under their licence, and not held to our style.

#![no_std]
#![forbid(unsafe_code)]
#![allow(warnings, clippy::all, clippy::pedantic, clippy::restriction)]

#[macro_use]
extern crate std;
extern crate alloc_stdlib;
#[macro_use]
extern crate alloc_no_stdlib as alloc;
extern crate miniz_oxide;
pub use alloc::{AllocatedStackMemory, Allocator, SliceWrapper, SliceWrapperMut, StackAllocator, bzero};
pub use alloc_stdlib::StandardAlloc;

#[macro_use]
mod memory;
pub mod dictionary;
mod brotli_alloc;
#[macro_use]
mod bit_reader;
mod huffman;
mod state;
mod prefix;
mod context;
mod shared_dictionary;
mod transform;
mod decode;
pub use huffman::{HuffmanCode, HuffmanTreeGroup};
pub use state::BrotliState;
pub use shared_dictionary::BrotliSharedDictionary;
pub use decode::{BrotliDecompressStream, BrotliResult};
