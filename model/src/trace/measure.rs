//! How wide text is, as far as one can tell without its font.
//!
//! Estimates lean to the wide side (they are those of DejaVu Sans, the widest of the usual fonts), since a
//! text that is narrower than its box does no harm.

/// Columns of a terminal that `text` takes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(|character| if is_wide(character) { 2 } else { usize::from(!is_mark(character)) }).sum()
}

/// A font as the layout needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Font {
    /// Pixels.
    pub size: i32,
    /// All characters of one width.
    pub mono: bool,
    /// Heavier and wider.
    pub bold: bool,
}

impl Font {
    /// Pixels from one line to the next.
    pub(super) const fn line(self) -> i32 {
        self.size + 4
    }

    /// Pixels that `text` takes, rounded up.
    pub(super) fn width(self, text: &str) -> i32 {
        let thousandths: i64 = text.chars().map(|character| i64::from(self.advance(character))).sum();
        let pixels = (thousandths * i64::from(self.size) + 999) / 1000;
        i32::try_from(pixels).unwrap_or(i32::MAX / 4)
    }

    /// The advance of a character, in thousandths of the size.
    fn advance(self, character: char) -> i32 {
        if is_mark(character) {
            return 0;
        }
        if is_wide(character) {
            return 1300;
        }
        if self.mono {
            return 610;
        }
        let plain = match character {
            ' '..='~' => ADVANCES[character as usize - 0x20],
            '·' | '\u{a0}' => 318,
            '—' | '…' => 1000,
            '\u{fffd}' => 1060,
            _ => 850,
        };
        if self.bold { plain * 114 / 100 } else { plain }
    }

    /// Breaks `text` into at most `lines_max` lines of at most `width` pixels; what is left over ends in `…`.
    pub(super) fn wrap(self, text: &str, width: i32, lines_max: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut line = String::new();
        let mut used = 0;
        let blank = self.width(" ");
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let mut word = word;
            loop {
                let wide = self.width(word);
                let gap = if line.is_empty() { 0 } else { blank };
                if used + gap + wide <= width {
                    if gap > 0 {
                        line.push(' ');
                    }
                    line.push_str(word);
                    used += gap + wide;
                    break;
                }
                if line.is_empty() {
                    // A word wider than the line is cut where it must be.
                    let cut = self.fitting(word, width).max(word.chars().next().map_or(0, char::len_utf8));
                    lines.push(word[..cut].to_string());
                    word = &word[cut..];
                    if word.is_empty() {
                        break;
                    }
                } else {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                if lines.len() > lines_max {
                    return self.shorten(lines, width, lines_max);
                }
            }
        }
        if !line.is_empty() {
            lines.push(line);
        }
        self.shorten(lines, width, lines_max)
    }

    fn shorten(self, mut lines: Vec<String>, width: i32, lines_max: usize) -> Vec<String> {
        if lines.len() > lines_max {
            lines.truncate(lines_max);
            if let Some(last) = lines.last_mut() {
                let room = (width - self.width("…")).max(0);
                let cut = self.fitting(last, room);
                last.truncate(cut);
                last.push('…');
            }
        }
        lines
    }

    /// Bytes of the longest beginning of `text` that is at most `width` wide.
    fn fitting(self, text: &str, width: i32) -> usize {
        let room = i64::from(width) * 1000 / i64::from(self.size.max(1));
        let mut used = 0;
        for (at, character) in text.char_indices() {
            used += i64::from(self.advance(character));
            if used > room {
                return at;
            }
        }
        text.len()
    }
}

/// Advances of the printable ASCII characters, from the blank on, in thousandths of the size.
#[rustfmt::skip]
const ADVANCES: [i32; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];

/// East Asian wide characters and emoji, by block.
fn is_wide(character: char) -> bool {
    matches!(character,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{1f000}'..='\u{1faff}' | '\u{20000}'..='\u{3fffd}')
}

/// Characters that stand on the one before.
fn is_mark(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}
