//! HTTP for machines that watch this one: `/metrics`, `/healthz`, `/readyz`. One request a
//! connection, and every connection bounded in time and size, so that a client harms itself at most.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ringbolt_core::header::Command;
use ringbolt_core::limits::HTTP_CONNECTIONS_MAX;
use ringbolt_engine::Control;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::crowd::Crowd;
use super::exposition::Format;
use super::{LOOK, View, metrics};

/// From the accept to the last byte of the answer.
const CONNECTION_LIMIT: Duration = Duration::from_secs(30);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

const PLAIN: &str = "text/plain; charset=utf-8";
const INDEX: &str = "ringbolt\n\n/metrics  counters, for Prometheus\n/healthz  ok while the engine \
                     lives\n/readyz   ok while new sessions are taken\n";

/// Serves until the engine ends.
pub(super) async fn serve(listener: Arc<std::net::TcpListener>, view: Rc<View>) {
    // The supervisor's stays open for the next engine.
    let listener = loop {
        match listener.try_clone().and_then(TcpListener::from_std) {
            Ok(listener) => break listener,
            Err(error) => warn!(%error, "HTTP cannot be served yet"),
        }
        sleep(LOOK).await;
    };
    let mut crowd = Crowd::new(HTTP_CONNECTIONS_MAX);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => crowd.admit(converse(stream, view.clone())).await,
            // Out of descriptors, or one connection's fault: the others wait in the queue.
            Err(_) => sleep(LOOK).await,
        }
    }
}

async fn converse(stream: TcpStream, view: Rc<View>) {
    let service = service_fn(|request| {
        let view = view.clone();
        async move { Ok::<_, Infallible>(answer(&request, &view).await) }
    });
    let mut http = http1::Builder::new();
    http.keep_alive(false).max_buf_size(HEAD_BYTES_MAX);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    // Whatever went wrong, the client knows more about it than we do.
    let _ = timeout(CONNECTION_LIMIT, connection).await;
}

async fn answer<Body>(request: &Request<Body>, view: &View) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if !matches!(path, "/" | "/healthz" | "/readyz" | "/metrics") {
        return page(StatusCode::NOT_FOUND, PLAIN, "not found\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = page(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "GET or HEAD\n");
        response.headers_mut().insert(ALLOW, "GET, HEAD".parse().expect("a plain header"));
        return response;
    }
    match path {
        "/healthz" => page(StatusCode::OK, PLAIN, "ok\n"),
        "/readyz" => match unready(&view.meter.control) {
            None => page(StatusCode::OK, PLAIN, "ok\n"),
            Some(reason) => page(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{reason}\n")),
        },
        "/metrics" => {
            let format = Format::accepted(&accept(request.headers()));
            let text =
                view.lengths.with(|lengths| metrics::render(&view.meter.read(), lengths, format));
            page(StatusCode::OK, format.content_type(), text.await)
        }
        _ => page(StatusCode::OK, PLAIN, INDEX),
    }
}

/// Why no new sessions are taken, if so.
fn unready(control: &Control) -> Option<&'static str> {
    match control.header.command() {
        Command::Run if control.is_serving() => None,
        Command::Run => Some("starting"),
        Command::Drain => Some("draining"),
        Command::Stop => Some("stopping"),
    }
}

fn accept(headers: &HeaderMap) -> String {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

fn page(
    status: StatusCode,
    content_type: &'static str,
    text: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type)
        .header(CACHE_CONTROL, "no-store")
        .body(Full::new(text.into()));
    response.expect("a plain status and plain headers")
}
