//! Many rows in one statement. Both databases open them from one JSON text; where they are thousands, `PostgreSQL` takes them
//! through `COPY` into a table of the transaction's own, which the same statement then reads in place of the JSON.
//!
//! That table is made once a transaction and emptied for each batch: tables made and dropped for each would fill the
//! server's table of locks. It goes with the transaction, so that a connection which others share carries nothing over.

use std::io;

use futures_util::FutureExt;
use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};
use sqlx::{Connection, Postgres, Transaction};

/// Rows from which on `COPY` is worth three round trips more.
pub(super) const WORTH_IT: usize = 2_000;

/// Rows to copy at once: some megabytes, as many as the server keeps of a temporary table in memory.
pub(super) const AT_ONCE: usize = 5_000;

/// Bytes a message.
const PART: usize = 1 << 16;

/// The other form of a statement of [`bulk!`] on `PostgreSQL`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copied {
    /// The columns of a row, in their order.
    pub(crate) columns: &'static [&'static str],
    /// Makes the table of the rows, or empties it.
    pub(crate) room: &'static str,
    /// Takes the rows into it.
    pub(crate) copy: &'static str,
    /// The statement over it; `$2` is null.
    pub(crate) put: &'static str,
}

/// A statement over many rows, given as one JSON array in `$2`; the rows are `r`, and `$1` is the district.
/// Per backend because the two databases open JSON differently, measured faster than a statement a row. `jsonb_each` gives the
/// columns what is already taken apart; with `json_each` each of them would read the row's text anew.
///
/// One that begins with the name of a table may also be given its rows through `COPY`: they have its columns in its order.
macro_rules! bulk {
    (
        $room:ident: $head:literal,
        ($first:ident $first_type:ident $(, $column:ident $type:ident)*),
        $tail:literal
    ) => {
        $crate::store::copy::bulk!($head, ($first $first_type $(, $column $type)*), $tail).copied(
            $crate::store::copy::Copied {
                columns: &[stringify!($first) $(, stringify!($column))*],
                room: concat!(
                    "DO $$ BEGIN IF to_regclass('pg_temp.", stringify!($room), "') IS NULL THEN ",
                    "CREATE TEMPORARY TABLE ", stringify!($room), " (",
                    "\"", stringify!($first), "\" ", stringify!($first_type),
                    $(", \"", stringify!($column), "\" ", stringify!($type),)*
                    ") ON COMMIT DROP; ELSE TRUNCATE pg_temp.", stringify!($room), "; END IF; END $$"
                ),
                copy: concat!("COPY pg_temp.", stringify!($room), " FROM STDIN"),
                put: concat!(
                    $head, " FROM (SELECT * FROM pg_temp.", stringify!($room),
                    " WHERE CAST($2 AS TEXT) IS NULL) AS r ", $tail
                ),
            },
        )
    };
    ($head:literal, ($($column:ident $type:ident),+), $tail:literal) => {
        $crate::store::db::Sql::per_backend(
            concat!(
                $head, " FROM (SELECT j.key AS place",
                $(", json_extract(j.value, '$.", stringify!($column), "') AS \"", stringify!($column), "\"",)+
                " FROM jsonb_each($2) AS j) AS r ", $tail
            ),
            concat!(
                $head, " FROM json_to_recordset(CAST($2 AS JSON)) AS r(place BIGINT",
                $(", \"", stringify!($column), "\" ", stringify!($type),)+
                ") ", $tail
            ),
        )
    };
}
pub(crate) use bulk;

/// Makes the table for the rows, or empties the one that this transaction has.
#[expect(clippy::disallowed_methods, reason = "part of the door")]
pub(super) async fn make_room(tx: &mut Transaction<'static, Postgres>, copied: Copied) -> Result<(), sqlx::Error> {
    sqlx::query(copied.room).execute(&mut **tx).await.map(|_| ())
}

/// Puts these lines, and nothing else, into the table of the rows.
pub(super) async fn copy(
    tx: &mut Transaction<'static, Postgres>,
    copied: Copied,
    lines: &[u8],
) -> Result<(), sqlx::Error> {
    make_room(tx, copied).await?;
    let mut underway = Underway { tx, over: false };
    let done = underway.send(copied.copy, lines).await;
    underway.over = true;
    done
}

/// A `COPY` whose last answer is not there yet. The driver does not count on that answer once nobody waits for it, and would take
/// it for the one to the next statement.
struct Underway<'t> {
    tx: &'t mut Transaction<'static, Postgres>,
    over: bool,
}

impl Underway<'_> {
    async fn send(&mut self, statement: &'static str, lines: &[u8]) -> Result<(), sqlx::Error> {
        let mut copying = self.tx.copy_in_raw(statement).await?;
        for part in lines.chunks(PART) {
            copying.send(part).await?;
        }
        copying.finish().await.map(|_| ())
    }
}

impl Drop for Underway<'_> {
    /// Dropped halfway, it has the connection closed: an error waits for the pool when it takes the connection back.
    fn drop(&mut self) {
        if !self.over {
            // Within a transaction the first is refused, which rolls back. The second is no statement; nobody waits for the server
            // to say so but the pool.
            for _ in 0..2 {
                drop(self.tx.begin_with("BROKEN OFF").now_or_never());
            }
        }
    }
}

/// Rows as `COPY` reads them. A row is flat, and its fields are these columns: texts in the wrong order would be taken.
pub(super) fn lines<T: Serialize>(columns: &'static [&'static str], rows: &[T]) -> Result<Vec<u8>, serde_json::Error> {
    let mut lines = Vec::new();
    rows.serialize(&mut Serializer::with_formatter(&mut lines, Lines { columns, at: 0, naming: false }))?;
    Ok(lines)
}

/// Writes a line where JSON has an object in a list: values parted by tabs, `\N` for none
/// (<https://www.postgresql.org/docs/current/sql-copy.html>, Text Format).
struct Lines {
    columns: &'static [&'static str],
    /// How many fields the row has so far.
    at: usize,
    /// Whether what comes is a field's name.
    naming: bool,
}

fn another_row() -> io::Error {
    io::Error::other("a row has other fields than its statement has columns")
}

impl Formatter for Lines {
    fn write_null<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(br"\N")
    }

    fn begin_string<W: ?Sized + io::Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        Ok(())
    }

    fn end_string<W: ?Sized + io::Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if !self.naming {
            return writer.write_all(fragment.as_bytes());
        }
        if self.columns.get(self.at).is_none_or(|column| *column != fragment) {
            return Err(another_row());
        }
        self.at += 1;
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        let written: &[u8] = match escape {
            CharEscape::ReverseSolidus => br"\\",
            CharEscape::LineFeed => br"\n",
            CharEscape::CarriageReturn => br"\r",
            CharEscape::Tab => br"\t",
            // These mean nothing but themselves.
            CharEscape::Quote => b"\"",
            CharEscape::Solidus => b"/",
            CharEscape::Backspace => b"\x08",
            CharEscape::FormFeed => b"\x0c",
            CharEscape::AsciiControl(byte) => return writer.write_all(&[byte]),
        };
        writer.write_all(written)
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        Ok(())
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        Ok(())
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, _writer: &mut W, _first: bool) -> io::Result<()> {
        Ok(())
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        Ok(())
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.at != self.columns.len() {
            return Err(another_row());
        }
        self.at = 0;
        writer.write_all(b"\n")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.naming = true;
        if first { Ok(()) } else { writer.write_all(b"\t") }
    }

    fn end_object_key<W: ?Sized + io::Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.naming = false;
        Ok(())
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row {
        id: &'static str,
        upload: Option<&'static str>,
        since: i64,
        bridged: bool,
    }

    const COLUMNS: &[&str] = &["id", "upload", "since", "bridged"];

    #[test]
    fn a_row_is_a_line_whatever_its_texts_are() {
        let row = |id, upload| Row { id, upload, since: -1, bridged: true };
        let rows =
            [row("a\tb\nc\r\"'d", None), row(r"\N", Some("")), row(r"\.", Some("\u{1}\u{8}\u{b}\u{c}\u{7f}é😀/"))];
        let lines = String::from_utf8(lines(COLUMNS, &rows).unwrap()).unwrap();
        let wanted = [
            "a\\tb\\nc\\r\"'d\t\\N\t-1\ttrue\n",
            "\\\\N\t\t-1\ttrue\n",
            "\\\\.\t\u{1}\u{8}\u{b}\u{c}\u{7f}é😀/\t-1\ttrue\n",
        ];
        assert_eq!(lines, wanted.concat());
    }

    #[test]
    fn a_row_whose_fields_are_not_the_columns_is_refused() {
        let rows = [Row { id: "a", upload: Some("b"), since: 0, bridged: false }];
        let refused = |columns: &'static [&'static str]| lines(columns, &rows).is_err();
        assert!(!refused(COLUMNS));
        assert!(refused(&["upload", "id", "since", "bridged"]), "another order");
        assert!(refused(&["id", "upload", "since"]), "one too many");
        assert!(refused(&["id", "upload", "since", "bridged", "state"]), "one too few");
    }
}
