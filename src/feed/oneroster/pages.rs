//! Walking a collection by offset: never stopping at a short page, never following a link (protocols.md, "Safe rules for our
//! client").

use serde_json::value::RawValue;
use url::Url;

use crate::feed::error::{FeedError, Place, Stop};
use crate::feed::http::{Ask, Http, Packed, Reply};
use crate::feed::oneroster::ahead::{Ahead, Last, Turn};
use crate::feed::oneroster::auth::Credential;
use crate::feed::oneroster::rows::Remains;
use crate::feed::oneroster::walk::Walk;
use crate::feed::oneroster::{envelope, split};
use crate::feed::recognize::{Look, Recognizer};
use crate::model::Kind;

/// No collection has more pages (T6).
const PAGES: u32 = 100_000;
/// A page of so many rows is followed by one that begins with its last row: where it does not, rows came or went before it,
/// and others were passed over (F40). Smaller pages would cost too many requests.
pub(super) const OVERLAP_FROM: usize = 10;

/// One `OneRoster` server, as far as paging needs it.
pub(crate) struct Server {
    pub http: Http,
    pub base: Url,
    pub credential: Credential,
    pub page_size: u32,
    /// How many pages may be on their way beside the one that is read.
    pub prefetch: u32,
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
    /// Whether rows moved from one page to another meanwhile.
    pub shifted: bool,
}

impl Walked {
    /// After how many walks the rows can be believed, by what this one found.
    pub(crate) fn walks_wanted(&self) -> u32 {
        match self {
            Self { shifted: true, .. } => 3,
            Self { repeated: 1.., .. } => 2,
            Self { .. } => 1,
        }
    }
}

impl Server {
    /// Walks `collection`, handing each page's rows to `take`. Where there is a recognizer, rows it knows are counted only.
    pub(crate) async fn walk(
        &self,
        (kind, collection): (Kind, &str),
        place: &Place,
        manners: &mut Manners,
        mut recognizer: Option<&mut Recognizer<'_>>,
        take: &mut (dyn FnMut(Page<'_>, Option<&mut Recognizer<'_>>) + Send),
    ) -> Result<Walked, Stop> {
        let mut walk = Walk::default();
        let mut ahead = Ahead::new(self, collection, place);
        for _ in 0..PAGES {
            let edge = walk.edge.take();
            let turn = walk.turn(edge.is_some(), manners);
            let here = place.clone().at(format!("offset {}", turn.from));
            let reply = match ahead.take(turn).await {
                Some(reply) => reply,
                None => self.page(collection, &here, manners, turn.from, manners.limit).await?,
            };
            manners.check(&reply, &here)?;
            let body: &[u8] = if reply.status == 204 { b"{}" } else { &reply.body };
            let mut rows = Rows::read(body, (kind, collection), &here, recognizer.as_deref_mut(), edge.as_deref())?;
            if rows.shifted {
                // A server that keeps no order shifts its rows always; all that can be done there is to count them.
                walk.shifted |= manners.sort;
                walk.offset = turn.from;
            }
            walk.edge = rows.edge.take();
            let ended = walk.advance(&rows, reply.total, &here)?;
            walk.note_ids(&rows, &here)?;
            if !ended {
                let last = Last { rows: rows.len, bytes: reply.packed, total: walk.total };
                ahead.ask(walk.turn(walk.edge.is_some(), manners), last).await;
            }
            take(Page { rows: &rows.read, count: rows.count, total: walk.total }, recognizer.as_deref_mut());
            self.http.reuse(reply.body);
            if ended {
                let known = recognizer.map_or(0, |it| it.repeated(kind, &walk.seen));
                let repeated = walk.repeated + known;
                return Ok(Walked { total: walk.total, repeated, shifted: walk.shifted });
            }
        }
        Err(FeedError::Loop { place: place.clone(), problem: "too many pages" }.into())
    }

    /// One page before its turn; none where anything is in its way.
    pub(super) async fn early(&self, collection: &str, place: &Place, turn: Turn) -> Option<Packed> {
        let url = self.url(collection, turn.from, turn.limit, turn.sort);
        let make = || Ok(Ask { authorization: self.credential.authorization(&url), url: url.clone(), post: None });
        self.http.once(place, &make).await
    }

    /// The page that came early; none where it is not one.
    pub(super) fn opened(&self, place: &Place, packed: Packed) -> Option<Reply> {
        let reply = self.http.unpacked(place, packed).ok()?;
        (matches!(reply.status, 200..=299) && !reply.html).then_some(reply)
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

/// A page as the feed takes it.
pub(crate) struct Page<'a> {
    /// Rows that are to be read.
    pub rows: &'a [Row<'a>],
    /// How many rows it has, known ones included.
    pub count: usize,
    /// `X-Total-Count`, where it was sent.
    pub total: Option<u64>,
}

/// A row that is to be read.
pub(crate) struct Row<'a> {
    pub raw: &'a RawValue,
    /// A hash of its bytes; zero where nobody asks for it.
    pub hash: u128,
    /// The id the source gives it.
    pub id: Option<String>,
}

impl<'a> Row<'a> {
    fn new(raw: &'a RawValue, hash: u128) -> Self {
        let id = serde_json::from_str::<Remains>(raw.get()).ok().and_then(|it| it.sourced_id);
        Self { raw, hash, id }
    }
}

/// The rows of a page.
pub(super) struct Rows<'a> {
    /// With the one it had to begin with.
    pub len: usize,
    pub count: usize,
    pub read: Vec<Row<'a>>,
    /// Known rows that came for the first time, and those that came again.
    pub known: usize,
    pub again: u64,
    /// What it begins with.
    pub first: Option<First>,
    /// Whether the page does not begin with the row that it was to begin with.
    pub shifted: bool,
    /// Nothing came, not even that row.
    pub empty: bool,
    /// The last row, where the next page is to begin with it.
    pub edge: Option<Vec<u8>>,
}

/// The rows of a page after the one that it was to begin with; whether it did not, and the row that the next one is to begin with.
fn after_edge<'r, T>(
    rows: &'r [T],
    bytes: impl Fn(&T) -> &[u8],
    edge: Option<&[u8]>,
) -> (&'r [T], bool, Option<Vec<u8>>) {
    let follows = edge.is_none_or(|edge| rows.first().is_some_and(|row| bytes(row) == edge));
    let fresh = if follows && edge.is_some() { rows.get(1..).unwrap_or_default() } else { rows };
    let next = fresh.last().filter(|_| rows.len() >= OVERLAP_FROM).map(|row| bytes(row).to_vec());
    (fresh, !follows, next)
}

/// What a page begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum First {
    Known(u128),
    Read(Option<String>),
}

impl<'a> Rows<'a> {
    fn read(
        body: &'a [u8],
        (kind, collection): (Kind, &str),
        place: &Place,
        recognizer: Option<&mut Recognizer<'_>>,
        edge: Option<&[u8]>,
    ) -> Result<Self, FeedError> {
        let Some(recognizer) = recognizer else { return Self::whole(body, collection, place, edge) };
        if recognizer.is_for(kind)
            && let Some(all) = split::rows(body, collection, |row| recognizer.find(kind, row))
        {
            let (fresh, shifted, next) = after_edge(&all, |(row, _)| row, edge);
            let (count, empty) = (fresh.len(), all.is_empty());
            let mut it = Self {
                len: all.len(),
                count,
                read: Vec::new(),
                known: 0,
                again: 0,
                first: None,
                shifted,
                empty,
                edge: next,
            };
            for &(row, found) in fresh {
                let found = found.unwrap_or_else(|| recognizer.find(kind, row));
                match recognizer.look(kind, found) {
                    Look::Known(hash) => {
                        it.known += 1;
                        it.first.get_or_insert(First::Known(hash));
                    }
                    Look::Again(hash) => {
                        it.again += 1;
                        it.first.get_or_insert(First::Known(hash));
                    }
                    Look::New(hash) => {
                        let Ok(raw) = serde_json::from_slice(row) else {
                            // The page is broken; what is wrong with it the whole reading says.
                            recognizer.tally = None;
                            return Self::whole(body, collection, place, edge);
                        };
                        let row = Row::new(raw, hash);
                        it.first.get_or_insert_with(|| First::Read(row.id.clone()));
                        it.read.push(row);
                    }
                }
            }
            return Ok(it);
        }
        let it = Self::whole(body, collection, place, edge)?;
        if let Some(tally) = &mut recognizer.tally {
            it.read.iter().for_each(|row| tally.row(kind, row.raw.get().as_bytes()));
        }
        Ok(it)
    }

    fn whole(body: &'a [u8], collection: &str, place: &Place, edge: Option<&[u8]>) -> Result<Self, FeedError> {
        let all = envelope::rows(body, collection, place)?;
        let (rows, shifted, next) = after_edge(&all, |row| row.get().as_bytes(), edge);
        let read: Vec<Row<'a>> = rows.iter().map(|&raw| Row::new(raw, 0)).collect();
        let first = read.first().map(|row| First::Read(row.id.clone()));
        let (count, empty) = (read.len(), all.is_empty());
        Ok(Self { len: all.len(), count, read, known: 0, again: 0, first, shifted, empty, edge: next })
    }
}
