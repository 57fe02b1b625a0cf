//! Wall time, CPU time and memory of one run.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::machine;

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Wall time.
    pub(crate) wall: Duration,
    /// User and system time of all threads of the process.
    pub(crate) cpu: Duration,
    /// How far the resident set rose above where it stood before, at its peak; 0 where Linux does not tell.
    pub(crate) resident_bytes: u64,
}

/// Runs `run` and tells what it took.
///
/// The resident set means something only once a process: what an earlier run freed, the allocator may keep.
pub(crate) fn measure<T>(run: impl FnOnce() -> T) -> (T, Cost) {
    let resident = resident_kib("VmRSS");
    let (wall, cpu) = (Instant::now(), cpu_time());
    let result = run();
    let (wall, cpu) = (wall.elapsed(), cpu_time() - cpu);
    let resident_bytes = resident_kib("VmHWM").saturating_sub(resident) * 1024;
    (result, Cost { wall, cpu, resident_bytes })
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    let nanoseconds = u32::try_from(now.tv_nsec).expect("below a second");
    Duration::new(now.tv_sec.unsigned_abs(), nanoseconds)
}

fn resident_kib(name: &str) -> u64 {
    machine::field("/proc/self/status", name)
        .and_then(|value| value.trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}
