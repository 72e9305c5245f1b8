//! Walking a collection by offset: never stopping at a short page, never following a link (protocols.md, "Safe rules for our
//! client").

use std::collections::BTreeSet;

use serde_json::value::RawValue;
use url::Url;

use crate::feed::error::{FeedError, Place, Stop};
use crate::feed::http::{Ask, Http, Reply};
use crate::feed::oneroster::auth::Credential;
use crate::feed::oneroster::envelope;
use crate::feed::oneroster::rows::Remains;

/// No collection has more pages (T6).
const PAGES: u32 = 100_000;
/// So many pages in a row without a new id are a circle.
const STALE_PAGES: u32 = 3;

/// One `OneRoster` server, as far as paging needs it.
pub(crate) struct Server {
    pub http: Http,
    pub base: Url,
    pub credential: Credential,
    pub page_size: u32,
}

/// What a pull has learned of the server on its way.
pub(crate) struct Manners {
    /// Whether it takes `sort`.
    pub sort: bool,
    /// How many rows may be asked for.
    pub limit: u32,
    /// `x-perm-rev`, where it is sent.
    pub permissions: Option<String>,
}

/// What a walk through one collection found.
pub(crate) struct Walked {
    /// `X-Total-Count`, where it was sent.
    pub total: Option<u64>,
    /// Ids that came more than once.
    pub repeated: u64,
}

impl Server {
    /// Walks `collection`, handing each page's rows to `take`.
    pub(crate) async fn walk(
        &self,
        collection: &str,
        place: &Place,
        manners: &mut Manners,
        take: &mut (dyn FnMut(&[&RawValue], Option<u64>) + Send),
    ) -> Result<Walked, Stop> {
        let mut walk = Walk::default();
        for _ in 0..PAGES {
            let here = place.clone().at(format!("offset {}", walk.offset));
            let reply = self.page(collection, &here, manners, walk.offset, manners.limit).await?;
            manners.check(&reply, &here)?;
            let body: &[u8] = if reply.status == 204 { b"{}" } else { &reply.body };
            let rows = envelope::rows(body, collection, &here)?;
            let ended = walk.advance(&rows, reply.total, &here)?;
            take(&rows, walk.total);
            if ended {
                return Ok(Walked { total: walk.total, repeated: walk.repeated });
            }
        }
        Err(FeedError::Loop { place: place.clone(), problem: "too many pages" }.into())
    }

    /// Asks once more how many there are; moved, where that is not what the walk saw.
    pub(crate) async fn check_total(
        &self,
        collection: &str,
        place: &Place,
        manners: &mut Manners,
        walked: &Walked,
    ) -> Result<(), Stop> {
        if walked.total.is_none() && manners.permissions.is_none() {
            return Ok(());
        }
        let reply = self.page(collection, place, manners, 0, 1).await?;
        manners.check(&reply, place)?;
        match (walked.total, reply.total) {
            (Some(before), Some(after)) if before != after => {
                let problem = format!("the total went from {before} to {after} while it was read");
                Err(Stop::Moved(Box::new(place.clone()), problem))
            }
            _ => Ok(()),
        }
    }

    /// One page, whatever it takes: a fresh credential, fewer rows, no order.
    async fn page(
        &self,
        collection: &str,
        place: &Place,
        manners: &mut Manners,
        offset: u64,
        limit: u32,
    ) -> Result<Reply, FeedError> {
        let (mut limit, mut refreshed) = (limit, false);
        loop {
            self.credential.prepare(&self.http).await?;
            let url = self.url(collection, offset, limit, manners.sort);
            let make = || Ok(Ask { authorization: self.credential.authorization(&url), url: url.clone(), post: None });
            let reply = self.http.send(place, &make).await?;
            let place = || place.clone();
            match reply.status {
                200..=299 if reply.html => return Err(FeedError::Html { place: place() }),
                200..=299 => return Ok(reply),
                // Later on it would mix two orders.
                400 if manners.sort && offset == 0 => manners.sort = false,
                401 if !refreshed && self.credential.refresh(&self.http).await? => refreshed = true,
                401 => return Err(FeedError::Unauthorized { place: place() }),
                403 => {
                    let problem = "the server answered 403";
                    return Err(FeedError::Disconnected { place: place(), problem });
                }
                413 if limit > 1 => {
                    limit = limit.div_ceil(2);
                    manners.limit = manners.limit.min(limit);
                }
                status => {
                    let advice = "check the feed's URL, version and settings";
                    return Err(FeedError::Status { place: place(), status, advice });
                }
            }
        }
    }

    fn url(&self, collection: &str, offset: u64, limit: u32, sort: bool) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{collection}", self.base.path().trim_end_matches('/')));
        let own = self.base.query().map(|it| format!("{it}&")).unwrap_or_default();
        let order = if sort { "&sort=sourcedId&orderBy=asc" } else { "" };
        url.set_query(Some(&format!("{own}limit={limit}&offset={offset}{order}")));
        url
    }
}

impl Manners {
    /// What the server lets us see must not change while we read.
    fn check(&mut self, reply: &Reply, place: &Place) -> Result<(), Stop> {
        match (&self.permissions, &reply.permissions) {
            (Some(before), Some(after)) if before != after => {
                Err(Stop::Moved(Box::new(place.clone()), "the permissions changed while it was read".to_owned()))
            }
            (None, Some(_)) => {
                self.permissions.clone_from(&reply.permissions);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[derive(Default)]
struct Walk {
    offset: u64,
    total: Option<u64>,
    seen: BTreeSet<String>,
    repeated: u64,
    first: Option<String>,
    stale: u32,
}

impl Walk {
    /// Takes note of a page; says whether it was the last.
    fn advance(&mut self, rows: &[&RawValue], total: Option<u64>, place: &Place) -> Result<bool, Stop> {
        if let (Some(before), Some(after)) = (self.total, total)
            && before != after
        {
            let problem = format!("the total went from {before} to {after} while it was read");
            return Err(Stop::Moved(Box::new(place.clone()), problem));
        }
        self.total = self.total.or(total);
        self.offset += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        self.note_ids(rows, place)?;
        match self.total {
            Some(total) if rows.is_empty() && self.offset < total => {
                let problem = format!("{} rows came and the total is {total}", self.offset);
                Err(Stop::Moved(Box::new(place.clone()), problem))
            }
            Some(total) if self.offset > total => {
                let problem = format!("{} rows came and the total is {total}", self.offset);
                Err(Stop::Moved(Box::new(place.clone()), problem))
            }
            Some(total) => Ok(self.offset == total),
            None => Ok(rows.is_empty()),
        }
    }

    fn note_ids(&mut self, rows: &[&RawValue], place: &Place) -> Result<(), Stop> {
        let looping = |problem| Stop::from(FeedError::Loop { place: place.clone(), problem });
        let mut fresh = rows.is_empty();
        for (at, row) in rows.iter().enumerate() {
            let id = serde_json::from_str::<Remains>(row.get()).ok().and_then(|it| it.sourced_id);
            if at == 0 {
                if id.is_some() && id == self.first {
                    return Err(looping("a page begins like the one before"));
                }
                self.first.clone_from(&id);
            }
            match id {
                Some(id) if self.seen.contains(&id) => self.repeated += 1,
                Some(id) => fresh = self.seen.insert(id) || fresh,
                None => fresh = true,
            }
        }
        self.stale = if fresh { 0 } else { self.stale + 1 };
        if self.stale >= STALE_PAGES { Err(looping("pages bring nothing new")) } else { Ok(()) }
    }
}
