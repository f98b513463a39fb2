use std::net::Ipv4Addr;

use ringbolt_tests::{Browser, Clients, Config, EchoServer, Language, Ringbolt, need};

/// Goal: the article's client in a real browser gets its echo through the balancer, and meets the
/// same server whenever it connects again, which another program on its address meets too. Method:
/// Chromium opens the page, with three echo servers behind the balancer; what the page shows is
/// read; its connection is closed three times, and it reconnects by itself; a client in Python
/// connects from 127.0.0.1 too.
#[test]
fn the_articles_page_meets_the_same_server_again() {
    need!(Binary, Python, Chromium);
    let servers = ["ws1", "ws2", "ws3"].map(EchoServer::start);
    let config = Config::new().servers(servers.iter().map(EchoServer::address));
    let ringbolt = Ringbolt::start(&config);
    let mut browser = Browser::open(&ringbolt.address().to_string());
    let mut clients = Clients::start(Language::Python);
    let server = clients.open("a", Ipv4Addr::LOCALHOST, ringbolt.address());
    assert_eq!(clients.close("a"), 1000);

    let echo = format!("Message from server: {server}: Hello Server!");
    let mut expected = vec!["Connected!".to_owned(), echo.clone()];
    assert_eq!(browser.lines_of(2), expected);
    for _ in 0..3 {
        browser.run("ws.close()");
        expected.extend(["Disconnected.".into(), "Connected!".into(), echo.clone()]);
        assert_eq!(browser.lines_of(expected.len()), expected);
    }
    browser.close();
    ringbolt.wait_for_base();
}
