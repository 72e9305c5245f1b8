//! Clever's Data API v3.0 and v3.1 (protocols.md, 1).
//!
//! Users and sections are recognized (`feed/recognize.rs`). A section tells of a class and of its enrollments, and stands for
//! all of them or for nothing: one with a member who is not shared, or whose enrollment waits for a person, is read each night.
//! Beside its own bytes an object is read by this:
//!
//! - the district the token belongs to, since objects of others are refused and its administrators are at its org: part of the
//!   hash;
//! - the version of the API: a setting, so part of the seed;
//! - objects of one id that come twice: all is read anew;
//! - objects of one id that say different things: [`Snapshot::completed`], and none of them gets a mark.
//!
//! Contacts are left out each by themselves, sections do not ask who is one, and schools, terms and courses are read each time.

mod convert;
#[cfg(test)]
mod tests;
mod tokens;
mod walk;
mod wire;

use std::collections::BTreeSet;

use secrecy::SecretString;
use url::Url;

pub use tokens::{CleverDistrict, districts};
pub(super) use walk::cursor;

use crate::feed::Context;
use crate::feed::apps::{App, CLEVER_URL, CleverApp, named};
use crate::feed::clever::convert::Convert;
use crate::feed::clever::walk::Reader;
use crate::feed::clever::wire::{District, Page};
use crate::feed::error::{FeedError, Place, Restarts, Stop};
use crate::feed::http::Http;
use crate::feed::oneroster::{bearer, reveal};
use crate::feed::recognize::{Pulled, Recall, Recognizer};
use crate::feed::settings::{CleverSettings, checked_url};
use crate::model::{Kind, SourceId, SourceMark};
use crate::snapshot::{Builder, RECOGNIZED, Recognized, Snapshot};

const KIND: &str = "clever";
/// Clever's largest page; fewer calls, and fewer pages that can drift.
const PAGE_SIZE: u32 = 10_000;
/// 1,200 a minute are allowed; the rest is left to others with the same token.
const PER_SECOND: u32 = 15;

/// The collections. Enrollments come with the sections.
const COLLECTIONS: [(Kind, &str); 5] = [
    (Kind::Schools, "schools"),
    (Kind::Sessions, "terms"),
    (Kind::Courses, "courses"),
    (Kind::Users, "users"),
    (Kind::Classes, "sections"),
];

/// All that was said, by which district, and what of it was recognized.
type Whole = (Builder, String, Option<Recognized>);

/// A `clever` feed: one district.
pub(super) struct Clever {
    http: Http,
    base: Url,
    version: String,
    access: Access,
    district: Option<String>,
    page_size: u32,
    context: Context,
}

/// Where the district's token comes from.
enum Access {
    Token(SecretString),
    App(Box<CleverApp>),
}

impl Clever {
    /// A page of `district` by itself.
    pub(super) fn read_page(
        kind: Kind,
        body: &[u8],
        place: &Place,
        district: SourceId,
    ) -> Result<crate::feed::page::Page, FeedError> {
        let page = Page::read(body, place)?;
        let mut convert = Convert::new(district);
        for item in &page.data {
            convert.row(kind, item.data);
        }
        Ok(crate::feed::page::Page { rows: page.data.len(), next: page.next().map(str::to_owned) })
    }

    pub(super) fn open(settings: &CleverSettings, context: Context) -> Result<Self, FeedError> {
        let (access, url) = if let Some(token) = &settings.token {
            (Access::Token(bearer(&reveal("token", token, context.environment)?)), CLEVER_URL.to_owned())
        } else {
            let app = settings.app.as_deref().unwrap_or_default();
            let mut app = named(&context.apps, ("clever_app", app), App::clever)?.clone();
            if let Some(url) = &settings.auth_url {
                app.auth_url.clone_from(url);
            }
            app.allow_insecure |= settings.allow_insecure;
            let url = app.url.clone();
            (Access::App(Box::new(app)), url)
        };
        let insecure = settings.allow_insecure || matches!(&access, Access::App(app) if app.allow_insecure);
        let base = checked_url("url", settings.url.as_deref().unwrap_or(&url), insecure)?;
        let mut transport = settings.transport();
        if let (None, Access::App(app)) = (&transport.ca_file, &access) {
            transport.ca_file.clone_from(&app.ca_file);
        }
        let tls = base.scheme() == "https" || matches!(&access, Access::App(app) if app.auth_url.starts_with("https"));
        Ok(Self {
            http: Http::new(&transport, PER_SECOND, tls)?,
            base,
            version: settings.version.clone().unwrap_or_else(|| "v3.0".to_owned()),
            access,
            district: settings.district.clone(),
            page_size: settings.page_size.unwrap_or(PAGE_SIZE),
            context,
        })
    }

    /// The kind and Clever's id of the district, as far as it is known.
    pub(super) fn mark_name(&self, found: Option<&str>) -> String {
        match found.or(self.district.as_deref()) {
            Some(district) => format!("{KIND}:{district}"),
            None => format!("{KIND}:{}", self.base.origin().ascii_serialization()),
        }
    }

    /// Reads the district alone.
    pub(super) async fn probe(&self) -> Result<(), FeedError> {
        self.http.begin();
        self.shared(&Reader::new(self, self.token().await?)).await.map(drop)
    }

    /// Pulls everything, and again where a sync of Clever's ran meanwhile.
    pub(super) async fn pull(&self) -> Result<Snapshot, FeedError> {
        self.http.begin();
        let reader = Reader::new(self, self.token().await?);
        let mut restarts = Restarts::default();
        let mut recall = self.context.recall.clone();
        loop {
            self.context.progress.begin();
            match self.pull_once(&reader, recall.as_ref()).await {
                Ok(Pulled::Whole(pulled)) => {
                    let (builder, district, recognized) = *pulled;
                    let mark = SourceMark {
                        feed: self.mark_name(Some(&district)),
                        content: None,
                        uploaded_at: None,
                        pulled_at: self.context.now,
                    };
                    return Ok(builder.finish_with(mark, recognized));
                }
                Ok(Pulled::Odd) => recall = recall.map(Recall::forgotten),
                Err(stop) => restarts.after(stop)?,
            }
        }
    }

    async fn pull_once(&self, reader: &Reader<'_>, recall: Option<&Recall>) -> Result<Pulled<Whole>, Stop> {
        let (id, before) = self.shared(reader).await?;
        let mut recognizer = recall.map(Recognizer::of_sections);
        if let Some(recognizer) = &mut recognizer {
            for kind in RECOGNIZED {
                recognizer.beside(kind, id.as_bytes());
            }
        }
        let mut convert = Convert::new(SourceId::from(id.as_str()));
        if let Some(word @ ("paused" | "pending" | "error")) = before.state.as_deref() {
            convert.to.frozen(word);
        }
        for (kind, collection) in COLLECTIONS {
            if reader.walk((kind, collection), &mut convert, recognizer.as_mut()).await? > 0 {
                if recall.is_some_and(Recall::knows) {
                    // Known objects do not say which other ones they stand beside.
                    return Ok(Pulled::Odd);
                }
                if let Some(recognizer) = &mut recognizer {
                    recognizer.tally = None;
                }
                convert.again(true);
                let repeated = reader.walk((kind, collection), &mut convert, None).await?;
                convert.again(false);
                for _ in 0..repeated {
                    let message = "ids came more than once in a walk, and in the next walk again; each was taken once";
                    convert.to.warn("repeated_id", Some(kind), message, None);
                }
            }
        }
        // Alone it would hide that no school came at all (P1).
        if convert.schools {
            convert.district(&before);
        }
        let (_, after) = self.shared(reader).await?;
        if (&before.last_sync, &before.state) != (&after.last_sync, &after.state) {
            let place = Place::new(&self.context.district, KIND, "districts");
            let problem = "Clever synced the district while it was read".to_owned();
            return Err(Stop::Moved(Box::new(place), problem));
        }
        // When it was synced last says nothing of what it is.
        let of_district = format!("{id} {:?} {:?} {:?}", before.state, before.name, before.nces_id);
        convert.to.named(recognizer.as_ref().and_then(|it| it.digest(&of_district)));
        let recognized = recognizer.map(|it| it.finish(BTreeSet::new()));
        Ok(Pulled::Whole(Box::new((convert.to, id, recognized))))
    }

    /// The district the token belongs to, which must be the one configured (T5).
    async fn shared(&self, reader: &Reader<'_>) -> Result<(String, District), FeedError> {
        let place = || Place::new(&self.context.district, KIND, "districts");
        let mut districts = reader.districts(&place()).await?;
        let gone = "the token gives no district";
        let Some(district) = districts.pop() else {
            return Err(FeedError::Disconnected { place: place(), problem: gone });
        };
        let Some(id) = district.id.clone() else {
            let problem = "the district has no id".to_owned();
            return Err(FeedError::Shape { place: place(), problem });
        };
        let other = self.district.as_ref().is_some_and(|wanted| *wanted != id);
        if other || !districts.is_empty() {
            return Err(FeedError::WrongDistrict { place: place() });
        }
        Ok((id, district))
    }

    /// The token as it is now; an app's list is read again each time.
    async fn token(&self) -> Result<SecretString, FeedError> {
        match (&self.access, &self.district) {
            (Access::Token(token), _) => Ok(token.clone()),
            (Access::App(app), district) => {
                let place = Place::new(&self.context.district, KIND, "the token list");
                let wanted = district.as_deref().unwrap_or_default();
                let found = tokens::list(&self.http, app, Some(wanted), &place, self.context.environment).await?;
                let mine = found.into_iter().find(|it| it.id == wanted);
                let problem = "the app's token list no longer has the district";
                mine.map(|it| bearer(&it.token)).ok_or(FeedError::Disconnected { place, problem })
            }
        }
    }
}
