#![allow(non_snake_case)]
use core::default::Default;
macro_rules! xprintln (
  ($a : expr) => ();
  ($a : expr, $b : expr) => ();
  ($a : expr, $b : expr, $c : expr) => ();
  ($a : expr, $b : expr, $c : expr, $d : expr) => ();
  ($a : expr, $b : expr, $c : expr, $d : expr, $e : expr) => ();
  ($a : expr, $b : expr, $c : expr, $d : expr, $e : expr, $f : expr) => ();
);

pub const BROTLI_SHORT_FILL_BIT_WINDOW_READ: u32 = 4;

#[allow(non_camel_case_types)]
pub type reg_t = u64;


#[cfg(test)]
#[allow(non_upper_case_globals)]
const kBitMask: [u32; 33] =
  [0x0000, 0x00000001, 0x00000003, 0x00000007, 0x0000000F, 0x0000001F, 0x0000003F, 0x0000007F,
   0x000000FF, 0x000001FF, 0x000003FF, 0x000007FF, 0x00000FFF, 0x00001FFF, 0x00003FFF, 0x00007FFF,
   0x0000FFFF, 0x0001FFFF, 0x0003FFFF, 0x0007FFFF, 0x000FFFFF, 0x001FFFFF, 0x003FFFFF, 0x007FFFFF,
   0x00FFFFFF, 0x01FFFFFF, 0x03FFFFFF, 0x07FFFFFF, 0x0FFFFFFF, 0x1FFFFFFF, 0x3FFFFFFF, 0x7FFFFFFF,
   0xFFFFFFFF];

// Equals kBitMask[n] for every n in 0..=32, the only values callers pass,
// without the table load and its bounds check; C computes it the same way
// wherever it has a bit-field extract instruction. Computed in 64 bits so that
// n == 32 does not overflow, and n is masked so that no n can make the shift
// overflow.
#[inline(always)]
pub fn BitMask(n: u32) -> u32 {
  (!(u64::MAX << (n & 63))) as u32
}

pub struct BrotliBitReader {
  pub val_: reg_t, // pre-fetched bits
  pub bit_pos_: u32, // current bit-reading position in val_
  pub next_in: u32, // the byte we're reading from
  pub avail_in: u32,
}

impl Default for BrotliBitReader {
  fn default() -> Self {
    BrotliBitReader {
      val_: 0,
      bit_pos_: 0,
      next_in: 0,
      avail_in: 0,
    }
  }
}

pub struct BrotliBitReaderState {
  pub val_: reg_t, // pre-fetched bits
  pub bit_pos_: u32, // current bit-reading position in val_
  pub next_in: u32, // the byte we're reading from
  pub avail_in: u32,
}
impl Default for BrotliBitReaderState {
  #[inline]
  fn default() -> Self {
    BrotliBitReaderState {
      val_: 0,
      bit_pos_: 0,
      next_in: 0,
      avail_in: 0,
    }
  }
}

pub fn BrotliBitReaderSaveState(from: &BrotliBitReader) -> BrotliBitReaderState {
  BrotliBitReaderState {
    val_: from.val_,
    bit_pos_: from.bit_pos_,
    next_in: from.next_in,
    avail_in: from.avail_in,
  }
}

pub fn BrotliBitReaderRestoreState(to: &mut BrotliBitReader, from: &BrotliBitReaderState) {
  to.val_ = from.val_;
  to.bit_pos_ = from.bit_pos_;
  to.next_in = from.next_in;
  to.avail_in = from.avail_in;
}

pub fn BrotliGetAvailableBits(br: &BrotliBitReader) -> u32 {
  ((::core::mem::size_of::<reg_t>() as u32) << 3) - br.bit_pos_
}

// The bit reader keeps its cursor in u32, so the one-past-the-end offset must
// fit too: bounding the offset and the length separately would still let
// consuming the last byte overflow next_in. usize may be 64 bits wide, so the
// sum saturates rather than wraps.
#[inline]
pub fn is_valid_input_range(input_offset: usize, available_in: usize, input_len: usize) -> bool {
  let end = (input_offset as u64).saturating_add(available_in as u64);
  end <= input_len as u64 && end <= u64::from(u32::MAX)
}

pub fn is_valid_bit_reader(br: &BrotliBitReader, input: &[u8]) -> bool {
  let register_bits = (::core::mem::size_of::<reg_t>() as u32) << 3;
  br.bit_pos_ <= register_bits &&
    u64::from(br.next_in) + u64::from(br.avail_in) <= input.len() as u64
}

// Returns amount of unread bytes the bit reader still has buffered from the
// BrotliInput, including whole bytes in br->val_.
pub fn BrotliGetRemainingBytes(br: &BrotliBitReader) -> u32 {
  br.avail_in + (BrotliGetAvailableBits(br) >> 3)
}

// Checks if there is at least num bytes left in the input ringbuffer (excluding
// the bits remaining in br->val_).
pub fn BrotliCheckInputAmount(br: &BrotliBitReader, num: u32) -> bool {
  br.avail_in >= num
}


#[inline(always)]
fn BrotliLoad16LE(input: &[u8], next_in_u32: u32) -> u16 {
  let next_in: usize = next_in_u32 as usize;
  (fast!((input)[next_in]) as u16) | ((fast!((input)[next_in + 1]) as u16) << 8)
}


// from_le_bytes compiles to one unaligned load; assembling the value byte by
// byte let LLVM split the load into pieces once callers shift out high bytes.
#[inline(always)]
fn BrotliLoad32LE(input: &[u8], next_in_u32: u32) -> u32 {
  let next_in: usize = next_in_u32 as usize;
  let mut four_byte: [u8; 4] = fast_uninitialized![4];
  four_byte.clone_from_slice(fast!((input)[next_in ; next_in + 4]));
  u32::from_le_bytes(four_byte)
}

#[inline(always)]
fn BrotliLoad64LE(input: &[u8], next_in_u32: u32) -> u64 {
  let next_in: usize = next_in_u32 as usize;
  let mut eight_byte: [u8; 8] = fast_uninitialized![8];
  eight_byte.clone_from_slice(fast!((input)[next_in ; next_in + 8]));
  u64::from_le_bytes(eight_byte)
}
pub const BROTLI_ALIGNED_READ: u8 = 0;

#[inline(always)]
pub fn BrotliFillBitWindow(br: &mut BrotliBitReader, n_bits: u32, input: &[u8]) {
  if ::core::mem::size_of::<reg_t>() == 8 {
    if (n_bits <= 8 && BROTLI_ALIGNED_READ == 0 && br.bit_pos_ >= 56) {
      br.val_ >>= 56;
      br.bit_pos_ ^= 56;  // here same as -= 56 because of the if condition
      br.val_ |= BrotliLoad64LE(input, br.next_in) << 8;
      br.avail_in -= 7;
      br.next_in += 7;
    } else if (BROTLI_ALIGNED_READ == 0 && n_bits <= 16 && br.bit_pos_ >= 48) {
      br.val_ >>= 48;
      br.bit_pos_ ^= 48;  // here same as -= 48 because of the if condition
      br.val_ |= BrotliLoad64LE(input, br.next_in) << 16;
      br.avail_in -= 6;
      br.next_in += 6;
    } else if br.bit_pos_ >= 32 {
      br.val_ >>= 32;
      br.bit_pos_ ^= 32;  /* here same as -= 32 because of the if condition */
      br.val_ |= (BrotliLoad32LE(input, br.next_in) as reg_t) << 32;
      br.avail_in -= BROTLI_SHORT_FILL_BIT_WINDOW_READ;
      br.next_in += BROTLI_SHORT_FILL_BIT_WINDOW_READ;
    }
  } else if (BROTLI_ALIGNED_READ == 0 && (n_bits <= 8)) {
    if (br.bit_pos_ >= 24) {
      br.val_ >>= 24;
      br.bit_pos_ ^= 24;  // here same as -= 24 because of the if condition
      br.val_ |= (BrotliLoad32LE(input, br.next_in) << 8) as u64;
      br.avail_in -= 3;
      br.next_in += 3;
    }
  } else if br.bit_pos_ >= 16 {
    br.val_ >>= 16;
    br.bit_pos_ ^= 16;  /* here same as -= 16 because of the if condition */
    br.val_ |= (BrotliLoad16LE(input, br.next_in) as reg_t) << 16;
    br.avail_in -= BROTLI_SHORT_FILL_BIT_WINDOW_READ;
    br.next_in += BROTLI_SHORT_FILL_BIT_WINDOW_READ;
  }
}

#[inline(always)]
fn BrotliFillBitWindowCompileTimeNbits(br: &mut BrotliBitReader, n_bits: u32, input: &[u8]) {
  if ::core::mem::size_of::<reg_t>() == 8 {
    if BROTLI_ALIGNED_READ == 0 && n_bits <= 8 {
      // !BROTLI_ALIGNED_READ && IS_CONSTANT(n_bits) && (n_bits <= 8)) {
      if br.bit_pos_ >= 56 {
        br.val_ >>= 56;
        br.bit_pos_ ^= 56;  /* here same as -= 56 because of the if condition */
        br.val_ |= BrotliLoad64LE(input, br.next_in) << 8;
        br.avail_in -= 7;
        br.next_in += 7;
      }
    } else if BROTLI_ALIGNED_READ == 0 && n_bits <= 16 {
      // (!BROTLI_ALIGNED_READ && IS_CONSTANT(n_bits) && (n_bits <= 16)) {
      if br.bit_pos_ >= 48 {
        br.val_ >>= 48;
        br.bit_pos_ ^= 48;  /* here same as -= 48 because of the if condition */
        br.val_ |= BrotliLoad64LE(input, br.next_in) << 16;
        br.avail_in -= 6;
        br.next_in += 6;
      }
    } else if br.bit_pos_ >= 32 {
      br.val_ >>= 32;
      br.bit_pos_ ^= 32;  /* here same as -= 32 because of the if condition */
      br.val_ |= (BrotliLoad32LE(input, br.next_in) as reg_t) << 32;
      br.avail_in -= BROTLI_SHORT_FILL_BIT_WINDOW_READ;
      br.next_in += BROTLI_SHORT_FILL_BIT_WINDOW_READ;
    }
  } else if
      // BROTLI_ALIGNED_READ == false &&
      n_bits <= 8 {
    // !BROTLI_ALIGNED_READ && IS_CONSTANT(n_bits) && (n_bits <= 8)) {
    if br.bit_pos_ >= 24 {
      br.val_ >>= 24;
      br.bit_pos_ ^= 24;  /* here same as -= 24 because of the if condition */
      br.val_ |= (BrotliLoad32LE(input, br.next_in) as reg_t) << 8;
      br.avail_in -= 3;
      br.next_in += 3;
    }
  } else if br.bit_pos_ >= 16 {
      br.val_ >>= 16;
      br.bit_pos_ ^= 16;  /* here same as -= 16 because of the if condition */
      br.val_ |= (BrotliLoad16LE(input, br.next_in) as reg_t) << 16;
      br.avail_in -= BROTLI_SHORT_FILL_BIT_WINDOW_READ;
      br.next_in += BROTLI_SHORT_FILL_BIT_WINDOW_READ;
  }
}

// Mosltly like BrotliFillBitWindow, but guarantees only 16 bits and reads no
// more than BROTLI_SHORT_FILL_BIT_WINDOW_READ bytes of input.
pub fn BrotliFillBitWindow16(br: &mut BrotliBitReader, input: &[u8]) {
  BrotliFillBitWindowCompileTimeNbits(br, 17, input);
}

// Pulls one byte of input to accumulator.
pub fn BrotliPullByte(br: &mut BrotliBitReader, input: &[u8]) -> bool {
  if br.avail_in == 0 {
    return false;
  }
  br.val_ >>= 8;
  if ::core::mem::size_of::<reg_t>() == 8 {
    br.val_ |= (fast!((input)[br.next_in as usize]) as reg_t) << 56;
  } else {
    br.val_ |= (fast!((input)[br.next_in as usize]) as reg_t) << 24;
  }
  br.bit_pos_ -= 8;
  br.avail_in -= 1;
  br.next_in += 1;
  true
}

// Returns currently available bits.
// The number of valid bits could be calclulated by BrotliGetAvailableBits.
#[inline(always)]
pub fn BrotliGetBitsUnmasked(br: &BrotliBitReader) -> reg_t {
  br.val_ >> br.bit_pos_
}

// Like BrotliGetBits, but does not mask the result.
// The result contains at least 16 valid bits.
#[inline(always)]
pub fn BrotliGet16BitsUnmasked(br: &mut BrotliBitReader, input: &[u8]) -> u32 {
  BrotliFillBitWindowCompileTimeNbits(br, 16, input);
  (BrotliGetBitsUnmasked(br) & (0xffffffffu32 as reg_t)) as u32
}

// Returns the specified number of bits from br without advancing bit pos.
#[inline(always)]
pub fn BrotliGetBits(br: &mut BrotliBitReader, n_bits: u32, input: &[u8]) -> u32 {
  BrotliFillBitWindow(br, n_bits, input);
  (BrotliGetBitsUnmasked(br) as u32) & BitMask(n_bits)
}

// Returns the specified number of bits from br without advancing bit pos.
#[allow (dead_code)]
pub fn BrotliGetConstantNBits(br: &mut BrotliBitReader, n_bits: u32, input: &[u8]) -> u32 {
  BrotliFillBitWindowCompileTimeNbits(br, n_bits, input);
  (BrotliGetBitsUnmasked(br) as u32) & BitMask(n_bits)
}

// Tries to peek the specified amount of bits. Returns 0, if there is not
// enough input.
pub fn BrotliSafeGetBits(br: &mut BrotliBitReader,
                         n_bits: u32,
                         val: &mut u32,
                         input: &[u8])
                         -> bool {
  while BrotliGetAvailableBits(br) < n_bits {
    if !BrotliPullByte(br, input) {
      return false;
    }
  }
  *val = (BrotliGetBitsUnmasked(br) as u32) & BitMask(n_bits);
  true
}

// Advances the bit pos by n_bits.
#[inline(always)]
pub fn BrotliDropBits(br: &mut BrotliBitReader, n_bits: u32) {
  br.bit_pos_ += n_bits;
}

pub fn BrotliBitReaderUnload(br: &mut BrotliBitReader) {
  let unused_bytes: u32 = BrotliGetAvailableBits(br) >> 3;
  let unused_bits: u32 = unused_bytes << 3;
  br.avail_in += unused_bytes;
  br.next_in -= unused_bytes;
  if unused_bits as usize == (::core::mem::size_of::<reg_t>() << 3) {
    br.val_ = 0;
  } else {
    br.val_ <<= unused_bits;
  }
  br.bit_pos_ += unused_bits;
}

// Reads the specified number of bits from br and advances the bit pos.
// Precondition: accumulator MUST contain at least n_bits.
#[inline(always)]
pub fn BrotliTakeBits(br: &mut BrotliBitReader, n_bits: u32, val: &mut u32) {
  *val = (BrotliGetBitsUnmasked(br) as u32) & BitMask(n_bits);
  // if true {
  xprintln!("[BrotliReadBits]  {:?} {:?} {:?} val: {:x}\n",
           br.avail_in, br.bit_pos_, n_bits, *val);
  // }
  BrotliDropBits(br, n_bits);
}

// Reads the specified number of bits from br and advances the bit pos.
// Assumes that there is enough input to perform BrotliFillBitWindow.
//
// Callers pass a data-dependent n_bits (extra bits of lengths and distances),
// for which C's BrotliReadBits24 compiles BrotliFillBitWindow to its generic
// case alone: refill 32 bits once half the window is consumed, which leaves at
// least 33 bits for any n_bits up to 32. Choosing among the narrower n_bits
// cases at run time, as before, costs extra unpredictable branches.
#[inline(always)]
pub fn BrotliReadBits(br: &mut BrotliBitReader, n_bits: u32, input: &[u8]) -> u32 {
  if ::core::mem::size_of::<reg_t>() == 8 {
    let mut val: u32 = 0;
    BrotliFillBitWindowCompileTimeNbits(br, 32, input);
    BrotliTakeBits(br, n_bits, &mut val);
    val
  } else if n_bits <= 16 {
    let mut val: u32 = 0;
    BrotliFillBitWindow(br, n_bits, input);
    BrotliTakeBits(br, n_bits, &mut val);
    val
  } else {
    let mut low_val: u32 = 0;
    let mut high_val: u32 = 0;
    BrotliFillBitWindowCompileTimeNbits(br, 16, input);
    BrotliTakeBits(br, 16, &mut low_val);
    BrotliFillBitWindowCompileTimeNbits(br, 8, input);
    BrotliTakeBits(br, n_bits - 16, &mut high_val);
    low_val | (high_val << 16)
  }
}

// Reads the specified number of bits from br and advances the bit pos.
// Assumes that there is enough input to perform BrotliFillBitWindow.
#[allow (dead_code)]
pub fn BrotliReadConstantNBits(br: &mut BrotliBitReader, n_bits: u32, input: &[u8]) -> u32 {
  if ::core::mem::size_of::<reg_t>() == 8 || (n_bits <= 16) {
    let mut val: u32 = 0;
    BrotliFillBitWindowCompileTimeNbits(br, n_bits, input);
    BrotliTakeBits(br, n_bits, &mut val);
    val
  } else {
    let mut low_val: u32 = 0;
    let mut high_val: u32 = 0;
    BrotliFillBitWindowCompileTimeNbits(br, 16, input);
    BrotliTakeBits(br, 16, &mut low_val);
    BrotliFillBitWindowCompileTimeNbits(br, 8, input);
    BrotliTakeBits(br, n_bits - 16, &mut high_val);
    low_val | (high_val << 16)
  }
}

// Tries to read the specified amount of bits. Returns 0, if there is not
// enough input. n_bits MUST be positive.
pub fn BrotliSafeReadBits(br: &mut BrotliBitReader,
                          n_bits: u32,
                          val: &mut u32,
                          input: &[u8])
                          -> bool {
  while BrotliGetAvailableBits(br) < n_bits {
    if !BrotliPullByte(br, input) {
      return false;
    }
  }
  BrotliTakeBits(br, n_bits, val);
  true
}

// Advances the bit reader position to the next byte boundary and verifies
// that any skipped bits are set to zero.
pub fn BrotliJumpToByteBoundary(br: &mut BrotliBitReader) -> bool {
  let pad_bits_count: u32 = BrotliGetAvailableBits(br) & 0x7;
  let mut pad_bits: u32 = 0;
  if pad_bits_count != 0 {
    BrotliTakeBits(br, pad_bits_count, &mut pad_bits);
  }
  pad_bits == 0
}

// Peeks a byte at specified offset.
// Precondition: bit reader is parked to a byte boundary.
// Returns -1 if operation is not feasible.
pub fn BrotliPeekByte(br: &mut BrotliBitReader, mut offset: u32, input: &[u8]) -> i32 {
  if !is_valid_bit_reader(br, input) {
    return -1;
  }
  let available_bits: u32 = BrotliGetAvailableBits(br);
  let bytes_left: u32 = (available_bits >> 3);
  if (available_bits & 7) != 0 {
    return -1;
  }
  if offset < bytes_left {
    return ((BrotliGetBitsUnmasked(br) >> ((offset << 3)) as u32) & 0xFF) as i32;
  }
  offset -= bytes_left;
  if offset < br.avail_in {
    let input_index = u64::from(br.next_in) + u64::from(offset);
    return match input.get(input_index as usize) {
      Some(value) => *value as i32,
      None => -1,
    };
  }
  -1
}

// Copies remaining input bytes stored in the bit reader to the output. Value
// num may not be larger than BrotliGetRemainingBytes. The bit reader must be
// warmed up again after this.
pub fn BrotliCopyBytes(dest: &mut [u8], br: &mut BrotliBitReader, mut num: u32, input: &[u8]) {
  let mut offset: u32 = 0;
  while BrotliGetAvailableBits(br) >= 8 && num > 0 {
    fast_mut!((dest)[offset as usize]) = BrotliGetBitsUnmasked(br) as u8;
    BrotliDropBits(br, 8);
    offset += 1;
    num -= 1;
  }
  // One bulk copy of the same bytes the per-byte loop used to copy.
  let dest_start = offset as usize;
  let input_start = br.next_in as usize;
  fast_mut!((dest)[dest_start ; dest_start + num as usize])
    .clone_from_slice(fast!((input)[input_start ; input_start + num as usize]));
  br.avail_in -= num;
  br.next_in += num;
}

pub fn BrotliInitBitReader(br: &mut BrotliBitReader) {
  br.val_ = 0;
  br.bit_pos_ = (::core::mem::size_of::<reg_t>() << 3) as u32;
}

pub fn BrotliWarmupBitReader(br: &mut BrotliBitReader, input: &[u8]) -> bool {
  let _aligned_read_mask: usize = (::core::mem::size_of::<reg_t>() >> 1) - 1;
  // Fixing alignment after unaligned BrotliFillWindow would result accumulator
  // overflow. If unalignment is caused by BrotliSafeReadBits, then there is
  // enough space in accumulator to fix aligment.
  if BrotliGetAvailableBits(br) == 0 && !BrotliPullByte(br, input) {
    return false;
  }
  // we can't tell about alignment yet
  // while (((size_t)br->next_in) & aligned_read_mask) != 0 {
  // if !BrotliPullByte(br) {
  // If we consumed all the input, we don't care about the alignment. */
  // return true;
  // }
  // }
  //
  true
}



