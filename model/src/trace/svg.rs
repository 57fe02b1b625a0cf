//! A story as a space–time diagram: a lane a node, time downwards, messages as slanted arrows.
//!
//! One SVG file with its own ground, light or dark as the reader prefers; no script and no reference to anything
//! outside. [`layout`](super::layout) decides where everything stands.

use std::fmt::Write as _;

use super::layout::{
    Align, Area, Arrow, Band, BandKind, Frame, LabelBox, LabelKind, Layout, Point, Rail, RecordBox, TextBox,
    Tone, layout,
};
use super::messages::Fate;
use super::{LaneKind, Mark, Story, words};

/// The diagram of `story`, as a file of its own.
pub fn render(story: &Story, frame: &Frame) -> String {
    draw(story, &layout(story, frame))
}

/// Draws a layout.
pub(super) fn draw(story: &Story, layout: &Layout) -> String {
    let mut out = String::new();
    let Layout { width, height, .. } = layout;
    let title = escape(&format!("{}: {}", words::subject(story), words::outcome(story)));
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"hw\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"hw-title hw-desc\">\n\
         <title id=\"hw-title\">{title}</title>\n<desc id=\"hw-desc\">{}</desc>\n<style>\n{}</style>\n",
        escape(&description(story)),
        include_str!("svg.css"),
    );
    let _ = writeln!(out, "<rect class=\"hw-ground\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>");
    layout.bands.iter().for_each(|band| draw_band(&mut out, band));
    layout.rails.iter().for_each(|rail| draw_rail(&mut out, rail));
    layout.arrows.iter().for_each(|arrow| draw_arrow(&mut out, arrow));
    for plate in &layout.plates {
        let _ = writeln!(out, "<rect class=\"{}\" {}/>", band_class(plate.kind), place(plate.area));
    }
    if let Some(lasso) = layout.lasso {
        let (x, top, bottom) = (lasso.x, lasso.top, lasso.bottom);
        let _ = writeln!(
            out,
            "<path class=\"hw-lasso\" d=\"M{} {bottom}H{}Q{x} {bottom} {x} {}V{}Q{x} {top} {} {top}H{}\"/>\
             <path class=\"hw-lasso-tip\" d=\"M{} {top}l8 -5v10z\"/>",
            x - 14,
            x - 6,
            bottom - 6,
            top + 6,
            x - 6,
            x - 10,
            x - 16,
        );
    }
    layout.boxes.iter().for_each(|label| draw_label(&mut out, label));
    layout.records.iter().for_each(|record| draw_record(&mut out, record));
    for area in layout.watermarks.iter().flat_map(|mark| mark.bar.iter().chain(&mark.line)) {
        let _ = writeln!(out, "<rect class=\"hw-mark\" {}/>", place(*area));
    }
    layout.texts.iter().for_each(|text| draw_text(&mut out, text));
    let _ = writeln!(
        out,
        "<rect class=\"hw-frame\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>",
        width - 1,
        height - 1
    );
    out.push_str("</svg>\n");
    out
}

/// The story in a few sentences, for those who do not see the picture.
fn description(story: &Story) -> String {
    let lanes: Vec<&str> = story.lanes.iter().map(|lane| lane.name.as_str()).collect();
    let mut text = format!("Space–time diagram, time downwards. Lanes: {}.", lanes.join(", "));
    for (index, step) in story.steps.iter().enumerate() {
        let _ = write!(text, " Step {}, {}:", index + 1, step.action);
        for event in &step.events {
            let _ = write!(text, " {};", words::sentence(story, event, false));
        }
    }
    let _ = write!(text, " Expected: {} Found: {}.", story.summary, words::found(story));
    text
}

fn band_class(kind: BandKind) -> &'static str {
    match kind {
        BandKind::Start => "hw-start",
        BandKind::Step => "hw-row",
        BandKind::Landmark => "hw-landmark",
        BandKind::Loop => "hw-loop",
        BandKind::BadStep | BandKind::Violation => "hw-bad",
        BandKind::Witness => "hw-good",
    }
}

fn draw_band(out: &mut String, band: &Band) {
    let Area { x, y, width, height } = band.area;
    let _ = writeln!(
        out,
        "<rect class=\"hw-band {}\" data-state=\"{}\" {}/><path class=\"hw-line\" d=\"M{x} {}H{}\"/>",
        band_class(band.kind),
        band.state,
        place(band.area),
        y + height,
        x + width,
    );
}

fn draw_rail(out: &mut String, rail: &Rail) {
    let Rail { x, top, bottom, .. } = rail;
    let down = if rail.up { "" } else { " hw-down" };
    let line = format!("d=\"M{x} {top}V{bottom}\"");
    match rail.leads {
        Some(hue) if rail.up => {
            let _ = writeln!(out, "<path class=\"hw-h{hue} hw-leads\" {line}/>");
        }
        _ => {
            let _ = writeln!(out, "<path class=\"hw-rail{down}\" {line}/>");
        }
    }
}

fn draw_arrow(out: &mut String, arrow: &Arrow) {
    let Arrow { from, to, .. } = arrow;
    let class = match arrow.fate {
        Some(Fate::Received) => "hw-arrow",
        Some(Fate::Again) => "hw-arrow hw-again",
        Some(Fate::Lost) => "hw-arrow hw-lost",
        None => "hw-arrow hw-never",
    };
    let ended = arrow.ended.map(|state| format!(" data-ended=\"{state}\"")).unwrap_or_default();
    let fate = match arrow.fate {
        Some(Fate::Received) => "",
        Some(Fate::Again) => " (again)",
        Some(Fate::Lost) => " (lost)",
        None => " (never delivered)",
    };
    let _ = write!(
        out,
        "<g class=\"hw-message-line\" data-sent=\"{}\"{ended}><title>{}{fate}</title><path class=\"{class}\" \
         d=\"M{} {}L{} {}\"/>",
        arrow.sent,
        escape(&arrow.title),
        from.x,
        from.y,
        to.x,
        to.y
    );
    let _ = write!(out, "<circle class=\"hw-tip\" cx=\"{}\" cy=\"{}\" r=\"2.6\"/>", from.x, from.y);
    match arrow.fate {
        Some(Fate::Received | Fate::Again) => draw_tip(out, *from, *to),
        Some(Fate::Lost) => draw_cross(out, *to, 5),
        None => {}
    }
    out.push_str("</g>\n");
}

fn draw_tip(out: &mut String, from: Point, to: Point) {
    let (run, fall) = (f64::from(to.x - from.x), f64::from(to.y - from.y));
    let length = run.hypot(fall).max(1.0);
    let (run, fall) = (run / length, fall / length);
    let (x, y) = (f64::from(to.x), f64::from(to.y));
    let back = (x - 9.0 * run, y - 9.0 * fall);
    let _ = write!(
        out,
        "<path class=\"hw-tip\" d=\"M{x} {y}L{:.1} {:.1}L{:.1} {:.1}z\"/>",
        back.0 - 3.8 * fall,
        back.1 + 3.8 * run,
        back.0 + 3.8 * fall,
        back.1 - 3.8 * run,
    );
}

fn draw_cross(out: &mut String, at: Point, size: i32) {
    let Point { x, y } = at;
    let wide = 2 * size;
    let _ = write!(
        out,
        "<path class=\"hw-cross\" d=\"M{} {}l{wide} {wide}m0 -{wide}l-{wide} {wide}\"/>",
        x - size,
        y - size
    );
}

fn draw_label(out: &mut String, label: &LabelBox) {
    let Area { x, y, height, .. } = label.area;
    match label.kind {
        LabelKind::Lane(kind) => {
            let round = match kind {
                LaneKind::Node => 4,
                LaneKind::Service => 0,
                LaneKind::Client => height / 2,
            };
            let _ = writeln!(out, "<rect class=\"hw-name\" {} rx=\"{round}\"/>", place(label.area));
            if kind == LaneKind::Service {
                let inner =
                    Area { x: x + 3, y: y + 3, width: label.area.width - 6, height: label.area.height - 6 };
                let _ = writeln!(out, "<rect class=\"hw-frame\" {}/>", place(inner));
            }
        }
        LabelKind::Card { up } => {
            let down = if up { "" } else { " hw-down" };
            let _ = writeln!(out, "<rect class=\"hw-card{down}\" {} rx=\"5\"/>", place(label.area));
        }
        LabelKind::Note(mark) => {
            let alarm = match mark {
                Mark::Crash | Mark::Truncate | Mark::Expire => " hw-alarm",
                Mark::Commit => " hw-committed",
                _ => "",
            };
            match label.hue {
                Some(hue) => {
                    let _ = writeln!(out, "<rect class=\"hw-h{hue}\" {} rx=\"6\"/>", place(label.area));
                }
                None => {
                    let _ = writeln!(out, "<rect class=\"hw-box{alarm}\" {} rx=\"6\"/>", place(label.area));
                }
            }
            draw_sign(out, mark, Point { x: x + 12, y: y + 10 }, alarm);
        }
    }
}

/// The sign of a note, in a square of 12 pixels around `at`.
fn draw_sign(out: &mut String, mark: Mark, at: Point, tone: &str) {
    let Point { x, y } = at;
    let (class, path) = match mark {
        Mark::Plain => ("hw-sign-fill", "m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0"),
        Mark::Timeout => ("hw-sign", "m-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0m5 -3v3l2.2 1.6"),
        Mark::Elected => (
            "hw-sign-fill",
            "m0 -6l1.8 3.9l4.2 .5l-3.1 2.9l.8 4.2l-3.7 -2.1l-3.7 2.1l.8 -4.2l-3.1 -2.9l4.2 -.5z",
        ),
        Mark::Deposed => {
            ("hw-sign", "m0 -6l1.8 3.9l4.2 .5l-3.1 2.9l.8 4.2l-3.7 -2.1l-3.7 2.1l.8 -4.2l-3.1 -2.9l4.2 -.5z")
        }
        Mark::Append => ("hw-sign", "m-4.5 0h9m-4.5 -4.5v9"),
        Mark::Truncate => ("hw-sign", "m-4.5 -5v10m9.5 -5h-6.5m2.6 -2.6l-2.6 2.6l2.6 2.6"),
        Mark::Commit => ("hw-sign", "m-4.5 .5l3 3.5l6 -7.5"),
        Mark::Crash => ("hw-sign", "m-4 -4l8 8m0 -8l-8 8"),
        Mark::Restart => ("hw-sign", "m4.3 -2.2a4.8 4.8 0 1 0 .5 2.6m-.2 -5.4l-.2 3l-3 -.3"),
        Mark::Expire => ("hw-sign", "m-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0m1.5 3.5l7 -7"),
    };
    let _ = writeln!(out, "<path class=\"{class}{tone}\" d=\"M{x} {y}{path}\"/>");
}

fn draw_record(out: &mut String, record: &RecordBox) {
    let Area { x, y, width, height } = record.area;
    let hue = match (record.cut, record.hue) {
        (true, _) => "hw-cut".to_string(),
        (false, Some(hue)) => format!("hw-h{hue}"),
        (false, None) => "hw-empty".to_string(),
    };
    let fresh = if record.fresh { " hw-fresh" } else { "" };
    let unflushed = if record.flushed { "" } else { " hw-unflushed" };
    if record.cut {
        let _ = writeln!(out, "<rect class=\"hw-ground\" {} rx=\"3\"/>", place(record.area));
    }
    let _ =
        writeln!(out, "<rect class=\"hw-record {hue}{fresh}{unflushed}\" {} rx=\"3\"/>", place(record.area));
    if record.cut {
        let _ = writeln!(out, "<path class=\"hw-cut\" d=\"M{x} {}L{} {y}\"/>", y + height, x + width);
    }
}

fn draw_text(out: &mut String, text: &TextBox) {
    let Area { x, y, width, .. } = text.area;
    let (x, anchor) = match text.align {
        Align::Left => (x, "start"),
        Align::Middle => (x + width / 2, "middle"),
        Align::Right => (x + width, "end"),
    };
    let tone = match text.tone {
        Tone::Ink => "hw-text hw-halo",
        Tone::Muted => "hw-muted hw-halo",
        Tone::Quiet => "hw-muted",
        Tone::Message => "hw-message hw-halo",
        Tone::Lost => "hw-loss hw-halo",
        Tone::Landmark => "hw-title-landmark",
        Tone::Bad => "hw-title-bad",
        Tone::Good => "hw-title-good",
        Tone::Plain | Tone::Record => "hw-text",
        Tone::Cut => "hw-loss",
    };
    let mono = if text.font.mono { " hw-mono" } else { "" };
    let bold = if text.font.bold { " hw-bold" } else { "" };
    let _ = writeln!(
        out,
        "<text class=\"{tone}{mono}{bold}\" x=\"{x}\" y=\"{}\" font-size=\"{}\" text-anchor=\"{anchor}\" \
         xml:space=\"preserve\">{}</text>",
        y + text.font.size,
        text.font.size,
        escape(&text.text)
    );
}

fn place(area: Area) -> String {
    let Area { x, y, width, height } = area;
    format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"")
}

/// Text as XML: no markup, and no character that XML forbids.
pub(super) fn escape(text: &str) -> String {
    let text = words::clean(text);
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}
