//! What a value of the API looks like: read by it when it comes in, and described by it in the OpenAPI document.
//!
//! Rules: nothing passes that the description does not allow, so that both can't part. A text that breaks a finer rule than length and form
//! (an address, a time that is over) is refused where it is used.
//! When it fails: a problem that names the field and never a value: 400 where it is another kind of thing, 422 where it breaks a rule.

use super::super::problem::Problem;
use crate::mail::Timestamp;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

/// A kind of value.
pub(super) enum Shape {
    /// So many characters; a pattern and a format of JSON Schema, for who reads the document.
    Text {
        least: usize,
        most: usize,
        pattern: &'static str,
        format: &'static str,
    },
    /// One of these.
    Word(&'static [&'static str]),
    /// RFC 3339.
    Time,
    Number {
        least: i64,
        most: i64,
    },
    Flag,
    List {
        of: &'static Shape,
        least: usize,
        most: usize,
    },
    Object(&'static [Field]),
    /// Of which nothing is said here.
    Anything,
}

/// Whether a field is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Must,
    /// In a request: it may be left out, or null.
    May,
    /// In an answer: it is left out where there is nothing to say.
    Sometimes,
    /// In an answer: it is there, and null where there is nothing to say.
    Nullable,
}

/// A field of an object.
pub(super) struct Field {
    pub name: &'static str,
    pub need: Need,
    pub shape: Shape,
    pub about: &'static str,
}

pub(super) const fn must(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, need: Need::Must, shape, about }
}

pub(super) const fn may(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, need: Need::May, shape, about }
}

pub(super) const fn sometimes(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, need: Need::Sometimes, shape, about }
}

pub(super) const fn nullable(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, need: Need::Nullable, shape, about }
}

/// Any text.
pub(super) const TEXT: Shape = Shape::Text { least: 0, most: usize::MAX, pattern: "", format: "" };
/// An address: whether it is one says who uses it.
pub(super) const ADDRESS: Shape = Shape::Text { least: 3, most: 254, pattern: "", format: "email" };

pub(super) const fn text(least: usize, most: usize) -> Shape {
    Shape::Text { least, most, pattern: "", format: "" }
}

impl Shape {
    /// As a schema (JSON Schema 2020-12).
    pub fn schema(&self) -> Value {
        match self {
            Shape::Text { least, most, pattern, format } => {
                let mut schema = json!({ "type": "string" });
                if let Some(schema) = schema.as_object_mut() {
                    let mut put = |name: &str, value: Value| schema.insert(name.into(), value);
                    if *least > 0 {
                        put("minLength", (*least).into());
                    }
                    if *most < usize::MAX {
                        put("maxLength", (*most).into());
                    }
                    if !pattern.is_empty() {
                        put("pattern", (*pattern).into());
                    }
                    if !format.is_empty() {
                        put("format", (*format).into());
                    }
                }
                schema
            }
            Shape::Word(words) => json!({ "type": "string", "enum": words }),
            Shape::Time => json!({ "type": "string", "format": "date-time" }),
            Shape::Number { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Shape::Flag => json!({ "type": "boolean" }),
            Shape::List { of, least, most } => {
                let mut schema = json!({ "type": "array", "items": of.schema(), "minItems": least });
                if let (true, Some(schema)) = (*most < usize::MAX, schema.as_object_mut()) {
                    schema.insert("maxItems".into(), (*most).into());
                }
                schema
            }
            Shape::Object(fields) => object_schema(fields),
            Shape::Anything => json!({}),
        }
    }

    /// What is expected, in words.
    fn words(&self) -> String {
        match self {
            Shape::Text { least: 0, most: usize::MAX, .. } => "a text".into(),
            Shape::Text { least, most, .. } => format!("{least} to {most} characters"),
            Shape::Word(words) => format!("one of {}", words.join(", ")),
            Shape::Time => "an RFC 3339 time such as 2027-01-31T23:59:59+09:00".into(),
            Shape::Number { least, most } => format!("a whole number, {least} to {most}"),
            Shape::Flag => "true or false".into(),
            Shape::List { least, most, .. } => format!("a list of {least} to {most}"),
            Shape::Object(_) | Shape::Anything => "an object".into(),
        }
    }

    /// Reads a value. `at`: where it stands.
    fn read(&self, value: &Value, at: &str) -> Result<(), Problem> {
        let malformed = || {
            let detail = format!("{at}: {} is expected", self.words());
            Problem::new(StatusCode::BAD_REQUEST, "The body is malformed", detail)
        };
        let broken = || broken(format!("{at}: {}", self.words()));
        match self {
            Shape::Text { least, most, .. } => {
                let count = value.as_str().ok_or_else(malformed)?.chars().count();
                if (*least..=*most).contains(&count) { Ok(()) } else { Err(broken()) }
            }
            Shape::Word(words) => {
                let word = value.as_str().ok_or_else(malformed)?;
                if words.contains(&word) { Ok(()) } else { Err(broken()) }
            }
            Shape::Time => {
                let text = value.as_str().ok_or_else(malformed)?;
                Timestamp::parse_rfc3339(text).map(|_| ()).ok_or_else(broken)
            }
            Shape::Number { least, most } => {
                let number = value.as_i64().or_else(|| whole(value)).ok_or_else(malformed)?;
                if (*least..=*most).contains(&number) { Ok(()) } else { Err(broken()) }
            }
            Shape::Flag => value.as_bool().map(|_| ()).ok_or_else(malformed),
            Shape::List { of, least, most } => {
                let items = value.as_array().ok_or_else(malformed)?;
                if !(*least..=*most).contains(&items.len()) {
                    return Err(broken());
                }
                items.iter().zip(1..).try_for_each(|(item, i)| of.read(item, &format!("{at} {i}")))
            }
            Shape::Object(fields) => {
                let object = value.as_object().ok_or_else(malformed)?;
                read_object(fields, object, &format!("{at}, "))
            }
            Shape::Anything => Ok(()),
        }
    }
}

/// JSON Schema: 1.0 is an integer too.
fn whole(value: &Value) -> Option<i64> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15)?;
    format!("{number:.0}").parse().ok()
}

/// A rule that is broken.
pub(super) fn broken(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The request breaks a rule", detail)
}

/// An object as a schema: no fields but these.
pub(super) fn object_schema(fields: &[Field]) -> Value {
    let property = |field: &Field| {
        let mut schema = field.shape.schema();
        if let Some(object) = schema.as_object_mut() {
            if matches!(field.need, Need::May | Need::Nullable) {
                if let Some(kind) = object.get("type").cloned() {
                    object.insert("type".into(), json!([kind, "null"]));
                }
                if let Some(words) = object.get_mut("enum").and_then(Value::as_array_mut) {
                    words.push(Value::Null);
                }
            }
            if !field.about.is_empty() {
                object.insert("description".into(), field.about.into());
            }
        }
        (field.name.to_owned(), schema)
    };
    let is_needed = |field: &&Field| matches!(field.need, Need::Must | Need::Nullable);
    let required: Vec<&str> = fields.iter().filter(is_needed).map(|field| field.name).collect();
    json!({
        "type": "object",
        "properties": fields.iter().map(property).collect::<Map<String, Value>>(),
        "required": required,
        "additionalProperties": false,
    })
}

fn read_object(fields: &[Field], object: &Map<String, Value>, at: &str) -> Result<(), Problem> {
    let malformed = |detail| Problem::new(StatusCode::BAD_REQUEST, "The body is malformed", detail);
    if object.keys().any(|name| !fields.iter().any(|field| field.name == name)) {
        let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
        return Err(malformed(format!("{at}the fields are {}, and there is another", names.join(", "))));
    }
    for field in fields {
        match object.get(field.name) {
            None if field.need == Need::Must => {
                return Err(malformed(format!("{at}{}: it is missing", field.name)));
            }
            None => {}
            Some(Value::Null) if field.need == Need::May => {}
            Some(value) => field.shape.read(value, &format!("{at}{}", field.name))?,
        }
    }
    Ok(())
}

/// The fields of a request, which are as their description says.
#[derive(Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Of a body.
    pub fn of_body(fields: &[Field], octets: &[u8]) -> Result<Self, Problem> {
        let value: Value = serde_json::from_slice(octets).map_err(|error| {
            // The position only: the library's text can quote a value.
            let (line, column) = (error.line(), error.column());
            let detail = format!("the body is not JSON (line {line}, column {column})");
            Problem::new(StatusCode::BAD_REQUEST, "The body is malformed", detail)
        })?;
        let Value::Object(object) = value else {
            let detail = "the body is a JSON object; see the documentation for its fields";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "The body is malformed", detail));
        };
        read_object(fields, &object, "")?;
        Ok(Self(object))
    }

    /// Of a query, each parameter once.
    pub fn of_query(fields: &[Field], pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let malformed = || {
            let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
            let detail = match names.as_slice() {
                [] => "there are no parameters here".to_owned(),
                names => format!("the parameters are {}, each once, percent-encoded UTF-8", names.join(", ")),
            };
            Problem::new(StatusCode::BAD_REQUEST, "The parameters are malformed", detail)
        };
        let mut object = Map::new();
        for (name, text) in pairs {
            let field = fields.iter().find(|field| field.name == name).ok_or_else(malformed)?;
            let value = match field.shape {
                Shape::Number { .. } => text.parse::<i64>().map(Value::from).map_err(|_| malformed())?,
                _ => text.into(),
            };
            if object.insert(name, value).is_some() {
                return Err(malformed());
            }
        }
        read_object(fields, &object, "")?;
        Ok(Self(object))
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A text that must be there.
    pub fn must(&self, name: &str) -> String {
        self.text(name).unwrap_or_default().to_owned()
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        let value = self.0.get(name)?;
        value.as_i64().or_else(|| whole(value))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    pub fn time(&self, name: &str) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(self.text(name)?)
    }

    pub fn texts(&self, name: &str) -> Vec<String> {
        let items = self.0.get(name).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    }

    /// A list of objects, taken out.
    pub fn take_objects(&mut self, name: &str) -> Vec<Fields> {
        let Some(Value::Array(items)) = self.0.remove(name) else { return Vec::new() };
        let object = |item| match item {
            Value::Object(object) => Some(Fields(object)),
            _ => None,
        };
        items.into_iter().filter_map(object).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Shape = text(1, 3);
    const FIELDS: &[Field] = &[
        must("name", text(1, 3), ""),
        may("at", Shape::Time, ""),
        may("many", Shape::List { of: &WORDS, least: 1, most: 2 }, ""),
        may("limit", Shape::Number { least: 1, most: 9 }, ""),
    ];

    #[test]
    fn what_the_description_does_not_allow_is_refused_by_the_name_of_its_field() {
        let read = |body: &str| Fields::of_body(FIELDS, body.as_bytes()).map(|_| ()).map_err(|p| p.told());
        for good in [
            "{\"name\":\"あいう\"}",
            "{\"name\":\"a\",\"at\":null,\"many\":[\"a\",\"b\"],\"limit\":9.0}",
            "{\"name\":\"a\",\"at\":\"2027-01-31T23:59:59+09:00\"}",
        ] {
            assert_eq!(read(good), Ok(()), "{good}");
        }
        for (bad, status, word) in [
            ("{", 400, "line 1"),
            ("[]", 400, "object"),
            ("{}", 400, "name: it is missing"),
            ("{\"name\":null}", 400, "name: 1 to 3"),
            ("{\"name\":7}", 400, "name"),
            ("{\"name\":\"a\",\"secret\":\"x\"}", 400, "the fields are name, at"),
            ("{\"name\":\"\"}", 422, "name: 1 to 3"),
            ("{\"name\":\"abcd\"}", 422, "name: 1 to 3"),
            ("{\"name\":\"a\",\"at\":\"tomorrow\"}", 422, "RFC 3339"),
            ("{\"name\":\"a\",\"many\":[]}", 422, "many: a list of 1 to 2"),
            ("{\"name\":\"a\",\"many\":[\"a\",\"abcd\"]}", 422, "many 2: 1 to 3"),
            ("{\"name\":\"a\",\"limit\":0}", 422, "limit"),
            ("{\"name\":\"a\",\"limit\":1.5}", 400, "limit"),
            ("{\"name\":\"a\",\"limit\":true}", 400, "limit"),
        ] {
            let (told, detail) = read(bad).unwrap_err();
            assert!(told == status && detail.contains(word), "{bad}: {told} {detail}");
            assert!(!detail.contains("abcd") && !detail.contains("secret"), "{detail}");
        }
    }
}
