//! The renderers on stories written by hand.

mod samples;
mod text;
