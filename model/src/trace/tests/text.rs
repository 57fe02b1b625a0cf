//! Transcripts, against golden files.

use std::path::PathBuf;

use super::samples;
use crate::trace::text::{TextStyle, render};

/// story/text/1: one block a step, in the arrow language, only what changed.
#[test]
fn transcripts_are_as_the_golden_files_say() {
    for (name, story) in samples::all() {
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/trace/golden").join(format!("{name}.txt"));
        let fresh = render(&story, &TextStyle::default());
        if std::env::var_os("HIGHWATER_REWRITE").is_some() {
            std::fs::write(&path, &fresh).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            golden,
            fresh,
            "{}: differs; if the new transcript is right, write it anew with: HIGHWATER_REWRITE=1 cargo test -p \
             highwater-model --lib trace",
            path.display()
        );
    }
}

/// story/text/2: without colour there is no escape sequence, whatever the story says.
#[test]
fn transcript_without_colour_has_no_escapes() {
    for (name, story) in samples::all() {
        let text = render(&story, &TextStyle::default());
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{name}: holds a control character");
    }
}

/// story/text/2: with colour the only escapes are those of styles, and a lost message is struck through.
#[test]
fn transcript_with_colour_strikes_what_was_lost() {
    let story = samples::figure_8();
    let coloured = render(&story, &TextStyle { colour: true, ..TextStyle::default() });
    assert!(coloured.contains("\u{1b}[2m\u{1b}[9mn1 → n2 Vote epoch=1"), "not struck through");
    let plain = strip(&coloured);
    assert_eq!(plain, render(&story, &TextStyle::default()), "colour changes what is said");
    let evil = render(&samples::hostile(), &TextStyle { colour: true, ..TextStyle::default() });
    assert_eq!(strip(&evil), render(&samples::hostile(), &TextStyle::default()));
}

#[test]
fn transcript_keeps_to_its_width_where_words_allow() {
    for width in [40, 60, 100] {
        let text = render(&samples::figure_8(), &TextStyle { width, colour: false });
        for line in text.lines() {
            let one_word = line.split_whitespace().count() <= 1;
            assert!(line.chars().count() <= width || one_word, "longer than {width}: {line}");
        }
    }
}

#[test]
fn transcript_of_width_0_breaks_no_line() {
    let text = render(&samples::long(), &TextStyle { width: 0, colour: false });
    assert!(text.lines().any(|line| line.chars().count() > 300));
}

/// Without the escapes that set styles; any other escape stays.
fn strip(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        let style = after.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(after.len());
        assert!(after[style..].starts_with('m'), "an escape that sets no style: {after:.20}");
        rest = &after[style + 1..];
    }
    out + rest
}
