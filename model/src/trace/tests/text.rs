//! Transcripts against golden files.
