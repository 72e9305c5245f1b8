//! The dashboard in a real browser: what an operator and a supporter do there, with the keys and buttons that they have.
//!
//! `ROSTERD_PICTURES=FOLDER` keeps a picture of every page, light and dark, wide and narrow.

use crate::support::chromium::{Chromium, Scheme, axe};
use crate::support::daemon::{DAY_1, Daemon, Installation};
use crate::support::provider::{PUBLIC, Provider, Slip};

const DISTRICT: &str = "mulberry-springs";
const WIDE: (u32, u32) = (1280, 900);
const NARROW: (u32, u32) = (390, 844);

fn token(installation: &Installation) -> String {
    let scopes = ["read", "sync", "approve", "people"].map(|it| ["--scope", it]);
    installation.token("desk", scopes.as_flattened())
}

async fn sign_in(browser: &Chromium, daemon: &Daemon, token: &str) {
    browser.open(&daemon.url("/")).await;
    browser.follow("Sign in").await;
    browser.write("#token", token).await;
    browser.click("main form button").await;
    browser.element("form[action='/sign-out']").await;
    assert_eq!(browser.path().await, "/");
}

/// Asks for a sync on the page of the district; the browser is then on the page of its run, which has ended.
async fn sync(browser: &Chromium, daemon: &Daemon) -> String {
    browser.open(&daemon.url(&format!("/districts/{DISTRICT}"))).await;
    browser.write("form[action$='/sync'] input[name='reason']", "first day").await;
    browser.press("form[action$='/sync'] button").await;
    ended(browser).await;
    browser.path().await
}

/// The page follows its run by itself; without `#live` it has ended.
async fn ended(browser: &Chromium) {
    browser.element("ol.stages").await;
    browser.element("main:not(:has(#live))").await;
}

/// U6, S4.29: read what is held, approve it with a reason, take it back; all by its buttons.
#[tokio::test]
async fn an_operator_reads_approves_and_reverts_in_the_browser() {
    let Some(browser) = Chromium::start(Scheme::Light, WIDE).await else { return };
    let installation = Installation::new("review", "");
    let token = token(&installation);
    let daemon = installation.start(DAY_1).await;
    sign_in(&browser, &daemon, &token).await;
    let held = sync(&browser, &daemon).await;
    browser.shows("Held for review").await;
    browser.shows("district/first_sync").await;
    browser.write("#reason", "school starts").await;
    browser.press("button[value='approve']").await;
    ended(&browser).await;
    assert_ne!(browser.path().await, held, "the approval is a run of its own");
    browser.shows("school starts").await;

    installation.rename("users.csv", "Vanderpuff", "Vanderpoof");
    sync(&browser, &daemon).await;
    browser.write("#back", "a wrong name").await;
    browser.press("form[action$='/revert'] button").await;
    ended(&browser).await;
    browser.shows("a wrong name").await;
    browser.open(&daemon.url(&held)).await;
    browser.shows("approved by token:desk").await;
    browser.open(&daemon.url("/nowhere")).await;
    browser.shows("there is nothing at this path").await;
    browser.click("form[action='/sign-out'] button").await;
    browser.element("a[href='/sign-in']").await;
    browser.close().await;
    daemon.stop().await;
}

/// U23, C6: find a child by name, see who must act, search the audit, take it along as CSV.
#[tokio::test]
async fn support_finds_a_child_and_the_audit_in_the_browser() {
    let Some(browser) = Chromium::start(Scheme::Light, WIDE).await else { return };
    let installation = Installation::new("apply", "");
    let token = token(&installation);
    let daemon = installation.start(DAY_1).await;
    sign_in(&browser, &daemon, &token).await;
    sync(&browser, &daemon).await;
    browser.open(&daemon.url(&format!("/districts/{DISTRICT}/users"))).await;
    browser.write("#q", "vanderpuff").await;
    browser.press("form[role='search'] button").await;
    browser.press("th[scope='row'] a").await;
    browser.shows("Who must act").await;
    let user = browser.script("return new URL(location).searchParams.get('id')", &[]).await;
    let user = user.as_str().unwrap().to_owned();

    browser.follow("Audit").await;
    browser.script("document.querySelector('#district').value = arguments[0]", &[DISTRICT.into()]).await;
    browser.write("#user", &user).await;
    browser.press("form[role='search'] button").await;
    browser.shows("user.added").await;
    browser.shows("seat.granted").await;
    let csv = browser
        .script("const r = new XMLHttpRequest(); r.open('GET', document.querySelector(\"a[href^='/audit.csv']\").href, false); \
             try { r.send() } catch (e) { return String(e) } return r.responseText", &[])
        .await;
    let text = csv.as_str().unwrap();
    assert!(text.contains("user.added") && text.contains(&user), "{text}");
    browser.close().await;
    daemon.stop().await;
}

/// T23: a press of the button and the organization's word are enough, and the person is then where their group lets them be.
#[tokio::test]
async fn a_person_signs_in_with_their_organization_and_sees_their_district_alone() {
    let Some(browser) = Chromium::start(Scheme::Light, WIDE).await else { return };
    let provider = Provider::start(true).await;
    let groups = [("springs", "[\"read\"]", "[\"mulberry-springs\"]")];
    let installation = Installation::new("apply", &provider.settings(&groups));
    let daemon = installation.start(DAY_1).await;
    // A browser cannot be brought to another port: people are sent back to where the daemon listens.
    let settings = std::fs::read_to_string(installation.path("rosterd.toml")).unwrap();
    installation.configure(&settings.replace(PUBLIC, &daemon.url("")));
    daemon.signal("HUP");
    daemon.logs("configuration read again").await;

    provider.knows("ann-4711", "Ann Öhm", &["springs", "canteen"]);
    provider.slips(Slip::Denied);
    browser.open(&daemon.url("/sign-in?to=/settings")).await;
    browser.click("a[href^='/sign-in/oidc']").await;
    browser.shows("organization did not let you in").await;

    provider.slips(Slip::None);
    browser.open(&daemon.url("/")).await;
    browser.follow("Sign in").await;
    browser.click("a[href^='/sign-in/oidc']").await;
    browser.element("form[action='/sign-out']").await;
    assert_eq!(browser.path().await, "/");
    browser.shows("Ann Öhm").await;
    browser.shows(DISTRICT).await;
    let text = browser.text().await;
    assert!(!text.contains("by-hand"), "{text}");
    browser.open(&daemon.url("/districts/by-hand")).await;
    browser.shows("your groups do not let you do this in that district").await;
    browser.open(&daemon.url(&format!("/districts/{DISTRICT}"))).await;
    browser.element("form[action='/sign-out']").await;
    let buttons = browser.script("return document.querySelectorAll(\"form[action$='/sync']\").length", &[]).await;
    assert_eq!(buttons.as_u64(), Some(0), "who reads starts nothing");
    browser.click("form[action='/sign-out'] button").await;
    browser.element("a[href='/sign-in']").await;
    browser.close().await;
    daemon.stop().await;
}

/// WCAG 2.2 AA: no page has anything that axe-core finds wrong, in either scheme, on a desk or a phone; and no page is wider
/// than the window.
#[tokio::test]
async fn every_page_can_be_read_by_everyone() {
    let Some(axe) = axe() else { return };
    let provider = Provider::start(true).await;
    let installation = Installation::new("review", &provider.settings(&[("staff", "[\"read\"]", "[]")]));
    let token = token(&installation);
    let daemon = installation.start(DAY_1).await;
    let mut held = None;
    for (scheme, size) in [(Scheme::Light, WIDE), (Scheme::Dark, WIDE), (Scheme::Light, NARROW), (Scheme::Dark, NARROW)]
    {
        let Some(browser) = Chromium::start(scheme, size).await else { return };
        let mut wrong = Vec::new();
        let look = async |path: &str, wrong: &mut Vec<String>| {
            browser.open(&daemon.url(path)).await;
            let dark = browser.script("return matchMedia('(prefers-color-scheme: dark)').matches", &[]).await;
            assert_eq!(dark.as_bool(), Some(scheme == Scheme::Dark));
            wrong.extend(
                browser.violations(&axe).await.into_iter().map(|it| format!("{path} {scheme:?} {size:?} {it}")),
            );
            let over = browser.script("return document.documentElement.scrollWidth - innerWidth", &[]).await;
            if over.as_i64().unwrap() > 0 {
                wrong.push(format!("{path} {size:?} is {over} px too wide"));
            }
            if let Some(folder) = std::env::var_os("ROSTERD_PICTURES") {
                let name = format!("{}-{scheme:?}-{}.png", path.replace(['/', '?', '=', '&'], "_"), size.0);
                std::fs::write(std::path::Path::new(&folder).join(name), browser.picture().await).unwrap();
            }
        };
        look("/sign-in", &mut wrong).await;
        browser.element("a[href^='/sign-in/oidc']").await;
        look("/sign-in/oidc/back?code=x&state=y", &mut wrong).await;
        sign_in(&browser, &daemon, &token).await;
        if held.is_none() {
            let run = sync(&browser, &daemon).await;
            look(&run, &mut wrong).await;
            browser.open(&daemon.url(&run)).await;
            browser.write("#reason", "school starts").await;
            browser.press("button[value='approve']").await;
            ended(&browser).await;
            held = Some((run, browser.path().await));
        }
        let (held, approved) = held.as_ref().unwrap();
        let user = "00dfe3e0-f5ec-4275-a859-9284481db6fe";
        for path in [
            "/".to_owned(),
            held.clone(),
            approved.clone(),
            format!("/districts/{DISTRICT}"),
            format!("/districts/{DISTRICT}/users?q=vanderpuff"),
            format!("/districts/{DISTRICT}/user?id={user}"),
            format!("/districts/{DISTRICT}/reports/claims"),
            format!("/districts/{DISTRICT}/reports/compliance"),
            format!("/audit?district={DISTRICT}"),
            "/settings".to_owned(),
            "/nowhere".to_owned(),
        ] {
            look(&path, &mut wrong).await;
        }
        browser.close().await;
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
    daemon.stop().await;
}
