//! What a disk may hold after a power cut, worked out from what was asked of it.
//!
//! A sync makes everything durable that its file was told before. Of what came later, any part may be there, torn at sectors
//! of 512 bytes (SQLite's "powersafe overwrite": a write spoils no byte beside its own). Names are made and removed in order,
//! as a journaling file system does it: a first sync of a file, or a removal that syncs its folder, makes all of them durable.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::chance::Chance;
use crate::support::disk::{Event, FileNo};

const SECTOR: usize = 512;

/// What of a file's unsynced writes is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Survives {
    Nothing,
    Everything,
    /// The first ones, in order.
    Beginning,
    /// Each with so many chances in a hundred.
    Some(usize),
    /// The same of each sector.
    Torn(usize),
}

impl Survives {
    fn drawn(chance: &mut Chance) -> Self {
        let percent = [10, 50, 90][chance.below(3)];
        match chance.below(8) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2 | 3 => Self::Beginning,
            4 | 5 => Self::Some(percent),
            _ => Self::Torn(percent),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct File {
    name: String,
    durable: Vec<u8>,
    synced: bool,
    /// Positions in the trace.
    pending: Vec<usize>,
}

fn put(content: &mut Vec<u8>, at: usize, data: &[u8]) {
    let end = at + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(data);
}

/// The disk at a moment of the trace, which it is taken to step by step.
pub(super) struct Cut<'a> {
    trace: &'a [Event],
    at: usize,
    files: BTreeMap<FileNo, File>,
    /// Names made and removed, and how many of these are durable.
    names: Vec<(FileNo, bool)>,
    durable_names: usize,
    /// What was acknowledged so far.
    pub(super) told: Vec<usize>,
}

impl<'a> Cut<'a> {
    pub(super) fn new(trace: &'a [Event]) -> Self {
        Self { trace, at: 0, files: BTreeMap::new(), names: Vec::new(), durable_names: 0, told: Vec::new() }
    }

    /// Goes on until just before event `to`.
    pub(super) fn advance(&mut self, to: usize) {
        while self.at < to {
            match &self.trace[self.at] {
                Event::Made { file, name } => {
                    self.files.insert(*file, File { name: name.clone(), ..File::default() });
                    self.names.push((*file, true));
                }
                Event::Write { file, .. } | Event::Truncate { file, .. } => {
                    self.files.get_mut(file).unwrap().pending.push(self.at);
                }
                Event::Sync { file } => {
                    let it = self.files.get_mut(file).unwrap();
                    for place in std::mem::take(&mut it.pending) {
                        apply(&self.trace[place], &mut it.durable, |_| true);
                    }
                    if !std::mem::replace(&mut it.synced, true) {
                        self.durable_names = self.names.len();
                    }
                }
                Event::Removed { file, synced } => {
                    self.names.push((*file, false));
                    if *synced {
                        self.durable_names = self.names.len();
                    }
                }
                Event::Told(number) => self.told.push(*number),
            }
            self.at += 1;
        }
    }

    /// One of the images that may be there; the files by name.
    pub(super) fn image(&self, chance: &mut Chance) -> BTreeMap<String, Vec<u8>> {
        let open = self.names.len() - self.durable_names;
        let known = self.durable_names + chance.below(open + 1);
        let mut there: BTreeMap<&str, &File> = BTreeMap::new();
        for (file, made) in &self.names[..known] {
            let file = &self.files[file];
            if *made {
                there.insert(&file.name, file);
            } else {
                there.remove(file.name.as_str());
            }
        }
        there.into_iter().map(|(name, file)| (name.to_owned(), self.content(file, chance))).collect()
    }

    fn content(&self, file: &File, chance: &mut Chance) -> Vec<u8> {
        let survives = Survives::drawn(chance);
        let first = chance.below(file.pending.len() + 1);
        let mut content = file.durable.clone();
        for (n, place) in file.pending.iter().enumerate() {
            let event = &self.trace[*place];
            match survives {
                Survives::Nothing => {}
                Survives::Everything => apply(event, &mut content, |_| true),
                Survives::Beginning if n < first => apply(event, &mut content, |_| true),
                Survives::Beginning => {
                    // the one that was under way when the power went
                    apply(event, &mut content, |_| chance.percent(50));
                    break;
                }
                Survives::Some(percent) => {
                    if chance.percent(percent) {
                        apply(event, &mut content, |_| true);
                    }
                }
                Survives::Torn(percent) => apply(event, &mut content, |_| chance.percent(percent)),
            }
        }
        content
    }
}

/// Does to `content` what was asked, as far as `sector` says.
fn apply(event: &Event, content: &mut Vec<u8>, mut sector: impl FnMut(usize) -> bool) {
    match event {
        Event::Write { at, data, .. } => {
            let mut from = *at;
            while from < at + data.len() {
                let to = ((from / SECTOR + 1) * SECTOR).min(at + data.len());
                if sector(from / SECTOR) {
                    put(content, from, &data[from - at..to - at]);
                }
                from = to;
            }
        }
        Event::Truncate { size, .. } => {
            if sector(size / SECTOR) {
                content.resize(*size, 0);
            }
        }
        Event::Made { .. } | Event::Sync { .. } | Event::Removed { .. } | Event::Told(_) => {}
    }
}

pub(super) fn lay(image: &BTreeMap<String, Vec<u8>>, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, content) in image {
        std::fs::write(folder.join(name), content).unwrap();
    }
}
