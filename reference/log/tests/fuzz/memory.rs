//! How much a decoder allocates and how long it takes for an input.

use std::alloc::System;
use std::time::{Duration, Instant};

use cap::Cap;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What a run may allocate in all, whatever the input: disks and buffers of the harness too.
const BYTES_FIXED: usize = 16 << 20;
/// And for each byte of input.
const BYTES_EACH: usize = 1000;
/// Far more than any run takes, on a machine that is busy with others.
const TIME: Duration = Duration::from_secs(5);

/// Runs a target, and says the input if the target does not hold its bounds, or panics.
pub(crate) fn limited(name: &str, input: &[u8], run: fn(&[u8])) {
    let (before, began) = (ALLOCATOR.total_allocated(), Instant::now());
    let outcome = std::panic::catch_unwind(|| run(input));
    let (allocated, took) = (ALLOCATOR.total_allocated() - before, began.elapsed());
    let text: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(outcome.is_ok(), "{name} panics on {text}");
    assert!(
        allocated <= BYTES_FIXED + BYTES_EACH * input.len(),
        "{name} allocates {allocated} bytes for {text}"
    );
    assert!(took < TIME, "{name} takes {took:?} for {text}");
}
