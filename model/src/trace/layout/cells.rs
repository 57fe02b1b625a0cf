//! What stands in a lane's column: notes, values, logs. Each returns the y below it.

use super::super::words;
use super::super::{LaneView, LogView, Mark};
use super::{Align, Area, Font, LabelBox, LabelKind, Layout, RecordBox, TextBox, Tone, Watermark, hue};

pub(super) const NOTE: Font = Font { size: 12, mono: false, bold: false };
pub(super) const SMALL: Font = Font { size: 10, mono: false, bold: false };
pub(super) const STRONG: Font = Font { size: 12, mono: false, bold: true };
pub(super) const MONO: Font = Font { size: 11, mono: true, bold: false };

/// Room between what stands in two neighbouring columns.
const MARGIN: i32 = 8;
const RECORD_HEIGHT: i32 = 21;
const RECORD_GAP: i32 = 2;
/// From one row of a log that is too long for its column to the next.
const RECORD_PITCH: i32 = RECORD_HEIGHT + 10;

/// A lane's column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// The x of the lane's line.
    pub(super) centre: i32,
    /// Of the column.
    pub(super) width: i32,
}

impl Column {
    fn room(self) -> i32 {
        self.width - 2 * MARGIN
    }
}

impl Layout {
    /// Centred lines of text in a column, from `y`.
    pub(super) fn lines(
        &mut self,
        column: Column,
        y: i32,
        text: &str,
        font: Font,
        tone: Tone,
        lines_max: usize,
    ) -> i32 {
        let mut y = y;
        for line in font.wrap(&words::clean(text), column.room(), lines_max) {
            // What separates items does not end a line.
            let line = line.trim_end_matches("\u{a0}·").to_string();
            let width = font.width(&line).min(column.room());
            let area = Area { x: column.centre - width / 2, y, width, height: font.line() };
            self.texts.push(TextBox { area, text: line, font, align: Align::Middle, tone });
            y += font.line();
        }
        y
    }

    /// Small items, a dot between them; one is broken only where it is wider than its column.
    fn items(&mut self, column: Column, y: i32, items: &[String], lines_max: usize) -> i32 {
        let fits = |item: &&String| SMALL.width(item) + SMALL.width(" ·") <= column.room();
        let whole: Vec<String> = items
            .iter()
            .map(|item| if fits(&item) { item.replace(' ', "\u{a0}") } else { item.clone() })
            .collect();
        self.lines(column, y, &whole.join("\u{a0}· "), SMALL, Tone::Muted, lines_max)
    }

    /// A note in its frame, with room for its sign at the left.
    pub(super) fn note(&mut self, column: Column, y: i32, mark: Mark, text: &str, epoch: Option<u64>) -> i32 {
        const SIGN: i32 = 22;
        const END: i32 = 8;
        let font = if mark == Mark::Elected { STRONG } else { NOTE };
        let lines = font.wrap(&words::clean(text), column.room() - SIGN - END, 4);
        let widest = lines.iter().map(|line| font.width(line)).max().unwrap_or(0);
        let height = font.line() * i32::try_from(lines.len().max(1)).unwrap_or(1) + 4;
        let width = (SIGN + widest + END).min(column.room());
        let area = Area { x: column.centre - width / 2, y, width, height };
        let hue = if mark == Mark::Elected { epoch.map(hue) } else { None };
        self.boxes.push(LabelBox { area, kind: LabelKind::Note(mark), hue });
        let tone = match mark {
            Mark::Crash => Tone::Bad,
            _ if hue.is_some() => Tone::Record,
            _ => Tone::Ink,
        };
        for (line, text) in (0..).zip(lines) {
            let area = Area {
                x: area.x + SIGN,
                y: y + 2 + line * font.line(),
                width: width - SIGN - END / 2,
                height: font.line(),
            };
            self.texts.push(TextBox { area, text, font, align: Align::Left, tone });
        }
        y + height + 4
    }

    /// A lane as it is, on a ground of its own.
    pub(super) fn card(&mut self, column: Column, y: i32, view: &LaneView) -> i32 {
        self.on_ground(column, y, view.up, |layout| {
            let below = layout.values(column, y + 3, view);
            match &view.log {
                Some(log) => layout.log(column, below, log, None),
                None => below,
            }
        })
    }

    /// What changed in a lane, on a ground of its own.
    pub(super) fn changes(&mut self, column: Column, y: i32, changes: &[words::Change]) -> i32 {
        let tell = |change: &words::Change| match change.name.as_str() {
            "role" => format!("{} → {}", change.before, change.after),
            name => format!("{name} {} → {}", change.before, change.after),
        };
        let items: Vec<String> = changes.iter().map(tell).collect();
        self.on_ground(column, y, true, |layout| layout.items(column, y + 2, &items, 3) + 2)
    }

    /// Puts an opaque ground behind what `draw` adds from `y` to the y that it returns.
    fn on_ground(&mut self, column: Column, y: i32, up: bool, draw: impl FnOnce(&mut Self) -> i32) -> i32 {
        let frame = self.boxes.len();
        let (first_text, first_record) = (self.texts.len(), self.records.len());
        let area = Area { x: column.centre, y, width: 0, height: 0 };
        self.boxes.push(LabelBox { area, kind: LabelKind::Card { up }, hue: None });
        let below = draw(self);
        let texts = self.texts[first_text..].iter().map(|text| text.area);
        let records = self.records[first_record..].iter().map(|record| record.area);
        let widest = texts.chain(records).map(|area| area.width.max(2 * (column.centre - area.x)));
        let width = (widest.max().unwrap_or(0) + 12).clamp(60, column.width - 4);
        self.boxes[frame].area = Area { x: column.centre - width / 2, y, width, height: below - y };
        below + 5
    }

    /// The values of a lane: its role and epoch, then the rest.
    fn values(&mut self, column: Column, y: i32, view: &LaneView) -> i32 {
        let role = words::role(view);
        let head = match (role.as_str(), words::epoch(view)) {
            ("", None) => String::new(),
            (role, None) => role.to_string(),
            ("", Some(epoch)) => format!("epoch {epoch}"),
            (role, Some(epoch)) => format!("{role}, epoch {epoch}"),
        };
        let y = self.lines(column, y, &head, STRONG, if view.up { Tone::Ink } else { Tone::Bad }, 2);
        let rest: Vec<String> = view
            .fields
            .iter()
            .filter(|(name, _)| name != "epoch" && name != "term")
            .map(|(name, value)| format!("{name}={}", if value.is_empty() { "-" } else { value }))
            .collect();
        self.items(column, y, &rest, 4) + 3
    }

    /// A log, as boxes; against `before`, what is new stands out and what was cut is still shown.
    pub(super) fn log(&mut self, column: Column, y: i32, log: &LogView, before: Option<&LogView>) -> i32 {
        let kept = match before {
            Some(before) => before.records.iter().zip(&log.records).take_while(|(was, is)| was == is).count(),
            None => log.records.len(),
        };
        let cut = before.map_or(&[][..], |before| &before.records[kept..]);
        let all = log.records.iter().chain(cut);
        let texts: Vec<String> = all
            .clone()
            .map(|record| words::clean(&format!("{}@{}", record.value, record.epoch)).into_owned())
            .collect();
        let room = column.room();
        let width_of = |text: &String| (MONO.width(text) + 10).clamp(30.min(room), room);
        let widths: Vec<i32> = texts.iter().map(width_of).collect();

        let y = y + 3;
        if texts.is_empty() {
            let width = 52.min(room);
            let area = Area { x: column.centre - width / 2, y, width, height: RECORD_HEIGHT };
            self.records.push(RecordBox { area, hue: None, fresh: false, cut: false, flushed: true });
            let text = TextBox {
                area: Area { y: area.y + 3, height: SMALL.line(), ..area },
                text: "empty".into(),
                font: SMALL,
                align: Align::Middle,
                tone: Tone::Muted,
            };
            self.texts.push(text);
            return y + RECORD_PITCH;
        }

        let mut at = 0;
        let mut y = y;
        let mut offset = 0u64;
        while at < widths.len() {
            // As many as the column holds.
            let mut row = 0;
            let mut end = at;
            while end < widths.len() && (end == at || row + RECORD_GAP + widths[end] <= room) {
                row += widths[end] + if end > at { RECORD_GAP } else { 0 };
                end += 1;
            }
            let mut x = column.centre - row / 2;
            let left = x;
            let mut line = None;
            let mut committed = None;
            for index in at..end {
                let is_cut = index >= log.records.len();
                let epoch = all_epoch(log, cut, index);
                let area = Area { x, y, width: widths[index], height: RECORD_HEIGHT };
                if log.high_watermark == Some(offset) && !is_cut {
                    line = Some(x - RECORD_GAP / 2);
                }
                self.records.push(RecordBox {
                    area,
                    hue: Some(hue(epoch)),
                    fresh: !is_cut && index >= kept,
                    cut: is_cut,
                    flushed: is_cut || log.flushed.is_none_or(|flushed| offset < flushed),
                });
                self.texts.push(TextBox {
                    area: Area { y: y + 3, height: MONO.line(), ..area },
                    text: MONO.wrap(&texts[index], area.width - 4, 1).pop().unwrap_or_default(),
                    font: MONO,
                    align: Align::Middle,
                    tone: if is_cut { Tone::Cut } else { Tone::Record },
                });
                x += widths[index] + RECORD_GAP;
                offset += 1;
                let mark = log.high_watermark.unwrap_or(0);
                if !is_cut && offset <= mark {
                    committed = Some(x - RECORD_GAP);
                    // The line stands behind the last record of the log; before a record, that one draws it.
                    if index + 1 == log.records.len() {
                        line = Some(x - RECORD_GAP / 2);
                    }
                }
            }
            self.watermarks.push(Watermark {
                line: line.map(|x| watermark_line(x, y)),
                bar: committed.map(|end| Area {
                    x: left,
                    y: y + RECORD_HEIGHT + 2,
                    width: end - left,
                    height: 3,
                }),
            });
            y += RECORD_PITCH;
            at = end;
        }
        y
    }

    /// The widest that a log wants to be.
    pub(super) fn log_width(log: &LogView) -> i32 {
        let widths = log.records.iter().map(|record| {
            let text = format!("{}@{}", record.value, record.epoch);
            (MONO.width(&text) + 10).max(30) + RECORD_GAP
        });
        widths.fold(0, i32::saturating_add).saturating_add(2 * MARGIN)
    }
}

fn all_epoch(log: &LogView, cut: &[super::super::RecordView], index: usize) -> u64 {
    let record = log.records.get(index).or_else(|| cut.get(index - log.records.len()));
    record.map_or(0, |record| record.epoch)
}

fn watermark_line(x: i32, y: i32) -> Area {
    Area { x: x - 1, y: y - 3, width: 2, height: RECORD_HEIGHT + 8 }
}
