//! Every decoder takes any bytes: no panic, no hang, nothing allocated by an unchecked count.
//!
//! Each target runs over a kept corpus (`tests/corpus/TARGET/`: files that once were a find, or that reach far) and over inputs made
//! from it and from sound examples: bits flipped, bytes cut, joined, repeated, numbers replaced by extreme ones. `HIGHWATER_EFFORT=1000`
//! runs that many times longer. It is a harness of our own, on stable Rust and in `cargo test`, since coverage-guided engines (libFuzzer
//! through bolero or cargo-fuzz) want nightly or a build of their own; the targets are functions from bytes to nothing, and would serve
//! them as they are. What it lacks against them is guidance: it finds what lies near sound inputs, which it is given for that reason.
//!
//! What decodes must also come out the same again, where there is an encoder: [`targets`].

#[path = "../support/mod.rs"]
#[allow(unused_imports, unused_macros, reason = "shared with the tests of the log")]
mod support;

mod memory;
mod targets;

use highwater_core::Dice;

/// A decoder under test.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Sound inputs to start from.
    pub(crate) examples: fn() -> Vec<Vec<u8>>,
    /// Decodes, and checks what must hold of what was decoded.
    pub(crate) run: fn(&[u8]),
}

/// Random inputs a target in an ordinary run.
const INPUTS: u32 = 4_000;

/// Numbers at which decoders break.
const EXTREMES: [u64; 9] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x7fff_ffff_ffff_ffff];

#[test]
fn decoders_take_any_bytes() {
    for target in targets::ALL {
        let mut known = (target.examples)();
        assert!(!known.is_empty(), "{} has no example", target.name);
        known.extend(corpus(target.name));
        for input in &known {
            memory::limited(target.name, input, target.run);
        }
        let mut dice = Dice::new(seed(target.name));
        for _ in 0..INPUTS.saturating_mul(support::effort()) {
            let input = mutated(&known, &mut dice);
            memory::limited(target.name, &input, target.run);
        }
    }
}

/// The same inputs in every run, others for every target.
fn seed(name: &str) -> u64 {
    name.bytes().fold(1, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

/// What was kept for a target.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file of the corpus")).collect()
}

/// An input near those that are known.
fn mutated(known: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let pick = |dice: &mut Dice| known[dice.below(known.len() as u64) as usize].clone();
    let mut input = pick(dice);
    for _ in 0..=dice.below(4) {
        let at = dice.below(input.len() as u64 + 1) as usize;
        match dice.below(8) {
            0 if at < input.len() => input[at] ^= 1 << dice.below(8),
            1 if at < input.len() => input[at] = dice.roll() as u8,
            2 => input.truncate(at),
            3 => input.splice(at..at, (0..dice.below(9)).map(|_| 0xff)).for_each(drop),
            4 => {
                let other = pick(dice);
                let from = dice.below(other.len() as u64 + 1) as usize;
                input.splice(at.., other[from..].iter().copied()).for_each(drop);
            }
            5 | 6 => {
                // A number of some width becomes an extreme one.
                let value = EXTREMES[dice.below(EXTREMES.len() as u64) as usize].to_be_bytes();
                let width = [1, 2, 4, 8][dice.below(4) as usize];
                let end = (at + width).min(input.len());
                let bytes = &value[8 - width..];
                input[at..end].copy_from_slice(&bytes[..end - at]);
            }
            _ => {
                let end = at + dice.below((input.len() - at) as u64 + 1).min(64) as usize;
                let copy = input[at..end].to_vec();
                input.splice(at..at, copy).for_each(drop);
            }
        }
    }
    // Checksums would keep out nearly everything: half of the inputs get right ones.
    if dice.below(2) == 0 {
        resealed(&mut input);
    }
    input
}

/// Gives each batch the checksum that fits it, as far as sizes lead.
fn resealed(input: &mut [u8]) {
    let mut position = 0;
    while let Some(bytes) = input.get_mut(position..)
        && let Some(length) = bytes.get(8..12).and_then(|field| field.first_chunk::<4>())
    {
        let size = (u32::from_be_bytes(*length) as usize).saturating_add(12);
        if size < 61 || size > bytes.len() {
            return;
        }
        highwater_core::batch::seal(&mut bytes[..size]);
        position += size;
    }
}
