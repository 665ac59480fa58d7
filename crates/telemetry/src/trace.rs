use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use crate::TelemetryError;

/// Name of the service and of the tracer.
const SERVICE: &str = "driftless";

/// Makes a provider that sends spans in batches to an OTLP collector over gRPC.
///
/// The connection is made with the first batch: a collector that is away delays nothing and is tried again.
pub(crate) fn provider(endpoint: &str, version: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let failed = |reason: String| TelemetryError::Exporter { endpoint: endpoint.to_owned(), reason };
    if !endpoint.starts_with("http://") {
        return Err(failed(
            "expected http://HOST:PORT of a collector that takes OTLP over gRPC without TLS".to_owned(),
        ));
    }
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let resource = Resource::builder()
        .with_service_name(SERVICE)
        .with_attribute(KeyValue::new("service.version", version.to_owned()))
        .build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// Makes the layer that turns tracing spans into OpenTelemetry spans.
pub(crate) fn layer<S>(provider: &SdkTracerProvider) -> OpenTelemetryLayer<S, SdkTracer>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_opentelemetry::layer().with_tracer(provider.tracer(SERVICE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_cannot_be_served_is_named() {
        for endpoint in ["collector:4317", "https://collector:4317", ""] {
            let message = provider(endpoint, "1").unwrap_err().to_string();
            assert!(message.contains(&format!("`{endpoint}`")) && message.contains("http://HOST:PORT"), "{message}");
        }
    }
}
