//! The tools on files that are made here: what they print, what they refuse, and that no bytes make them panic.

mod codec;
mod dump_log;
mod files;
mod metadata;
mod offsets;
mod storage;
