//! Tells people what they asked to hear of, beside everything else the daemon does. A mail server that is down holds up
//! nothing but its own messages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::notify::{Delivered, Reached, Round, Weeks};
use crate::schedule::desk::Desk;
use crate::secret::process_environment;
use crate::store::StoreError;

/// Between two looks at what waits.
const LOOK: Duration = Duration::from_secs(5);

/// Between two looks at whether a week began.
const WEEKS: Duration = Duration::from_mins(1);

/// Sends until the daemon stops.
pub async fn tell(desk: Arc<Desk>) {
    let (mut weeks, mut looked) = (Weeks::new(), None);
    let mut commits = desk.office().store.commits();
    while !desk.stopping().is_cancelled() {
        if let Err(error) = look(&desk, &mut weeks, &mut looked).await {
            tracing::error!(%error, "the messages of [notify] could not be looked at, trying again");
        }
        tokio::select! {
            () = desk.stopping().cancelled() => {}
            () = tokio::time::sleep(LOOK) => {}
            Ok(()) = commits.changed() => {}
        }
    }
}

async fn look(desk: &Desk, weeks: &mut Weeks, looked: &mut Option<Instant>) -> Result<(), StoreError> {
    let office = desk.office();
    let round = Round {
        store: &office.store,
        settings: &office.settings.notify,
        support: &office.settings.support,
        environment: process_environment,
        now: office.clock.now(),
        at_once: false,
    };
    if looked.is_none_or(|at: Instant| at.elapsed() >= WEEKS) {
        round.note_weeks(weeks).await?;
        *looked = Some(Instant::now());
    }
    round.send(|it| note(desk, it)).await
}

/// One attempt, counted and logged.
fn note(desk: &Desk, it: &Delivered) {
    let Delivered { message, recipient, way, subject, reached } = it;
    let outcome = match reached {
        Reached::Sent => {
            tracing::info!(%message, %recipient, way, "told `{recipient}`: {subject}");
            "sent"
        }
        Reached::Again(error) => {
            tracing::warn!(%message, %recipient, way, error, "`{recipient}` could not be told, trying again later: {error}");
            "failed"
        }
        Reached::GivenUp(error) => {
            tracing::error!(
                %message, %recipient, way, error,
                "`{recipient}` was not told and is not tried any more: {error}; then `rosterd notify send --given-up`"
            );
            "given_up"
        }
    };
    desk.metrics().notified(way, outcome);
}
