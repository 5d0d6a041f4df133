//! The effective configuration as text: the same keys as the file, so that it can be read back, secrets masked.

use super::Config;
use serde::Serializer;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

impl Config {
    /// The effective configuration as TOML. A password in the storage URL is masked.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|fault| format!("# cannot be shown as TOML: {fault}\n"))
    }

    /// The effective configuration as JSON, with the keys of the file. A password in the storage URL is masked.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// A duration in the largest unit that needs no fraction.
pub(super) fn duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&duration_text(*duration))
}

/// A duration, or empty text where there is none.
pub(super) fn optional_duration<S: Serializer>(
    value: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    optional(&value.map(duration_text), serializer)
}

/// What can be printed, as text.
pub(super) fn text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// What can be printed, as texts.
pub(super) fn texts<T: Display, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(ToString::to_string))
}

/// A value, or empty text where there is none.
pub(super) fn optional<T: Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_str(""),
    }
}

/// A path, or empty text where there is none.
pub(super) fn optional_path<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    optional(&path.as_ref().map(|p| p.display()), serializer)
}

/// A duration in the largest unit that needs no fraction, as the file has it.
pub(super) fn duration_text(duration: Duration) -> String {
    let millis = duration.as_millis();
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")]
        .into_iter()
        .find(|(unit, _)| millis.is_multiple_of(*unit))
        .map_or_else(|| format!("{millis}ms"), |(unit, name)| format!("{}{name}", millis / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_shown_in_its_largest_whole_unit() {
        for (millis, text) in
            [(1, "1ms"), (1500, "1500ms"), (60_000, "1m"), (90_000, "90s"), (259_200_000, "3d")]
        {
            assert_eq!(duration_text(Duration::from_millis(millis)), text);
        }
    }
}
