//! TOML text and environment variables as one flat list: dotted key, value, place.
//!
//! Rules: a table becomes a prefix, a list of tables becomes `key[1].…`, `key[2].…`; what the environment sets
//! replaces the key and all that lies below it. A key that itself contains a dot is kept in quotes, so that
//! `"storage.url" = …` is not taken for `[storage] url`.
//! When it fails: each syntax error becomes a problem with its line, and what could be read goes on to be checked.

use super::problem::{Place, Problem};
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// Variables with this prefix override keys.
pub(super) const ENVIRONMENT_PREFIX: &str = "ANSHIN__";

/// A value as it was given.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    List(Vec<Value>),
    /// From the environment or a default: it becomes text, a number or a list when it is known which is asked for.
    Raw(String),
    /// `[section]` without a key.
    EmptyTable,
    /// A value no key takes: its name in TOML.
    Other(&'static str),
}

pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) place: Place,
}

#[derive(Default)]
pub(super) struct Tree(pub(super) BTreeMap<String, Entry>);

impl Tree {
    /// Reads a whole document.
    pub(super) fn parse(text: &str, problems: &mut Vec<Problem>) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            // Only the message: the full form quotes the line, which may hold a password.
            let place = error.span().map_or(Place::Default, |s| Place::Line(line_of(text, s.start)));
            let reason = format!("not TOML: {}", error.message().trim());
            problems.push(Problem::new("(file)", place, reason, "correct this line; see https://toml.io"));
        }
        let mut tree = Self::default();
        tree.flatten("", table.get_ref(), &|at| Place::Line(line_of(text, at)));
        tree
    }

    /// Puts the variables that start with `ANSHIN__` on top.
    pub(super) fn overlay(
        &mut self,
        env: impl Iterator<Item = (String, String)>,
        problems: &mut Vec<Problem>,
    ) {
        for (name, text) in env {
            let Some(path) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            let key = path.to_ascii_lowercase().replace("__", ".");
            let below = [format!("{key}."), format!("{key}[")];
            self.0.retain(|k, _| *k != key && !below.iter().any(|b| k.starts_with(b)));
            let place = Place::Environment(name);
            if text.trim_start().starts_with('[') {
                // A list of tables, such as the routes, must be taken apart as in the file.
                match DeValue::parse(&text) {
                    Ok(value) => self.insert(key, value.get_ref(), &|_| place.clone(), place.clone()),
                    Err(error) => {
                        let reason = format!("not TOML: {}", error.message().trim());
                        problems.push(Problem::new(
                            key,
                            place,
                            reason,
                            "write the list as TOML, such as [\"a\", \"b\"]",
                        ));
                    }
                }
            } else {
                self.0.insert(key, Entry { value: Value::Raw(text), place });
            }
        }
    }

    fn flatten(&mut self, prefix: &str, table: &DeTable<'_>, place: &dyn Fn(usize) -> Place) {
        for (name, value) in table {
            let name_text = name.get_ref();
            let quoted = name_text.is_empty() || name_text.contains(['.', '[', ']']);
            let segment = if quoted { format!("{name_text:?}") } else { name_text.to_string() };
            let key = if prefix.is_empty() { segment } else { format!("{prefix}.{segment}") };
            self.insert(key, value.get_ref(), place, place(name.span().start));
        }
    }

    fn insert(&mut self, key: String, value: &DeValue<'_>, place: &dyn Fn(usize) -> Place, here: Place) {
        match value {
            DeValue::Table(table) if !table.is_empty() => self.flatten(&key, table, place),
            DeValue::Array(items) if !items.is_empty() && items.iter().all(|i| i.get_ref().is_table()) => {
                for (i, item) in items.iter().enumerate() {
                    self.insert(format!("{key}[{}]", i + 1), item.get_ref(), place, place(item.span().start));
                }
            }
            other => {
                self.0.insert(key, Entry { value: Value::from_toml(other), place: here });
            }
        }
    }
}

impl Value {
    fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) => {
                let digits = number.as_str();
                i64::from_str_radix(digits, number.radix())
                    .map_or(Self::Other("integer beyond 64 bits"), Self::Integer)
            }
            DeValue::Float(number) => number.as_str().parse().map_or(Self::Other("float"), Self::Float),
            DeValue::Array(items) => Self::List(items.iter().map(|i| Self::from_toml(i.get_ref())).collect()),
            DeValue::Table(table) if table.is_empty() => Self::EmptyTable,
            other => Self::Other(other.type_str()),
        }
    }

    /// A list from its TOML text, `None` when it is none.
    pub(super) fn list_from_text(text: &str) -> Option<Vec<Value>> {
        match Self::from_toml(DeValue::parse(text).ok()?.get_ref()) {
            Self::List(items) => Some(items),
            _ => None,
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|b| *b == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str, env: &[(&str, &str)]) -> (Vec<(String, Place)>, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut tree = Tree::parse(text, &mut problems);
        tree.overlay(env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())), &mut problems);
        (tree.0.into_iter().map(|(k, e)| (k, e.place)).collect(), problems)
    }

    #[test]
    fn every_value_has_a_dotted_key_and_its_line() {
        let (keys, problems) =
            keys("a = 1\n[b]\nc.d = [1]\n[[b.e]]\nf = 2\n[[b.e]]\nf = 3\n[g]\n\"h.i\" = 1\n", &[]);
        assert_eq!(problems, []);
        let lines = [("a", 1), ("b.c.d", 3), ("b.e[1].f", 5), ("b.e[2].f", 7), ("g.\"h.i\"", 9)];
        assert_eq!(keys, lines.map(|(k, l)| (k.to_owned(), Place::Line(l))).to_vec());
    }

    #[test]
    fn the_environment_replaces_a_key_and_what_lies_below_it() {
        let env =
            [("ANSHIN__B__E", "[{f = 1, g = 2}]"), ("ANSHIN__A", "x"), ("ANSHIN_A", "y"), ("PATH", "z")];
        let (keys, problems) = keys("a = 1\n[[b.e]]\nf = 2\n[[b.e]]\nf = 3\n", &env);
        assert_eq!(problems, []);
        let names: Vec<_> = keys.iter().map(|(k, _)| k.as_str()).collect();
        assert_eq!(names, ["a", "b.e[1].f", "b.e[1].g"]);
        assert!(keys.iter().all(|(_, p)| matches!(p, Place::Environment(_))));
    }

    #[test]
    fn a_syntax_error_hides_nothing_else_and_quotes_nothing() {
        let (keys, problems) = keys("a = 1\nurl = \"postgres://u:hunter2@h\nb = 2\n", &[]);
        assert!(keys.iter().any(|(k, _)| k == "a") && keys.iter().any(|(k, _)| k == "b"));
        assert!(!problems.is_empty() && problems.iter().all(|p| !p.reason.contains("hunter2")));
    }
}
