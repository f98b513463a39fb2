//! `show stat`: counters of listeners, pools and servers, in HAProxy's columns. A column is empty
//! when HAProxy leaves it empty or when there is nothing true to put into it.

use std::fmt::Write;

use ringbolt_core::health::Outcome;
use serde_json::{Value as Json, json};

use super::super::counters::{Counters, Health, Listener, Pool, Server};
use super::fields::{Field, Tags, Value};

use Value::{Large, Small, Text};

/// HAProxy's columns up to the last that all its versions since 2.4 have in common.
const COLUMNS: &str = "pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,\
    eresp,wretr,wredis,status,weight,act,bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,sid,\
    throttle,lbtot,tracked,type,rate,rate_lim,rate_max,check_status,check_code,check_duration,\
    hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,hanafail,req_rate,req_rate_max,\
    req_tot,cli_abrt,srv_abrt,comp_in,comp_out,comp_byp,comp_rsp,lastsess,last_chk,last_agt,qtime,\
    ctime,rtime,ttime,agent_status,agent_code,agent_duration,check_desc,agent_desc,check_rise,\
    check_fall,check_health,agent_rise,agent_fall,agent_health,addr,cookie,mode,algo,conn_rate,\
    conn_rate_max,conn_tot,intercepted,dcon,dses,wrew,connect,reuse,cache_lookups,cache_hits,\
    srv_icur,src_ilim,qtime_max,ctime_max,rtime_max,ttime_max,eint,idle_conn_cur,safe_conn_cur,\
    used_conn_cur,need_conn_est,uweight,agg_server_status,agg_server_check_status,\
    agg_check_status";

/// What a row is about; the numbers are HAProxy's `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Frontend = 0,
    Backend = 1,
    Server = 2,
}

/// A listener, a pool or a server.
#[derive(Clone, Debug)]
pub(super) struct Row {
    kind: Kind,
    proxy: String,
    /// HAProxy's iid: listeners and pools in the order of the file, from 1.
    proxy_id: u64,
    /// HAProxy's sid: servers by their place in the pool, from 1.
    server_id: u64,
    /// In the order of the columns.
    fields: Vec<Field>,
}

/// Which rows are wanted; by default all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    /// A name or an iid.
    pub(super) proxy: Option<String>,
    /// 1 listeners, 2 pools, 4 servers, or a sum of them.
    pub(super) kinds: i32,
    /// A sid.
    pub(super) server: Option<i64>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { proxy: None, kinds: -1, server: None }
    }
}

impl Filter {
    /// Whether a row belongs to the proxy that is wanted.
    pub(super) fn has_proxy(&self, row: &Row) -> bool {
        self.proxy
            .as_ref()
            .is_none_or(|proxy| *proxy == row.proxy || proxy.parse() == Ok(row.proxy_id))
    }

    /// Whether a row is wanted.
    pub(super) fn has(&self, row: &Row) -> bool {
        let server = self.server.filter(|_| row.kind == Kind::Server);
        self.has_proxy(row)
            && self.kinds & (1 << row.kind as i32) != 0
            && server.is_none_or(|id| u64::try_from(id) == Ok(row.server_id))
    }
}

/// Every row.
pub(super) fn rows(counters: &Counters) -> Vec<Row> {
    let mut rows = Vec::new();
    for (id, listener) in (1..).zip(&counters.listeners) {
        rows.push(of_listener(listener, id));
    }
    for (id, pool) in (counters.listeners.len() as u64 + 1..).zip(&counters.pools) {
        for (server_id, server) in (1..).zip(&pool.servers) {
            rows.push(of_server(pool, server, id, server_id));
        }
        rows.push(of_pool(pool, id));
    }
    rows
}

/// With HAProxy's head, and the comma that it ends its lines with.
pub(super) fn csv(rows: impl Iterator<Item = Row>) -> String {
    let columns = COLUMNS.split(',').count();
    let mut text = format!("# {COLUMNS},\n");
    for row in rows {
        let mut fields = row.fields.iter().peekable();
        for column in 0..columns {
            if let Some(field) = fields.next_if(|field| field.position == column) {
                push_cell(&mut text, &field.value);
            }
            text.push(',');
        }
        text.push('\n');
    }
    text
}

/// A list of rows, which are lists of fields.
pub(super) fn json(rows: impl Iterator<Item = Row>) -> String {
    let one = |row: Row| -> Json {
        let object = match row.kind {
            Kind::Frontend => "Frontend",
            Kind::Backend => "Backend",
            Kind::Server => "Server",
        };
        let fields = row.fields.iter().map(|field| {
            let mut field = field.json();
            field["objType"] = json!(object);
            field["proxyId"] = json!(row.proxy_id);
            field["id"] = json!(row.server_id);
            field
        });
        fields.collect()
    };
    format!("{}\n", rows.map(one).collect::<Json>())
}

fn of_listener(listener: &Listener, proxy_id: u64) -> Row {
    let status = if listener.open { "OPEN" } else { "STOP" };
    row(
        Kind::Frontend,
        &listener.name,
        "FRONTEND",
        [proxy_id, 0],
        vec![
            ("scur", Small(listener.sessions)),
            ("smax", Small(listener.most)),
            ("slim", Small(listener.limit)),
            ("stot", Large(listener.total)),
            ("bin", Large(listener.bytes[0])),
            ("bout", Large(listener.bytes[1])),
            ("status", Text(status.into())),
            ("rate", Small(listener.rate.now)),
            ("rate_lim", Small(0)),
            ("rate_max", Small(listener.rate.most)),
            ("conn_rate", Small(listener.rate.now)),
            ("conn_rate_max", Small(listener.rate.most)),
            ("conn_tot", Large(listener.total)),
            ("dcon", Large(listener.denied)),
        ],
    )
}

fn of_server(pool: &Pool, server: &Server, proxy_id: u64, server_id: u64) -> Row {
    let mut cells = of_health(server);
    cells.extend(server.limit.map(|limit| ("slim", Small(limit))));
    cells.extend([
        // Nobody waits for a server: a session has one or ends.
        ("qcur", Small(0)),
        ("qmax", Small(0)),
        ("scur", Small(server.sessions)),
        ("smax", Small(server.most)),
        ("stot", Large(server.total)),
        ("bin", Large(server.bytes[0])),
        ("bout", Large(server.bytes[1])),
        ("econ", Large(server.connect_errors)),
        // Every further attempt goes to another server.
        ("wretr", Large(0)),
        ("wredis", Large(server.redispatched)),
        ("weight", Small(server.weight)),
        ("act", Small(u64::from(!server.backup))),
        ("bck", Small(u64::from(server.backup))),
        ("rate", Small(server.rate.now)),
        ("rate_max", Small(server.rate.most)),
        ("cli_abrt", Large(server.aborts[0])),
        ("srv_abrt", Large(server.aborts[1])),
        ("addr", Text(server.addr.clone())),
        ("uweight", Small(server.weight)),
    ]);
    row(Kind::Server, &pool.name, &server.name, [proxy_id, server_id], cells)
}

fn of_health(server: &Server) -> Vec<(&'static str, Value)> {
    let Some(health) = &server.health else { return vec![("status", Text("no check".into()))] };
    let last = health.last;
    let mut cells = vec![
        ("status", Text(status(health))),
        ("chkfail", Large(health.failures)),
        ("chkdown", Large(health.downs)),
        ("lastchg", Small(health.unchanged.as_secs())),
        ("downtime", Small(health.downtime.as_secs())),
        ("check_status", Text(last.outcome.name().into())),
        ("check_rise", Small(health.rise)),
        ("check_fall", Small(health.fall)),
        ("check_health", Small(health.level)),
    ];
    if let Some(code) = last.code {
        cells.push(("check_code", Small(code.into())));
    }
    if last.outcome != Outcome::None {
        cells.push(("check_duration", Large(last.took.as_millis() as u64)));
    }
    cells
}

/// HAProxy's words, with how far it is from going down or up.
fn status(health: &Health) -> String {
    let Health { up, level, rise, fall, .. } = *health;
    match (up, level) {
        (true, level) if level + 1 == rise + fall => "UP".into(),
        (true, level) => format!("UP {}/{fall}", level + 1 - rise),
        (false, 0) => "DOWN".into(),
        (false, level) => format!("DOWN {level}/{rise}"),
    }
}

fn of_pool(pool: &Pool, proxy_id: u64) -> Row {
    let status = if pool.is_up() { "UP" } else { "DOWN" };
    row(
        Kind::Backend,
        &pool.name,
        "BACKEND",
        [proxy_id, 0],
        vec![
            ("qcur", Small(0)),
            ("qmax", Small(0)),
            ("scur", Small(pool.sessions)),
            ("smax", Small(pool.most)),
            ("stot", Large(pool.total)),
            ("bin", Large(pool.sum(|server| server.bytes[0]))),
            ("bout", Large(pool.sum(|server| server.bytes[1]))),
            ("econ", Large(pool.sum(|server| server.connect_errors))),
            ("wretr", Large(0)),
            ("wredis", Large(pool.sum(|server| server.redispatched))),
            ("status", Text(status.into())),
            ("weight", Small(pool.weight())),
            ("act", Small(pool.usable(false))),
            ("bck", Small(pool.usable(true))),
            ("rate", Small(pool.rate.now)),
            ("rate_max", Small(pool.rate.most)),
            ("cli_abrt", Large(pool.sum(|server| server.aborts[0]))),
            ("srv_abrt", Large(pool.sum(|server| server.aborts[1]))),
            ("algo", Text(pool.algorithm.into())),
            ("uweight", Small(pool.weight())),
        ],
    )
}

/// A row with what all rows have.
fn row(
    kind: Kind,
    proxy: &str,
    server: &str,
    [proxy_id, server_id]: [u64; 2],
    mut cells: Vec<(&'static str, Value)>,
) -> Row {
    cells.extend([
        ("pxname", Text(proxy.into())),
        ("svname", Text(server.into())),
        ("pid", Small(1)),
        ("iid", Small(proxy_id)),
        ("sid", Small(server_id)),
        ("type", Small(kind as u64)),
        ("mode", Text("tcp".into())),
    ]);
    let field = |(name, value): (&'static str, Value)| {
        let position = COLUMNS.split(',').position(|column| column == name);
        let position = position.expect("a column of HAProxy's");
        Field { position, name, tags: tags(name, kind), value }
    };
    let mut fields: Vec<Field> = cells.into_iter().map(field).collect();
    fields.sort_unstable_by_key(|field| field.position);
    Row { kind, proxy: proxy.into(), proxy_id, server_id, fields }
}

fn tags(name: &str, kind: Kind) -> Tags {
    match name {
        "pxname" | "svname" => ["Key", "Name", "Service"],
        "iid" | "sid" => ["Key", "Gauge", "Service"],
        "pid" => ["Key", "Gauge", "Process"],
        "type" | "addr" | "mode" | "algo" => ["Config", "Gauge", "Service"],
        "slim" | "rate_lim" => ["Config", "Limit", "Process"],
        "status" => ["Status", "Gauge", "Process"],
        "act" | "bck" if kind == Kind::Server => ["Status", "Gauge", "Process"],
        "weight" | "uweight" => ["Metric", "Avg", "Process"],
        "rate" | "rate_max" if kind == Kind::Backend => ["Metric", "Gauge", "Process"],
        "rate" | "conn_rate" => ["Metric", "Rate", "Process"],
        "qmax" | "smax" | "rate_max" | "conn_rate_max" => ["Metric", "Max", "Process"],
        "qcur" | "scur" | "act" | "bck" => ["Metric", "Gauge", "Process"],
        _ => ["Metric", "Counter", "Process"],
    }
}

/// Quoted where a name would break the line.
fn push_cell(text: &mut String, value: &Value) {
    let start = text.len();
    // A String takes everything.
    let _ = write!(text, "{value}");
    if text[start..].contains([',', '"', '\n', '\r']) {
        let quoted = format!("\"{}\"", text[start..].replace('"', "\"\""));
        text.replace_range(start.., &quoted);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::counters::tests::sample;
    use super::*;

    fn cell(row: &str, column: &str) -> String {
        let index = COLUMNS.split(',').position(|it| it == column).unwrap();
        row.split(',').nth(index).unwrap().to_owned()
    }

    // Goal: each number stands in its column, and every line has as many commas as the head.
    // Method: a sample whose numbers differ.
    #[test]
    fn numbers_stand_in_their_columns() {
        let text = csv(rows(&sample()).into_iter());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        let commas = |line: &str| line.matches(',').count();
        assert!(lines.iter().all(|line| commas(line) == commas(lines[0])), "{text}");
        assert!(commas(lines[0]) >= 52 && text.starts_with("# pxname,svname,qcur,"), "{text}");
        let expected: [&[(&str, &str)]; 4] = [
            &[("pxname", "web"), ("svname", "FRONTEND"), ("stot", "70"), ("dcon", "702")],
            &[("svname", "ws1"), ("scur", "1000"), ("smax", "1001"), ("slim", ""), ("act", "1")],
            &[
                ("svname", "ws2"),
                ("slim", "2012"),
                ("econ", "2005"),
                ("wredis", "2006"),
                ("srv_abrt", "2008"),
            ],
            &[("svname", "BACKEND"), ("bin", "3006"), ("weight", "2"), ("algo", "source")],
        ];
        for (line, cells) in lines[1..].iter().zip(expected) {
            for (column, value) in cells {
                assert_eq!(cell(line, column), *value, "{column} of {line}");
            }
        }
        let ids = [("1", "0", "0"), ("2", "1", "2"), ("2", "2", "2"), ("2", "0", "1")];
        for (line, (iid, sid, kind)) in lines[1..].iter().zip(ids) {
            assert_eq!(
                [cell(line, "iid"), cell(line, "sid"), cell(line, "type")],
                [iid, sid, kind]
            );
        }
    }

    // Goal: the health of a server stands in HAProxy's columns, in its words. Method: the sample's, and
    // every level.
    #[test]
    fn health_is_told_as_haproxy_does() {
        let text = csv(rows(&sample()).into_iter());
        let [ws1, ws2] = [2, 3].map(|line| text.lines().nth(line).unwrap());
        assert_eq!([cell(ws1, "status"), cell(ws1, "check_status")], ["no check", ""]);
        for (column, value) in [
            ("status", "UP 2/3"),
            ("chkfail", "2018"),
            ("chkdown", "2017"),
            ("lastchg", "2014"),
            ("downtime", "2015"),
            ("check_status", "L7STS"),
            ("check_code", "405"),
            ("check_duration", "2016"),
            ("check_rise", "2"),
            ("check_fall", "3"),
            ("check_health", "3"),
        ] {
            assert_eq!(cell(ws2, column), value, "{column}");
        }
        let health = sample().pools.remove(0).servers.remove(1).health.unwrap();
        let at = |level| status(&Health { level, up: level >= health.rise, ..health.clone() });
        let all = (0..5).map(at).collect::<Vec<_>>();
        assert_eq!(all, ["DOWN", "DOWN 1/2", "UP 1/3", "UP 2/3", "UP"]);
    }

    // Goal: JSON says the same as the columns. Method: parse it and compare every value.
    #[test]
    fn json_says_the_same() {
        let text = csv(rows(&sample()).into_iter());
        let list: Vec<Vec<Json>> =
            serde_json::from_str(&json(rows(&sample()).into_iter())).unwrap();
        for (line, row) in text.lines().skip(1).zip(&list) {
            for field in row {
                let value = field["value"]["value"].to_string();
                let column = field["field"]["name"].as_str().unwrap();
                assert_eq!(value.trim_matches('"'), cell(line, column), "{column}");
            }
            assert_eq!(row.len(), line.split(',').filter(|cell| !cell.is_empty()).count());
        }
        assert_eq!((list.len(), &list[1][0]["objType"]), (4, &json!("Server")));
    }

    // Goal: a name cannot break a line. Method: one with everything that could.
    #[test]
    fn names_are_quoted() {
        let mut text = String::new();
        push_cell(&mut text, &Text("a,\"b\"".into()));
        assert_eq!(text, "\"a,\"\"b\"\"\"");
    }
}
