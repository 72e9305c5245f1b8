//! `OneRoster` 1.1 and 1.2 over REST (protocols.md, 2 and 3).
//!
//! Rows of classes, users and enrollments are recognized (`feed/recognize.rs`). Beside its own bytes a row is read by this:
//!
//! - who is a mere contact, where rows of one user say both, and that enrollments of contacts are skipped:
//!   [`Recognized::contacts`];
//! - rows of one id that come twice, in one page or in two: all is read anew;
//! - rows of one key that say different things: [`Snapshot::completed`], and none of them gets a mark.

mod ahead;
mod auth;
pub(super) mod convert;
mod envelope;
mod oauth1;
mod pages;
pub(super) mod rows;
mod split;
#[cfg(test)]
mod tests;
mod walk;
mod words;

use std::sync::Mutex;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::OnceCell;

pub(super) use auth::{basic, bearer, reveal};
pub(super) use oauth1::encode;
pub(super) use words::{date, is_deleted};

use crate::feed::apps::named;
use crate::feed::classlink::{self, Listed, Share};
use crate::feed::error::{FeedError, Place, Restarts, Stop};
use crate::feed::http::Http;
use crate::feed::oneroster::auth::{Credential, FromList};
use crate::feed::oneroster::convert::Convert;
use crate::feed::oneroster::pages::{Manners, Page, Server};
use crate::feed::oneroster::rows::Remains;
use crate::feed::recognize::{Pulled, Recall, Recognizer};
use crate::feed::settings::{Found, OneRosterSettings, Transport, checked_url};
use crate::feed::{App, ClassLinkApp, Context};
use crate::model::{Kind, RowMark, SourceMark};
use crate::snapshot::{Builder, Recognized, Snapshot};

pub(super) const KIND: &str = "oneroster";
/// Rows asked for at once; servers that allow less give less, or say 413.
const PAGE_SIZE: u32 = 5000;
/// Pages asked for before their turn: a slow source is then waited for once, not at every page.
const PREFETCH: u32 = 8;
/// `ClassLink` slows down above this (protocols.md 3.2).
pub(super) const PER_SECOND: u32 = 20;

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
    way: Way,
    context: Context,
}

/// How the server is found.
enum Way {
    /// It is configured.
    Known(Server),
    /// A `ClassLink` app lists it; it is looked up once for each pull.
    Listed(Box<Behind>, OnceCell<Server>),
}

/// What is known of a server before it is looked up.
struct Behind {
    app: ClassLinkApp,
    tenant: String,
    transport: Transport,
    page_size: u32,
    prefetch: u32,
}

impl OneRoster {
    pub(super) fn open(settings: &OneRosterSettings, context: Context) -> Result<Self, FeedError> {
        let page_size = settings.page_size.unwrap_or(PAGE_SIZE);
        let prefetch = settings.prefetch.unwrap_or(PREFETCH);
        let (url, auth) = match settings.found()? {
            Found::At { url, auth } => (url, auth),
            Found::Through { app, tenant } => {
                let app = named(&context.apps, ("classlink_app", app), App::classlink)?.clone();
                let mut transport = settings.transport();
                transport.ca_file = transport.ca_file.or_else(|| app.ca_file.clone());
                let behind = Box::new(Behind { app, tenant: tenant.to_owned(), transport, page_size, prefetch });
                return Ok(Self { way: Way::Listed(behind, OnceCell::new()), context });
            }
        };
        let base = checked_url("url", url, settings.allow_insecure)?;
        let place = Place::new(&context.district, KIND, "an access token");
        let credential = Credential::open(auth, settings, place, context.environment)?;
        let tls = base.scheme() == "https"
            || matches!(auth, crate::feed::Auth::Oauth2 { token_url, .. } if token_url.starts_with("https"));
        let http = Http::new(&settings.transport(), PER_SECOND, tls)?;
        let http = if classlink::is_proxy(&base) { http.together(&base, context.turnstile.as_ref()) } else { http };
        Ok(Self { way: Way::Known(Server { http, base, credential, page_size, prefetch }), context })
    }

    /// The kind and the base URL, of which a query is no part, or the tenant: its address behind the proxy may change.
    pub(super) fn mark_name(&self) -> String {
        match &self.way {
            Way::Known(server) => {
                let mut base = server.base.clone();
                base.set_query(None);
                format!("{KIND}:{}", base.as_str().trim_end_matches('/'))
            }
            Way::Listed(behind, _) => format!("{KIND}:classlink:{}", behind.tenant),
        }
    }

    async fn server(&self) -> Result<&Server, FeedError> {
        match &self.way {
            Way::Known(server) => Ok(server),
            Way::Listed(behind, server) => server.get_or_try_init(|| self.look_up(behind)).await,
        }
    }

    async fn look_up(&self, behind: &Behind) -> Result<Server, FeedError> {
        let Behind { app, tenant, transport, page_size, prefetch } = behind;
        let http = classlink::http(app, transport, self.context.turnstile.as_ref())?;
        let listed = Listed {
            app: app.clone(),
            tenant: tenant.clone(),
            place: classlink::place(&self.context.district),
            environment: self.context.environment,
        };
        let Share { base, bearer, .. } = listed.share(&http).await?;
        let credential = Credential::Listed(Box::new(FromList { listed, bearer: Mutex::new(bearer) }));
        Ok(Server { http, base, credential, page_size: *page_size, prefetch: *prefetch })
    }

    /// Pulls everything, and again where the source moved meanwhile.
    pub(super) async fn pull(&self) -> Result<Snapshot, FeedError> {
        let server = self.server().await?;
        server.http.begin();
        let mut restarts = Restarts::default();
        let mut recall = self.context.recall.clone();
        loop {
            self.context.progress.begin();
            match self.pull_once(server, recall.as_ref()).await {
                Ok(Pulled::Whole(pulled)) => {
                    let (builder, recognized) = *pulled;
                    let mark = SourceMark {
                        feed: self.mark_name(),
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

    /// Reads the orgs alone.
    pub(super) async fn probe(&self) -> Result<(), FeedError> {
        let server = self.server().await?;
        server.http.begin();
        let mut manners = Manners { sort: true, limit: server.page_size, permissions: None };
        let place = Place::new(&self.context.district, KIND, "orgs");
        let walked =
            self.walk(server, (Kind::Schools, "orgs"), &place, &mut manners, &mut Convert::default(), None).await;
        match walked {
            Ok(_) => Ok(()),
            Err(Stop::Failed(error)) => Err(*error),
            Err(Stop::Moved(place, problem)) => Err(FeedError::Moved { place: *place, problem, restarts: 0 }),
        }
    }

    async fn pull_once(&self, server: &Server, recall: Option<&Recall>) -> Result<Pulled<Whole>, Stop> {
        let mut recognizer = recall.map(Recognizer::new);
        let mut convert = Convert::default();
        let mut manners = Manners { sort: true, limit: server.page_size, permissions: None };
        let mut walked = Vec::new();
        for (kind, collection) in COLLECTIONS {
            manners.sort = true;
            let place = Place::new(&self.context.district, KIND, collection);
            let of = (kind, collection);
            let mut found = self.walk(server, of, &place, &mut manners, &mut convert, recognizer.as_mut()).await?;
            if found.walks_wanted() > 1 && recall.is_some_and(Recall::knows) {
                // Known rows do not say which other rows they stand beside.
                return Ok(Pulled::Odd);
            }
            if found.walks_wanted() > 1
                && let Some(recognizer) = &mut recognizer
            {
                recognizer.tally = None;
            }
            let mut walks = 1;
            while walks < found.walks_wanted() {
                // Rows of all walks count together, so that nothing a page hid from one of them is missed.
                convert.again(true);
                found = self.walk(server, of, &place, &mut manners, &mut convert, None).await?;
                convert.again(false);
                walks += 1;
            }
            if found.shifted {
                let problem = "rows came or went before the page that was read, in walk after walk".to_owned();
                return Err(Stop::Moved(Box::new(place), problem));
            }
            let message = "ids came more than once in a walk, and in the next walk again; each was taken once";
            for _ in 0..found.repeated {
                convert.to.warn("repeated_id", Some(kind), message, None);
            }
            walked.push((collection, place, found));
        }
        // Counting needs no order.
        manners.sort = false;
        for (collection, place, found) in &walked {
            server.check_total(collection, place, &mut manners, found).await?;
        }
        let (mut builder, contacts) = convert.finish();
        builder.named(recognizer.as_ref().and_then(|it| it.digest("")));
        Ok(Pulled::Whole(Box::new((builder, recognizer.map(|it| it.finish(contacts))))))
    }

    async fn walk(
        &self,
        server: &Server,
        of: (Kind, &str),
        place: &Place,
        manners: &mut Manners,
        convert: &mut Convert,
        recognizer: Option<&mut Recognizer<'_>>,
    ) -> Result<pages::Walked, Stop> {
        let (kind, progress) = (of.0, &self.context.progress);
        let mut take = |page: Page<'_>, mut recognizer: Option<&mut Recognizer<'_>>| {
            progress.expect(kind, page.total.unwrap_or(0));
            progress.add(kind, page.count);
            for row in page.rows {
                convert.to.take_added();
                convert.json(kind, row.raw);
                if let Some(recognizer) = recognizer.as_deref_mut()
                    && let Some(id) = row.id.as_deref().filter(|_| row.hash != 0)
                {
                    let mark = RowMark::new(row.hash, recognizer.id(id));
                    recognizer.read(mark, convert.to.take_added());
                }
            }
        };
        server.walk(of, place, manners, recognizer, &mut take).await
    }
}

/// All that was said, and what of it was recognized.
type Whole = (Builder, Option<Recognized>);

/// The collection that holds a kind.
pub(super) fn collection(kind: Kind) -> &'static str {
    COLLECTIONS.iter().find(|(of, _)| *of == kind).map_or("", |(_, name)| *name)
}

impl OneRoster {
    /// A page by itself.
    pub(super) fn read_page(
        kind: Kind,
        body: &[u8],
        collection: &str,
        place: &Place,
    ) -> Result<crate::feed::page::Page, FeedError> {
        let rows = envelope::rows(body, collection, place)?;
        let mut convert = Convert::default();
        for row in &rows {
            convert.json(kind, row);
        }
        Ok(crate::feed::page::Page { rows: rows.len(), next: None })
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
