//! `rosterd completions` and `rosterd man`: what a shell and `man` want to know of this program.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::command::{Cli, CommandError, Output, output};

/// Completions for a shell, to standard output
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Which
    shell: Shell,
}

/// Manual pages, one for each command
#[derive(Debug, Args)]
pub(super) struct Man {
    /// The folder they are written to
    folder: PathBuf,
}

impl Completions {
    pub(super) fn run(&self, output: Output) -> Result<u8, CommandError> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "rosterd", &mut text);
        output.line(String::from_utf8_lossy(&text).trim_end())?;
        Ok(0)
    }
}

/// The document, to standard output.
pub(super) fn openapi(output: Output) -> Result<u8, CommandError> {
    output.line(&format!("{:#}", crate::http::openapi::document()))?;
    Ok(0)
}

impl Man {
    pub(super) fn run(&self) -> Result<u8, CommandError> {
        let failed = |error: std::io::Error| {
            CommandError::Failed(format!("cannot write to {}: {}", self.folder.display(), error.kind()))
        };
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        clap_mangen::generate_to(Cli::command(), &self.folder).map_err(failed)?;
        output::tell(&format!("the pages are in {}", self.folder.display()));
        Ok(0)
    }
}
