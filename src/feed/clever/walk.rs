//! Walking Clever's collections by `starting_after`: ranges of ids, which survive rows that leave (protocols.md 1.4).

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use secrecy::SecretString;
use url::Url;

use crate::feed::clever::convert::{Convert, id};
use crate::feed::clever::tokens::same_origin;
use crate::feed::clever::wire::{District, Page};
use crate::feed::clever::{Access, Clever, KIND};
use crate::feed::error::{FeedError, Place, Stop};
use crate::feed::http::{Ask, Reply};
use crate::feed::oneroster::encode;
use crate::feed::recognize::{Look, Recognizer};
use crate::model::{Kind, RowMark};

/// No collection has more pages (T6).
const PAGES: u32 = 100_000;

/// One pull's way of reading: its token, and what the server has taught us.
pub(super) struct Reader<'a> {
    clever: &'a Clever,
    authorization: Mutex<SecretString>,
    renewed: AtomicBool,
    limit: AtomicU32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(clever: &'a Clever, authorization: SecretString) -> Self {
        Self {
            clever,
            authorization: Mutex::new(authorization),
            renewed: AtomicBool::new(false),
            limit: AtomicU32::new(clever.page_size),
        }
    }

    /// The districts of the token: one.
    pub(super) async fn districts(&self, place: &Place) -> Result<Vec<District>, FeedError> {
        let reply = self.page("districts", place, |_| String::new()).await?;
        let page = Page::read(&reply.body, place)?;
        let read = |raw: &str| serde_json::from_str(raw);
        page.data.iter().map(|it| read(it.data.get()).map_err(|cause| FeedError::json(place, &cause))).collect()
    }

    /// Walks a collection into `convert`; says how many ids came more than once. Where there is a recognizer, objects it knows
    /// are counted only.
    pub(super) async fn walk(
        &self,
        (kind, collection): (Kind, &str),
        convert: &mut Convert,
        mut recognizer: Option<&mut Recognizer<'_>>,
    ) -> Result<u64, Stop> {
        let place = Place::new(&self.clever.context.district, KIND, collection);
        let (mut seen, mut cursors) = (BTreeSet::new(), BTreeSet::new());
        let (mut after, mut repeated): (Option<String>, u64) = (None, 0);
        for number in 1..=PAGES {
            let place = place.clone().at(format!("page {number}"));
            let reply = self.page(collection, &place, |limit| query(limit, after.as_deref())).await?;
            let page = Page::read(&reply.body, &place)?;
            self.clever.context.progress.add(kind, page.data.len());
            for item in &page.data {
                let hash = match recognizer.as_deref_mut().map(|it| it.see(kind, item.data.get().as_bytes())) {
                    Some(Look::Known(_)) => continue,
                    Some(Look::Again(_)) => {
                        repeated += 1;
                        continue;
                    }
                    Some(Look::New(hash)) => Some(hash),
                    None => None,
                };
                convert.to.take_added();
                let Some(id) = convert.row(kind, item.data) else { continue };
                if let (Some(recognizer), Some(hash)) = (recognizer.as_deref_mut(), hash) {
                    let mark = RowMark::new(hash, recognizer.id(&id));
                    recognizer.read(mark, convert.to.take_added());
                }
                repeated += u64::from(!seen.insert(id));
            }
            let (Some(link), false) = (page.next(), page.data.is_empty()) else {
                return Ok(repeated + recognizer.map_or(0, |it| it.repeated(kind, &seen)));
            };
            // A link that leads elsewhere is not followed; the walk goes on after the last row.
            let last = || page.data.iter().rev().find_map(|item| id(item.data));
            let Some(cursor) = cursor(&self.clever.base, link).or_else(last) else {
                let problem = "the next page cannot be named".to_owned();
                return Err(FeedError::Shape { place, problem }.into());
            };
            if !cursors.insert(cursor.clone()) {
                let problem = "the next page is one that was read";
                return Err(FeedError::Loop { place, problem }.into());
            }
            after = Some(cursor);
        }
        Err(FeedError::Loop { place, problem: "too many pages" }.into())
    }

    /// One page, whatever it takes: the token read again once, fewer rows.
    async fn page(&self, collection: &str, place: &Place, query: impl Fn(u32) -> String) -> Result<Reply, FeedError> {
        loop {
            let limit = self.limit.load(Ordering::Relaxed);
            let mut url = self.clever.base.clone();
            url.set_path(&format!("/{}/{collection}", self.clever.version));
            url.set_query(Some(query(limit)).filter(|it| !it.is_empty()).as_deref());
            let make = || Ok(Ask { url: url.clone(), authorization: self.authorization(), post: None });
            let reply = self.clever.http.send(place, &make).await?;
            let place = || place.clone();
            match reply.status {
                // A user's token gets HTML with 404 here, so the status comes first.
                200..=299 if reply.html => return Err(FeedError::Html { place: place() }),
                200..=299 => return Ok(reply),
                401 if self.renew().await? => {}
                401 => return Err(FeedError::Unauthorized { place: place() }),
                403 | 404 => {
                    let problem = if reply.status == 403 {
                        "Clever answered 403"
                    } else {
                        "Clever answered 404, as it does for a token that is no district's"
                    };
                    return Err(FeedError::Disconnected { place: place(), problem });
                }
                413 if limit > 1 => self.limit.store(limit.div_ceil(2), Ordering::Relaxed),
                status => {
                    let advice = "check `url` and `version`";
                    return Err(FeedError::Status { place: place(), status, advice });
                }
            }
        }
    }

    fn authorization(&self) -> SecretString {
        self.authorization.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// After a 401: reads the token list again, once a pull. A token by itself cannot be renewed.
    async fn renew(&self) -> Result<bool, FeedError> {
        if matches!(self.clever.access, Access::Token(_)) || self.renewed.swap(true, Ordering::Relaxed) {
            return Ok(false);
        }
        let fresh = self.clever.token().await?;
        *self.authorization.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = fresh;
        Ok(true)
    }
}

fn query(limit: u32, after: Option<&str>) -> String {
    let after = after.map(|id| format!("&starting_after={}", encode(id))).unwrap_or_default();
    format!("limit={limit}{after}")
}

/// Where a link to the next page begins, if it stays where the credential belongs.
pub(in crate::feed) fn cursor(base: &Url, link: &str) -> Option<String> {
    starting_after(&same_origin(base, link)?)
}

fn starting_after(url: &Url) -> Option<String> {
    let found = url.query_pairs().find(|(name, _)| name == "starting_after");
    found.map(|(_, id)| id.into_owned()).filter(|it| !it.is_empty())
}
