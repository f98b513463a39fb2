//! The text of metrics, as Prometheus has read it for ten years and as OpenMetrics. By hand, because
//! `prometheus-client` writes OpenMetrics only and knows no summaries, and all its types are for
//! counting, which the workers do.

use std::fmt::{Display, Write};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Version 0.0.4 of Prometheus' text format.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// What an `Accept` header prefers; Prometheus' own unless it says otherwise.
    pub(super) fn accepted(accept: &str) -> Self {
        let (mut open_metrics, mut other) = (0.0, 0.0_f32);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.trim().parse().ok());
            let weight: f32 = weight.unwrap_or(1.0);
            match kind.to_ascii_lowercase().as_str() {
                "application/openmetrics-text" => open_metrics = weight.max(open_metrics),
                "text/plain" | "text/*" => other = weight.max(other),
                _ => {}
            }
        }
        let preferred = open_metrics > 0.0 && open_metrics >= other;
        if preferred { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Its `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What kind of number a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only goes up; its samples' names end in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// The labels of a sample.
pub(super) type Labels<'l> = &'l [(&'static str, &'l str)];

/// A text in the making. Families come one after the other, each with all its samples.
#[derive(Debug)]
pub(super) struct Exposition {
    format: Format,
    text: String,
    /// The name of the samples of the family that was begun last.
    sample: String,
}

impl Exposition {
    pub(super) fn new(format: Format) -> Self {
        Self { format, text: String::new(), sample: String::new() }
    }

    /// Begins a family. `name` is without `_total`.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let (word, suffix) = match kind {
            Kind::Counter => ("counter", "_total"),
            Kind::Gauge => ("gauge", ""),
        };
        self.sample = format!("{name}{suffix}");
        // Only in OpenMetrics is the family's name another than that of its samples.
        let family = match self.format {
            Format::Prometheus => self.sample.clone(),
            Format::OpenMetrics => name.to_owned(),
        };
        self.head(&family, word, help);
    }

    /// A sample of the family that was begun last.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.text.push_str(&self.sample);
        self.finish_line(labels, value);
    }

    /// Begins a family of summaries.
    pub(super) fn summaries(&mut self, name: &str, help: &str) {
        self.sample = name.to_owned();
        self.head(name, "summary", help);
    }

    /// A summary of the family that was begun last, with its quantiles.
    pub(super) fn summary(
        &mut self,
        labels: Labels<'_>,
        quantiles: impl IntoIterator<Item = (&'static str, f64)>,
        sum: f64,
        count: u64,
    ) {
        for (quantile, value) in quantiles {
            self.text.push_str(&self.sample);
            self.finish_line(&[labels, &[("quantile", quantile)]].concat(), value);
        }
        self.text.push_str(&self.sample);
        self.text.push_str("_sum");
        self.finish_line(labels, sum);
        self.text.push_str(&self.sample);
        self.text.push_str("_count");
        self.finish_line(labels, count);
    }

    /// The text.
    pub(super) fn finish(mut self) -> String {
        match self.format {
            Format::Prometheus => {}
            Format::OpenMetrics => self.text.push_str("# EOF\n"),
        }
        self.text
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        debug_assert!(!help.contains(['\\', '\n', '"']), "would have to be escaped");
        // A String takes everything, here and below.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn finish_line(&mut self, labels: Labels<'_>, value: impl Display) {
        for (index, (name, value)) in labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{open}{name}=\"{}\"", escaped(value));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{close} {value}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(format: Format) -> String {
        let mut out = Exposition::new(format);
        out.family("a", Kind::Counter, "Counted.");
        out.sample(&[("proxy", "we\"b\\\n"), ("server", "x")], 7);
        out.family("b", Kind::Gauge, "Now.");
        out.sample(&[], 1.5);
        out.summaries("c_seconds", "How long.");
        out.summary(&[("proxy", "p")], [("0.5", f64::NAN)], 2.0, 3);
        out.finish()
    }

    // Goal: both formats to the letter. Method: one family of each kind.
    #[test]
    fn both_formats() {
        let rest = "a_total{proxy=\"we\\\"b\\\\\\n\",server=\"x\"} 7\n\
                    # HELP b Now.\n# TYPE b gauge\nb 1.5\n\
                    # HELP c_seconds How long.\n# TYPE c_seconds summary\n\
                    c_seconds{proxy=\"p\",quantile=\"0.5\"} NaN\n\
                    c_seconds_sum{proxy=\"p\"} 2\nc_seconds_count{proxy=\"p\"} 3\n";
        let prometheus = format!("# HELP a_total Counted.\n# TYPE a_total counter\n{rest}");
        assert_eq!(text(Format::Prometheus), prometheus);
        let open_metrics = format!("# HELP a Counted.\n# TYPE a counter\n{rest}# EOF\n");
        assert_eq!(text(Format::OpenMetrics), open_metrics);
    }

    // Goal: whoever does not ask for OpenMetrics does not get it. Method: headers of Prometheus 2
    // and 3, of browsers and of curl.
    #[test]
    fn accept_decides() {
        let open_metrics = [
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "application/openmetrics-text;version=1.0.0;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             text/plain;version=0.0.4;q=0.3",
        ];
        for accept in open_metrics {
            assert_eq!(Format::accepted(accept), Format::OpenMetrics, "{accept}");
        }
        let prometheus = [
            "",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/plain;q=1,application/openmetrics-text;q=0.1",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=nonsense,text/plain;q=2",
        ];
        for accept in prometheus {
            assert_eq!(Format::accepted(accept), Format::Prometheus, "{accept}");
        }
    }
}
