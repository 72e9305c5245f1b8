//! CSV for people and their spreadsheets.

/// A cell that spreadsheets would run gets a quote before it (safety.md, People's data).
pub fn safe_cell(cell: &str) -> String {
    let runs = |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\0' | '＝' | '＋' | '－' | '＠');
    if cell.starts_with(runs) { format!("'{cell}") } else { cell.to_owned() }
}

/// Safe cells as one line, quoted where they need it; without the end of the line.
pub fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let quoted = cells.into_iter().map(|cell| {
        let cell = safe_cell(cell);
        let plain = !cell.contains(['"', ',', '\n', '\r']);
        if plain { cell } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
    });
    quoted.collect::<Vec<_>>().join(",")
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
