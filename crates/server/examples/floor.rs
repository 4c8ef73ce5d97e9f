//! What an HTTP server costs that does nothing: the floor that `bench/consul.py` divides by.
//!
//! `cargo run --release -p tribune-server --example floor -- ADDRESS LOG [ANSWER]`
//!
//! * A read is answered with the bytes of the file ANSWER, whatever it asks for. If it has a
//!   parameter `index`, that happens at the next write.
//! * A write is appended to a log that makes one flush of what waits, in the file LOG, and
//!   answered `true`.
//!
//! Both by hyper, as the server does it: on one thread, with the log on another.

#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use group_log::GroupLog;

#[path = "../../raft/examples/append/group_log.rs"]
mod group_log;

struct Floor {
    log: GroupLog,
    answer: Bytes,
    written: Notify,
}

impl Floor {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let body = if request.method() == Method::GET {
            if request.uri().query().is_some_and(|query| query.contains("index=")) {
                self.written.notified().await;
            }
            self.answer.clone()
        } else {
            self.log.append(request.into_body().collect().await.unwrap().to_bytes()).await;
            self.written.notify_waiters();
            Bytes::from_static(b"true")
        };
        let mut response = Response::new(Full::new(body));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

async fn serve(address: SocketAddr, floor: Arc<Floor>) {
    let listener = TcpListener::bind(address).await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let floor = floor.clone();
        let service = service_fn(move |request| {
            let floor = floor.clone();
            async move { Ok::<_, Infallible>(floor.answer(request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(log)) = (arguments.next(), arguments.next()) else {
        panic!("floor ADDRESS LOG [ANSWER]");
    };
    let answer = arguments.next().map_or_else(Vec::new, |path| std::fs::read(path).unwrap());
    let log = GroupLog::start(Path::new(&log));
    let floor = Floor { log, answer: answer.into(), written: Notify::new() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(serve(address.parse().unwrap(), Arc::new(floor)));
}
