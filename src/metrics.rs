//! Counters and histograms of this process, and the text in which Prometheus reads them.
//!
//! Every label set is closed: routes of the table, words of enums, districts and products. Nothing about a person and
//! nothing that a caller chose is ever a label (T12).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of request durations, in seconds.
const REQUESTS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Upper bounds of run durations, in seconds.
const RUNS: &[f64] = &[0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0];

/// The values of a family's labels, in the order of their names.
type Labels = Vec<String>;

#[derive(Debug, Default)]
struct Histogram {
    /// Of each bound, how many were no greater, and not under the bound before.
    counts: Vec<u64>,
    sum: f64,
    total: u64,
}

impl Histogram {
    fn observe(&mut self, bounds: &[f64], seconds: f64) {
        self.counts.resize(bounds.len(), 0);
        let place = bounds.iter().position(|bound| seconds <= *bound);
        if let Some(count) = place.and_then(|place| self.counts.get_mut(place)) {
            *count += 1;
        }
        self.sum += seconds;
        self.total += 1;
    }
}

#[derive(Debug, Default)]
struct Kept {
    requests: BTreeMap<Labels, u64>,
    latency: BTreeMap<Labels, Histogram>,
    runs: BTreeMap<Labels, u64>,
    durations: BTreeMap<Labels, Histogram>,
    answers: BTreeMap<Labels, u64>,
    notified: BTreeMap<Labels, u64>,
}

/// What this process counts.
#[derive(Debug, Default)]
pub struct Metrics {
    kept: Mutex<Kept>,
}

impl Metrics {
    fn with(&self, note: impl FnOnce(&mut Kept)) {
        note(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A request was answered; `route` is a path of the table, or a word for everything beside it.
    pub fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        self.with(|kept| {
            *kept.requests.entry(vec![method.to_owned(), route.to_owned(), status.to_string()]).or_default() += 1;
            kept.latency.entry(vec![route.to_owned()]).or_default().observe(REQUESTS, took.as_secs_f64());
        });
    }

    /// A run of this process has ended.
    pub fn run_ended(&self, status: &str, trigger: &str, took: Option<Duration>) {
        self.with(|kept| {
            *kept.runs.entry(vec![status.to_owned(), trigger.to_owned()]).or_default() += 1;
            if let Some(took) = took {
                kept.durations.entry(vec![status.to_owned()]).or_default().observe(RUNS, took.as_secs_f64());
            }
        });
    }

    /// A login was answered.
    pub fn access(&self, answer: &'static str) {
        self.with(|kept| *kept.answers.entry(vec![answer.to_owned()]).or_default() += 1);
    }

    /// A message was sent, or was not: `email` or `webhook`, and `sent`, `failed` or `given_up`.
    pub fn notified(&self, way: &'static str, outcome: &'static str) {
        self.with(|kept| {
            *kept.notified.entry(vec![way.to_owned(), outcome.to_owned()]).or_default() += 1;
        });
    }

    /// Everything that was counted.
    pub fn write(&self, text: &mut Exposition) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        text.counter(
            "rosterd_http_requests_total",
            "Requests answered.",
            &["method", "route", "status"],
            &kept.requests,
        );
        text.histogram(
            "rosterd_http_request_duration_seconds",
            "Time from a request's head to its answer's.",
            ("route", REQUESTS),
            &kept.latency,
        );
        text.counter("rosterd_runs_total", "Runs that ended in this process.", &["status", "trigger"], &kept.runs);
        text.histogram(
            "rosterd_run_duration_seconds",
            "Time from the beginning of a run to its end.",
            ("status", RUNS),
            &kept.durations,
        );
        text.counter("rosterd_access_answers_total", "Logins answered.", &["answer"], &kept.answers);
        text.counter(
            "rosterd_notifications_total",
            "Attempts to send a message of [notify].",
            &["way", "outcome"],
            &kept.notified,
        );
    }
}

/// The text format of Prometheus, 0.0.4.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    /// The text.
    pub fn finish(self) -> String {
        self.text
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.text.extend(["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"]);
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: &str) {
        let shown: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let shown = if shown.is_empty() { String::new() } else { format!("{{{}}}", shown.join(",")) };
        self.text.extend([name, &shown, " ", value, "\n"]);
    }

    fn family<'a>(&mut self, name: &str, labels: &[&str], rows: impl Iterator<Item = (&'a Labels, String)>) {
        for (values, value) in rows {
            let pairs: Vec<(&str, &str)> = labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
            self.line(name, &pairs, &value);
        }
    }

    fn counter(&mut self, name: &str, help: &str, labels: &[&str], rows: &BTreeMap<Labels, u64>) {
        self.head(name, help, "counter");
        self.family(name, labels, rows.iter().map(|(labels, n)| (labels, n.to_string())));
    }

    /// A gauge with a row for each set of labels.
    pub fn gauge(&mut self, name: &str, help: &str, labels: &[&str], rows: &BTreeMap<Labels, u64>) {
        self.head(name, help, "gauge");
        self.family(name, labels, rows.iter().map(|(labels, n)| (labels, n.to_string())));
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        (label, bounds): (&str, &[f64]),
        rows: &BTreeMap<Labels, Histogram>,
    ) {
        self.head(name, help, "histogram");
        for (values, row) in rows {
            let value = values.first().map_or("", String::as_str);
            let mut below = 0;
            let bucket = format!("{name}_bucket");
            for (bound, count) in bounds.iter().zip(&row.counts) {
                below += count;
                self.line(&bucket, &[(label, value), ("le", &bound.to_string())], &below.to_string());
            }
            self.line(&bucket, &[(label, value), ("le", "+Inf")], &row.total.to_string());
            self.line(&format!("{name}_sum"), &[(label, value)], &row.sum.to_string());
            self.line(&format!("{name}_count"), &[(label, value)], &row.total.to_string());
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
