//! What the database keeps, read off the migrations that made it: each table, each column, how it is protected and what for.
//!
//! Rules: every column has its comment, which a test sees to; what it begins with says how it is protected.

use super::schema::MIGRATIONS;

/// How what stands in a column is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Encrypted.
    Sealed,
    /// A keyed hash of a value, for look-up.
    Index,
    /// A key, wrapped by another.
    Wrapped,
    /// As it is: numbers, times, words of closed lists, hashes.
    Plain,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub protection: Protection,
    /// What it holds.
    pub comment: &'static str,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub name: &'static str,
    pub columns: Vec<Column>,
}

/// All tables, in the order of the migrations.
#[must_use]
pub fn inventory() -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for line in MIGRATIONS.iter().flat_map(|(_, _, text)| text.lines()) {
        if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
            let name = rest.split([' ', '(']).next().unwrap_or_default();
            tables.push(Table { name, columns: Vec::new() });
        } else if let Some(rest) = line.strip_prefix("ALTER TABLE ") {
            let mut words = rest.splitn(4, ' ');
            let name = words.next().unwrap_or_default();
            if let (Some("ADD"), Some("COLUMN"), Some(rest)) = (words.next(), words.next(), words.next())
                && let Some(table) = tables.iter_mut().find(|table| table.name == name)
            {
                table.columns.extend(column(rest));
            }
        } else if let (Some(table), Some(rest)) = (tables.last_mut(), line.strip_prefix("    ")) {
            table.columns.extend(column(rest));
        }
    }
    tables
}

/// `NAME TYPE …, -- COMMENT`; none for a line of constraints.
fn column(text: &'static str) -> Option<Column> {
    let (definition, comment) = text.split_once("--")?;
    let mut words = definition.split_whitespace();
    let (name, kind) = (words.next()?, words.next()?);
    let kind = kind.trim_end_matches([',', ';']);
    if !matches!(kind, "BIGINT" | "BYTEA" | "TEXT") {
        return None;
    }
    let comment = comment.trim();
    let protection = if comment.starts_with("sealed") {
        Protection::Sealed
    } else if name == "wrapped" || name.ends_with("_wrapped") {
        Protection::Wrapped
    } else if name.ends_with("_idx")
        || name.ends_with("_k")
        || name == "source"
        || name == "route"
        || name == "tag"
        || name == "proof"
    {
        Protection::Index
    } else {
        Protection::Plain
    };
    Some(Column { name, protection, comment })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inventory_has_every_table_and_column_of_the_migrations() {
        let tables = inventory();
        let columns = |name: &str| {
            let table = tables.iter().find(|table| table.name == name).unwrap();
            table.columns.iter().map(|column| (column.name, column.protection)).collect::<Vec<_>>()
        };
        assert!(columns("merchant_address").contains(&("address", Protection::Sealed)));
        assert!(columns("merchant_address").contains(&("address_idx", Protection::Index)));
        assert!(columns("data_key").contains(&("wrapped", Protection::Wrapped)));
        assert!(
            columns("credential").contains(&("networks", Protection::Sealed)),
            "one that was added later"
        );
        assert!(columns("record").contains(&("at", Protection::Plain)));
        let lines = MIGRATIONS.iter().flat_map(|(_, _, text)| text.lines());
        let made = lines.filter(|line| line.starts_with("CREATE TABLE ")).count();
        assert_eq!(tables.len(), made);
        assert!(tables.iter().all(|table| !table.columns.is_empty()));
        for table in &tables {
            for column in &table.columns {
                assert!(!column.comment.is_empty(), "{}.{}", table.name, column.name);
            }
        }
    }
}
