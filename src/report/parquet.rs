//! Audit entries as Apache Parquet, for warehouses: the columns of interface.md in their order, `at` as a timestamp, `before` and
//! `after` as JSON.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::Value;

use crate::audit::Entry;
use crate::model::RunId;

const SCHEMA: &str = "message audit {
    required int64 seq;
    required binary district (string);
    optional binary run (string);
    required int64 at (timestamp(millis, true));
    required binary actor (string);
    required binary category (string);
    required binary action (string);
    required binary entity (string);
    required binary id (string);
    optional binary before (json);
    optional binary after (json);
    optional binary reason (string);
    required binary prev (string);
    required binary hash (string);
}";

/// Entries that are written together: readers skip whole groups.
const GROUP: usize = 50_000;

/// A file in the making; without [`AuditFile::finish`] it is none.
pub struct AuditFile<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    waiting: Vec<Entry>,
}

impl<W: Write + Send> std::fmt::Debug for AuditFile<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditFile").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

impl<W: Write + Send> AuditFile<W> {
    /// Begins one.
    pub fn new(sink: W) -> Result<Self> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        Ok(Self { writer: SerializedFileWriter::new(sink, schema, Arc::new(properties))?, waiting: Vec::new() })
    }

    /// Adds entries.
    pub fn add(&mut self, entries: Vec<Entry>) -> Result<()> {
        self.waiting.extend(entries);
        if self.waiting.len() >= GROUP { self.group() } else { Ok(()) }
    }

    /// Ends it.
    pub fn finish(mut self) -> Result<()> {
        self.group()?;
        self.writer.close().map(drop)
    }

    fn group(&mut self) -> Result<()> {
        let entries = std::mem::take(&mut self.waiting);
        if entries.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        let json = |it: &Option<Value>| it.as_ref().map(ToString::to_string);
        numbers(&mut group, entries.iter().map(|it| it.seq))?;
        texts(&mut group, entries.iter().map(|it| it.district.as_str()))?;
        some(&mut group, entries.iter().map(|it| it.run.as_ref().map(RunId::as_str)))?;
        numbers(&mut group, entries.iter().map(|it| it.at.millis()))?;
        texts(&mut group, entries.iter().map(|it| it.actor.as_str()))?;
        texts(&mut group, entries.iter().map(|it| it.category.as_str()))?;
        texts(&mut group, entries.iter().map(|it| it.action.as_str()))?;
        texts(&mut group, entries.iter().map(|it| it.entity.as_str()))?;
        texts(&mut group, entries.iter().map(|it| it.id.as_str()))?;
        some(&mut group, entries.iter().map(|it| json(&it.before)))?;
        some(&mut group, entries.iter().map(|it| json(&it.after)))?;
        some(&mut group, entries.iter().map(|it| it.reason.as_deref()))?;
        texts(&mut group, entries.iter().map(|it| it.prev.as_str()))?;
        texts(&mut group, entries.iter().map(|it| it.hash.as_str()))?;
        group.close().map(drop)
    }
}

fn missing() -> ParquetError {
    ParquetError::General("the schema has fewer columns than an entry".to_owned())
}

fn numbers<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = i64>,
) -> Result<()> {
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<Int64Type>().write_batch(&values.collect::<Vec<_>>(), None, None)?;
    column.close()
}

fn texts<'a, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = &'a str>,
) -> Result<()> {
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<ByteArrayType>().write_batch(&values.map(ByteArray::from).collect::<Vec<_>>(), None, None)?;
    column.close()
}

/// Texts of which some are not there.
fn some<W: Write + Send, T: AsRef<str>>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = Option<T>>,
) -> Result<()> {
    let mut column = group.next_column()?.ok_or_else(missing)?;
    let values: Vec<Option<T>> = values.collect();
    let there: Vec<i16> = values.iter().map(|it| i16::from(it.is_some())).collect();
    let texts: Vec<ByteArray> = values.iter().flatten().map(|it| ByteArray::from(it.as_ref())).collect();
    column.typed::<ByteArrayType>().write_batch(&texts, Some(&there), None)?;
    column.close()
}
