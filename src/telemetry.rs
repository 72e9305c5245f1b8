//! The log: lines for people on a terminal, one JSON object a line otherwise, always on standard error.
//!
//! Ids and counts only. `RUST_LOG` chooses what is logged; the default is `info`. With the feature `otel` spans go to a collector.

#[cfg(not(feature = "otel"))]
#[path = "telemetry/no_traces.rs"]
mod traces;
#[cfg(feature = "otel")]
mod traces;

use std::io::IsTerminal;

pub use traces::Traces;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The scheduler tells of its own birth at `info`, and drivers of each statement at `debug`.
const DEFAULT: &str = "info,tokio_cron_scheduler=warn,sqlx=warn,hyper=warn,reqwest=warn,rustls=warn";

/// The environment's names of a collector, as OpenTelemetry has them.
const COLLECTOR: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

fn is_collector_named() -> bool {
    COLLECTOR.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Starts the log of this process, and its traces. A second call changes nothing.
pub fn start() -> Traces {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let traces = Traces::start();
    let base = tracing_subscriber::registry().with(filter).with(traces.layer());
    let started = if std::io::stderr().is_terminal() {
        let color = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        base.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(color).with_target(false))
            .try_init()
    } else {
        let json =
            tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
        base.with(json.with_writer(std::io::stderr)).try_init()
    };
    if started.is_ok() {
        report_panics();
    }
    if let Some(problem) = traces.problem() {
        tracing::warn!("no traces are sent: {problem}");
    }
    traces
}

/// A panic is a line of the log. Its message is left out: it may hold a value of a feed.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        tracing::error!(place, "a task panicked at {place}; this is a fault of rosterd");
    }));
}
