//! Fingerprints spread as if they were drawn at random, also for states that hardly differ.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use super::random::Random;
use crate::check::fingerprint::fingerprint;

struct Words([u64; 8]);

impl Hash for Words {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.iter().for_each(|word| hasher.write_u64(*word));
    }
}

const STATES: usize = 24usize.pow(4);

/// States of 64 bytes that count in four of their bytes, 24 values each.
fn counting_states(at: [usize; 4]) -> impl Iterator<Item = u64> {
    (0..STATES).map(move |mut number| {
        let mut bytes = [0u8; 64];
        for at in at {
            bytes[at] = (number % 24) as u8;
            number /= 24;
        }
        fingerprint(&Words(bytemuck::cast(bytes)))
    })
}

#[test]
fn states_that_count_in_a_few_bytes_collide_no_more_than_random_numbers() {
    for at in
        [[0, 1, 2, 3], [60, 61, 62, 63], [7, 23, 39, 55], [0, 8, 16, 24], [32, 40, 48, 56], [0, 8, 55, 63]]
    {
        let fingerprints: Vec<u64> = counting_states(at).collect();
        for (shift, bits) in [(0, 64), (0, 32), (16, 32), (32, 32)] {
            let part = |fingerprint: &u64| fingerprint >> shift & (u64::MAX >> (64 - bits));
            let parts: HashSet<u64> = fingerprints.iter().map(part).collect();
            let collisions = STATES - parts.len();
            // Of so many random numbers of 32 bits, 12.8 pairs are equal, give or take 3.6.
            assert!(collisions <= if bits == 64 { 0 } else { 35 }, "{at:?} {shift} {collisions}");
        }
        let mut segments = [0u32; 256];
        fingerprints.iter().for_each(|fingerprint| segments[(fingerprint >> 56) as usize] += 1);
        // 1,296 each, give or take 36.
        assert!(segments.iter().all(|states| states.abs_diff(1_296) < 6 * 36), "{at:?} {segments:?}");
    }
}

#[test]
fn one_bit_of_the_state_changes_half_the_fingerprint() {
    let mut random = Random(3);
    for bit in 0..512 {
        let changed: u32 = (0..256)
            .map(|_| {
                let words: [u64; 8] = std::array::from_fn(|_| random.next());
                let mut other = words;
                other[bit / 64] ^= 1 << (bit % 64);
                (fingerprint(&Words(words)) ^ fingerprint(&Words(other))).count_ones()
            })
            .sum();
        // 32 of 64 each, give or take 4: over 256 pairs, 8,192 give or take 64.
        assert!(changed.abs_diff(8_192) < 6 * 64, "bit {bit}: {changed}");
    }
}

#[test]
fn fingerprint_stays_the_same_from_build_to_build() {
    assert_eq!(fingerprint(&Words([1, 2, 3, 4, 5, 6, 7, 8])), 9_586_666_334_017_536_373);
    assert_eq!(fingerprint(&(1u8, 2u16, 3u32, "four", [5u8; 11])), 12_738_124_373_791_611_055);
}
