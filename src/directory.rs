//! Which districts there are: those configured, and those that apps list.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Settings;
use crate::district::{District, FirstSync};
use crate::feed::{App, FeedError, Turnstile};
use crate::model::DistrictId;

/// The districts known now, by id.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    districts: BTreeMap<DistrictId, District>,
    /// Apps whose list could not be read; their districts are unknown for now, which is not "gone".
    pub problems: Vec<Problem>,
}

/// An app that did not answer.
#[derive(Clone, Debug)]
pub struct Problem {
    /// `clever_app` or `classlink_app`.
    pub table: &'static str,
    /// The app's `id`.
    pub app: String,
    /// What, where, and what to do.
    pub message: String,
}

impl Directory {
    /// Those named in the configuration alone.
    pub fn configured(settings: &Settings) -> Self {
        let districts = settings.district.iter().map(|it| (it.id(), it.clone())).collect();
        Self { districts, problems: Vec::new() }
    }

    /// Those configured and those that every app lists. A district that is configured by hand under the source's id keeps its
    /// own settings. Where a list counts as what is asked for districts does, it is asked for at the turnstile.
    pub async fn discover(settings: &Settings, turnstile: Option<&Arc<dyn Turnstile>>) -> Self {
        let mut directory = Self::configured(settings);
        for app in settings.apps() {
            match app.districts(crate::secret::process_environment, turnstile).await {
                Ok(found) => directory.add(&app, found),
                Err(error) => directory.problems.push(problem(&app, &error)),
            }
        }
        directory
    }

    fn add(&mut self, app: &App, found: Vec<String>) {
        let by_hand = self.source_ids();
        for id in found.into_iter().filter(|id| !by_hand.contains(id)) {
            if let Ok(known) = DistrictId::parse(&id) {
                self.districts.entry(known).or_insert_with(|| of_app(app, id));
            }
        }
    }

    fn source_ids(&self) -> Vec<String> {
        self.districts.values().filter_map(|it| it.feed.source_id().map(str::to_owned)).collect()
    }

    /// Keeps the known districts of apps that did not answer: silence is never a departure (safety.md, Guard).
    #[must_use]
    pub fn or_known(mut self, known: &Self) -> Self {
        for problem in &self.problems {
            let of_app = known.districts.iter().filter(|(_, it)| app_of(it) == Some(problem.app.as_str()));
            for (id, district) in of_app {
                self.districts.entry(id.clone()).or_insert_with(|| district.clone());
            }
        }
        self
    }

    /// Adds what apps have listed before, for those that are still configured.
    pub fn keep_listed(&mut self, known: &Self, settings: &Settings) {
        let (by_hand, apps) = (self.source_ids(), settings.apps());
        for (id, district) in &known.districts {
            let configured = |app| apps.iter().any(|it| it.id() == app);
            let listed = app_of(district).is_some_and(configured) && district.feed.source_id() == Some(id.as_str());
            if listed && !by_hand.contains(&district.id) {
                self.districts.entry(id.clone()).or_insert_with(|| district.clone());
            }
        }
    }

    /// Adds those that an app listed once and lists no more: they are disconnected, not gone, and their nights go on with what
    /// dates and contract end (F31). `former`: district and app.
    pub fn keep_former(&mut self, former: &[(DistrictId, String)], settings: &Settings) {
        let (by_hand, apps) = (self.source_ids(), settings.apps());
        for (id, app) in former.iter().filter(|(id, _)| !by_hand.iter().any(|it| it == id.as_str())) {
            if let Some(app) = apps.iter().find(|it| it.id() == app) {
                self.districts.entry(id.clone()).or_insert_with(|| of_app(app, id.to_string()));
            }
        }
    }

    /// The districts that apps list, each with its app: those that no `[[district]]` names.
    pub fn listed(&self, settings: &Settings) -> impl Iterator<Item = (&DistrictId, &str)> {
        let of_app = self.districts.iter().filter(|(id, _)| settings.district(id.as_str()).is_none());
        of_app.filter_map(|(id, district)| Some((id, app_of(district)?)))
    }

    /// One district.
    pub fn get(&self, id: &DistrictId) -> Option<&District> {
        self.districts.get(id)
    }

    /// The district that a caller means: by our id, else by Clever's id or ClassLink's tenant.
    pub fn meant(&self, name: &str) -> Option<&District> {
        let of_source = || self.districts.values().find(|it| it.feed.source_id() == Some(name));
        self.districts.get(&DistrictId::from(name)).or_else(of_source)
    }

    /// All, by id.
    pub fn all(&self) -> impl Iterator<Item = &District> {
        self.districts.values()
    }
}

fn problem(app: &App, error: &FeedError) -> Problem {
    Problem { table: app.table(), app: app.id().to_owned(), message: error.to_string() }
}

fn app_of(district: &District) -> Option<&str> {
    district.feed.through().map(|(_, app)| app)
}

fn of_app(app: &App, id: String) -> District {
    let first_sync = match app.first_sync() {
        Some("apply") => FirstSync::Apply,
        Some(_) | None => FirstSync::Review,
    };
    District {
        name: None,
        time_zone: app.time_zone(),
        first_sync,
        quiet_hours: None,
        teachers_may_create_students: None,
        feed: app.feed(&id),
        id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEVER_ID: &str = "4fd43cc56d11340000000005";

    fn settings(app: &str) -> Settings {
        let text =
            format!("[[clever_app]]\nid = \"{app}\"\nclient_id = \"a\"\nclient_secret = \"b\"\ntime_zone = \"UTC\"\n");
        toml::from_str(&text).unwrap()
    }

    fn listed(settings: &Settings) -> Directory {
        let mut directory = Directory::configured(settings);
        directory.add(&settings.apps()[0], vec![CLEVER_ID.to_owned()]);
        directory
    }

    #[test]
    fn an_app_that_does_not_answer_keeps_its_districts_and_one_that_answers_may_lose_them() {
        let settings = settings("main");
        let id = DistrictId::new(CLEVER_ID);
        let mut silent = Directory::configured(&settings);
        silent.problems.push(Problem { table: "clever_app", app: "main".to_owned(), message: "no answer".to_owned() });
        assert!(silent.or_known(&listed(&settings)).get(&id).is_some());
        let answered = Directory::configured(&settings);
        assert!(answered.or_known(&listed(&settings)).get(&id).is_none());
    }

    /// F31: what the store had from an app stays known, so that its nights go on; what is configured by hand wins.
    #[test]
    fn a_district_that_a_list_lacks_stays_known_while_its_app_is_configured() {
        let id = DistrictId::new(CLEVER_ID);
        for (app, kept) in [("main", true), ("other", false)] {
            let settings = settings("main");
            let mut directory = Directory::configured(&settings);
            directory.keep_former(&[(id.clone(), app.to_owned())], &settings);
            assert_eq!(directory.get(&id).is_some(), kept, "{app}");
            assert_eq!(directory.listed(&settings).count(), usize::from(kept));
        }
    }

    #[test]
    fn a_reload_keeps_what_a_configured_app_has_listed() {
        let id = DistrictId::new(CLEVER_ID);
        let known = listed(&settings("main"));
        for (app, kept) in [("main", true), ("other", false)] {
            let settings = settings(app);
            let mut reloaded = Directory::configured(&settings);
            reloaded.keep_listed(&known, &settings);
            assert_eq!(reloaded.get(&id).is_some(), kept, "{app}");
        }
    }
}
