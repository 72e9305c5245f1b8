//! Finding a user, and why they have a product or have it not. Names are shown to who may see people.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use crate::explain::{Explanation, Who};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::body::Asked;
use crate::http::counted::Counted;
use crate::http::pages::parts::counting;
use crate::http::pages::{Frame, in_query, page, when};
use crate::http::problem::Problem;
use crate::http::recent::explained;
use crate::http::tokens::Scope;
use crate::inquiry::{self, Names, WhoAndWhat};
use crate::model::{DistrictId, SourceId, User};
use crate::store::StoreError;

/// Of who stands further behind the page does not count by which rule others are ahead.
const LINE: u32 = 1000;

/// Users on a page.
const SHOWN: usize = 50;

struct Found {
    name: String,
    id: String,
    query: String,
    roles: String,
    grades: String,
    active: &'static str,
}

#[derive(Template)]
#[template(path = "users.html")]
struct Users {
    frame: Frame,
    id: String,
    name: String,
    asked: String,
    may_see: bool,
    found: Vec<Found>,
    more: usize,
}

/// What to look for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    #[serde(default)]
    q: String,
}

/// `GET /districts/{d}/users?q=`.
pub(crate) async fn find(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(Search { q }): Asked<Search>,
) -> Result<Html<String>, Problem> {
    let id = DistrictId::new(id);
    caller.check(&id)?;
    let office = app.desk.office();
    office.store.district(&id).await?;
    let may_see = caller.may(Scope::People, &id);
    let (mut found, mut more) = (Vec::new(), 0);
    if may_see && q.trim().is_empty() {
        // Whoever is about to look for somebody is not kept waiting then.
        let (app, id) = (app.clone(), id.clone());
        tokio::spawn(async move { Box::pin(names(&app, &id)).await.map(|_| ()) });
    } else if may_see {
        let names = Box::pin(names(&app, &id)).await?;
        let ids: Vec<&SourceId> = names.find(&q).collect();
        more = ids.len().saturating_sub(SHOWN);
        found = office.store.users(&id, ids.into_iter().take(SHOWN)).await?;
    }
    app.readings.note(&id, caller.actor(), found.len());
    let name = office.known.get(&id).map_or_else(|| id.to_string(), |it| it.name().to_owned());
    page(&Users {
        frame: Frame::new(&app, &caller, "overview", format!("Find a user in {name}")),
        id: id.to_string(),
        name,
        asked: q,
        may_see,
        found: found.iter().map(row).collect(),
        more,
    })
}

/// What the users of a district are found by.
async fn names(app: &App, district: &DistrictId) -> Result<Arc<Names>, StoreError> {
    let store = app.desk.office().store;
    Box::pin(app.names.of(&store, district, Names::read(&store, district))).await
}

fn row(user: &User) -> Found {
    Found {
        name: inquiry::full_name(user),
        id: user.id.to_string(),
        query: in_query(user.id.as_str()),
        roles: inquiry::role_words(user),
        grades: user.grades.join(", "),
        active: if user.active { "yes" } else { "no" },
    }
}

struct Light {
    name: &'static str,
    tone: &'static str,
    mark: &'static str,
    says: String,
}

struct Answer {
    product: String,
    tone: &'static str,
    verdict: String,
    chain: Vec<Light>,
    who: &'static str,
    todo: String,
    ticket: String,
    history: Vec<String>,
}

#[derive(Template)]
#[template(path = "user.html")]
struct One {
    frame: Frame,
    district: String,
    user: String,
    name: String,
    answers: Vec<Answer>,
}

/// Whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Of {
    id: String,
}

/// `GET /districts/{d}/user?id=`.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(district): Path<String>,
    Asked(Of { id }): Asked<Of>,
) -> Result<Response, Problem> {
    let district = DistrictId::new(district);
    caller.check(&district)?;
    let office = app.desk.office();
    let user = SourceId::new(id);
    let asked = WhoAndWhat { district: &district, user: &user, product: None, as_of: office.clock.now() };
    let Some(counts) = Counted::for_page(&app, &district, asked.as_of).await? else {
        return counting(&app, &caller, district.to_string());
    };
    let answers = Box::pin(explained(&app, &counts, asked, Some(LINE))).await?;
    let mut name = String::new();
    if caller.may(Scope::People, &district) {
        let of = office.store.user(&district, &user).await?;
        app.readings.note(&district, caller.actor(), usize::from(of.is_some()));
        name = of.as_ref().map(inquiry::full_name).unwrap_or_default();
    }
    let name = if name.is_empty() { format!("User {user}") } else { name };
    let shown = page(&One {
        frame: Frame::new(&app, &caller, "overview", name.clone()),
        district: district.to_string(),
        user: user.to_string(),
        name,
        answers: answers.iter().map(answer).collect(),
    })?;
    Ok(shown.into_response())
}

fn answer(it: &Explanation) -> Answer {
    let (tone, verdict) = match it.access {
        "yes" => ("good", "may use it".to_owned()),
        "grace" => ("warn", "may use it, in grace".to_owned()),
        _ => match &it.line {
            Some(line) => ("warn", format!("waits, place {} of {}", line.position, line.of)),
            None => ("bad", "may not use it".to_owned()),
        },
    };
    let chain = it.chain.iter().map(|link| {
        let (tone, mark) = match link.ok {
            Some(true) => ("good", "ok:"),
            Some(false) => ("bad", "broken:"),
            None => ("", "not asked:"),
        };
        let wanted = link.conditions.iter().filter(|it| !it.met).map(|it| {
            let (wanted, saw) = (it.wanted.join(", "), it.saw.join(", "));
            format!("{} wants {wanted} and saw {}", it.condition, if saw.is_empty() { "nothing" } else { &saw })
        });
        let says = std::iter::once(link.says.clone()).chain(wanted).collect::<Vec<_>>().join("; ");
        Light { name: link.link.words(), tone, mark, says }
    });
    let history = it.audit.iter().rev().map(|entry| {
        let reason = entry.reason.as_ref().map(|text| format!(" ({text})")).unwrap_or_default();
        format!("{} {} {}{reason}", when(entry.at), entry.action, entry.actor)
    });
    Answer {
        product: it.product.to_string(),
        tone,
        verdict,
        chain: chain.collect(),
        who: Who::words(it.who),
        todo: it.todo.clone(),
        ticket: it.ticket.clone().unwrap_or_default(),
        history: history.collect(),
    }
}
