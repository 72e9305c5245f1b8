//! `GET /v1/runs/{id}/events`: server-sent progress, until the run ends.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::App;
use crate::http::auth::Caller;
use crate::http::problem::Problem;
use crate::model::{Kind, RunId, RunStatus};

/// How often a run is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How a run is getting on. Rows are counted by the process that pulls them; another one knows the status alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Standing {
    run: RunId,
    status: RunStatus,
    /// Rows received so far, by kind.
    received: BTreeMap<Kind, u64>,
    /// Rows the source announced, by kind, where it did.
    expected: BTreeMap<Kind, u64>,
}

/// What the stream does next.
enum Next {
    Look(Option<Standing>),
    Over,
}

/// `progress` events with a [`Standing`] whenever it is another one, then `end` with the run.
pub(crate) async fn follow(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let run = super::seen(&app, &caller, &id).await?.run;
    let events = stream::unfold(Next::Look(None), move |next| {
        let (app, run) = (app.clone(), run.clone());
        async move {
            let Next::Look(mut told) = next else { return None };
            loop {
                if app.desk.stopping().is_cancelled() {
                    return None;
                }
                let office = app.desk.office();
                // The queue first: a run that ends meanwhile is then in the store.
                let open = office.queue.get(&run).await;
                match office.store.run(&run).await.and_then(|ended| Ok((ended, open?))) {
                    Ok((Some(record), _)) => return Some((Ok(event("end", &record)), Next::Over)),
                    Ok((None, Some(request))) => {
                        let now = standing(&app, &run, request.status);
                        if told.as_ref() != Some(&now) {
                            let said = event("progress", &now);
                            return Some((Ok(said), Next::Look(Some(now))));
                        }
                        told = Some(now);
                    }
                    // The store does not answer just now, which the caller need not see; or a run was forgotten.
                    Err(_) => {}
                    Ok((None, None)) => return None,
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = app.desk.stopping().cancelled() => {}
                }
            }
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).unwrap_or_default();
    Event::default().event(name).data(data)
}

fn standing(app: &App, run: &RunId, status: RunStatus) -> Standing {
    let [received, expected] = app.desk.pulled(run).unwrap_or_default();
    Standing { run: run.clone(), status, received, expected }
}
