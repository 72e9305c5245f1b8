//! Spans of runs and requests, sent to an OpenTelemetry collector where `OTEL_EXPORTER_OTLP_ENDPOINT` (or the one for traces) names
//! one. They hold ids, routes and counts, as the log does.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

/// The way to the collector; none where none is named, or it cannot be asked.
#[derive(Debug)]
pub struct Traces {
    provider: Option<SdkTracerProvider>,
    problem: Option<String>,
}

impl Traces {
    pub(super) fn start() -> Self {
        if !super::is_collector_named() {
            return Self { provider: None, problem: None };
        }
        match opentelemetry_otlp::SpanExporter::builder().with_http().build() {
            Ok(exporter) => {
                let resource = Resource::builder().with_service_name("rosterd").build();
                let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter);
                Self { provider: Some(provider.build()), problem: None }
            }
            Err(error) => Self { provider: None, problem: Some(error.to_string()) },
        }
    }

    pub(super) fn layer<S: Subscriber + for<'span> LookupSpan<'span>>(
        &self,
    ) -> Option<OpenTelemetryLayer<S, SdkTracer>> {
        let tracer = self.provider.as_ref()?.tracer("rosterd");
        Some(tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false))
    }

    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Sends what is left. It may wait for the collector, so it has a thread of its own.
    pub async fn finish(self) {
        let Some(provider) = self.provider else { return };
        match tokio::task::spawn_blocking(move || provider.shutdown()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last traces were not taken"),
            Err(_) => tracing::warn!("the last traces were not sent"),
        }
    }
}
