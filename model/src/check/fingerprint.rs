//! The 64 bits by which a state is known.
//!
//! The hasher is stable across builds and runs, which is what makes counterexamples reproducible, and made for
//! states that hash as a few whole `u64` words. Each word goes through one 64 by 64 to 128 bit multiplication;
//! for any fixed word the step is a bijection of the 128-bit state, so that nothing is lost before the end,
//! where the state is folded to 64 bits by two more multiplications.

use std::hash::{Hash, Hasher};

const SEED_LOW: u64 = 0x243f_6a88_85a3_08d3;
const SEED_HIGH: u64 = 0x1319_8a2e_0370_7344;
const STEP: u64 = 0xa409_3822_299f_31d1;
const FOLD_LOW: u64 = 0x082e_fa98_ec4e_6c89;
const FOLD_HIGH: u64 = 0x4528_21e6_38d0_1377;
const FINISH: u64 = 0xbe54_66cf_34e9_0c6d;

/// The fingerprint of a value, never 0: in tables, 0 means "nothing here".
#[inline(always)]
pub fn fingerprint<T: Hash>(value: &T) -> u64 {
    let mut hasher = Fingerprinter::default();
    value.hash(&mut hasher);
    match hasher.finish() {
        0 => FINISH,
        fingerprint => fingerprint,
    }
}

#[derive(Clone, Copy)]
struct Fingerprinter {
    low: u64,
    high: u64,
}

impl Default for Fingerprinter {
    #[inline(always)]
    fn default() -> Self {
        Self { low: SEED_LOW, high: SEED_HIGH }
    }
}

#[inline(always)]
fn multiply(left: u64, right: u64) -> (u64, u64) {
    let product = u128::from(left) * u128::from(right);
    (product as u64, (product >> 64) as u64)
}

#[inline(always)]
fn fold(left: u64, right: u64) -> u64 {
    let (low, high) = multiply(left, right);
    low ^ high
}

impl Hasher for Fingerprinter {
    #[inline(always)]
    fn write_u64(&mut self, word: u64) {
        let (low, high) = multiply(self.low ^ word, STEP);
        self.low = self.high.wrapping_add(high);
        self.high = low;
    }

    #[inline(always)]
    fn finish(&self) -> u64 {
        // The second fold matters: the product of a factor that happens to be small is poorly mixed.
        let folded = fold(self.low ^ FOLD_LOW, self.high ^ FOLD_HIGH);
        fold(folded ^ self.high.rotate_left(32), FINISH) ^ folded.rotate_left(17)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        if !tail.is_empty() {
            let mut word = [0; 8];
            word[..tail.len()].copy_from_slice(tail);
            word[7] = tail.len() as u8;
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    #[inline(always)]
    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    #[inline(always)]
    fn write_u16(&mut self, value: u16) {
        self.write_u64(u64::from(value));
    }

    #[inline(always)]
    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    #[inline(always)]
    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}
