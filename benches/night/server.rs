//! The source on loopback: pages made and compressed beforehand, handed out by offset. It works in this process, so that its
//! cost is nobody's.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::district::{COLLECTIONS, District};

/// Rows of a page.
pub(crate) const PAGE: usize = 10_000;

/// All that is served: by collection and offset; and how many rows a collection has.
#[derive(Default)]
pub(crate) struct Pages {
    bodies: BTreeMap<(String, usize), Vec<u8>>,
    totals: BTreeMap<String, usize>,
    /// Bytes as they travel, and as they are read.
    pub(crate) compressed: usize,
    pub(crate) plain: usize,
}

impl Pages {
    pub(crate) fn of(district: &District) -> Self {
        let mut pages = Self::default();
        for collection in COLLECTIONS {
            let total = district.count(collection);
            pages.totals.insert(collection.to_owned(), total);
            // A client that watches for rows that move asks for the last row of each page once more.
            for offset in (0..=total).step_by(PAGE - 1) {
                let text = district.page(collection, offset, PAGE);
                let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
                gzip.write_all(text.as_bytes()).unwrap();
                let body = gzip.finish().unwrap();
                pages.plain += text.len();
                pages.compressed += body.len();
                pages.bodies.insert((collection.to_owned(), offset), body);
            }
        }
        pages
    }

    /// What a client that knows the totals asks for.
    pub(crate) fn paths(&self) -> impl Iterator<Item = String> {
        self.bodies
            .keys()
            .filter(|(collection, offset)| *offset == 0 || *offset + 1 < self.totals[collection])
            .map(|(collection, offset)| format!("/ims/oneroster/v1p1/{collection}?limit={PAGE}&offset={offset}"))
    }
}

/// A server that can be given another night's pages.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    pages: Arc<RwLock<Arc<Pages>>>,
}

impl Server {
    /// Each answer waits `delay` first.
    pub(crate) fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let pages: Arc<RwLock<Arc<Pages>>> = Arc::default();
        let it = Self { url, pages: Arc::clone(&pages) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let pages = Arc::clone(&pages);
                std::thread::spawn(move || serve(&stream, &pages, delay));
            }
        });
        it
    }

    pub(crate) fn show(&self, pages: Arc<Pages>) {
        *self.pages.write().unwrap() = pages;
    }
}

/// Answers one connection until it is closed; a client that breaks off ends it.
fn serve(stream: &TcpStream, pages: &RwLock<Arc<Pages>>, delay: Duration) {
    let mut lines = BufReader::new(stream).lines();
    loop {
        let Some(Ok(request)) = lines.next() else { return };
        while let Some(Ok(line)) = lines.next() {
            if line.is_empty() {
                break;
            }
        }
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let pages = Arc::clone(&pages.read().unwrap());
        std::thread::sleep(delay);
        let (collection, query) = path.rsplit('/').next().unwrap_or_default().split_once('?').unwrap_or_default();
        let number = |name: &str| -> usize {
            query.split('&').find_map(|it| it.strip_prefix(name)).and_then(|it| it.parse().ok()).unwrap_or(0)
        };
        let empty = Vec::new();
        let body = if number("limit=") == PAGE {
            pages.bodies.get(&(collection.to_owned(), number("offset=")))
        } else {
            // Asked for the total alone.
            Some(&empty)
        };
        let total = pages.totals.get(collection).copied().unwrap_or(0);
        let answer = match body {
            Some(body) if body.is_empty() => format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Total-Count: {total}\r\nContent-Length: 2\r\n\r\n{{}}"
            )
            .into_bytes(),
            Some(body) => {
                let mut answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nX-Total-Count: {total}\r\n\
                     Content-Length: {}\r\n\r\n",
                    body.len()
                )
                .into_bytes();
                answer.extend_from_slice(body);
                answer
            }
            None => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        };
        if (&*stream).write_all(&answer).is_err() {
            return;
        }
    }
}
