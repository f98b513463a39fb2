//! Metrics as Prometheus reads them, and stricter: what it would forgive is a failure here.

use std::collections::{BTreeMap, BTreeSet};

/// Samples, by name and labels as they are written: `a_total{proxy="echo"}`.
#[derive(Clone, Debug)]
pub struct Metrics(BTreeMap<String, f64>);

/// The family whose samples are being read.
#[derive(Debug, Default)]
struct Family {
    name: String,
    kind: String,
}

impl Metrics {
    /// Reads a text in Prometheus' own format or, when it ends with `# EOF`, in OpenMetrics.
    ///
    /// # Panics
    ///
    /// When it is neither: a family twice, a sample without its family or twice, a name that does
    /// not fit its kind, a line that is none.
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends");
        let (text, open_metrics) = match text.strip_suffix("# EOF\n") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (mut samples, mut known) = (BTreeMap::new(), BTreeSet::new());
        let (mut family, mut helped) = (Family::default(), String::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a name and words");
                assert!(!help.is_empty(), "{line}");
                helped = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a kind");
                assert_eq!(name, helped, "help and kind are of one family");
                assert!(known.insert(name.to_owned()), "{name} twice");
                family = Family { name: name.into(), kind: kind.into() };
            } else {
                let (key, value) = line.rsplit_once(' ').expect("a sample and its value");
                family.check(key, open_metrics);
                let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
                assert!(samples.insert(key.to_owned(), value).is_none(), "{key} twice");
            }
        }
        Self(samples)
    }

    /// The value of a sample.
    ///
    /// # Panics
    ///
    /// When there is no such sample.
    pub fn value(&self, key: &str) -> f64 {
        *self.0.get(key).unwrap_or_else(|| panic!("no {key} in {:#?}", self.0))
    }

    /// The sum of all samples whose name and labels begin so.
    pub fn sum(&self, start: &str) -> f64 {
        self.0.iter().filter(|(key, _)| key.starts_with(start)).map(|(_, value)| value).sum()
    }
}

impl Family {
    /// Whether a sample may stand in this family.
    fn check(&self, key: &str, open_metrics: bool) {
        let (name, labels) = match key.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect("a closing brace")),
            None => (key, ""),
        };
        let labels = labels_of(labels);
        let total = format!("{}_total", self.name);
        let fits = match self.kind.as_str() {
            "gauge" => name == self.name && !name.ends_with("_total"),
            "counter" if open_metrics => name == total,
            "counter" => name == self.name && name.ends_with("_total"),
            "summary" => {
                let quantile = labels.iter().any(|label| label == "quantile");
                let rest = name.strip_prefix(self.name.as_str());
                matches!((rest, quantile), (Some(""), true) | (Some("_sum" | "_count"), false))
            }
            _ => false,
        };
        assert!(fits, "{key} in a {} named {}", self.kind, self.name);
    }
}

/// The names of labels: `a="1",b="2"`.
fn labels_of(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").expect("a label");
        let plain = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(!name.is_empty() && name.chars().all(plain), "{name:?} in {text}");
        names.push(name.to_owned());
        let mut escaped = false;
        let end = after.find(|c| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        rest = &after[end.expect("a closing quote") + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP a_total A.\n# TYPE a_total counter\na_total{p=\"x\\\"}\"} 1\n\
                        a_total{p=\"y\"} 2\n# HELP b B.\n# TYPE b summary\n\
                        b{p=\"\",quantile=\"0.5\"} NaN\nb_sum 1.5\nb_count 3\n";

    /// Goal: good texts are read. Method: one in each format.
    #[test]
    fn good_texts_are_read() {
        let metrics = Metrics::parse(GOOD);
        assert_eq!(metrics.value("a_total{p=\"y\"}"), 2.0);
        assert_eq!((metrics.sum("a_total"), metrics.value("b_sum")), (3.0, 1.5));
        Metrics::parse("# HELP a A.\n# TYPE a counter\na_total 1\n# EOF\n");
    }

    /// Goal: a check that cannot fail is a defect. Method: texts that are each wrong in one way.
    #[test]
    fn wrong_texts_are_not() {
        let wrong = [
            GOOD.replace("a_total{p=\"y\"} 2", "a_total{p=\"x\\\"}\"} 2"),
            GOOD.replace(" counter", " gauge"),
            GOOD.replace("b_sum", "c_sum"),
            GOOD.replace("# HELP b B.\n", ""),
            GOOD.replace("b{p=\"\",quantile=\"0.5\"}", "b{p=\"\"}"),
            GOOD.replace("NaN", "none"),
            format!("{GOOD}# EOF\n"),
            format!("{GOOD}{GOOD}"),
        ];
        for text in wrong {
            let read = std::panic::catch_unwind(|| Metrics::parse(&text));
            assert!(read.is_err(), "{text}");
        }
    }
}
