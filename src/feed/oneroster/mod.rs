//! `OneRoster` 1.1 and 1.2 over REST (protocols.md, 2 and 3).

mod auth;
pub(super) mod convert;
mod envelope;
mod oauth1;
mod pages;
pub(super) mod rows;
#[cfg(test)]
mod tests;
mod words;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

pub(super) use auth::{basic, bearer, reveal};
pub(super) use oauth1::encode;
pub(super) use words::{date, is_deleted};

use crate::feed::Context;
use crate::feed::error::{FeedError, Place, Restarts, Stop};
use crate::feed::http::Http;
use crate::feed::oneroster::auth::Credential;
use crate::feed::oneroster::convert::Convert;
use crate::feed::oneroster::pages::{Manners, Server};
use crate::feed::oneroster::rows::Remains;
use crate::feed::settings::{OneRosterSettings, checked_url};
use crate::model::{Kind, SourceMark};
use crate::snapshot::{Builder, Snapshot};

const KIND: &str = "oneroster";
/// Rows asked for at once; servers that allow less give less, or say 413.
const PAGE_SIZE: u32 = 5000;
/// `ClassLink` slows down above this (protocols.md 3.2).
const PER_SECOND: u32 = 20;

/// The collections, users before enrollments.
const COLLECTIONS: [(Kind, &str); 6] = [
    (Kind::Schools, "orgs"),
    (Kind::Sessions, "academicSessions"),
    (Kind::Courses, "courses"),
    (Kind::Classes, "classes"),
    (Kind::Users, "users"),
    (Kind::Enrollments, "enrollments"),
];

/// A `oneroster` feed.
pub(super) struct OneRoster {
    server: Server,
    context: Context,
}

impl OneRoster {
    pub(super) fn open(settings: &OneRosterSettings, context: Context) -> Result<Self, FeedError> {
        let base = checked_url("url", &settings.url, settings.allow_insecure)?;
        let place = Place::new(&context.district, KIND, "an access token");
        let credential = Credential::open(settings, place, context.environment)?;
        let tls = base.scheme() == "https"
            || matches!(&settings.auth,
            crate::feed::Auth::Oauth2 { token_url, .. } if token_url.starts_with("https"));
        let http = Http::new(&settings.transport(), PER_SECOND, tls)?;
        let page_size = settings.page_size.unwrap_or(PAGE_SIZE);
        Ok(Self { server: Server { http, base, credential, page_size }, context })
    }

    /// The kind and the base URL; a query is no part of it.
    pub(super) fn mark_name(&self) -> String {
        let mut base = self.server.base.clone();
        base.set_query(None);
        format!("{KIND}:{}", base.as_str().trim_end_matches('/'))
    }

    /// Pulls everything, and again where the source moved meanwhile.
    pub(super) async fn pull(&self) -> Result<Snapshot, FeedError> {
        self.server.http.begin();
        let mut restarts = Restarts::default();
        loop {
            self.context.progress.begin();
            match self.pull_once().await {
                Ok(builder) => {
                    return Ok(builder.finish(SourceMark {
                        feed: self.mark_name(),
                        content: None,
                        uploaded_at: None,
                        pulled_at: self.context.now,
                    }));
                }
                Err(stop) => restarts.after(stop)?,
            }
        }
    }

    /// Reads the orgs alone.
    pub(super) async fn probe(&self) -> Result<(), FeedError> {
        self.server.http.begin();
        let mut manners = Manners { sort: true, limit: self.server.page_size, permissions: None };
        let place = Place::new(&self.context.district, KIND, "orgs");
        let walked = self.walk(Kind::Schools, "orgs", &place, &mut manners, &mut Convert::default()).await;
        match walked {
            Ok(_) => Ok(()),
            Err(Stop::Failed(error)) => Err(*error),
            Err(Stop::Moved(place, problem)) => Err(FeedError::Moved { place: *place, problem, restarts: 0 }),
        }
    }

    async fn pull_once(&self) -> Result<Builder, Stop> {
        let mut convert = Convert::default();
        let mut manners = Manners { sort: true, limit: self.server.page_size, permissions: None };
        let mut walked = Vec::new();
        for (kind, collection) in COLLECTIONS {
            manners.sort = true;
            let place = Place::new(&self.context.district, KIND, collection);
            let mut found = self.walk(kind, collection, &place, &mut manners, &mut convert).await?;
            if found.repeated > 0 {
                // Rows of both walks count together, so that nothing a page hid from one of them is missed.
                convert.again(true);
                found = self.walk(kind, collection, &place, &mut manners, &mut convert).await?;
                convert.again(false);
                if found.repeated > 0 {
                    let message = "ids came more than once in a walk, and in the next walk again; each was taken once";
                    for _ in 0..found.repeated {
                        convert.to.warn("repeated_id", Some(kind), message, None);
                    }
                }
            }
            walked.push((collection, place, found));
        }
        // Counting needs no order.
        manners.sort = false;
        for (collection, place, found) in &walked {
            self.server.check_total(collection, place, &mut manners, found).await?;
        }
        Ok(convert.to)
    }

    async fn walk(
        &self,
        kind: Kind,
        collection: &str,
        place: &Place,
        manners: &mut Manners,
        convert: &mut Convert,
    ) -> Result<pages::Walked, Stop> {
        let progress = &self.context.progress;
        let mut take = |rows: &[&RawValue], total: Option<u64>| {
            progress.expect(kind, total.unwrap_or(0));
            progress.add(kind, rows.len());
            for row in rows {
                convert.json(kind, row);
            }
        };
        self.server.walk(collection, place, manners, &mut take).await
    }
}

impl Convert {
    /// Reads a JSON row; one that cannot be read is there nevertheless (P11).
    fn json(&mut self, kind: Kind, row: &RawValue) {
        fn read<T: DeserializeOwned>(convert: &mut Convert, kind: Kind, row: &RawValue, take: fn(&mut Convert, T)) {
            if let Ok(it) = serde_json::from_str(row.get()) {
                take(convert, it);
            } else {
                let remains: Remains = serde_json::from_str(row.get()).unwrap_or_default();
                convert.broken(kind, remains.sourced_id);
            }
        }
        match kind {
            Kind::Schools => read(self, kind, row, Self::org),
            Kind::Sessions => read(self, kind, row, Self::session),
            Kind::Courses => read(self, kind, row, Self::course),
            Kind::Classes => read(self, kind, row, Self::class),
            Kind::Users => read(self, kind, row, Self::user),
            Kind::Enrollments => read(self, kind, row, Self::enrollment),
        }
    }
}
