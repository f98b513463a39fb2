//! Every figure of a run as CSV: one a line, so that any program can filter and pivot them.

use std::io;

use super::outcomes;
use crate::results::Results;

const HEAD: [&str; 7] = ["part", "story", "subject", "client", "servers", "figure", "value"];

/// The lines, the first of which names the columns. `subject` is a remedy in the parts `matrix` and
/// `costs`, and a balancer in `law` and `skew`; `client` is a library in `matrix`, and who the
/// clients were in `skew`. What a run does not have is in the part `skipped`.
///
/// # Errors
/// None that is known of.
pub(super) fn csv(results: &Results) -> io::Result<String> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    lines.write_record(HEAD)?;
    for cell in &results.matrix {
        let servers = cell.servers.to_string();
        let head = ["matrix", &cell.story, &cell.remedy, &cell.client, &servers];
        let mut line =
            |figure: &str, value: &str| lines.write_record(head.into_iter().chain([figure, value]));
        for outcome in outcomes::ALL {
            line(&outcome.to_string(), &cell.tally.of(outcome).to_string())?;
        }
        if let Some(value) = cell.p_value {
            line("p_value", &value.to_string())?;
        }
        line("as_expected", &cell.as_expected.to_string())?;
    }
    for point in &results.law {
        let servers = point.servers.to_string();
        for (figure, value) in [
            ("reconnects", point.reconnects.to_string()),
            ("lost", point.lost.to_string()),
            ("expected_share", point.expected.to_string()),
            ("p_value", point.p_value.to_string()),
        ] {
            lines.write_record(["law", "", &point.balancer, "", &servers, figure, &value])?;
        }
    }
    for skew in &results.skew {
        let servers = skew.sessions_by_server.len().to_string();
        for (server, sessions) in (1..).zip(&skew.sessions_by_server) {
            let (figure, value) = (format!("sessions of server {server}"), sessions.to_string());
            lines.write_record([
                "skew",
                &skew.story,
                &skew.balancer,
                &skew.title,
                &servers,
                &figure,
                &value,
            ])?;
        }
    }
    for cost in &results.costs {
        for (figure, value) in [
            ("round_trip_p50_us", cost.round_trip_p50_us.to_string()),
            ("round_trip_p99_us", cost.round_trip_p99_us.to_string()),
            ("reconnect_p50_us", cost.reconnect_p50_us.to_string()),
            ("largest_share", cost.largest_share.to_string()),
        ] {
            lines.write_record(["costs", "", &cost.remedy, "", "", figure, &value])?;
        }
    }
    for skipped in &results.skipped {
        for (figure, value) in [("why", &skipped.why), ("mend", &skipped.mend)] {
            lines.write_record(["skipped", "", &skipped.what, "", "", figure, value])?;
        }
    }
    let bytes = lines.into_inner().map_err(csv::IntoInnerError::into_error)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn every_figure_is_a_line_that_a_reader_gets_back() {
        let results = sample::results();
        let text = csv(&results).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let value = |wanted: [&str; 6]| {
            let line = lines.iter().find(|line| line.iter().zip(wanted).all(|(a, b)| a == b));
            line.unwrap_or_else(|| panic!("no line {wanted:?}"))[6].to_owned()
        };
        for cell in &results.matrix {
            let servers = cell.servers.to_string();
            let lost = ["matrix", &cell.story, &cell.remedy, &cell.client, &servers, "lost"];
            assert_eq!(value(lost), cell.tally.lost.to_string());
        }
        for point in &results.law {
            let servers = point.servers.to_string();
            let lost = ["law", "", &point.balancer, "", &servers, "lost"];
            assert_eq!(value(lost), point.lost.to_string());
        }
        let skew = &results.skew[0];
        let servers = skew.sessions_by_server.len().to_string();
        let second =
            ["skew", &skew.story, &skew.balancer, &skew.title, &servers, "sessions of server 2"];
        assert_eq!(value(second), skew.sessions_by_server[1].to_string());
        let cost = &results.costs[0];
        let share = ["costs", "", &cost.remedy, "", "", "largest_share"];
        assert_eq!(value(share), cost.largest_share.to_string());
        let skipped = &results.skipped[0];
        assert_eq!(value(["skipped", "", &skipped.what, "", "", "why"]), skipped.why);
        let cells = results.matrix.iter().map(|cell| 5 + usize::from(cell.p_value.is_some()));
        let servers = results.skew.iter().map(|skew| skew.sessions_by_server.len());
        assert_eq!(
            lines.len(),
            cells.sum::<usize>()
                + servers.sum::<usize>()
                + 4 * (results.law.len() + results.costs.len())
                + 2 * results.skipped.len()
        );
    }
}
