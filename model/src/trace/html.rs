//! A story as html.
