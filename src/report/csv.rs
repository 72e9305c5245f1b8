//! CSV for people and their spreadsheets.

/// A cell that spreadsheets would run gets a quote before it (safety.md, People's data).
pub fn safe_cell(cell: &str) -> String {
    let runs = |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\0' | '＝' | '＋' | '－' | '＠');
    if cell.starts_with(runs) { format!("'{cell}") } else { cell.to_owned() }
}

/// Safe cells as one line, quoted where they need it; without the end of the line.
///
/// # Panics
///
/// Never: nothing is written but to memory.
#[expect(clippy::expect_used, reason = "nothing is written but to memory")]
pub fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(cells.into_iter().map(safe_cell)).expect("memory takes every byte");
    let mut bytes = writer.into_inner().expect("memory takes every byte");
    bytes.pop();
    String::from_utf8(bytes).expect("cells are text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_its_cells_and_runs_nothing() {
        let cells = ["a", "", "b,c", "say \"x\"", "two\nlines", "=1+1", "＝1"];
        let text = line(cells);
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let back: Vec<String> = reader.records().next().unwrap().unwrap().iter().map(str::to_owned).collect();
        assert_eq!(back, ["a", "", "b,c", "say \"x\"", "two\nlines", "'=1+1", "'＝1"]);
    }
}
