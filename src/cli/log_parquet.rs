//! Rows as Apache Parquet: a column a field, times as timestamps in UTC, lists as lists.
//!
//! Rules: a group of rows is held in memory until it is full, however long the answer is; what is no longer than a group reads as one.
//! When it fails: [`Failure`]; the file does not get its name.

use super::arguments_search::Names;
use super::log_rows::{FIELDS, name};
use super::output::Failure;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};
use serde_json::Value;
use std::io::Write;
use std::sync::Arc;

/// Rows of a group.
const GROUP: usize = 50_000;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Time,
    Text,
    Number,
    Texts,
}

/// The columns of a search, by their names there.
pub(super) fn columns(names: Names) -> Vec<Column> {
    let kind = |field: &str| match field {
        "at" => Kind::Time,
        "asn" | "size" | "recipients" | "files" | "hops" => Kind::Number,
        "flags" | "matched" => Kind::Texts,
        _ => Kind::Text,
    };
    FIELDS
        .iter()
        .map(|field| Column { field: field.0, name: name(field, names), kind: kind(field.0) })
        .collect()
}

/// A column: of which field of a row, under which name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub field: &'static str,
    pub name: &'static str,
    pub kind: Kind,
}

/// Rows that become a file.
pub(super) struct ParquetRows<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Column>,
    rows: Vec<Value>,
}

fn told(fault: ParquetError) -> Failure {
    Failure::new(format!("the file can't be written: {fault}"))
}

impl<W: Write + Send> ParquetRows<W> {
    /// Begins a file; `about` stands in its metadata.
    pub fn begin(file: W, columns: Vec<Column>, about: &[(&str, String)]) -> Result<Self, Failure> {
        let fields = columns.iter().map(|column| schema_of(column.kind, column.name));
        let fields = fields.collect::<Result<Vec<TypePtr>, _>>().map_err(told)?;
        let schema = Type::group_type_builder("rows").with_fields(fields).build().map_err(told)?;
        let about = about.iter().map(|(name, value)| KeyValue::new(format!("anshin.{name}"), value.clone()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(format!("anshin {}", env!("CARGO_PKG_VERSION")))
            .set_key_value_metadata(Some(about.collect()))
            .build();
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).map_err(told)?;
        Ok(Self { writer, columns, rows: Vec::new() })
    }

    /// Adds a row: an object, whose time, where a column is one, is milliseconds.
    pub fn add(&mut self, row: Value) -> Result<(), Failure> {
        self.rows.push(row);
        if self.rows.len() >= GROUP { self.write().map_err(told) } else { Ok(()) }
    }

    /// Writes what is left, and the file's end.
    pub fn finish(mut self) -> Result<W, Failure> {
        self.write().map_err(told)?;
        self.writer.into_inner().map_err(told)
    }

    fn write(&mut self) -> Result<(), ParquetError> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for Column { field, kind, .. } in &self.columns {
            let Some(mut column) = group.next_column()? else { break };
            let values = rows.iter().map(|row| row.get(field));
            match kind {
                Kind::Time => {
                    let values: Vec<i64> =
                        values.map(|at| at.and_then(Value::as_i64).unwrap_or_default()).collect();
                    column.typed::<Int64Type>().write_batch(&values, None, None)?;
                }
                Kind::Number => {
                    let (mut numbers, mut there) = (Vec::new(), Vec::with_capacity(rows.len()));
                    for number in values.map(|value| value.and_then(Value::as_i64)) {
                        there.push(i16::from(number.is_some()));
                        numbers.extend(number);
                    }
                    column.typed::<Int64Type>().write_batch(&numbers, Some(&there), None)?;
                }
                Kind::Text => {
                    let (mut texts, mut there) = (Vec::new(), Vec::with_capacity(rows.len()));
                    for text in values.map(|value| value.and_then(Value::as_str)) {
                        there.push(i16::from(text.is_some()));
                        texts.extend(text.map(ByteArray::from));
                    }
                    column.typed::<ByteArrayType>().write_batch(&texts, Some(&there), None)?;
                }
                Kind::Texts => {
                    let (mut texts, mut there, mut goes_on) = (Vec::new(), Vec::new(), Vec::new());
                    for list in values {
                        let items = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                        // A row without any has one place, in which nothing is.
                        let places = items.len().max(1);
                        there.extend(std::iter::repeat_n(i16::from(!items.is_empty()), places));
                        goes_on.extend((0..places).map(|place| i16::from(place > 0)));
                        texts.extend(items.iter().filter_map(Value::as_str).map(ByteArray::from));
                    }
                    column.typed::<ByteArrayType>().write_batch(&texts, Some(&there), Some(&goes_on))?;
                }
            }
            column.close()?;
        }
        group.close()?;
        Ok(())
    }
}

/// The schema of a column.
fn schema_of(kind: Kind, name: &str) -> Result<TypePtr, ParquetError> {
    let text = |name: &str, repetition| {
        Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
            .with_logical_type(Some(LogicalType::String))
            .with_repetition(repetition)
            .build()
    };
    let number = |repetition| Type::primitive_type_builder(name, Physical::INT64).with_repetition(repetition);
    let column = match kind {
        Kind::Text => text(name, Repetition::OPTIONAL)?,
        Kind::Number => number(Repetition::OPTIONAL).build()?,
        Kind::Time => {
            let time = LogicalType::timestamp(true, TimeUnit::MILLIS);
            number(Repetition::REQUIRED).with_logical_type(Some(time)).build()?
        }
        // A list in three levels (Parquet's LogicalTypes.md, Lists).
        Kind::Texts => {
            let element = Arc::new(text("element", Repetition::REQUIRED)?);
            let list = Type::group_type_builder("list")
                .with_repetition(Repetition::REPEATED)
                .with_fields(vec![element])
                .build()?;
            Type::group_type_builder(name)
                .with_repetition(Repetition::REQUIRED)
                .with_logical_type(Some(LogicalType::List))
                .with_fields(vec![Arc::new(list)])
                .build()?
        }
    };
    Ok(Arc::new(column))
}
