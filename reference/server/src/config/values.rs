//! The values of a file and of `--override`, each held against the table of keys.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::{Fault, Place, Warning};
use super::properties;
use super::table::{self, Kind, Support, elements};

/// How much of a wrong value a message shows.
const SHOWN_MAX: usize = 80;

/// What was set, checked key by key, and what was found wrong so far.
///
/// - Each value is one of its key's kind. One that was not is noted as a fault, and its key counts as not set, so that all else can be
///   checked still.
#[derive(Debug)]
pub(super) struct Values {
    file: String,
    set: BTreeMap<&'static str, (String, Place)>,
    /// Keys that were set to something that cannot be used.
    spoilt: Vec<&'static str>,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Warning>,
}

/// A value as a message shows it.
pub(super) fn shown(value: &str) -> String {
    match value.char_indices().nth(SHOWN_MAX) {
        None if value.is_empty() => "nothing".to_owned(),
        None => format!("{value:?}"),
        Some((end, _)) => format!("{:?} and more", &value[..end]),
    }
}

impl Values {
    pub(super) fn read(file: &str, bytes: &[u8], overrides: &[(String, String)]) -> Self {
        let mut values = Self {
            file: file.to_owned(),
            set: BTreeMap::new(),
            spoilt: Vec::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
        };
        let (properties, malformed) = properties::parse(bytes);
        for each in malformed {
            values.faults.push(Fault {
                place: Place::Line(each.line),
                key: String::new(),
                found: shown(&each.found),
                expected: "\\u and four hexadecimal digits".to_owned(),
                cure: "Write a backslash that is meant as one twice.".to_owned(),
            });
        }
        let in_file = properties.iter().map(|each| (Place::Line(each.line), &each.key, &each.value));
        let given = overrides.iter().zip(1..);
        let given = given.map(|((key, value), number)| (Place::Override(number), key, value));
        let mut last: BTreeMap<&str, (Place, &str)> = BTreeMap::new();
        for (place, key, value) in in_file.chain(given) {
            if let Some((earlier, _)) = last.insert(key, (place, value)) {
                values.warn_of_earlier(key, earlier, place);
            }
        }
        for (key, (place, value)) in last {
            // Java's parser leaves blanks at the end; Kafka takes them off.
            values.take(place, key, value.trim());
        }
        values
    }

    fn warn_of_earlier(&mut self, key: &str, earlier: Place, later: Place) {
        let message = match (earlier, later) {
            (Place::Line(_), Place::Line(later)) => format!("is set again in line {later}, which holds"),
            (Place::Override(_), Place::Override(_)) => "is given twice; the last holds".to_owned(),
            // What an override is for.
            _ => return,
        };
        self.warn(earlier, key, message);
    }

    fn take(&mut self, place: Place, name: &str, value: &str) {
        let Some(key) = table::find(name) else { return self.take_unknown(place, name) };
        if !key.kind.takes(value) {
            self.spoilt.push(key.name);
            let (cure, found) = match key.kind {
                Kind::Password => ("Correct it, or take it out.".to_owned(), "a secret".to_owned()),
                _ => (default_cure(key), shown(value)),
            };
            return self.fault(place, name, found, key.kind.expected(), cure);
        }
        let is_default = match key.default {
            Some(default) => key.kind.is_same(value, default),
            None => value.is_empty() && !key.is_required,
        };
        match key.support {
            Support::OnlyDefault(cure) if !is_default => {
                self.spoilt.push(key.name);
                let found = if key.kind == Kind::Password { "a secret".to_owned() } else { shown(value) };
                let expected = match key.default {
                    None | Some("") => "that it is not set".to_owned(),
                    Some(default) => format!("the default, {default}"),
                };
                return self.fault(place, name, found, expected, cure);
            }
            Support::NoEffect(reason) if !is_default => {
                self.warn(place, name, format!("has no effect: {reason}"));
            }
            _ => {}
        }
        self.set.insert(key.name, (value.to_owned(), place));
    }

    fn take_unknown(&mut self, place: Place, name: &str) {
        if let Some(removed) = table::find_removed(name) {
            let message = format!("has no effect, Kafka has it no more: {}", removed.cure);
            return self.warn(place, name, message);
        }
        let of_listener = name.strip_prefix("listener.name.").and_then(|rest| rest.split_once('.'));
        if let Some((listener, suffix)) = of_listener {
            let cure = match table::find(suffix) {
                Some(key) if key.support == Support::Full => {
                    format!("Set {suffix} for all listeners together.")
                }
                _ => "Take it out.".to_owned(),
            };
            let expected = "no settings for one listener alone, which are not supported".to_owned();
            return self.fault(place, name, format!("{suffix} of the listener {listener}"), expected, cure);
        }
        let message = match table::nearest(name) {
            Some(key) => format!("is not known and has no effect; is it {} that was meant?", key.name),
            None => "is not known and has no effect".to_owned(),
        };
        self.warn(place, name, message);
    }

    pub(super) fn fault(
        &mut self,
        place: Place,
        key: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
        cure: impl Into<String>,
    ) {
        let (found, expected, cure) = (found.into(), expected.into(), cure.into());
        self.faults.push(Fault { place, key: key.to_owned(), found, expected, cure });
    }

    /// A fault of the value of this key.
    pub(super) fn refuse(
        &mut self,
        key: &'static str,
        found: impl Into<String>,
        expected: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.fault(self.place(key), key, found, expected, cure);
    }

    pub(super) fn warn(&mut self, place: Place, key: &str, message: impl Into<String>) {
        let (file, key, message) = (self.file.clone(), key.to_owned(), message.into());
        self.warnings.push(Warning { file, place, key, message });
    }

    /// The name of the file.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Where this key is set.
    pub(super) fn place(&self, key: &str) -> Place {
        self.set.get(key).map_or(Place::Unset, |(_, place)| *place)
    }

    /// Whether this key is set, be it to something that cannot be used.
    pub(super) fn is_tried(&self, key: &str) -> bool {
        self.set.contains_key(key) || self.spoilt.contains(&key)
    }

    /// What this key is set to.
    pub(super) fn given(&self, key: &str) -> Option<&str> {
        self.set.get(key).map(|(value, _)| value.as_str())
    }

    /// What this key is set to, or its default.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.given(key).or_else(|| table::find(key)?.default)
    }

    /// As [`Values::text`], where nothing is as if it were not set.
    pub(super) fn some_text(&self, key: &str) -> Option<&str> {
        self.text(key).filter(|text| !text.is_empty())
    }

    pub(super) fn list(&self, key: &str) -> Vec<String> {
        elements(self.text(key).unwrap_or_default()).map(str::to_owned).collect()
    }

    pub(super) fn is_on(&self, key: &str) -> bool {
        self.text(key).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// A number whose key has a default.
    pub(super) fn number(&self, key: &str) -> i64 {
        self.some_number(key).unwrap_or_default()
    }

    /// A number; `None` where it is neither set nor has a default.
    pub(super) fn some_number(&self, key: &str) -> Option<i64> {
        self.text(key)?.parse().ok()
    }

    /// A number that is at least 0, in a narrower type. What is out of range is refused.
    pub(super) fn count<T: TryFrom<i64> + Default>(&mut self, key: &'static str) -> T {
        let number = self.number(key);
        T::try_from(number).unwrap_or_else(|_| {
            self.refuse(key, number.to_string(), "0 or more", "Correct it, or take it out.");
            T::default()
        })
    }

    /// A time in milliseconds, at least `least`.
    pub(super) fn milliseconds(&mut self, key: &'static str, least: i64) -> Duration {
        let number = self.number(key);
        if number < least {
            let cure = table::find(key).map(default_cure).unwrap_or_default();
            self.refuse(key, number.to_string(), format!("{least} ms or more"), cure);
        }
        Duration::from_millis(u64::try_from(number).unwrap_or_default())
    }

    /// All keys that are set, with what they are set to.
    pub(super) fn set(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.set.iter().map(|(key, (value, _))| (*key, value.as_str()))
    }

    /// What is set, for whoever asks for it: key, value and place.
    pub(super) fn into_set(self) -> BTreeMap<&'static str, (String, Place)> {
        self.set
    }
}

/// What to do about a wrong value.
fn default_cure(key: &table::Key) -> String {
    match key.default {
        Some(default) if !default.is_empty() => {
            format!("Correct it, or take it out for the default, {default}.")
        }
        _ if key.is_required => "Correct it.".to_owned(),
        _ => "Correct it, or take it out.".to_owned(),
    }
}
