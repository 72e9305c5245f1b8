//! What each route does, takes and gives, by the types of its handler.

use schemars::JsonSchema;

use super::schema::{self, Field, Told, told};
use super::{CSV, JSON, TEXT};
use crate::allocate::License;
use crate::audit::Entry;
use crate::http::api::{
    Page, access, activity, alerts, audit, by_hand, catalog, changes, districts, enroll, explain, fleet, health,
    identity, import, modes, overrides, reports, runs, suggestions, syncs,
};
use crate::http::routes::Route;
use crate::manual::{FleetTold, MatchReport};
use crate::model::{Alert, RunRecord};
use crate::report::{PairList, SeatList};
use crate::schedule::catalog::{Look, Refreshed};
use crate::schedule::purchase::Unchanged;
use crate::schedule::standing::Standing;
use crate::suggest::Shortage;

/// What comes in the body.
#[derive(Clone, Copy, Debug)]
pub enum Sent {
    /// Nothing.
    Nothing,
    /// An object.
    Json(Told),
    /// A file of this media type.
    File(&'static str),
}

/// What a route takes and gives.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// In a sentence.
    pub summary: &'static str,
    /// The query.
    pub query: Option<Told>,
    /// The body.
    pub sent: Sent,
    /// Whether it knows `Idempotency-Key`.
    pub once: bool,
    /// The status of a good answer.
    pub status: u16,
    /// The media type of a good answer.
    pub kind: &'static str,
    /// Another one that can be asked for.
    pub also: Option<&'static str>,
    /// A good answer in JSON.
    pub answer: Option<Told>,
    /// What a 200 says where a run (202) is not needed.
    pub settled: Option<Told>,
}

/// An answer in JSON.
const fn read<A: JsonSchema>(summary: &'static str) -> Operation {
    let it = plain(summary, JSON);
    Operation { answer: Some(told::<A>()), ..it }
}

/// An answer of another kind.
const fn plain(summary: &'static str, kind: &'static str) -> Operation {
    Operation {
        summary,
        query: None,
        sent: Sent::Nothing,
        once: false,
        status: 200,
        kind,
        also: None,
        answer: None,
        settled: None,
    }
}

/// 202 with a run.
const fn run(summary: &'static str) -> Operation {
    let it = read::<RunRecord>(summary);
    Operation { status: 202, ..it }
}

impl Operation {
    const fn asked<Q: JsonSchema>(self) -> Self {
        Self { query: Some(told::<Q>()), ..self }
    }

    const fn sent<B: JsonSchema>(self) -> Self {
        Self { sent: Sent::Json(told::<B>()), ..self }
    }

    const fn file(self, kind: &'static str) -> Self {
        Self { sent: Sent::File(kind), ..self }
    }

    const fn settled<A: JsonSchema>(self) -> Self {
        Self { settled: Some(told::<A>()), ..self }
    }

    /// The fields of the query.
    pub fn query_fields(&self) -> Vec<Field> {
        self.query.map(schema::fields).unwrap_or_default()
    }

    /// The fields of the body; none where there is none or it is a file.
    pub fn body_fields(&self) -> Vec<Field> {
        match self.sent {
            Sent::Json(told) => schema::fields(told),
            Sent::Nothing | Sent::File(_) => Vec::new(),
        }
    }
}

/// What a route does; none for one that is not described, which a test refuses.
pub fn operation(route: &Route) -> Option<Operation> {
    let (method, path) = (route.method.as_str(), route.path);
    let found = of_installation(method, path).or_else(|| of_runs(method, path)).or_else(|| of_districts(method, path));
    found.or_else(|| by_a_person(method, path))
}

fn of_installation(method: &str, path: &str) -> Option<Operation> {
    Some(match (method, path) {
        ("GET", "/livez") => read::<health::Health>("The process answers."),
        ("GET", "/readyz") => read::<health::Health>("Store and queue answer, and requests are taken."),
        ("GET", "/openapi.json") => read::<serde_json::Map<String, serde_json::Value>>("This document."),
        ("GET", "/metrics") => plain("Numbers for Prometheus.", TEXT),
        ("GET", "/v1/access") => {
            read::<access::Told>("May this user open this product, or which may they open.")
                .asked::<access::Login>()
        }
        ("POST", "/v1/access") => read::<access::One>("The product is being opened.").sent::<access::Opening>(),
        ("GET", "/v1/access/snapshot") => {
            plain("A signed file to answer from.", TEXT).asked::<access::OfDistrict>()
        }
        ("GET", "/v1/changes") => read::<changes::Page>("Seats, users, classes and enrollments in commit order.")
            .asked::<changes::After>(),
        ("PUT", "/v1/subscriptions/{id}") => run(
            "One purchase, as the catalog writes a subscription. 409 with `hash` where it would take away too many seats: the \
             same with that as `accept`, and a reason, takes it.",
        )
        .asked::<catalog::Put>()
        .sent::<catalog::Purchase>()
        .settled::<Unchanged>(),
        ("GET", "/v1/fleet") => read::<FleetTold>("What all districts together release."),
        ("POST", "/v1/fleet/acknowledge") => {
            read::<FleetTold>("Someone has looked at it: releases go on.").sent::<fleet::Acknowledge>()
        }
        ("GET", "/v1/catalog") => read::<Look>("Products, subscriptions, and the last look."),
        ("POST", "/v1/catalog/refresh") => read::<Refreshed>("Look at the catalog now.").sent::<catalog::Refresh>(),
        ("GET", "/v1/audit") => read::<Page<Entry>>("Audit entries.").asked::<audit::Filters>(),
        ("GET", "/v1/audit/export") => Operation {
            also: Some(CSV),
            ..plain("All audit entries.", "application/x-ndjson").asked::<audit::export::Wanted>()
        },
        _ => return None,
    })
}

fn of_runs(method: &str, path: &str) -> Option<Operation> {
    Some(match (method, path) {
        ("POST", "/v1/syncs") => Operation { once: true, ..run("Ask for a sync.").sent::<syncs::Ask>() },
        ("GET", "/v1/runs") => read::<Page<RunRecord>>("Runs, newest first.").asked::<runs::Filters>(),
        ("GET", "/v1/runs/{id}") => read::<RunRecord>("One run."),
        ("GET", "/v1/runs/{id}/changes") => {
            read::<Page<runs::changes::Listed>>("What a run changed and holds.").asked::<runs::changes::Paging>()
        }
        ("GET", "/v1/runs/{id}/events") => plain("Progress of a run.", "text/event-stream"),
        ("POST", "/v1/runs/{id}/approve") => run("Approve what a run holds.").sent::<runs::Decision>(),
        ("POST", "/v1/runs/{id}/reject") => run("Reject what a run holds.").sent::<runs::Decision>(),
        ("POST", "/v1/runs/{id}/revert") => run("Take back what a run applied.").sent::<runs::Revert>(),
        ("POST", "/v1/runs/{id}/cancel") => read::<RunRecord>("Cancel a queued run."),
        _ => return None,
    })
}

fn of_districts(method: &str, path: &str) -> Option<Operation> {
    Some(match (method, path) {
        ("GET", "/v1/districts") => read::<Page<Standing>>("Districts."),
        ("GET", "/v1/districts/{d}") => read::<Standing>("One district."),
        ("PUT", "/v1/districts/{d}/mode") => {
            read::<Standing>("Narrow what syncs do by themselves.").sent::<modes::Set>()
        }
        ("DELETE", "/v1/districts/{d}/mode") => read::<Standing>("Back to the usual.").sent::<modes::Clear>(),
        ("GET", "/v1/districts/{d}/licenses") => {
            read::<Vec<License>>("Seats of each product.").asked::<districts::Wanted>()
        }
        ("GET", "/v1/districts/{d}/products/{p}/seats") => {
            read::<SeatList>("Who has a seat, and who waits.").asked::<districts::When>()
        }
        ("GET", "/v1/districts/{d}/explain") => {
            read::<explain::Told>("Why a user has a product or has it not.").asked::<explain::Of>()
        }
        ("GET", "/v1/districts/{d}/reports/{name}") => {
            read::<Vec<serde_json::Map<String, serde_json::Value>>>("A report, an object for each row.")
                .asked::<reports::Of>()
        }
        ("POST", "/v1/districts/{d}/activity") => Operation {
            status: 202,
            ..read::<activity::Taken>("First and last use of products.")
                .sent::<activity::Report>()
                .settled::<activity::Taken>()
        },
        ("GET", "/v1/districts/{d}/alerts") => {
            read::<Page<Alert>>("What someone should look at.").asked::<alerts::Wanted>()
        }
        ("POST", "/v1/districts/{d}/alerts/{id}/ack") => read::<Alert>("Someone has seen it.").sent::<alerts::Seen>(),
        ("GET", "/v1/districts/{d}/suggestions") => {
            read::<Vec<Shortage>>("How to get back under the limit.").asked::<suggestions::Of>()
        }
        ("GET", "/v1/districts/{d}/identity") => read::<PairList>("Accounts that may be of one person."),
        ("POST", "/v1/districts/{d}/identity") => run("Decide on proposals.").sent::<identity::Said>(),
        _ => return None,
    })
}

fn by_a_person(method: &str, path: &str) -> Option<Operation> {
    Some(match (method, path) {
        ("PUT", "/v1/districts/{d}/products/{p}/override") => {
            run("Pin or exclude a user.").asked::<overrides::Of>().sent::<overrides::Set>()
        }
        ("DELETE", "/v1/districts/{d}/products/{p}/override") => {
            run("Clear an override.").asked::<overrides::Of>().sent::<overrides::Clear>()
        }
        ("PUT", "/v1/districts/{d}/products/{p}/access") => run("Educator access.").sent::<by_hand::Access>(),
        ("POST", "/v1/districts/{d}/products/{p}/assign") => {
            run("Give a product to users or a class.").sent::<by_hand::Assigning>()
        }
        ("POST", "/v1/districts/{d}/products/{p}/unassign") => {
            run("Take a product from users or a class.").sent::<by_hand::Assigning>()
        }
        ("POST", "/v1/districts/{d}/products/{p}/reassign") => run("Hand a seat over.").sent::<by_hand::Reassign>(),
        ("POST", "/v1/districts/{d}/swap") => run("One product for another.").sent::<by_hand::Swap>(),
        ("POST", "/v1/districts/{d}/move-seats") => run("Move seats between schools.").sent::<by_hand::MoveSeats>(),
        ("POST", "/v1/districts/{d}/threshold") => {
            run("Seats left when the district is told.").sent::<by_hand::Threshold>()
        }
        ("POST", "/v1/districts/{d}/seats/import") => run("Take over the seats people have, as CSV.")
            .asked::<by_hand::Importing>()
            .file(CSV)
            .settled::<MatchReport>(),
        ("POST", "/v1/districts/{d}/enroll") => run("Enroll users.").sent::<enroll::Enroll>(),
        ("POST", "/v1/districts/{d}/unenroll") => run("End enrollments.").sent::<enroll::Unenroll>(),
        ("POST", "/v1/districts/{d}/roles/assign") => run("Give a role.").sent::<enroll::Roles>(),
        ("POST", "/v1/districts/{d}/roles/remove") => run("Take a role away.").sent::<enroll::Roles>(),
        ("POST", "/v1/districts/{d}/users/transfer") => run("Move users to a school.").sent::<enroll::Transfer>(),
        ("POST", "/v1/districts/{d}/users/active") => run("Enable or disable accounts.").sent::<enroll::Accounts>(),
        ("POST", "/v1/districts/{d}/import") => {
            run("Upload a roster, as a zip.").asked::<import::Importing>().file("application/zip")
        }
        _ => return None,
    })
}
