//! A table in fixed columns, printed row by row as the figures come in.

use super::Sample;

/// Prints the heads of the columns.
pub(crate) fn head(title: &str) {
    println!("\n{title}");
    println!(
        "{:<16} {:>7} {:>8} {:>11} {:>13} {:>5} {:>8} {:>8} {:>9} {:>9} {:>11} {:>9}",
        "search",
        "threads",
        "symmetry",
        "unique",
        "generated",
        "depth",
        "wall s",
        "CPU s",
        "unique/s",
        "per CPU s",
        "table bytes",
        "RSS bytes"
    );
}

/// Prints a row; bytes are per distinct state, at the peak.
pub(crate) fn print(name: &str, threads: usize, symmetry: bool, sample: &Sample) {
    let Sample { unique, generated, depth, table_bytes, cost, .. } = sample;
    let (wall, cpu) = (cost.wall.as_secs_f64(), cost.cpu.as_secs_f64());
    println!(
        "{name:<16} {threads:>7} {:>8} {:>11} {:>13} {depth:>5} {wall:>8.3} {cpu:>8.3} {:>9} {:>9} {:>11} {:>9}",
        if symmetry { "yes" } else { "no" },
        grouped(*unique),
        grouped(*generated),
        rate(*unique, wall),
        rate(*unique, cpu),
        per_state(*table_bytes, *unique),
        per_state(cost.resident_bytes, *unique)
    );
}

/// `737794` as `737,794`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn per_state(bytes: u64, states: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { format!("{:.1}", bytes as f64 / states as f64) }
}

fn rate(states: u64, seconds: f64) -> String {
    format!("{:.2} M", states as f64 / seconds / 1e6)
}
