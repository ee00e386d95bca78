//! The layer: spans of `tracing` on their way into the trace.
//!
//! Our own, because none of the crates for it will do. `tracing-chrome` hands every event to a thread that
//! writes it: where all cores are at work that thread falls behind, and what waits for it takes memory (200 MB
//! for 200,000 spans); a span costs 5 µs and not 1; and when the disk is full it panics.
//! `tracing-chrometrace` does not name threads, `tracing-perfetto` writes what only Perfetto reads.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::Shared;

/// Writes the spans that a thread enters and leaves into a trace.
pub struct TraceLayer {
    trace: Arc<Shared>,
    started: Instant,
}

impl TraceLayer {
    /// A layer whose time begins now.
    pub fn new(trace: Arc<Shared>) -> Self {
        Self {
            trace,
            started: Instant::now(),
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// What is known of a span: `"name":…,"cat":…,"args":{…}`.
struct Known(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TraceLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let metadata = attributes.metadata();
        let known = format!(
            "\"name\":{},\"cat\":{},\"args\":{}",
            Value::from(metadata.name()),
            Value::from(metadata.target()),
            Value::from(fields.0)
        );
        span.extensions_mut().insert(Known(known));
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(Known(known)) = span.extensions().get() {
            self.trace.write(|file| file.enter(known, self.now()));
        }
    }

    fn on_exit(&self, _: &Id, _: Context<'_, S>) {
        let now = self.now();
        self.trace.write(|file| file.leave(now));
    }
}

/// A span's fields by name.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing::{trace_span, warn};
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::registry;

    use super::*;

    #[test]
    fn a_trace_has_spans_with_their_fields_under_the_names_of_their_threads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.json");
        let trace = Arc::new(Shared::create(&path).unwrap());
        let subscriber = registry().with(TraceLayer::new(Arc::clone(&trace)));
        let thread = std::thread::Builder::new().name("worker \"0\"".to_owned());
        let work = thread.spawn(|| {
            tracing::subscriber::with_default(subscriber, || {
                let _outer = trace_span!("epoch", phase = 1, loss = f64::NAN).entered();
                trace_span!("decode", path = "cat\\1.jpg", whole = true, size = ?[2, 3])
                    .in_scope(|| warn!("no event"));
            });
        });
        work.unwrap().join().unwrap();
        trace.close().unwrap();

        let text = fs_err::read_to_string(&path).unwrap();
        let mut events: Vec<Value> = serde_json::from_str(&text).unwrap();
        let thread = events[1]["tid"].clone();
        let mut latest = 0.0;
        for event in &mut events {
            let event = event.as_object_mut().unwrap();
            assert_eq!(event.remove("pid").unwrap(), 1);
            if let Some(at) = event.remove("ts") {
                assert!(at.as_f64().unwrap() >= latest, "{at} after {latest}");
                latest = at.as_f64().unwrap();
                assert_eq!(event.remove("tid").unwrap(), thread);
            }
        }
        let module = module_path!();
        let expected = serde_json::json!([
            {"ph": "M", "name": "process_name", "args": {"name": "goldrun"}},
            {"ph": "M", "name": "thread_name", "tid": thread, "args": {"name": "worker \"0\""}},
            {"ph": "B", "name": "epoch", "cat": module, "args": {"phase": 1, "loss": null}},
            {"ph": "B", "name": "decode", "cat": module,
             "args": {"path": "cat\\1.jpg", "whole": true, "size": "[2, 3]"}},
            {"ph": "E"},
            {"ph": "E"},
        ]);
        assert_eq!(Value::from(events), expected);
    }
}
