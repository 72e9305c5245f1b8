//! `rosterd catalog`: what is licensed and what was bought, from their source of authority (S4.25).

use std::path::PathBuf;

use clap::Subcommand;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::Value;

use crate::catalog::{self, Source, unknown_schools};
use crate::command::output::{Output, Tone};
use crate::command::{CommandError, Session, sync};
use crate::model::{Catalog, HoldRecord, Purchase, Seats, SubscriptionId, Terms, Trigger};
use crate::run::{Foreseen, foresee};
use crate::schedule::catalog::{self as office, Accepted, FiledRun, Look, LookError, Outcome};
use crate::schedule::purchase::{self, NotMeant, NotTaken, Unchanged, Weighed};
use crate::store::{NewRequest, Said};

#[derive(Debug, Subcommand)]
pub(super) enum CatalogCommand {
    /// Reads and checks a file, and says what it holds; nothing is taken, no store is needed
    Check {
        /// TOML, or JSON if its name ends so
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// What a catalog would change in each district, and what becomes of its seats; nothing is changed
    Plan {
        /// Without it: where `[catalog]` says
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Looks at the catalog now and puts what it says in force, with the seats that follow
    Refresh {
        /// Take it although it takes more seats away than the guard lets pass: the hash that `catalog plan` shows
        #[arg(long, value_name = "HASH", requires = "reason")]
        accept: Option<String>,
        /// Why, for the record of the runs that follow
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// One purchase, as `PUT /v1/subscriptions/{id}` takes it: a JSON file with the subscription
    Put {
        /// The subscription as JSON
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Take it although it takes more seats away than the guard lets pass: the hash that the refusal shows
        #[arg(long, value_name = "HASH", requires = "reason")]
        accept: Option<String>,
        /// Why, for the audit
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

impl CatalogCommand {
    /// What needs no store.
    pub(super) fn check(file: &std::path::Path, out: Output) -> Result<u8, CommandError> {
        let catalog = catalog::read(file)?;
        if out.json {
            out.document(&catalog)?;
            return Ok(0);
        }
        let products = catalog.products.values().map(|it| {
            let word = |value: Value| value.as_str().unwrap_or_default().to_owned();
            Ok(vec![
                it.code.to_string(),
                it.name.clone(),
                word(serde_json::to_value(it.audience)?),
                word(serde_json::to_value(it.basis)?),
            ])
        });
        let products = products.collect::<Result<_, CommandError>>()?;
        out.table(&["PRODUCT", "NAME", "AUDIENCE", "BASIS"], products)?;
        out.line("")?;
        let subscriptions = catalog.subscriptions.values().map(|it| {
            let seats = match it.seats {
                Seats::Count(seats) => seats.to_string(),
                Seats::Unlimited => "unlimited".to_owned(),
            };
            let (id, district, product) = (it.id.to_string(), it.district.to_string(), it.product.to_string());
            vec![id, district, product, seats, it.starts_on.to_string(), it.expires_on.to_string()]
        });
        let header = ["SUBSCRIPTION", "DISTRICT", "PRODUCT", "SEATS", "STARTS", "EXPIRES"];
        out.table(&header, subscriptions.collect())?;
        out.line("")?;
        let (products, subscriptions) = (catalog.products.len(), catalog.subscriptions.len());
        out.line(&format!("{}: {products} products, {subscriptions} subscriptions, no mistake", file.display()))?;
        Ok(0)
    }

    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        match self {
            Self::Check { file } => Self::check(file, session.output),
            Self::Plan { file } => plan(session, file.as_deref()).await,
            Self::Refresh { accept, reason } => {
                let by = sync::operator();
                let accepted = accept.as_ref().map(|it| Accepted { hash: it.clone(), by, reason: reason.clone() });
                refresh(session, accepted.as_ref()).await
            }
            Self::Put { file, accept, reason } => put(session, file, accept.as_deref(), reason.clone()).await,
        }
    }
}

/// What a catalog would bring about.
#[derive(Debug, Serialize)]
struct Plan {
    source: String,
    districts: Vec<Foreseen>,
    /// Subscriptions that would vanish, or have; they keep their last state.
    vanished: Vec<SubscriptionId>,
    warnings: Vec<String>,
    /// Names the document; where something would be held, accepting it takes this.
    hash: String,
}

async fn plan(session: &Session, file: Option<&std::path::Path>) -> Result<u8, CommandError> {
    let configured = &session.office.settings.catalog;
    let source = match file {
        Some(file) => Some(Source::File(file)),
        None => configured.source(),
    };
    let source = source
        .ok_or_else(|| CommandError::Usage("there is no catalog: set `catalog.path`, or name a file".to_owned()))?;
    let document = office::document(&session.office, source).await.map_err(|error| match error {
        LookError::Catalog(error) => error.into(),
        LookError::Store(error) => CommandError::from(error),
    })?;
    let source = match source {
        Source::File(path) => path.display().to_string(),
        Source::Service { .. } => "the service at `catalog.url`".to_owned(),
    };
    let hash = office::hash(&document)?;
    let mut plan = Plan { source, districts: Vec::new(), vanished: Vec::new(), warnings: Vec::new(), hash };
    let said = Said::Document(&document, session.as_of());
    let states = session.store().districts().await?;
    let of_unknown = document.subscriptions.values().filter(|it| !states.iter().any(|state| state.id == it.district));
    plan.warnings.extend(
        of_unknown
            .map(|it| format!("subscription `{}` waits: district `{}` has no roster here yet", it.id, it.district)),
    );
    for state in states {
        let offer = session.store().offer(&state.id).await?;
        let lacks = |id: &&SubscriptionId| !document.subscriptions.contains_key(*id);
        plan.vanished.extend(offer.subscriptions.keys().filter(lacks).cloned());
        if session.store().terms(&state.id, said).await? == Terms::Settled {
            continue;
        }
        let baseline = session.store().baseline_with(&state.id, said).await?;
        plan.warnings.extend(unanswered(&baseline, &document));
        plan.districts.extend(
            foresee(baseline, &session.office.settings.guard, session.as_of())
                .map_err(|error| CommandError::Failed(error.to_string()))?,
        );
    }
    if session.output.json {
        session.output.document(&plan)?;
    } else {
        told(session.output, &plan)?;
    }
    Ok(if plan.districts.iter().any(|it| !it.holds.is_empty()) { 3 } else { 0 })
}

/// Allotments that no school of the roster answers to.
fn unanswered(baseline: &crate::model::Baseline, document: &Catalog) -> Vec<String> {
    let district = &baseline.state.id;
    let of_district = document.subscriptions.values().filter(|it| &it.district == district);
    let named =
        of_district.flat_map(|it| unknown_schools(it, &baseline.roster).into_iter().map(move |school| (it, school)));
    let message = |id: &SubscriptionId, school: &str| {
        format!("subscription `{id}` allots seats to school `{school}`, which the roster of `{district}` does not have")
    };
    named.map(|(it, school)| message(&it.id, school)).collect()
}

fn told(out: Output, plan: &Plan) -> Result<(), CommandError> {
    if plan.districts.is_empty() {
        out.line(&format!("{}: nothing would change", plan.source))?;
    }
    for it in &plan.districts {
        out.line(&out.tone(Tone::Attention, it.district.as_str()))?;
        for change in &it.changes {
            let sign = if change.before.is_some() { '~' } else { '+' };
            out.line(&format!(
                "  {sign} {} {}: {}",
                change.entity,
                change.id,
                fields(change.before.as_ref(), &change.after)
            ))?;
        }
        let seats = &it.seats;
        out.line(&format!(
            "  seats    {} granted, {} released, {} moved, {} bridged, {} waiting",
            seats.granted, seats.released, seats.moved, seats.bridged, seats.waiting
        ))?;
        for (product, turn) in &it.products {
            let number = |n: Option<u64>| n.map_or_else(|| "∞".to_owned(), |n| n.to_string());
            let (was, is) = (turn.before, turn.after);
            let numbers = [
                ("total", number(was.total), number(is.total)),
                ("assigned", was.assigned.to_string(), is.assigned.to_string()),
                ("available", number(was.available), number(is.available)),
                ("over", was.over.to_string(), is.over.to_string()),
                ("waiting", was.waiting.to_string(), is.waiting.to_string()),
                ("suspended", was.suspended.to_string(), is.suspended.to_string()),
            ];
            let moved = numbers.into_iter().filter(|(_, was, is)| was != is);
            let moved: Vec<String> = moved.map(|(name, was, is)| format!("{name} {was} -> {is}")).collect();
            out.line(&format!("  {product}: {}", moved.join(", ")))?;
        }
        for hold in &it.holds {
            out.line(&out.tone(Tone::Attention, &held_line(hold)))?;
        }
    }
    if plan.districts.iter().any(|it| !it.holds.is_empty()) {
        out.line(&to_accept(&plan.hash))?;
    }
    for id in &plan.vanished {
        out.line(&format!("subscription {id} is not in this catalog: it keeps its last state"))?;
    }
    for warning in &plan.warnings {
        out.line(&out.tone(Tone::Attention, &format!("warning: {warning}")))?;
    }
    Ok(())
}

/// `seats 10 -> 20, expires_on …`.
fn fields(before: Option<&Value>, after: &Value) -> String {
    let object = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
    let (was, is) = (object(before), object(Some(after)));
    let keys: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let text = |value: Option<&Value>| value.map_or_else(|| "none".to_owned(), Value::to_string);
    let told = keys.into_iter().map(|key| match before {
        Some(_) => format!("{key} {} -> {}", text(was.get(key)), text(is.get(key))),
        None => format!("{key} {}", text(is.get(key))),
    });
    told.collect::<Vec<_>>().join(", ")
}

fn held_line(hold: &HoldRecord) -> String {
    format!("  {}", office::held_line(hold))
}

fn to_accept(hash: &str) -> String {
    format!("{}: `rosterd catalog refresh --accept {hash} --reason …`", office::NOT_MEANT)
}

async fn refresh(session: &Session, accepted: Option<&Accepted>) -> Result<u8, CommandError> {
    session.writable().await?;
    let Some(mut look) = session.look_accepting(accepted).await? else {
        return Err(CommandError::Usage("there is no catalog: set `catalog.path` or `catalog.url`".to_owned()));
    };
    let width = usize::try_from(session.office.settings.schedule.concurrency).unwrap_or(1).max(1);
    let reason = accepted.and_then(|it| it.reason.clone());
    let asked = |district| NewRequest { reason: reason.clone(), ..asked(session, district, office::TAKE_UP) };
    let records = stream::iter(office::due(&session.office, &look).await?)
        .map(|district| {
            let request = asked(district);
            async move { session.carried_out(request).await }
        })
        .buffered(width)
        .collect::<Vec<_>>()
        .await;
    let records = records.into_iter().collect::<Result<Vec<_>, CommandError>>()?;
    let filed = |it: &crate::model::RunRecord| FiledRun { district: it.district.clone(), run: it.run.clone() };
    look.runs = records.iter().map(filed).collect();
    if session.output.json {
        session.output.document(&look)?;
    } else {
        of_look(session.output, &look)?;
        for record in &records {
            session.report(record)?;
        }
    }
    Ok(if look.outcome == Outcome::Held { 3 } else { sync::exit_status(&records, false) })
}

fn of_look(out: Output, look: &Look) -> Result<(), CommandError> {
    let word = match look.outcome {
        Outcome::Changed => "says something new",
        Outcome::Unchanged => "says what it said",
        Outcome::Failed | Outcome::Held => "was not taken",
    };
    out.line(&format!(
        "{} {word}: {} products, {} subscriptions in force before",
        look.source, look.products, look.subscriptions
    ))?;
    for it in &look.held {
        out.line(&out.tone(Tone::Attention, it.district.as_str()))?;
        for hold in &it.holds {
            out.line(&out.tone(Tone::Attention, &held_line(hold)))?;
        }
    }
    if let Some(hash) = &look.hash {
        out.line(&to_accept(hash))?;
    }
    for it in &look.vanished {
        let line = format!(
            "subscription {} of {} vanished since {}: it keeps its last state",
            it.subscription, it.district, it.vanished_since
        );
        out.line(&out.tone(Tone::Attention, &line))?;
    }
    for warning in &look.warnings {
        out.line(&out.tone(Tone::Attention, &format!("warning: {warning}")))?;
    }
    Ok(())
}

fn asked(session: &Session, district: crate::model::DistrictId, mode: &str) -> NewRequest {
    NewRequest {
        district,
        mode: mode.to_owned(),
        trigger: Trigger::Catalog,
        requested_by: Some(sync::operator()),
        reason: None,
        payload: None,
        at: session.as_of(),
        night: None,
        idempotency_key: None,
    }
}

async fn put(
    session: &Session,
    file: &std::path::Path,
    accept: Option<&str>,
    reason: Option<String>,
) -> Result<u8, CommandError> {
    session.writable().await?;
    session.look_at_catalog().await?;
    let text = std::fs::read_to_string(file)
        .map_err(|why| CommandError::Usage(format!("cannot read {}: {}", file.display(), why.kind())))?;
    let who = purchase::Asked { id: None, by: sync::operator(), reason: reason.clone(), accept };
    let weighed = purchase::weigh(&session.office, &text, who, |_| Ok(())).await;
    let purchase = match weighed.map_err(refused)? {
        Weighed::InForce(purchase) => {
            let id = purchase.subscription.id.clone();
            if session.output.json {
                session.output.document(&Unchanged::new(purchase.subscription))?;
            } else {
                session.output.line(&format!("subscription {id}: in force already, nothing was changed"))?;
            }
            return Ok(0);
        }
        Weighed::Held(it) => return not_meant(session.output, file, &it),
        Weighed::Queued(purchase, _) | Weighed::New(purchase) => Purchase { reason: reason.clone(), ..purchase },
    };
    let request = asked(session, purchase.subscription.district.clone(), office::PURCHASE);
    session.carry_out_and_tell(purchase::request(NewRequest { reason, ..request }, &purchase)?).await
}

/// A purchase that would take too much away.
fn not_meant(out: Output, file: &std::path::Path, it: &NotMeant) -> Result<u8, CommandError> {
    if out.json {
        out.document(it)?;
        return Ok(3);
    }
    for terms in &it.held {
        out.line(&out.tone(Tone::Attention, terms.district.as_str()))?;
        for hold in &terms.holds {
            out.line(&out.tone(Tone::Attention, &held_line(hold)))?;
        }
    }
    let again = format!("`rosterd catalog put {} --accept {} --reason …`", file.display(), it.hash);
    out.line(&format!("{}: {again}", office::NOT_MEANT))?;
    Ok(3)
}

fn refused(error: NotTaken) -> CommandError {
    match error {
        NotTaken::Store(error) => error.into(),
        error @ (NotTaken::Faults(_) | NotTaken::NoDistrict(_)) => CommandError::Usage(error.to_string()),
    }
}
