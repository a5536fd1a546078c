//! What each call of a port takes within a use case, by whatever can be read before and after it: time, or
//! allocations. Ports are seen by the spans of `adapters_local::telemetry`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use adapters_local::telemetry::Telemetry;
use auth_domain::Ports;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::metrics::noop::NoopMeterProvider;
use tracing::Subscriber;
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

/// How often each port was called, and what its calls took together.
pub(crate) type Totals = BTreeMap<&'static str, (u32, f64)>;

pub(crate) fn observed(ports: &Ports) -> Ports {
    Telemetry::new(&NoopMeterProvider::new().meter("benches")).observe(ports.clone())
}

/// Adds up what calls of ports take, as long as `work` runs.
pub(crate) fn watched(read: fn() -> f64, work: impl FnOnce()) -> Totals {
    let totals = Arc::new(Mutex::new(Totals::new()));
    let watch =
        Watch { read, totals: Arc::clone(&totals), entered: Mutex::new(Vec::with_capacity(8)) };
    tracing::subscriber::with_default(tracing_subscriber::registry().with(watch), work);
    std::mem::take(&mut *totals.lock().unwrap())
}

struct Watch {
    read: fn() -> f64,
    totals: Arc<Mutex<Totals>>,
    entered: Mutex<Vec<f64>>,
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Watch {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let name = attributes.metadata().name();
        // That of a use case has no dot in its name.
        if name.contains('.') {
            self.totals.lock().unwrap().entry(name).or_default().0 += 1;
        }
    }

    fn on_enter(&self, _: &Id, _: Context<'_, S>) {
        self.entered.lock().unwrap().push((self.read)());
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let now = (self.read)();
        let entered = self.entered.lock().unwrap().pop().unwrap();
        let name = context.metadata(id).unwrap().name();
        if let Some(total) = self.totals.lock().unwrap().get_mut(name) {
            total.1 += now - entered;
        }
    }
}
