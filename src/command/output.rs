//! What goes to standard output and standard error. Tables and color on a terminal only, never when piped or `NO_COLOR` is set.
#![expect(clippy::print_stderr, reason = "commands talk to people; this is the one place that does")]

use std::io::{IsTerminal, Write as _};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::command::CommandError;

/// How answers are written.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON document instead of text.
    pub json: bool,
    /// Whether a person looks at standard output.
    pub terminal: bool,
    /// Whether color may be used there.
    pub color: bool,
}

/// How a word is colored.
#[derive(Clone, Copy, Debug)]
pub enum Tone {
    /// Done.
    Good,
    /// Look here.
    Attention,
    /// Wrong.
    Bad,
    /// Beside the point.
    Quiet,
}

impl Output {
    /// For this process's standard output.
    pub fn new(json: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json, terminal, color }
    }

    /// One JSON document.
    pub fn document<T: Serialize>(self, value: &T) -> Result<(), CommandError> {
        let text = if self.terminal { serde_json::to_string_pretty(value)? } else { serde_json::to_string(value)? };
        self.line(&text)
    }

    /// One line of text.
    pub fn line(self, text: &str) -> Result<(), CommandError> {
        let mut out = std::io::stdout().lock();
        match writeln!(out, "{text}") {
            // The reader went away, as `head` does: nothing more to say.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// A table with a header row; plain columns when piped.
    pub fn table(self, header: &[&str], rows: Vec<Vec<String>>) -> Result<(), CommandError> {
        let mut table = Table::new();
        table.load_style(if self.terminal { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING });
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(header.iter().copied());
        for row in rows {
            table.add_row(row);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        self.line(&lines.join("\n"))
    }

    /// Colors a word where that is allowed.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Attention => "33",
            Tone::Bad => "31",
            Tone::Quiet => "2",
        };
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// A complaint on standard error.
pub(super) fn complain(message: &str) {
    eprintln!("rosterd: {message}");
}

/// Progress or a hint on standard error.
pub(super) fn tell(message: &str) {
    eprintln!("{message}");
}
