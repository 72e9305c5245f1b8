//! Signing in with an organization: who is let in, to what, and who is not. `support::provider` is the organization.

use std::collections::BTreeMap;
use std::path::Path;

use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Client, StatusCode, redirect};
use serde_json::{Value, json};

use crate::support::canary::search;
use crate::support::daemon::{DAY_1, Daemon, Installation, until};
use crate::support::postgres;
use crate::support::provider::{PUBLIC, Provider, SECRET, Slip};

const DISTRICT: &str = "mulberry-springs";

const SPRINGS: &str = "[\"mulberry-springs\"]";
const BY_HAND: &str = "[\"by-hand\"]";

/// Everybody reads; some decide in one district, some in the other, some see but one.
const GROUPS: [(&str, &str, &str); 4] = [
    ("staff", "[\"read\"]", "[]"),
    ("springs", "[\"sync\", \"approve\"]", SPRINGS),
    ("hand", "[\"approve\", \"sync\"]", BY_HAND),
    ("only-hand", "[\"read\", \"people\"]", BY_HAND),
];

/// A browser: it keeps cookies for the paths they are for, and follows nothing by itself.
#[derive(Clone)]
struct Browser<'a> {
    daemon: &'a Daemon,
    client: Client,
    /// Value and path, by name.
    cookies: BTreeMap<String, (String, String)>,
}

#[derive(Debug)]
struct Page {
    status: StatusCode,
    headers: HeaderMap,
    html: String,
}

impl Page {
    fn location(&self) -> &str {
        self.headers.get(LOCATION).map(|it| it.to_str().unwrap()).unwrap_or_default()
    }

    fn cookies(&self) -> Vec<&str> {
        self.headers.get_all(SET_COOKIE).iter().map(|it| it.to_str().unwrap()).collect()
    }

    /// What the forms of the page carry.
    fn key(&self) -> &str {
        let after = self.html.split("name=\"key\" value=\"").nth(1).unwrap_or_else(|| panic!("no form: {}", self.html));
        after.split('"').next().unwrap()
    }

    /// Whether it is a page for somebody of this name.
    fn greets(&self, name: &str) -> bool {
        self.html.contains(&format!("<span>{name} <code"))
    }

    /// What the person is called in runs and audit.
    fn pseudonym(&self) -> String {
        let after = self.html.split("runs and audit\">").nth(1).unwrap_or_else(|| panic!("nobody: {}", self.html));
        after.split('<').next().unwrap().to_owned()
    }
}

impl<'a> Browser<'a> {
    fn new(daemon: &'a Daemon) -> Self {
        rosterd::feed::http::install_crypto();
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
        Self { daemon, client, cookies: BTreeMap::new() }
    }

    async fn send(&mut self, path: &str, request: reqwest::RequestBuilder) -> Page {
        let sent = self.cookies.iter().filter(|(_, (_, below))| path.starts_with(below.as_str()));
        let sent: Vec<String> = sent.map(|(name, (value, _))| format!("{name}={value}")).collect();
        let answer = request.header(COOKIE, sent.join("; ")).send().await.unwrap();
        let page =
            Page { status: answer.status(), headers: answer.headers().clone(), html: answer.text().await.unwrap() };
        for cookie in page.cookies() {
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Lax"), "{cookie}");
            let (name, value) = pair.split_once('=').unwrap();
            let below = attributes.split("Path=").nth(1).unwrap().split(';').next().unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), (value.to_owned(), below.to_owned()));
            }
        }
        page
    }

    async fn get(&mut self, path: &str) -> Page {
        let request = self.client.get(self.daemon.url(path));
        self.send(path, request).await
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.client.post(self.daemon.url(path)).body(body);
        self.send(path, request.header("content-type", "application/x-www-form-urlencoded")).await
    }

    /// To the provider and through its doors: the path at which it sends the person back.
    async fn leaves(&mut self, to: &str) -> String {
        let begun = self.get(&format!("/sign-in/oidc?to={to}")).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.html);
        let answer = self.client.get(begun.location()).send().await.unwrap();
        let back = answer.headers().get(LOCATION).unwrap().to_str().unwrap();
        back.strip_prefix(PUBLIC).unwrap().to_owned()
    }

    async fn comes_back(&mut self) -> Page {
        let back = self.leaves("/").await;
        self.get(&back).await
    }

    async fn sign_in(daemon: &'a Daemon) -> Self {
        let mut browser = Self::new(daemon);
        let page = browser.comes_back().await;
        assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/"), "{}", page.html);
        assert!(browser.is_signed_in());
        browser
    }

    fn is_signed_in(&self) -> bool {
        self.cookies.contains_key("rosterd_session")
    }

    /// The run that is filed on the page of the district, when it has ended.
    async fn syncs(&mut self) -> String {
        let path = format!("/districts/{DISTRICT}");
        let key = self.get(&path).await.key().to_owned();
        let filed = self.post(&format!("{path}/sync"), &[("key", &key), ("reason", "first day")]).await;
        assert_eq!(filed.status, StatusCode::SEE_OTHER, "{}", filed.html);
        let run = filed.location().to_owned();
        assert!(self.get(&format!("{run}/events")).await.html.contains("event: end"), "{run}");
        run
    }

    async fn approves(&mut self, run: &str, hash: &str) -> Page {
        let key = self.get("/").await.key().to_owned();
        let fields = [("key", key.as_str()), ("verdict", "approve"), ("group", "district/first_sync"), ("hash", hash)];
        self.post(&format!("{run}/decide"), &fields).await
    }
}

/// A page that says what is wrong, and no session.
#[track_caller]
fn is_refused(browser: &Browser<'_>, page: &Page, status: u16, words: &str) {
    assert_eq!(page.status.as_u16(), status, "{}", page.html);
    assert!(page.html.starts_with("<!doctype html>") && page.html.contains(words), "{words}: {}", page.html);
    assert!(!browser.is_signed_in(), "{:?}", page.cookies());
}

/// T23: rights are of a scope in a district. Who reads everywhere and approves in one district approves nothing in another, and
/// who is let into one district sees no other.
#[tokio::test]
async fn a_person_may_what_their_groups_give_and_where_they_give_it() {
    let provider = Provider::start(true).await;
    let installation = Installation::new("review", &provider.settings(&GROUPS));
    let daemon = installation.start(DAY_1).await;
    assert!(
        Browser::new(&daemon)
            .get("/sign-in?to=/audit")
            .await
            .html
            .contains("<a class=\"go\" href=\"/sign-in/oidc?to=%2Faudit\">Sign in with your organization</a>")
    );

    provider.knows("ann-4711", "Ann <Öhm>", &["staff", "springs", "canteen"]);
    let mut ann = Browser::sign_in(&daemon).await;
    let home = ann.get("/").await;
    let called = home.pseudonym();
    assert!(home.greets("Ann &#60;Öhm&#62;") && called.starts_with("oidc:") && !called.contains("ann"), "{called}");
    let run = ann.syncs().await;
    let page = ann.get(&run).await;
    assert!(page.html.contains("Approve what is ticked"), "{}", page.html);
    let hash = page.html.split("name=\"hash\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let elsewhere = ann.get("/districts/by-hand").await;
    assert_eq!(elsewhere.status, 200, "she reads everywhere");

    provider.knows("ben-4712", "Ben", &["staff", "hand"]);
    let mut ben = Browser::sign_in(&daemon).await;
    let page = ben.get(&run).await;
    assert!(
        page.html.contains("district/first_sync") && !page.html.contains("Approve what is ticked"),
        "{}",
        page.html
    );
    assert!(!ben.get(&format!("/districts/{DISTRICT}")).await.html.contains("Sync now"));
    let refused = ben.approves(&run, &hash).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.html);
    assert!(refused.html.contains("your groups do not let you do this in that district"), "{}", refused.html);
    let key = ben.get("/").await.key().to_owned();
    let refused = ben.post(&format!("/districts/{DISTRICT}/sync"), &[("key", &key)]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.html);

    provider.knows("cat-4713", "", &["only-hand"]);
    let mut cat = Browser::sign_in(&daemon).await;
    assert_eq!(cat.get("/districts/by-hand").await.status, 200);
    assert_eq!(cat.get(&format!("/districts/{DISTRICT}")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(cat.get(&run).await.status, StatusCode::NOT_FOUND);
    let home = cat.get("/").await.html;
    assert!(!home.contains(DISTRICT), "{home}");
    let settings = cat.get("/settings").await.html;
    assert!(!settings.contains(DISTRICT) && !settings.contains(SECRET), "{settings}");
    let refused = cat.approves(&run, &hash).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.html.contains("none of your groups gives you the scope `approve`"), "{}", refused.html);

    let approved = ann.approves(&run, &hash).await;
    assert_eq!(approved.status, StatusCode::SEE_OTHER, "{}", approved.html);
    let done = approved.location().to_owned();
    assert!(ann.get(&format!("{done}/events")).await.html.contains("event: end"));
    assert!(ann.get(&run).await.html.contains(&format!("approved by {called}")));
    let key = ann.get("/").await.key().to_owned();
    ann.post("/sign-out", &[("key", &key)]).await;
    assert!(!ann.is_signed_in());
    let again = Browser::sign_in(&daemon).await.get("/").await.pseudonym();
    assert_ne!(again, called, "the provider knows cat now");
    provider.knows("ann-4711", "Ann Married", &["staff"]);
    assert_eq!(Browser::sign_in(&daemon).await.get("/").await.pseudonym(), called, "whatever she is called");
    daemon.stop().await;
}

/// OpenID Connect Core, 3.1.3.7: an ID token is taken only if it is genuine, of this provider, for this client, in force and of this very
/// sign-in. What else a provider may answer is told in words, too.
#[tokio::test]
async fn a_wrong_answer_of_the_provider_lets_nobody_in() {
    let provider = Provider::start(true).await;
    let installation = Installation::new("apply", &provider.settings(&GROUPS));
    let daemon = installation.start(DAY_1).await;
    provider.knows("ann-4711", "Ann", &["staff"]);
    for (slip, status, words) in [
        (Slip::Denied, 403, "did not let you in"),
        (Slip::NoToken, 502, "is not set up right"),
        (Slip::Nonce, 403, "is not for this sign-in"),
        (Slip::Audience, 403, "is not for this sign-in"),
        (Slip::Issuer, 403, "is not for this sign-in"),
        (Slip::Expired, 403, "is not for this sign-in"),
        (Slip::OtherKey, 403, "is not for this sign-in"),
        (Slip::UnknownKey, 403, "is not for this sign-in"),
        (Slip::SharedSecret, 403, "is not for this sign-in"),
        (Slip::Unsigned, 403, "is not for this sign-in"),
        (Slip::Failing, 503, "does not answer now"),
    ] {
        provider.slips(slip);
        let mut browser = Browser::new(&daemon);
        let page = browser.comes_back().await;
        assert_eq!(page.status.as_u16(), status, "{slip:?}: {}", page.html);
        is_refused(&browser, &page, status, words);
        assert!(browser.cookies.is_empty(), "{slip:?}: the attempt is over");
    }
    provider.slips(Slip::None);
    Browser::sign_in(&daemon).await;
    daemon.stop().await;
}

/// T22, RFC 6749, 10.12, RFC 7636: who comes back must be who left, with the code that was given for it, once.
#[tokio::test]
async fn a_way_back_is_of_the_browser_that_left_and_of_one_time() {
    let provider = Provider::start(true).await;
    let installation = Installation::new("apply", &provider.settings(&GROUPS));
    let daemon = installation.start(DAY_1).await;
    provider.knows("ann-4711", "Ann", &["staff"]);
    const NOT_HERE: &str = "not the end of a sign-in that was begun in this browser";

    let (mut one, mut other) = (Browser::new(&daemon), Browser::new(&daemon));
    let back = one.leaves("/").await;
    let page = other.get(&back).await;
    is_refused(&other, &page, 400, NOT_HERE);
    let theirs = other.leaves("/").await;
    let page = other.get(&back).await;
    is_refused(&other, &page, 400, NOT_HERE);

    // Another's code with one's own state: the verifier does not fit.
    let back = other.leaves("/").await;
    let word =
        |back: &str, name: &str| back.split(&format!("{name}=")).nth(1).unwrap().split('&').next().unwrap().to_owned();
    let mixed = back.replace(&word(&back, "code"), &word(&theirs, "code"));
    let page = other.get(&mixed).await;
    is_refused(&other, &page, 400, "used up");

    let back = one.leaves("/audit%3Fdistrict%3Dby-hand").await;
    let before = one.clone();
    for (wrong, words) in [
        (back.replace("state=", "state=0"), NOT_HERE),
        (back.replace("state=", "stat="), NOT_HERE),
        (back.replace("code=", "cod="), NOT_HERE),
        (format!("{back}&iss=https%3A%2F%2Fevil.example"), NOT_HERE),
        ("/sign-in/oidc/back".to_owned(), NOT_HERE),
        (format!("{back}&code=2"), "the query does not fit"),
    ] {
        let mut browser = before.clone();
        let page = browser.get(&wrong).await;
        is_refused(&browser, &page, 400, words);
    }
    let page = one.get(&back).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/audit?district=by-hand"));
    let mut again = before.clone();
    let page = again.get(&back).await;
    is_refused(&again, &page, 400, "used up");
    one.cookies.remove("rosterd_session");
    let page = one.get(&back).await;
    is_refused(&one, &page, 400, NOT_HERE);

    let back = one.leaves("//evil.example").await;
    assert_eq!(one.get(&back).await.location(), "/", "nobody is sent elsewhere");
    daemon.stop().await;
}

/// Who may not enter is told what to ask for, and whom.
#[tokio::test]
async fn who_is_in_no_group_of_the_settings_reads_what_to_ask_for() {
    let provider = Provider::start(true).await;
    let installation = Installation::new("apply", &provider.settings(&GROUPS));
    let daemon = installation.start(DAY_1).await;
    for (claims, words) in [
        (
            json!({ "sub": "ann", "groups": ["canteen", "Staff"] }),
            "ask who runs this dashboard to let one of your groups in",
        ),
        (json!({ "sub": "ann", "groups": [] }), "none of your groups is let in here"),
        (json!({ "sub": "ann" }), "as the claim `groups`"),
        (
            json!({ "sub": "ann", "_claim_names": { "groups": "src1" } }),
            "more groups than your organization sends at once",
        ),
    ] {
        provider.says(claims);
        let mut browser = Browser::new(&daemon);
        let page = browser.comes_back().await;
        is_refused(&browser, &page, 403, words);
    }
    daemon.stop().await;
}

/// T27: rights are looked up for each request, so a group that is taken out of the settings is out at once.
#[tokio::test]
async fn a_group_that_is_taken_out_of_the_settings_ends_what_it_gave() {
    let provider = Provider::start(true).await;
    let installation = Installation::new("apply", "");
    let plain = std::fs::read_to_string(installation.path("rosterd.toml")).unwrap();
    let with = |groups: &[(&str, &str, &str)]| installation.configure(&(plain.clone() + &provider.settings(groups)));
    with(&GROUPS);
    let daemon = installation.start(DAY_1).await;
    provider.knows("ann-4711", "Ann", &["staff", "springs"]);
    let mut ann = Browser::sign_in(&daemon).await;
    let path = format!("/districts/{DISTRICT}");
    let page = ann.get(&path).await;
    assert!(page.html.contains("Sync now"));
    let key = page.key().to_owned();

    with(&GROUPS[..1]);
    daemon.signal("HUP");
    until("the right to sync to end", async || (!ann.get(&path).await.html.contains("Sync now")).then_some(())).await;
    assert!(ann.get(&path).await.greets("Ann"), "she still reads");
    let sync = format!("{path}/sync");
    assert_eq!(ann.post(&sync, &[("key", &key)]).await.status, StatusCode::FORBIDDEN);

    with(&GROUPS[3..]);
    daemon.signal("HUP");
    until("the session to end", async || (!ann.get("/").await.greets("Ann")).then_some(())).await;
    assert_eq!(ann.post(&sync, &[("key", &key)]).await.status, StatusCode::UNAUTHORIZED);

    with(&GROUPS);
    daemon.signal("HUP");
    until("the session to be of use again", async || ann.get("/").await.greets("Ann").then_some(())).await;
    installation.configure(&plain);
    daemon.signal("HUP");
    until("the session to end", async || (!ann.get("/").await.greets("Ann")).then_some(())).await;
    assert_eq!(ann.get("/sign-in/oidc").await.status, StatusCode::NOT_FOUND);
    daemon.stop().await;
}

/// A provider that is not there keeps nobody with a token out.
#[tokio::test]
async fn while_the_provider_is_down_a_token_still_works() {
    let provider = Provider::start(true).await;
    let settings = provider.settings(&GROUPS).replace(&provider.issuer(), "http://127.0.0.1:1");
    let installation = Installation::new("apply", &settings);
    let token = installation.token("desk", &["--scope", "read"]);
    let daemon = installation.start(DAY_1).await;
    let mut browser = Browser::new(&daemon);
    let page = browser.get("/sign-in/oidc").await;
    is_refused(&browser, &page, 503, "does not answer now");
    let page = browser.post("/sign-in", &[("token", &token), ("to", "/")]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert!(browser.get("/").await.html.contains("<span>desk</span>"));
    daemon.stop().await;
}

/// A provider renews its keys whenever it likes.
#[tokio::test]
async fn a_new_key_of_the_provider_is_fetched_when_it_is_met() {
    let provider = Provider::start(true).await;
    let installation = Installation::new("apply", &provider.settings(&GROUPS));
    let daemon = installation.start(DAY_1).await;
    provider.knows("ann-4711", "Ann", &["staff"]);
    Browser::sign_in(&daemon).await;
    provider.renews_its_key();
    Browser::sign_in(&daemon).await;
    daemon.stop().await;
}

/// RFC 7636: a client without a secret is told from others by its verifier alone; one with a wrong secret is told to the operator.
#[tokio::test]
async fn a_client_has_a_secret_or_none_but_not_a_wrong_one() {
    let public = Provider::start(false).await;
    let installation = Installation::new("apply", &public.settings(&GROUPS));
    let daemon = installation.start(DAY_1).await;
    public.knows("ann-4711", "Ann", &["staff"]);
    Browser::sign_in(&daemon).await;
    daemon.stop().await;

    let provider = Provider::start(true).await;
    let settings = provider.settings(&GROUPS).replace(SECRET, "another s3cret");
    let installation = Installation::new("apply", &settings);
    let daemon = installation.start(DAY_1).await;
    let mut browser = Browser::new(&daemon);
    let page = browser.comes_back().await;
    is_refused(&browser, &page, 502, "whose log says what it is");
    let log = daemon.log();
    assert!(
        log.contains("check `http.oidc.client_id` and `http.oidc.client_secret`") && !log.contains("s3cret"),
        "{log}"
    );
    daemon.stop().await;
}

/// Nothing of a sign-in is kept in one process: another one finishes it, and knows the session.
#[tokio::test]
async fn a_sign_in_begun_at_one_process_is_finished_at_another() {
    let Some(url) = postgres::fresh_database().await else { return };
    let provider = Provider::start(true).await;
    let installation = Installation::over(url, "apply", &provider.settings(&GROUPS));
    let (one, other) = (installation.start(DAY_1).await, installation.start(DAY_1).await);
    provider.knows("ann-4711", "Ann", &["staff"]);
    let mut browser = Browser::new(&one);
    let back = browser.leaves("/").await;
    browser.daemon = &other;
    assert_eq!(browser.get(&back).await.status, StatusCode::SEE_OTHER);
    browser.daemon = &one;
    assert!(browser.get("/").await.greets("Ann"));
    one.stop().await;
    other.stop().await;
}

/// K1, T12: who signs in is a person of the organization. Their name is on their own pages; log, runs and audit have a pseudonym.
#[tokio::test(flavor = "multi_thread")]
async fn k1_nobodys_name_or_address_is_in_log_runs_or_audit() {
    let provider = Provider::start(true).await;
    let installation = Installation::new("review", &provider.settings(&GROUPS));
    let trace = [("RUST_LOG", Path::new("trace")), ("RUST_BACKTRACE", Path::new("1"))];
    let mut daemon = installation.spawn_with(DAY_1, &trace);
    daemon.listening().await;
    provider.knows("zyxlogin", "Zyxgiven Zyxfamily", &["canteen"]);
    let mut browser = Browser::new(&daemon);
    let page = browser.comes_back().await;
    is_refused(&browser, &page, 403, "none of your groups");
    provider.knows("zyxlogin", "Zyxgiven Zyxfamily", &["staff", "springs"]);
    for slip in [Slip::Denied, Slip::Nonce, Slip::OtherKey] {
        provider.slips(slip);
        Browser::new(&daemon).comes_back().await;
    }
    provider.slips(Slip::None);
    let mut browser = Browser::new(&daemon);
    let back = browser.leaves("/").await;
    browser.get(&back).await;
    let home = browser.get("/").await;
    assert!(home.greets("Zyxgiven Zyxfamily"), "for her own eyes");
    let called = home.pseudonym();
    let run = browser.syncs().await;
    let page = browser.get(&run).await;
    let hash = page.html.split("name=\"hash\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let approved = browser.approves(&run, &hash).await;
    assert!(browser.get(&format!("{}/events", approved.location())).await.html.contains("event: end"));
    let session = browser.cookies["rosterd_session"].0.clone();
    daemon.signal("TERM");
    let (status, log) = daemon.end().await;
    assert_eq!(status.code(), Some(0), "{log}");
    search("the daemon's log", &log);
    assert!(log.contains(&called), "support can follow somebody who says what they are called");
    let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let state = back.split("state=").nth(1).unwrap().split('&').next().unwrap();
    for secret in [code, state, session.as_str(), SECRET] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    for words in [&["audit", "export", "--format", "jsonl"][..], &["runs", "list", "--json"]] {
        let out = installation.cli(DAY_1, words);
        let said = String::from_utf8(out.stdout).unwrap();
        search(words[0], &said);
        assert!(said.contains(&called), "{words:?}");
    }
}

/// What is wrong with a provider is told before anybody wants to sign in.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_asks_the_provider_and_says_what_to_mend() {
    let provider = Provider::start(true).await;
    let installation = Installation::new("apply", "");
    let plain = std::fs::read_to_string(installation.path("rosterd.toml")).unwrap();
    let found = |from: &str, to: &str| {
        installation.configure(&(plain.clone() + &provider.settings(&GROUPS).replace(from, to)));
        let out = installation.cli(DAY_1, &["doctor", "--json"]);
        let all: Value = serde_json::from_slice(&out.stdout).unwrap();
        let all = all.as_array().unwrap().iter();
        let of = all.filter(|it| matches!(it["check"].as_str(), Some("sign-in" | "secret" | "configuration")));
        let line = |it: &Value| format!("{} {} {} {}\n", it["check"], it["subject"], it["state"], it["message"]);
        of.map(line).collect::<Vec<_>>().concat()
    };
    let well = found("nothing", "nothing");
    assert!(well.contains(&format!("\"sign-in\" \"{}\" \"ok\"", provider.issuer())), "{well}");
    assert!(well.contains("http.oidc: client_secret") && well.contains("plain text"), "{well}");
    let issuer = provider.issuer();
    let issuer = issuer.as_str();
    for (from, to, words) in [
        (issuer, format!("{issuer}/"), "to the last slash"),
        (issuer, format!("{issuer}/elsewhere"), "answers 404 where its discovery document should be"),
        (issuer, "http://127.0.0.1:1".to_owned(), "the provider does not answer: no connection could be made"),
        (issuer, "http://id.example.com".to_owned(), "`http.oidc.issuer` is not https"),
        (PUBLIC, "http://rosterd.example.com".to_owned(), "`http.oidc.public_url` is not https"),
        ("\"sync\", \"approve\"", "\"sink\"".to_owned(), "there is no scope `sink`"),
        (SPRINGS, "[\"mulberry\"]".to_owned(), "there is no [[district]] with the id `mulberry`"),
    ] {
        let said = found(from, &to);
        assert!(said.contains(words) && said.contains("failing") && !said.contains(SECRET), "{words}: {said}");
    }
}

/// What is in force stands on its page with where it comes from, and the secret does not.
#[tokio::test]
async fn the_page_of_the_settings_shows_the_provider_and_never_the_secret() {
    let provider = Provider::start(true).await;
    let installation = Installation::new("apply", &provider.settings(&GROUPS));
    let daemon = installation.start(DAY_1).await;
    let page = Browser::new(&daemon).get("/settings").await.html;
    for shown in [
        "<h2>http.oidc</h2>",
        &provider.issuer(),
        "openid profile",
        "sync, approve in mulberry-springs",
        "read in all districts",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains(SECRET), "{page}");
    daemon.stop().await;
}
