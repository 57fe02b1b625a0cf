//! Pages to step through.

use super::{assert_self_contained, samples};
use crate::trace::html::render;

/// story/html/1: nothing from outside, and nothing in the story is markup.
#[test]
fn pages_are_self_contained_and_hostile_text_stays_text() {
    for (name, story) in samples::all() {
        let page = render(&story);
        assert_self_contained(&page);
        assert!(!page.contains("<script>alert"), "{name}: text became markup");
        assert_eq!(page.matches("<script").count(), 1, "{name}");
        assert_eq!(page.matches("</script>").count(), 1, "{name}");
        assert!(!page.contains(|c: char| c.is_control() && c != '\n'), "{name}: holds a control character");
    }
}

/// story/html/2: every state is in the page, so that it can be read without the script.
#[test]
fn every_state_has_its_section_and_its_link() {
    for (name, story) in samples::all() {
        let page = render(&story);
        for state in 0..=story.steps.len() {
            assert!(page.contains(&format!("<section id=\"step-{state}\"")), "{name}: no section {state}");
            assert!(page.contains(&format!("href=\"#step-{state}\"")), "{name}: no link to {state}");
        }
        let beyond = story.steps.len() + 1;
        assert!(!page.contains(&format!("\"#step-{beyond}\"")), "{name}: a link to nowhere");
    }
}

/// story/html/3: the title names model, flaw and claim; the end names claim, clause and summary.
#[test]
fn page_names_model_flaw_claim_clause_and_command() {
    let page = render(&samples::figure_8());
    assert!(page.contains("<title>kraft · A01 commit-old-epoch · leader-completeness</title>"));
    let end = &page[page.find("class=\"verdict\"").expect("a verdict")..];
    for needle in ["leader-completeness is violated", "kraft/safety/4", "A leader holds every record"] {
        assert!(end.contains(needle), "the verdict does not say {needle}");
    }
    assert!(page.contains("<code id=\"command\">highwater check kraft --flaw A01</code>"));
}

/// story/html/4: landmarks are links; a lasso's loop is marked.
#[test]
fn landmarks_and_loops_are_marked() {
    let page = render(&samples::figure_8());
    for (state, name) in [(5, "a"), (8, "b"), (17, "c"), (23, "d")] {
        assert!(page.contains(&format!("<a href=\"#step-{state}\">Figure 8 ({name})</a>")));
    }
    let page = render(&samples::lasso());
    assert!(page.contains("The loop begins here"));
    assert!(page.contains("<a href=\"#step-2\">And on from step 2, for ever.</a>"));
}

/// What changed in a step stands out, with what it was.
#[test]
fn changed_values_are_shown_with_what_they_were() {
    let page = render(&samples::figure_8());
    let step =
        &page[page.find("<section id=\"step-2\"").unwrap()..page.find("<section id=\"step-3\"").unwrap()];
    assert!(step.contains("<div class=\"new\"><dt>epoch</dt><dd>1 <del>0</del></dd></div>"));
    assert_eq!(step.matches("class=\"lane changed\"").count(), 1, "only n3 changes");
}
