#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use bytes::Bytes;
use hyper::Response;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::check;
use crate::environment::Environment;
use crate::outcome::{Outcome, Status};
use crate::target::{HttpTarget, Tls};
use crate::testing::{
    Authority, SHORT, deadline, floods, holds, http_server, read_request, refusing, respond, says,
    serve_http2, trickles,
};
use crate::trust::Trust;

fn at(url: impl ToString) -> HttpTarget {
    HttpTarget { url: url.to_string(), ..HttpTarget::default() }
}

async fn run(target: &HttpTarget) -> Outcome {
    check(target, 4096, deadline(), &Environment::default()).await
}

async fn run_shortly(target: &HttpTarget, output_max_bytes: usize) -> Outcome {
    check(target, output_max_bytes, Instant::now() + SHORT, &Environment::default()).await
}

fn failed(url: &str, why: &str) -> Outcome {
    Outcome::critical(format!("Get \"{url}\": {why}"))
}

/// The lines of a request, sorted by name behind the first one.
fn lines(request: &str) -> Vec<&str> {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    lines[1..].sort_unstable();
    if !body.is_empty() {
        lines.push(body);
    }
    lines
}

#[tokio::test]
async fn codes_are_judged() {
    for (line, status) in [
        ("200 OK", Status::Passing),
        ("204 No Content", Status::Passing),
        ("299 My Own", Status::Passing),
        ("200 Fine", Status::Passing),
        ("200 ", Status::Passing),
        ("429 Too Many Requests", Status::Warning),
        ("300 Multiple Choices", Status::Critical),
        ("304 Not Modified", Status::Critical),
        ("404 Not Found", Status::Critical),
        ("500 Internal Server Error", Status::Critical),
        ("503 Service Unavailable", Status::Critical),
        ("101 Switching Protocols", Status::Critical),
    ] {
        let (address, _) = http_server(move |_| format!("HTTP/1.1 {line}\r\n\r\n")).await;
        let output = format!("HTTP GET http://{address}/: {line} Output: ");
        assert_eq!(run(&at(format!("http://{address}/"))).await, Outcome { status, output });
    }
}

#[tokio::test]
async fn bodies_are_shown_whatever_their_form() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello",
        // Broken off: the code counts.
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ] {
        let (address, _) = http_server(|_| answer.to_owned()).await;
        let expected = format!("HTTP GET http://{address}: 200 OK Output: hello");
        let found = run(&at(format!("http://{address}"))).await;
        assert_eq!(found, Outcome::passing(expected), "{answer:?}");
    }
}

#[tokio::test]
async fn only_the_last_bytes_are_kept() {
    let page = format!("HTTP/1.1 200 OK\r\n\r\n{}end", "x".repeat(10_000));
    let (address, _) = http_server(move |_| page.clone()).await;
    let found = run(&at(format!("http://{address}/"))).await.output;
    let head = format!("HTTP GET http://{address}/: 200 OK Output: ");
    assert_eq!(found, format!("{head}{}end", "x".repeat(4093)));
}

#[tokio::test]
async fn what_is_asked() {
    let (address, requests) = http_server(|_| "HTTP/1.1 200 OK\r\n\r\n".to_owned()).await;
    run(&at(format!("http://{address}/a?b"))).await;
    let mut target = at(format!("http://me:secret@{address}"));
    target.method = "PUT".to_owned();
    target.body = "body text".to_owned();
    for (name, value) in [
        ("host", "web.example"),
        ("user-agent", "mine"),
        ("ACCEPT", "text/html"),
        ("X-One", "1"),
        ("X-One", "2"),
        ("Content-Length", "77"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "keep-alive"),
    ] {
        target.header.push((name.to_owned(), value.to_owned()));
    }
    run(&target).await;
    target.header = vec![("Authorization".to_owned(), "mine".to_owned())];
    target.body = String::new();
    target.method = "POST".to_owned();
    run(&target).await;
    let requests = requests.lock().unwrap();
    let host = format!("Host: {address}");
    let expected = [
        "GET /a?b HTTP/1.1",
        "Accept: text/plain, text/*, */*",
        "Connection: close",
        &host,
        "User-Agent: Consul Health Check",
    ];
    assert_eq!(lines(&requests[0]), expected);
    let expected = [
        "PUT / HTTP/1.1",
        "Accept: text/html",
        "Authorization: Basic bWU6c2VjcmV0",
        "Connection: close",
        "Content-Length: 9",
        "Host: web.example",
        "User-Agent: mine",
        "X-One: 1",
        "X-One: 2",
        "body text",
    ];
    assert_eq!(lines(&requests[1]), expected);
    let expected = [
        "POST / HTTP/1.1",
        "Accept: text/plain, text/*, */*",
        "Authorization: mine",
        "Connection: close",
        "Content-Length: 0",
        &host,
        "User-Agent: Consul Health Check",
    ];
    assert_eq!(lines(&requests[2]), expected);
}

#[tokio::test]
async fn heads_have_no_body() {
    let (address, _) =
        http_server(|_| "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_owned()).await;
    let target = HttpTarget { method: "HEAD".to_owned(), ..at(format!("http://{address}/")) };
    let expected = format!("HTTP HEAD http://{address}/: 200 OK Output: ");
    assert_eq!(run(&target).await, Outcome::passing(expected));
}

#[tokio::test]
async fn requests_that_cannot_be_made() {
    let with = |name: &str, value: &str| HttpTarget {
        header: vec![(name.to_owned(), value.to_owned())],
        ..at("http://127.0.0.1:1/")
    };
    for (target, output) in [
        (at("ftp://h/"), "Get \"ftp://h/\": unsupported protocol scheme \"ftp\""),
        (at("/x"), "Get \"/x\": unsupported protocol scheme \"\""),
        (at(""), "Get \"\": unsupported protocol scheme \"\""),
        (at("http:///x"), "Get \"http:///x\": http: no Host in request URL"),
        (at("http://h:x/"), "parse \"http://h:x/\": invalid port \":x\" after host"),
        (
            HttpTarget { method: "G ET".to_owned(), ..at("http://h/") },
            "net/http: invalid method \"G ET\"",
        ),
        (
            HttpTarget { method: "patch".to_owned(), ..at("http://127.0.0.1:1/") },
            "patch \"http://127.0.0.1:1/\": dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        (
            with("a b", "c"),
            "Get \"http://127.0.0.1:1/\": net/http: invalid header field name \"a b\"",
        ),
        (
            with("A", "b\r\nc"),
            "Get \"http://127.0.0.1:1/\": net/http: invalid header field value for \"A\"",
        ),
        (
            at("http://u:p@127.0.0.1:1/a#b"),
            "Get \"http://u:***@127.0.0.1:1/a#b\": dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        (
            at("http://no-such.invalid/"),
            "Get \"http://no-such.invalid/\": dial tcp: lookup no-such.invalid: no such host",
        ),
        (
            at("http://127.0.0.1:99999/"),
            "Get \"http://127.0.0.1:99999/\": dial tcp: address 99999: invalid port",
        ),
        (
            HttpTarget {
                header: (0..30_000).map(|number| (format!("X-{number}"), String::new())).collect(),
                ..at("http://127.0.0.1:1/")
            },
            "Get \"http://127.0.0.1:1/\": net/http: more than 1000 header fields",
        ),
    ] {
        assert_eq!(run(&target).await, Outcome::critical(output));
    }
}

#[tokio::test]
async fn answers_that_are_none() {
    let url = format!("http://{}/", says(b"").await);
    assert_eq!(run(&at(&url)).await, failed(&url, "EOF"));
    let refused = refusing().await;
    let url = format!("http://{refused}/");
    let why = format!("dial tcp {refused}: connect: connection refused");
    assert_eq!(run(&at(&url)).await, failed(&url, &why));
    for answer in [
        &b"garbage\r\n\r\n"[..],
        b"HTTP/1.1 2000 My\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ] {
        let url = format!("http://{}/", says(answer).await);
        let found = run(&at(&url)).await;
        let head = format!(
            "Get \"{url}\": net/http: HTTP/1.x transport connection broken: malformed HTTP response: "
        );
        assert!(found.output.starts_with(&head), "{}", found.output);
        assert_eq!(found.status, Status::Critical);
    }
}

#[tokio::test]
async fn silence_has_its_time() {
    let timeout = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    let server = holds(b"").await;
    for url in [format!("http://{server}/"), format!("https://{server}/")] {
        assert_eq!(run_shortly(&at(&url), 4096).await, failed(&url, timeout));
    }
    let url = format!("http://{}/", holds(b"HTTP/1.1 200 OK\r\nA: ").await);
    assert_eq!(run_shortly(&at(&url), 4096).await, failed(&url, timeout));
}

#[tokio::test]
async fn heads_that_trickle_or_never_end() {
    let address = trickles(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n").await;
    let url = format!("http://{address}/");
    let found = run_shortly(&at(&url), 4096).await;
    assert!(found.output.contains("deadline exceeded"), "{}", found.output);
    let address = floods(b"HTTP/1.1 200 OK\r\nA: ", &[b'a'; 8192]).await;
    let url = format!("http://{address}/");
    let found = run(&at(&url)).await;
    assert!(found.output.ends_with("message head is too large"), "{}", found.output);
}

#[tokio::test]
async fn heads_have_a_bound() {
    for (bytes, fits) in [(40_000, true), (300_000, false)] {
        let value = "a".repeat(bytes);
        let answer = move |_: &str| format!("HTTP/1.1 200 OK\r\nA: {value}\r\n\r\nhello");
        let url = format!("http://{}/", http_server(answer).await.0);
        let found = run(&at(&url)).await;
        assert_eq!(found.status == Status::Passing, fits, "{}", found.output);
    }
}

#[tokio::test]
async fn bodies_that_trickle_or_never_end() {
    let page = b"HTTP/1.1 200 OK\r\n\r\n";
    for address in [
        trickles(page, b"x").await,
        floods(page, &[b'x'; 8192]).await,
        trickles(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n").await,
    ] {
        let url = format!("http://{address}/");
        let found = run_shortly(&at(&url), 16).await;
        let head = format!("HTTP GET {url}: 200 OK Output: ");
        let shown = found.output.strip_prefix(&head).unwrap();
        assert!((1..=16).contains(&shown.len()) && shown.bytes().all(|b| b == b'x'), "{shown}");
        assert_eq!(found.status, Status::Passing);
    }
}

/// A server that leads from `/` to `/1`, `/2` and so on; at `/last` it is well.
async fn leading(code: u16, last: usize) -> (SocketAddr, crate::testing::Requests) {
    http_server(move |request| {
        let path = request.split(' ').nth(1).unwrap();
        let number = path[1..].parse::<usize>().unwrap_or(0);
        if number == last {
            return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell".to_owned();
        }
        let next = number + 1;
        format!("HTTP/1.1 {code} Go\r\nLocation: /{next}\r\nContent-Length: 5\r\n\r\nthere")
    })
    .await
}

#[tokio::test]
async fn redirects_are_followed() {
    for code in [301, 302, 303, 307, 308] {
        let (address, _) = leading(code, 9).await;
        let url = format!("http://{address}/");
        let expected = format!("HTTP GET {url}: 200 OK Output: well");
        assert_eq!(run(&at(&url)).await, Outcome::passing(expected));
        let first = HttpTarget { disable_redirects: true, ..at(&url) };
        let expected = format!("HTTP GET {url}: {code} Go Output: there");
        assert_eq!(run(&first).await, Outcome::critical(expected));
    }
}

#[tokio::test]
async fn redirects_have_an_end() {
    let (address, requests) = leading(302, 10).await;
    let url = format!("http://{address}/");
    assert_eq!(run(&at(&url)).await, failed("/10", "stopped after 10 redirects"));
    assert_eq!(requests.lock().unwrap().len(), 10);
}

#[tokio::test]
async fn redirects_that_lead_nowhere() {
    for (location, why) in [
        ("Location: ftp://x/", "Get \"ftp://x/\": unsupported protocol scheme \"ftp\""),
        (
            "Location: http://[::1/",
            "Get \"URL\": failed to parse Location header \"http://[::1/\": parse \"http://[::1/\": missing ']' in host",
        ),
        ("A: b", "HTTP GET URL: 302 Found Output: here"),
        ("Location: ", "HTTP GET URL: 302 Found Output: here"),
    ] {
        let (address, _) =
            http_server(move |_| format!("HTTP/1.1 302 Found\r\n{location}\r\n\r\nhere")).await;
        let url = format!("http://{address}/");
        assert_eq!(run(&at(&url)).await, Outcome::critical(why.replace("URL", &url)));
    }
}

#[tokio::test]
async fn what_servers_make_up_is_not_kept() {
    let long = "x".repeat(50_000);
    for head in [format!("200 {long}"), format!("302 Go\r\nLocation: http://[{long}")] {
        let answer = move |_: &str| format!("HTTP/1.1 {head}\r\n\r\n");
        let url = format!("http://{}/", http_server(answer).await.0);
        let found = run(&at(&url)).await;
        assert!(found.output.contains("xxx") && found.output.len() <= 8192, "{}", found.output);
    }
}

#[tokio::test]
async fn what_is_asked_after_a_redirect() {
    let (elsewhere, theirs) = http_server(|_| "HTTP/1.1 200 OK\r\n\r\n".to_owned()).await;
    let (address, ours) = http_server(move |request| {
        let (code, place) = match request.split(' ').nth(1).unwrap() {
            "/" => (307, "/b".to_owned()),
            "/b" => (303, "c/../c".to_owned()),
            _ => (302, format!("http://{elsewhere}/d")),
        };
        format!("HTTP/1.1 {code} Go\r\nLocation: {place}\r\n\r\n")
    })
    .await;
    let target = HttpTarget {
        method: "PUT".to_owned(),
        body: "text".to_owned(),
        header: [("Host", "web.example"), ("Cookie", "c=d"), ("X-A", "b"), ("Accept", "*/*")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..at(format!("http://me:secret@{address}/"))
    };
    let found = run(&target).await;
    let expected = format!("HTTP PUT http://me:secret@{address}/: 200 OK Output: ");
    assert_eq!(found, Outcome::passing(expected));
    let common = |first, referer: &str| {
        let mut lines = vec![
            first,
            "Accept: */*".to_owned(),
            "Authorization: Basic bWU6c2VjcmV0".to_owned(),
            "Connection: close".to_owned(),
            "Cookie: c=d".to_owned(),
            "Host: web.example".to_owned(),
            "User-Agent: Consul Health Check".to_owned(),
            "X-A: b".to_owned(),
        ];
        if !referer.is_empty() {
            lines.insert(6, format!("Referer: http://{address}{referer}"));
        }
        lines
    };
    let ours = ours.lock().unwrap();
    let mut first = common("PUT / HTTP/1.1".to_owned(), "");
    first.insert(4, "Content-Length: 4".to_owned());
    first.push("text".to_owned());
    assert_eq!(lines(&ours[0]), first);
    let mut second = common("PUT /b HTTP/1.1".to_owned(), "/");
    second.insert(4, "Content-Length: 4".to_owned());
    second.push("text".to_owned());
    assert_eq!(lines(&ours[1]), second);
    assert_eq!(lines(&ours[2]), common("GET /c HTTP/1.1".to_owned(), "/b"));
    // Another host hears neither secrets nor the name of the first one.
    let host = format!("Host: {elsewhere}");
    let referer = format!("Referer: http://{address}/c");
    let expected = [
        "GET /d HTTP/1.1",
        "Accept: */*",
        "Connection: close",
        &host,
        &referer,
        "User-Agent: Consul Health Check",
        "X-A: b",
    ];
    assert_eq!(lines(&theirs.lock().unwrap()[0]), expected);
}

async fn well(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
    read_request(&mut stream).await;
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell").await;
    let _ = stream.shutdown().await;
}

fn named(name: &str) -> Tls {
    Tls { server_name: name.to_owned(), skip_verify: false }
}

#[tokio::test]
async fn secure_servers() {
    let authority = Authority::new();
    let address = authority.listen(&["web.example"], "http/1.1", well).await;
    let url = format!("https://{address}/");
    let known = authority.environment();
    let expected = Outcome::passing(format!("HTTP GET {url}: 200 OK Output: well"));
    let target = HttpTarget { tls: named("web.example"), ..at(&url) };
    assert_eq!(check(&target, 4096, deadline(), &known).await, expected);
    let unknown =
        "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    assert_eq!(run(&target).await, failed(&url, unknown));
    let target = HttpTarget { tls: Tls { skip_verify: true, ..Tls::default() }, ..at(&url) };
    assert_eq!(run(&target).await, expected);
}

#[tokio::test]
async fn secure_servers_that_want_to_know_us() {
    let authority = Authority::new();
    let address = authority.listen_for_known(&["web.example"], well).await;
    let url = format!("https://{address}/");
    let target = HttpTarget { tls: named("web.example"), ..at(&url) };
    let (chain, key) = authority.issue_for(&["agent.example"]);
    let other_key = Authority::new().issue_for(&["agent.example"]).1;
    assert!(Trust::system().with_identity(chain.clone(), other_key).is_err());
    let trust = Trust::only([authority.certificate()]).unwrap();
    let stranger = Environment { trust: trust.clone(), ..Environment::default() };
    let found = check(&target, 4096, deadline(), &stranger).await;
    assert_eq!(found.status, Status::Critical);
    let trust = trust.with_identity(chain, key).unwrap();
    let known = Environment { trust, ..Environment::default() };
    let found = check(&target, 4096, deadline(), &known).await;
    assert_eq!(found, Outcome::passing(format!("HTTP GET {url}: 200 OK Output: well")));
}

#[tokio::test]
async fn secure_servers_that_are_none() {
    let not_tls = "tls: first record does not look like a TLS handshake";
    let plain = "http: server gave HTTP response to HTTPS client";
    for (bytes, why) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], plain),
        (b"220 mail.example ESMTP\r\n", not_tls),
        (b"", "EOF"),
    ] {
        let url = format!("https://{}/", says(bytes).await);
        assert_eq!(run(&at(&url)).await, failed(&url, why));
    }
}

#[tokio::test]
async fn servers_of_http2() {
    let authority = Authority::new();
    let serve = |stream| {
        serve_http2(stream, |request, mut send: h2::server::SendResponse<Bytes>| async move {
            let (parts, mut body) = request.into_parts();
            let mut text = Vec::new();
            while let Some(Ok(bytes)) = body.data().await {
                text.extend_from_slice(&bytes);
            }
            let header = parts.headers;
            let has_framing = header.contains_key("connection") || header.contains_key("host");
            let seen = format!(
                "{} {} {} {} {has_framing}",
                parts.method,
                parts.uri,
                header["user-agent"].to_str().unwrap(),
                String::from_utf8(text).unwrap(),
            );
            match parts.uri.path() {
                "/" => respond(send, Response::new(()), seen.into(), None),
                // Far more than fits the window.
                "/long" => {
                    let page = "x".repeat(1_000_000) + "end";
                    respond(send, Response::new(()), page.into(), None);
                }
                _ => {
                    let head = Response::builder().status(429).body(()).unwrap();
                    let _ = send.send_response(head, true);
                }
            }
        })
    };
    let address = authority.listen(&["web.example"], "h2", serve).await;
    let known = authority.environment();
    let url = format!("https://{address}/");
    let target = HttpTarget {
        method: "PUT".to_owned(),
        body: "text".to_owned(),
        header: [("Host", "web.example"), ("Keep-Alive", "timeout=5"), ("Upgrade", "x")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        tls: named("web.example"),
        ..at(&url)
    };
    let found = check(&target, 4096, deadline(), &known).await;
    let seen = "PUT https://web.example/ Consul Health Check text false";
    assert_eq!(found, Outcome::passing(format!("HTTP PUT {url}: 200 OK Output: {seen}")));
    let target = HttpTarget { tls: named("web.example"), ..at(format!("{url}long")) };
    let found = check(&target, 6, deadline(), &known).await;
    let expected = format!("HTTP GET {url}long: 200 OK Output: xxxend");
    assert_eq!(found, Outcome::passing(expected));
    let target = HttpTarget { tls: named("web.example"), ..at(format!("{url}busy")) };
    let found = check(&target, 4096, deadline(), &known).await;
    let expected = format!("HTTP GET {url}busy: 429 Too Many Requests Output: ");
    assert_eq!(found, Outcome::warning(expected));
}

#[tokio::test]
async fn pages_of_http2_that_never_end() {
    let authority = Authority::new();
    let serve = |stream| {
        serve_http2(stream, |_, mut send: h2::server::SendResponse<Bytes>| async move {
            let mut stream = send.send_response(Response::new(()), false).unwrap();
            while stream.send_data(Bytes::from_static(&[b'x'; 1024]), false).is_ok() {
                stream.reserve_capacity(1024);
                // A window that is full, or a connection that is gone.
                match std::future::poll_fn(|context| stream.poll_capacity(context)).await {
                    Some(Ok(_)) => {}
                    _ => return,
                }
            }
        })
    };
    let address = authority.listen(&["web.example"], "h2", serve).await;
    let url = format!("https://{address}/");
    let target = HttpTarget { tls: named("web.example"), ..at(&url) };
    let limit = Instant::now() + 2 * SHORT;
    let found = check(&target, 16, limit, &authority.environment()).await;
    let expected = format!("HTTP GET {url}: 200 OK Output: {}", "x".repeat(16));
    assert_eq!(found, Outcome::passing(expected));
}
