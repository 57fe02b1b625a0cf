//! Diagrams: well-formed, self-contained, and nothing on top of anything else.

use super::{assert_self_contained, samples};
use crate::trace::Story;
use crate::trace::layout::{Area, BandKind, Frame, LabelKind, Layout, layout};
use crate::trace::svg::render;

/// story/svg/1
#[test]
fn diagrams_are_well_formed_and_self_contained() {
    for (name, story) in samples::all() {
        let svg = render(&story, &Frame::default());
        let document = roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{name}: {error}"));
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "svg");
        assert_self_contained(&svg);
        assert!(!document.descendants().any(|node| node.has_tag_name("script")), "{name}: holds a script");
        let has =
            |tag: &str| root.children().any(|node| node.tag_name().name() == tag && node.text().is_some());
        assert!(has("title") && has("desc"), "{name}: cannot be read aloud");
    }
}

/// story/svg/2: the frame of a text is its own.
#[test]
fn texts_do_not_overlap() {
    for (name, story) in samples::all() {
        for standalone in [true, false] {
            assert_no_overlap(name, &layout(&story, &Frame { standalone, ..Frame::default() }));
        }
    }
}

pub(super) fn assert_no_overlap(name: &str, layout: &Layout) {
    let whole = Area { x: 0, y: 0, width: layout.width, height: layout.height };
    let texts: Vec<_> = layout.texts.iter().map(|text| text.area).collect();
    for (index, text) in layout.texts.iter().enumerate() {
        let Area { x, y, width, height } = text.area;
        let inside = x >= 0 && y >= 0 && x + width <= whole.width && y + height <= whole.height;
        assert!(inside, "{name}: outside of the diagram: {text:?}");
        assert!(text.font_fits(), "{name}: too long for its room: {text:?}");
        if let Some(other) = texts[index + 1..].iter().position(|other| other.overlaps(&text.area)) {
            panic!("{name}: overlap: {text:?} and {:?}", layout.texts[index + 1 + other]);
        }
    }
    let notes = layout.boxes.iter().filter(|label| !matches!(label.kind, LabelKind::Card { .. }));
    let records = layout.records.iter().map(|record| record.area);
    let boxes: Vec<Area> = notes.map(|label| label.area).chain(records).collect();
    for (index, area) in boxes.iter().enumerate() {
        assert!(
            !boxes[index + 1..].iter().any(|other| other.overlaps(area)),
            "{name}: boxes overlap at {area:?}"
        );
    }
}

/// story/svg/3: every step has its row, from top to bottom.
#[test]
fn rows_follow_one_another_without_gap_or_overlap() {
    for (name, story) in samples::all() {
        let layout = layout(&story, &Frame::default());
        let steps =
            layout.bands.iter().filter(|band| matches!(band.kind, BandKind::Step | BandKind::BadStep));
        assert_eq!(steps.count(), story.steps.len(), "{name}");
        for pair in layout.bands.windows(2) {
            assert!(pair[0].area.y + pair[0].area.height <= pair[1].area.y, "{name}: {pair:?}");
            assert!(pair[0].state <= pair[1].state, "{name}: {pair:?}");
        }
    }
}

/// story/svg/4: an arrow for each delivery, and time runs downwards along each.
#[test]
fn arrows_run_downwards_one_for_each_end() {
    for (name, story) in samples::all() {
        for arrow in layout(&story, &Frame::default()).arrows {
            assert!(arrow.from.y < arrow.to.y, "{name}: runs upwards: {arrow:?}");
        }
    }
    let story = samples::figure_8();
    let arrows = layout(&story, &Frame::default()).arrows;
    let fates = |fate| arrows.iter().filter(|arrow| arrow.fate == fate).count();
    use crate::trace::messages::Fate;
    assert_eq!(fates(Some(Fate::Again)), 1, "one duplicate");
    assert_eq!(fates(Some(Fate::Lost)), 2, "two losses");
    assert_eq!(fates(None), 4, "four messages are never delivered");
}

/// story/svg/5: the last step is red and the claim stands below it, unless the story is of a witness.
#[test]
fn violation_is_drawn_at_the_end_with_the_claims_name() {
    let drawn = |story: &Story| layout(story, &Frame::default());
    let figure = drawn(&samples::figure_8());
    assert_eq!(figure.bands.last().unwrap().kind, BandKind::Violation);
    assert!(figure.bands.iter().any(|band| band.kind == BandKind::BadStep && band.state == 23));
    assert!(figure.texts.iter().any(|text| text.text.contains("leader-completeness is violated")));
    let witness = drawn(&samples::witness());
    assert_eq!(witness.bands.last().unwrap().kind, BandKind::Witness);
    assert!(!witness.bands.iter().any(|band| band.kind == BandKind::BadStep));
}

/// story/svg/6: a lasso's loop is bracketed.
#[test]
fn loop_of_a_lasso_is_bracketed() {
    let layout = layout(&samples::lasso(), &Frame::default());
    let lasso = layout.lasso.expect("a bracket");
    let row = |state| {
        let is_row = |band: &&crate::trace::layout::Band| band.kind == BandKind::Step && band.state == state;
        layout.bands.iter().find(is_row).expect("a row").area
    };
    assert!(lasso.top > row(1).y && lasso.top < row(2).y, "begins before step 2");
    assert!(lasso.bottom > row(5).y + row(5).height, "closes after step 5");
}

/// A lane that is down is dashed, a lane that leads is thick in the hue of its epoch.
#[test]
fn lanes_show_who_leads_and_who_is_down() {
    let layout = layout(&samples::figure_8(), &Frame::default());
    let pieces = |lane: usize| -> Vec<(bool, Option<u8>)> {
        layout.rails.iter().filter(|rail| rail.lane == lane).map(|rail| (rail.up, rail.leads)).collect()
    };
    assert_eq!(pieces(0), [(true, None), (true, Some(1)), (true, None), (true, Some(3))]);
    assert_eq!(pieces(1), [(true, None), (true, Some(2)), (false, None), (true, None), (true, Some(4))]);
    assert_eq!(pieces(2), [(true, None)]);
}

/// story/general/3: twice as long a story is twice as much work, not four times.
#[test]
fn layout_grows_with_the_story_and_no_faster() {
    let mut story = samples::figure_8();
    let once = story.steps.clone();
    let size = |story: &Story| {
        let layout = layout(story, &Frame::default());
        layout.texts.len() + layout.arrows.len() + layout.rails.len() + layout.records.len()
    };
    let small = size(&story);
    (0..199).for_each(|_| story.steps.extend(once.clone()));
    assert!(size(&story) < 220 * small);
}
