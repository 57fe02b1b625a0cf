//! A story as text.
