//! The dashboard as a browser sees it: signing in, deciding, and names that would like to be more than names.

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, StatusCode, redirect};
use rosterd::http::routes::{Needs, ROUTES};

use crate::support::daemon::{DAY_1, Daemon, Installation};

const DISTRICT: &str = "mulberry-springs";

/// A browser: it keeps its cookie and follows nothing by itself.
struct Browser<'a> {
    daemon: &'a Daemon,
    client: Client,
    cookie: String,
}

struct Page {
    status: StatusCode,
    location: String,
    cookie: String,
    html: String,
}

impl<'a> Browser<'a> {
    fn new(daemon: &'a Daemon) -> Self {
        rosterd::feed::http::install_crypto();
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
        Self { daemon, client, cookie: String::new() }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Page {
        let answer = request.header(COOKIE, &self.cookie).send().await.unwrap();
        let header = |name| answer.headers().get(name).map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default();
        let policy = header(reqwest::header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let (location, cookie) = (header(LOCATION), header(SET_COOKIE));
        Page { status: answer.status(), location, cookie, html: answer.text().await.unwrap() }
    }

    async fn get(&self, path: &str) -> Page {
        self.send(self.client.get(self.daemon.url(path))).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.client.post(self.daemon.url(path)).body(body);
        self.send(request.header("content-type", "application/x-www-form-urlencoded")).await
    }

    async fn sign_in(daemon: &'a Daemon, token: &str) -> Self {
        let mut browser = Self::new(daemon);
        let page = browser.post("/sign-in", &[("token", token), ("to", "/")]).await;
        assert_eq!((page.status, page.location.as_str()), (StatusCode::SEE_OTHER, "/"));
        assert!(page.cookie.contains("HttpOnly") && page.cookie.contains("SameSite=Lax"), "{}", page.cookie);
        page.cookie.split(';').next().unwrap().clone_into(&mut browser.cookie);
        browser
    }

    /// What the forms of a page carry.
    fn key(page: &Page) -> String {
        let after = page.html.split("name=\"key\" value=\"").nth(1).unwrap_or_else(|| panic!("no form: {}", page.html));
        after.split('"').next().unwrap().to_owned()
    }

    /// Waits for a run as the page's script does.
    async fn followed(&self, path: &str) -> Page {
        assert!(self.get(&format!("{path}/events")).await.html.contains("event: end"), "{path}");
        self.get(path).await
    }
}

async fn synced(browser: &Browser<'_>) -> String {
    let district = browser.get(&format!("/districts/{DISTRICT}")).await;
    let fields = [("key", Browser::key(&district)), ("reason", "first day".to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let filed = browser.post(&format!("/districts/{DISTRICT}/sync"), &fields).await;
    assert_eq!(filed.status, StatusCode::SEE_OTHER, "{}", filed.html);
    browser.followed(&filed.location).await;
    filed.location
}

/// S4.29, U6, T20 to T24: sign in, sync, read what is held, approve it by the hash the page showed; a form of no session, of
/// another session or without the scope decides nothing.
#[tokio::test]
async fn a_held_run_is_read_and_approved_on_its_page_and_by_nobody_else() {
    let installation = Installation::new("review", "");
    let scopes = ["--scope", "read", "--scope", "sync", "--scope", "approve", "--scope", "people"];
    let (desk, reader) = (installation.token("desk", &scopes), installation.token("reader", &["--scope", "read"]));
    let daemon = installation.start(DAY_1).await;
    let nobody = Browser::new(&daemon);
    assert_eq!(nobody.get("/").await.status, 200, "counts are for who is on this machine");
    let wrong = nobody.post("/sign-in", &[("token", "rstd_wrong")]).await;
    assert_eq!((wrong.status, wrong.cookie.as_str()), (StatusCode::UNAUTHORIZED, ""));
    assert!(wrong.html.contains("not in force") && !wrong.html.contains("rstd_wrong"), "{}", wrong.html);

    let browser = Browser::sign_in(&daemon, &desk).await;
    let run = synced(&browser).await;
    let page = browser.get(&run).await;
    assert!(page.html.contains("district/first_sync") && page.html.contains("Approve what is ticked"), "{}", page.html);
    let hash = page.html.split("name=\"hash\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();

    let decide = format!("{run}/decide");
    let key = Browser::key(&page);
    let with = |key: &str| {
        [
            ("key", key),
            ("verdict", "approve"),
            ("group", "district/first_sync"),
            ("hash", &hash),
            ("reason", "school starts"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let post = async |browser: &Browser<'_>, key: &str| {
        let fields = with(key);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.post(&decide, &fields).await.status
    };
    assert_eq!(post(&nobody, &key).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(&browser, "").await, StatusCode::FORBIDDEN);
    let other = Browser::sign_in(&daemon, &reader).await;
    assert_eq!(post(&other, &key).await, StatusCode::FORBIDDEN);
    assert!(!other.get(&run).await.html.contains("Approve what is ticked"), "a reader has nothing to press");
    let forged = Browser { cookie: format!("{}0", browser.cookie), ..Browser::new(&daemon) };
    assert_eq!(post(&forged, &key).await, StatusCode::UNAUTHORIZED);

    let fields = with(&key);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let approved = browser.post(&decide, &fields).await;
    assert_eq!(approved.status, StatusCode::SEE_OTHER, "{}", approved.html);
    let done = browser.followed(&approved.location).await;
    assert!(done.html.contains("school starts") && done.html.contains("Revert this run"), "{}", done.html);
    assert!(browser.get(&run).await.html.contains("approved by token:desk"));
    assert!(installation.cli(DAY_1, &["token", "revoke", "desk"]).status.success());
    assert_eq!(
        browser.post(&decide, &fields).await.status,
        StatusCode::UNAUTHORIZED,
        "a revoked token ends its sessions"
    );
    daemon.stop().await;
}

/// S0.17, S0.18, S1.16: guides, whom to call and when stand at the foot of every page, in the vendor's words.
#[tokio::test]
async fn whom_to_ask_stands_on_every_page() {
    let support = "[support]\ntext = \"Call <us> 7:00 to 18:00 America/Chicago\"\n\
                   links = [{ title = \"Guides & forms\", url = \"https://help.example.com/?a=1&b=2\" }]\n";
    let installation = Installation::new("apply", support);
    let token = installation.token("desk", &["--scope", "read", "--scope", "sync"]);
    let daemon = installation.start(DAY_1).await;
    let browser = Browser::sign_in(&daemon, &token).await;
    for path in ["/", "/audit", "/settings", "/sign-in", "/districts/by-hand"] {
        let page = browser.get(path).await;
        let footer = page.html.split("<footer>").nth(1).unwrap();
        assert!(footer.contains("Call &#60;us&#62; 7:00 to 18:00 America/Chicago"), "{path}: {footer}");
        assert!(
            footer.contains("<a href=\"https://help.example.com/?a=1&#38;b=2\">Guides &#38; forms</a>"),
            "{footer}"
        );
    }
    daemon.stop().await;
}

/// S4.47: whoever is signed in for one district reads nothing of another.
#[tokio::test]
async fn a_session_of_one_district_sees_no_other() {
    let installation = Installation::new("apply", "");
    let all = installation.token("all", &["--scope", "read", "--scope", "sync"]);
    let other = installation.token("other", &["--scope", "admin", "--district", "by-hand"]);
    let daemon = installation.start(DAY_1).await;
    let run = synced(&Browser::sign_in(&daemon, &all).await).await;
    let browser = Browser::sign_in(&daemon, &other).await;
    for route in ROUTES.iter().filter(|it| matches!(it.needs, Needs::Page | Needs::Form(_))) {
        let path = route.path.replace("{d}", DISTRICT).replace("{name}", "claims").replace("/runs/{id}", &run);
        let key = Browser::key(&browser.get("/").await);
        let page = match route.needs {
            Needs::Form(_) => browser.post(&path, &[("key", &key), ("verdict", "approve"), ("group", "x")]).await,
            _ if path == "/audit.csv" => browser.get(&format!("{path}?district={DISTRICT}")).await,
            _ if path.ends_with("/user") => browser.get(&format!("{path}?id=U")).await,
            _ => browser.get(&path).await,
        };
        let open = matches!(path.as_str(), "/" | "/audit" | "/settings");
        assert_eq!(page.status == 200, open, "{route:?}: {}", page.status);
        assert!(open || matches!(page.status.as_u16(), 403 | 404), "{route:?}: {}", page.status);
        assert!(!page.html.contains("Mulberry Springs"), "{route:?}");
    }
    daemon.stop().await;
}

/// Names of children are shown to who may see people and to nobody else, on any page.
#[tokio::test]
async fn a_child_is_found_by_name_only_by_who_may_see_people() {
    let installation = Installation::new("apply", "");
    let all = installation.token("all", &["--scope", "read", "--scope", "sync", "--scope", "people"]);
    let reader = installation.token("reader", &["--scope", "read"]);
    installation.rename("users.csv", "Vanderpuff", "Canarysson");
    let daemon = installation.start(DAY_1).await;
    let browser = Browser::sign_in(&daemon, &all).await;
    let run = synced(&browser).await;
    let found = browser.get(&format!("/districts/{DISTRICT}/users?q=canarysson")).await;
    assert!(found.html.contains("Canarysson"), "{}", found.html);
    let link = found.html.split("/user?id=").nth(1).unwrap().split('"').next().unwrap();
    let child = browser.get(&format!("/districts/{DISTRICT}/user?id={link}")).await;
    assert!(child.html.contains("Canarysson") && child.html.contains("Who must act"), "{}", child.html);

    let reader = Browser::sign_in(&daemon, &reader).await;
    let pages = [
        "/".to_owned(),
        format!("/districts/{DISTRICT}"),
        format!("/districts/{DISTRICT}/users?q=canarysson"),
        format!("/districts/{DISTRICT}/user?id={link}"),
        format!("/districts/{DISTRICT}/reports/claims"),
        format!("/audit?district={DISTRICT}"),
        run,
        "/settings".to_owned(),
    ];
    for path in pages {
        let page = reader.get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        let echoed = path.contains("canarysson");
        assert!(!page.html.contains("Canarysson") || echoed, "{path}: {}", page.html);
    }
    daemon.stop().await;
}

/// T37: names that are markup, or scripts, or formulas leave the skeleton of every page as it is.
#[tokio::test]
async fn hostile_names_leave_the_skeleton_of_the_pages_unchanged() {
    let skeleton = async |name: &str| {
        let installation = Installation::new("apply", "");
        let token = installation.token("all", &["--scope", "read", "--scope", "sync", "--scope", "people"]);
        installation.rename("users.csv", "Vanderpuff", name);
        installation.rename("orgs.csv", "Mulberry", name);
        let daemon = installation.start(DAY_1).await;
        let browser = Browser::sign_in(&daemon, &token).await;
        synced(&browser).await;
        let mut tags = Vec::new();
        for path in ["", "/users?q=ezra", "/reports/claims"] {
            let page = browser.get(&format!("/districts/{DISTRICT}{path}")).await;
            assert_eq!(page.status, 200);
            let names = page.html.split('<').skip(1).map(|tag| tag.split(['>', ' ', '\n']).next().unwrap().to_owned());
            tags.push(names.collect::<Vec<_>>());
            assert!(!page.html.contains("<script>") && !page.html.contains("onerror=alert(1)>"), "{}", page.html);
        }
        daemon.stop().await;
        tags
    };
    let plain = skeleton("Plain").await;
    for name in ["<script>alert(1)</script>", "'><img src=x onerror=alert(1)>", "{{7*7}}${7*7}", "=cmd|' /C calc'!A0"] {
        assert_eq!(skeleton(name).await, plain, "{name}");
    }
}

/// Anything but loopback asks for a session: each page shows the way to sign in, and back to itself.
#[tokio::test]
async fn off_this_machine_every_page_asks_to_sign_in_first() {
    let installation = Installation::new("apply", "");
    let settings = std::fs::read_to_string(installation.path("rosterd.toml")).unwrap();
    installation.configure(&settings.replace("127.0.0.1:0", "0.0.0.0:0"));
    let daemon = installation.start(DAY_1).await;
    let nobody = Browser::new(&daemon);
    let mut pages = 0;
    for route in ROUTES.iter().filter(|route| route.needs == Needs::Page) {
        let path = route.path.replace("{d}", DISTRICT).replace("{id}", "NONE").replace("{name}", "claims");
        let page = nobody.get(&path).await;
        let to: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        assert_eq!((page.status, page.location), (StatusCode::SEE_OTHER, format!("/sign-in?to={to}")), "{route:?}");
        pages += 1;
    }
    assert!(pages > 8);
    let elsewhere = nobody.get("/sign-in?to=//evil.example").await;
    assert!(elsewhere.html.contains("name=\"to\" value=\"/\""), "{}", elsewhere.html);
    daemon.stop().await;
}
