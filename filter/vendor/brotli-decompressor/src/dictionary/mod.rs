use std::boxed::Box;
use std::sync::OnceLock;
use std::vec;

use miniz_oxide::inflate::decompress_slice_iter_to_slice;


#[allow(non_upper_case_globals)]
pub const kBrotliDictionaryOffsetsByLength: [u32; 25] =
  [0, 0, 0, 0, 0, 4096, 9216, 21504, 35840, 44032, 53248, 63488, 74752, 87040, 93696, 100864,
   104704, 106752, 108928, 113536, 115968, 118528, 119872, 121280, 122016];

#[allow(non_upper_case_globals)]
pub const kBrotliDictionarySizeBitsByLength: [u8; 25] =
  [0, 0, 0, 0, 10, 10, 11, 11, 10, 10, 10, 10, 10, 9, 9, 8, 7, 7, 8, 7, 7, 6, 6, 5, 5];

#[allow(non_upper_case_globals)]
pub const kBrotliMinDictionaryWordLength: u8 = 4;

#[allow(non_upper_case_globals)]
pub const kBrotliMaxDictionaryWordLength: u8 = 24;

/// The words, compressed: they are half as large, and of the bodies that are read hardly any is in this coding.
static DEFLATED: &[u8] = include_bytes!("words.deflate");

/// How many bytes the words have.
pub const kBrotliDictionaryLength: usize = 122784;

static WORDS: OnceLock<Box<[u8]>> = OnceLock::new();

/// The words; expanded when they are first asked for, and kept.
pub fn words() -> &'static [u8] {
  WORDS.get_or_init(|| {
    let mut words = vec![0; kBrotliDictionaryLength].into_boxed_slice();
    // What is compressed is a part of the program and known to expand.
    let _ = decompress_slice_iter_to_slice(&mut words, core::iter::once(DEFLATED), false, true);
    words
  })
}

