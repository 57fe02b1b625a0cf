//! A story as a transcript in the arrow language.
//!
//! ```text
//!  3  deliver
//!     n1 ⇥ n2@1 Vote epoch=1 end=0@0          arrived; the lane that acts carries its epoch
//!     · n2 grants its vote to n1              a note, its sign first
//!     n2@1 → n1 Voted epoch=1                 sent
//!     c1 ⇒ zk create /election/n_             sent and arrived in one step
//!     n1 → n3 Vote epoch=1 end=0@0 ✗ lost     lost; struck through where there is colour
//!         n2  epoch 0 → 1, voted - → n1       what changed, lane by lane
//!         n3  log [x@1 | y@1] → [x@1 |]       the bar is the high watermark, a tilde is not on disk
//! ```

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::measure::columns;
use super::messages::{Fate, Moment, Post};
use super::words::{self, Ending, Repeat};
use super::{Event, LaneView, Mark, Story};

/// How a transcript is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// Columns; longer lines are broken between words. 0 breaks none.
    pub width: usize,
    /// Styles by ANSI escapes.
    pub colour: bool,
}

impl Default for TextStyle {
    fn default() -> Self {
        Self { width: 100, colour: false }
    }
}

/// The transcript of `story`, with a line break at its end.
pub fn render(story: &Story, style: &TextStyle) -> String {
    let mut page = Page { out: String::new(), style: *style };
    let tone = match words::ending(story) {
        Ending::Violation => RED,
        Ending::Witness => GREEN,
    };
    page.line(0, 2, &[(BOLD, words::subject(story)), (PLAIN, ": ".into()), (tone, words::outcome(story))]);
    page.blank();
    page.line(0, 4, &[(BOLD, "start".into())]);
    standing(&mut page, story, 4, &story.start.lanes);
    landmark(&mut page, story.start.landmark.as_deref());

    let post = Post::of(story);
    let number_width = story.steps.len().to_string().len().max(2);
    let repeat = words::repeats(story);
    for (index, step) in story.steps.iter().enumerate() {
        let number = index + 1;
        page.blank();
        if let Some(Repeat::Steps { first, last }) = repeat
            && first == number
        {
            page.line(0, 4, &[(CYAN, format!("∞ from here, for ever: {}", steps(first, last)))]);
            page.blank();
        }
        let number_text = format!("{number:>number_width$}");
        page.line(0, 4, &[(BOLD, number_text), (DIM, format!("  {}", step.action))]);
        for (place, event) in step.events.iter().enumerate() {
            let moment = Moment { step: number, event: place };
            tell_event(&mut page, story, event, &step.scene.lanes, &post, moment);
        }
        let before = &words::scene(story, index).lanes;
        for (lane, (was, is)) in before.iter().zip(&step.scene.lanes).enumerate() {
            changed(&mut page, story, lane, was, is);
        }
        landmark(&mut page, step.scene.landmark.as_deref());
    }
    page.blank();
    end(&mut page, story, tone);
    page.out
}

/// The end: what was expected, what was found, and how to see it again.
fn end(page: &mut Page, story: &Story, tone: Style) {
    match words::repeats(story) {
        Some(Repeat::Steps { first, last }) => {
            page.line(0, 4, &[(CYAN, format!("∞ back to step {first}: {} for ever", steps(first, last)))]);
            page.blank();
        }
        Some(Repeat::Stays) => {
            page.line(0, 4, &[(CYAN, "∞ and so it stays for ever".into())]);
            page.blank();
        }
        None => {}
    }
    let sign = match words::ending(story) {
        Ending::Violation => '✗',
        Ending::Witness => '✓',
    };
    page.line(0, 4, &[(tone, format!("{sign} {}", words::outcome(story)))]);
    let mut expected = story.summary.clone();
    if !story.clause.is_empty() {
        let _ = write!(expected, " ({})", story.clause);
    }
    page.line(4, 14, &[(DIM, "expected  ".into()), (PLAIN, expected)]);
    page.line(4, 14, &[(DIM, "found     ".into()), (PLAIN, words::found(story))]);
    standing(page, story, 14, &words::scene(story, story.steps.len()).lanes);
    if !story.command.is_empty() {
        page.line(4, 14, &[(DIM, "again     ".into()), (BOLD, story.command.clone())]);
    }
}

/// Each lane in full.
fn standing(page: &mut Page, story: &Story, indent: usize, lanes: &[LaneView]) {
    for (lane, view) in lanes.iter().enumerate() {
        let mut parts = vec![(BOLD, words::lane_name(story, lane).into_owned())];
        let role = words::role(view);
        if !role.is_empty() {
            parts.push((PLAIN, format!("  {role}")));
        }
        for (name, value) in &view.fields {
            parts.push((DIM, format!("  {name}=")));
            parts.push((PLAIN, value.clone()));
        }
        if let Some(log) = words::log_of(view) {
            parts.push((PLAIN, format!("  {log}")));
        }
        page.line(indent, indent + 4, &parts);
    }
}

/// What changed in one lane, on one line.
fn changed(page: &mut Page, story: &Story, lane: usize, was: &LaneView, is: &LaneView) {
    let mut changes = words::changes(was, is);
    let (log_was, log_is) = (words::log_of(was), words::log_of(is));
    if log_was != log_is {
        let or_none = |log: Option<String>| log.unwrap_or_else(|| "-".to_string());
        changes.push(words::Change { name: "log".into(), before: or_none(log_was), after: or_none(log_is) });
    }
    if changes.is_empty() {
        return;
    }
    let mut parts = vec![(BOLD, format!("{}  ", words::lane_name(story, lane)))];
    for (index, change) in changes.iter().enumerate() {
        if index > 0 {
            parts.push((PLAIN, ", ".into()));
        }
        if change.name != "role" {
            parts.push((DIM, format!("{} ", change.name)));
        }
        parts.push((DIM, format!("{} → ", change.before)));
        parts.push((YELLOW, change.after.clone()));
    }
    page.line(8, 12, &parts);
}

fn tell_event(
    page: &mut Page,
    story: &Story,
    event: &Event,
    after: &[LaneView],
    post: &Post<'_>,
    moment: Moment,
) {
    let name = |lane: usize| words::lane_name(story, lane).into_owned();
    let at_epoch = |lane: usize| match after.get(lane).and_then(words::epoch) {
        Some(epoch) => format!("{}@{epoch}", name(lane)),
        None => name(lane),
    };
    match event {
        // Told by its end.
        Event::Send { .. } if post.ends_at_once(moment) == Some(Fate::Lost) => {}
        Event::Receive { .. } if post.ended_at_once(moment) => {}
        Event::Send { from, to, text } => {
            let arrow = if post.ends_at_once(moment).is_some() { '⇒' } else { '→' };
            let ends = format!("{} {arrow} {} ", at_epoch(*from), name(*to));
            page.line(4, 8, &[(BLUE, ends), (PLAIN, text.clone())]);
        }
        Event::Receive { from, to, text } => {
            let mut parts =
                vec![(BLUE, format!("{} ⇥ {} ", name(*from), at_epoch(*to))), (PLAIN, text.clone())];
            if post.is_again(moment) {
                parts.push((YELLOW, " (again)".into()));
            }
            page.line(4, 8, &parts);
        }
        Event::Lose { from, to, text } => {
            page.line(
                4,
                8,
                &[(STRUCK, format!("{} → {} {text}", name(*from), name(*to))), (RED, " ✗ lost".into())],
            );
        }
        Event::Note { lane, mark, text } => {
            let tone = match mark {
                Mark::Elected => MAGENTA,
                Mark::Commit => GREEN,
                Mark::Crash | Mark::Truncate | Mark::Expire => RED,
                _ => PLAIN,
            };
            page.line(4, 8, &[(tone, format!("{} {} {text}", words::sign(*mark), name(*lane)))]);
        }
    }
}

fn landmark(page: &mut Page, name: Option<&str>) {
    if let Some(name) = name {
        page.blank();
        page.line(0, 3, &[(CYAN, format!("── {name} ──"))]);
    }
}

fn steps(first: usize, last: usize) -> String {
    if first == last { format!("step {first}") } else { format!("steps {first} to {last}") }
}

const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const STRUCK: Style = Style::new().strikethrough().dimmed();
const RED: Style = AnsiColor::Red.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const BLUE: Style = AnsiColor::Blue.on_default();
const MAGENTA: Style = AnsiColor::Magenta.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default();

/// A transcript under way.
struct Page {
    out: String,
    style: TextStyle,
}

impl Page {
    fn blank(&mut self) {
        self.out.push('\n');
    }

    /// Sets styled parts on one line, or breaks it between words, with a deeper indent after the first break.
    fn line(&mut self, indent: usize, hanging: usize, parts: &[(Style, String)]) {
        let mut at = indent;
        self.out.extend(std::iter::repeat_n(' ', indent));
        // Blanks wait until the next word shows that they do not stand at the end of a line.
        let mut blanks = 0;
        let mut fresh = true;
        for (style, text) in parts {
            let text = words::clean(text);
            let mut open = false;
            for piece in text.split_inclusive(' ') {
                let word = piece.trim_end_matches(' ');
                let wide = columns(word);
                if !word.is_empty() {
                    if !fresh && self.style.width > 0 && at + blanks + wide > self.style.width && blanks > 0 {
                        self.close(*style, &mut open);
                        self.out.push('\n');
                        self.out.extend(std::iter::repeat_n(' ', hanging));
                        at = hanging;
                        blanks = 0;
                    }
                    if blanks > 0 && !open {
                        self.out.extend(std::iter::repeat_n(' ', blanks));
                        at += blanks;
                        blanks = 0;
                    }
                    if !open && self.style.colour && *style != PLAIN {
                        let _ = write!(self.out, "{style}");
                        open = true;
                    }
                    self.out.extend(std::iter::repeat_n(' ', blanks));
                    self.out.push_str(word);
                    at += blanks + wide;
                    blanks = 0;
                    fresh = false;
                }
                blanks += piece.len() - word.len();
            }
            self.close(*style, &mut open);
        }
        self.out.push('\n');
    }

    fn close(&mut self, style: Style, open: &mut bool) {
        if *open {
            let _ = write!(self.out, "{style:#}");
            *open = false;
        }
    }
}
