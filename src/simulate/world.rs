//! The districts of a simulated world and what they hold on each day.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use serde_json::Value;

use super::SimulateError;
use super::defects::Defects;
use super::generate;
use super::oneroster::Version;
use super::package;
use super::package::PackageFile;
use super::patch::DayPatch;
use super::patch::Objects;
use super::table::CsvSet;

/// The format a district is kept in, and so which server serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OneRoster CSV, served as OneRoster REST and written as folders and zips.
    OneRosterCsv,
    /// Clever JSON, served by the Clever server.
    Clever,
}

/// The collections of a Clever fixture, one file each.
const CLEVER_FILES: [&str; 6] = ["districts", "schools", "sections", "courses", "terms", "users"];

/// What a district holds on one day.
#[derive(Debug)]
pub(crate) enum Day {
    OneRoster(CsvSet),
    Clever(Objects),
}

#[derive(Debug)]
struct District {
    source: Source,
    /// Patches with their files, ascending by day.
    patches: Vec<(PathBuf, DayPatch)>,
    /// Days already made; a district is small next to the making of it.
    days: Mutex<BTreeMap<u32, Arc<Day>>>,
}

#[derive(Debug)]
enum Source {
    Csv(CsvSet),
    Clever(Objects),
    Generated(generate::District),
}

/// Simulated districts by name.
#[derive(Debug, Default)]
pub struct World {
    districts: BTreeMap<String, District>,
}

impl World {
    /// Loads a district's folder, or every direct subfolder that is one; a district is named after its folder. All days are
    /// tried once, so that a patch that does not fit is said now.
    pub fn load(dir: &Path) -> Result<World, SimulateError> {
        let mut folders = Vec::new();
        if format_of(dir).is_some() {
            folders.push(dir.canonicalize().map_err(|source| SimulateError::Read { path: dir.to_owned(), source })?);
        } else {
            let unread = |source| SimulateError::Read { path: dir.to_owned(), source };
            for entry in std::fs::read_dir(dir).map_err(unread)? {
                let path = entry.map_err(unread)?.path();
                if format_of(&path).is_some() {
                    folders.push(path);
                }
            }
        }
        let mut world = World::default();
        for folder in folders {
            let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            world.districts.insert(name, District::load(&folder)?);
        }
        if world.districts.is_empty() {
            return Err(SimulateError::NoDistrict { path: dir.to_owned() });
        }
        for name in world.districts() {
            world.day(name, world.last_day(name))?;
        }
        Ok(world)
    }

    /// A world of generated districts, each named by its `id`; day N is its `night(N)`.
    pub fn from_generated(districts: impl IntoIterator<Item = generate::District>) -> World {
        let made = |district: generate::District| {
            let name = district.id.clone();
            let source = Source::Generated(district);
            (name, District { source, patches: Vec::new(), days: Mutex::default() })
        };
        World { districts: districts.into_iter().map(made).collect() }
    }

    /// The names of the districts, sorted.
    pub fn districts(&self) -> impl Iterator<Item = &str> {
        self.districts.keys().map(String::as_str)
    }

    /// The format of a district, if there is one of this name.
    pub fn format(&self, district: &str) -> Option<Format> {
        self.districts.get(district).map(|district| match district.source {
            Source::Clever(_) => Format::Clever,
            Source::Csv(_) | Source::Generated(_) => Format::OneRosterCsv,
        })
    }

    /// Clever's own id of a district in Clever's format.
    pub fn clever_id(&self, district: &str) -> Option<&str> {
        match &self.districts.get(district)?.source {
            Source::Clever(objects) => objects.get("districts")?.keys().next().map(String::as_str),
            Source::Csv(_) | Source::Generated(_) => None,
        }
    }

    /// The last day a district has a patch for; 1 without any. Later days are like it, but a generated district goes on.
    pub fn last_day(&self, district: &str) -> u32 {
        let patches = self.districts.get(district).map(|district| district.patches.as_slice());
        patches.and_then(<[_]>::last).map_or(1, |(_, patch)| patch.day)
    }

    /// What happens on a day, in one sentence, where its patch says so.
    pub fn says(&self, district: &str, day: u32) -> Option<&str> {
        let patches = &self.districts.get(district)?.patches;
        patches.iter().find(|(_, patch)| patch.day == day).map(|(_, patch)| patch.says.as_str())
    }

    /// Writes the OneRoster 1.1 CSV files of a day into a folder, manifest last.
    pub fn csv_folder(&self, district: &str, day: u32, target: &Path) -> Result<(), SimulateError> {
        self.write_package(district, day, Version::V1p1, target, package::write_folder)
    }

    /// As [`World::csv_folder`], in the version asked for: 1.2 has `roles.csv`.
    pub fn csv_folder_as(
        &self,
        district: &str,
        day: u32,
        version: Version,
        target: &Path,
    ) -> Result<(), SimulateError> {
        self.write_package(district, day, version, target, package::write_folder)
    }

    /// Writes the OneRoster 1.1 CSV files of a day as a zip; the file appears whole.
    pub fn csv_zip(&self, district: &str, day: u32, target: &Path) -> Result<(), SimulateError> {
        self.write_package(district, day, Version::V1p1, target, package::write_zip)
    }

    /// As [`World::csv_zip`], in the version asked for.
    pub fn csv_zip_as(&self, district: &str, day: u32, version: Version, target: &Path) -> Result<(), SimulateError> {
        self.write_package(district, day, version, target, package::write_zip)
    }

    /// As [`World::csv_folder`], with defects.
    pub fn csv_folder_with(
        &self,
        district: &str,
        day: u32,
        defects: &Defects,
        target: &Path,
    ) -> Result<(), SimulateError> {
        self.write_package(district, day, Version::V1p1, target, |files, target| defects.write_folder(files, target))
    }

    /// As [`World::csv_zip`], with defects.
    pub fn csv_zip_with(
        &self,
        district: &str,
        day: u32,
        defects: &Defects,
        target: &Path,
    ) -> Result<(), SimulateError> {
        self.write_package(district, day, Version::V1p1, target, |files, target| defects.write_zip(files, target))
    }

    fn write_package(
        &self,
        district: &str,
        day: u32,
        version: Version,
        target: &Path,
        write: impl FnOnce(Vec<PackageFile<'_>>, &Path) -> Result<(), SimulateError>,
    ) -> Result<(), SimulateError> {
        let held = self.held(district)?;
        if let (Source::Generated(generated), Version::V1p1) = (&held.source, version) {
            return write(generated.night(day).package(), target);
        }
        match (&*self.day(district, day)?, version) {
            (Day::OneRoster(set), Version::V1p1) => write(set.package(), target),
            (Day::OneRoster(set), Version::V1p2) => write(set.clone().into_v1p2().package(), target),
            (Day::Clever(_), _) => Err(SimulateError::NotCsv { district: district.to_owned() }),
        }
    }

    fn held(&self, district: &str) -> Result<&District, SimulateError> {
        self.districts.get(district).ok_or_else(|| SimulateError::UnknownDistrict { district: district.to_owned() })
    }

    /// What a district holds on a day: its data with the patches up to that day.
    pub(crate) fn day(&self, district: &str, day: u32) -> Result<Arc<Day>, SimulateError> {
        let held = self.held(district)?;
        if let Some(made) = held.days.lock().unwrap_or_else(PoisonError::into_inner).get(&day) {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(held.make(day)?);
        held.days.lock().unwrap_or_else(PoisonError::into_inner).insert(day, Arc::clone(&made));
        Ok(made)
    }
}

impl District {
    fn load(folder: &Path) -> Result<District, SimulateError> {
        let source = match format_of(folder) {
            Some(Format::Clever) => Source::Clever(read_objects(folder)?),
            Some(Format::OneRosterCsv) | None => Source::Csv(CsvSet::read(folder)?),
        };
        let mut patches = Vec::new();
        for day in 2.. {
            let path = folder.join(format!("day-{day}.json"));
            if !path.exists() {
                break;
            }
            let patch = DayPatch::read(&path)?;
            if patch.day != day {
                let problem = format!("the file is of day {day}, its text says {}", patch.day);
                return Err(SimulateError::Patch { path, change: 0, problem });
            }
            patches.push((path, patch));
        }
        Ok(District { source, patches, days: Mutex::default() })
    }

    fn make(&self, day: u32) -> Result<Day, SimulateError> {
        let due = self.patches.iter().filter(|(_, patch)| patch.day <= day);
        match &self.source {
            Source::Csv(base) => {
                let mut set = base.clone();
                due.into_iter().try_for_each(|(path, patch)| patch.apply_to_csv(&mut set, path))?;
                Ok(Day::OneRoster(set))
            }
            Source::Clever(base) => {
                let mut objects = base.clone();
                due.into_iter().try_for_each(|(path, patch)| patch.apply_to_objects(&mut objects, path))?;
                Ok(Day::Clever(objects))
            }
            Source::Generated(generated) => Ok(Day::OneRoster(generated.night(day).to_set())),
        }
    }
}

fn format_of(folder: &Path) -> Option<Format> {
    if folder.join("districts.json").is_file() {
        Some(Format::Clever)
    } else {
        folder.join("orgs.csv").is_file().then_some(Format::OneRosterCsv)
    }
}

fn read_objects(folder: &Path) -> Result<Objects, SimulateError> {
    let mut objects = Objects::new();
    for file in CLEVER_FILES {
        let path = folder.join(format!("{file}.json"));
        let bytes = std::fs::read(&path).map_err(|source| SimulateError::Read { path: path.clone(), source })?;
        let list: Vec<Value> = serde_json::from_slice(&bytes).map_err(|error| SimulateError::Json {
            path: path.clone(),
            line: error.line(),
            column: error.column(),
            problem: "not an array of objects",
        })?;
        let kind = objects.entry(file.to_owned()).or_default();
        for (at, object) in list.into_iter().enumerate() {
            let id = object.get("id").and_then(Value::as_str).map(str::to_owned);
            let fresh = id.filter(|id| !kind.contains_key(id));
            let Some(id) = fresh else {
                let problem = "an object without an id, or with the id of an earlier one";
                return Err(SimulateError::Json { path, line: at + 2, column: 1, problem });
            };
            kind.insert(id, object);
        }
    }
    Ok(objects)
}
