//! A story as svg.
