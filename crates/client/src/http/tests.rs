#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use super::*;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn at(address: impl ToString) -> Settings {
    Settings { address: address.to_string(), ..Settings::default() }
}

/// Answers each request of one connection with the next of `answers`; returns the requests.
fn serve(answers: &'static [&'static str]) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut requests = Vec::new();
        for answer in answers {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                request.push(byte[0]);
            }
            requests.push(String::from_utf8(request).unwrap());
            stream.write_all(answer.as_bytes()).unwrap();
        }
        requests
    });
    (address, thread)
}

#[test]
fn requests_carry_what_the_settings_say_over_one_connection() {
    let (address, server) = serve(&[
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Consul-Index: 17\r\n\r\nhi",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 500 Oh\r\nContent-Length: 10\r\n\r\nNo leader\n",
    ]);
    let settings = Settings {
        address: format!("http://{address}/prefix"),
        token: "secret".to_owned(),
        datacenter: "dc9".to_owned(),
        stale: true,
        basic_auth: Some(("user".to_owned(), "pass".to_owned())),
        ..Settings::default()
    };
    run(async {
        let http = Http::new(&settings).unwrap();
        let (body, index) = http.look_up(Request::get("/v1/kv/a b")).await.unwrap();
        assert_eq!((body.as_deref(), index), (Some(&b"hi"[..]), Some(17)));
        assert_eq!(http.look_up(Request::get("/v1/kv/x")).await.unwrap(), (None, None));
        let refused = http.read(Request::put("/v1/kv/x").with("cas", "0")).await.unwrap_err();
        assert_eq!(refused.to_string(), "Unexpected response code: 500 (No leader)");
        assert!(!format!("{http:?}").contains("secret"), "tokens are not for logs");
    });
    let requests = server.join().unwrap();
    let lines: Vec<_> = requests.iter().map(|request| request.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "GET /prefix/v1/kv/a%20b?dc=dc9&stale= HTTP/1.1",
            "GET /prefix/v1/kv/x?dc=dc9&stale= HTTP/1.1",
            "PUT /prefix/v1/kv/x?cas=0&dc=dc9 HTTP/1.1",
        ]
    );
    for line in ["x-consul-token: secret", "authorization: Basic dXNlcjpwYXNz"] {
        assert!(requests[0].to_lowercase().contains(&line.to_lowercase()), "{}", requests[0]);
    }
}

#[test]
fn a_request_does_not_wait_for_another_ones_answer() {
    let first = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = first.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        // Nobody answers before he was asked: that would be no answer.
        let asked = || {
            let mut stream = first.accept().unwrap().0;
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            stream
        };
        let mut begun = asked();
        // The head and a part of the body: this answer never ends.
        begun.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab").unwrap();
        asked().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
    });
    run(async {
        let http = Http::new(&at(address)).unwrap();
        let mut stream = http.send(Request::get("/v1/agent/monitor")).await.unwrap();
        assert_eq!(stream.piece().await.unwrap().as_deref(), Some(&b"ab"[..]));
        assert_eq!(http.read(Request::get("/v1/status/leader")).await.unwrap(), b"ok");
        server.join().unwrap();
        assert!(matches!(stream.piece().await, Err(HttpError::Broken(_))));
    });
}

#[test]
fn failures_are_told_in_gos_words() {
    for (address, text) in [
        (
            "127.0.0.1:1",
            "Get \"http://127.0.0.1:1/v1/x\": dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        (
            "https://127.0.0.1:1",
            "Get \"https://127.0.0.1:1/v1/x\": dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        ("::", "Get \"http://::/v1/x\": dial tcp: lookup :: no such host"),
        (
            "unix://no.sock",
            "Get \"http://no.sock/v1/x\": dial unix no.sock: connect: no such file or directory",
        ),
    ] {
        let http = Http::new(&at(address));
        let error = run(async { http.unwrap().read(Request::get("/v1/x")).await.unwrap_err() });
        assert_eq!(error.to_string(), text);
    }
    for (address, text) in [("tcp://a:1", "tcp"), ("ftp://a", "ftp")] {
        let error = Http::new(&at(address)).unwrap_err();
        assert_eq!(error.to_string(), format!("Unknown protocol scheme: {text}"));
    }
    let mut settings = at("https://127.0.0.1:1");
    settings.tls.ca_file = "nosuch.pem".to_owned();
    assert_eq!(
        Http::new(&settings).unwrap_err().to_string(),
        "Error loading CA File: open nosuch.pem: no such file or directory"
    );
    settings.tls.certificate = "c.pem".to_owned();
    settings.tls.ca_file.clear();
    assert_eq!(
        Http::new(&settings).unwrap_err().to_string(),
        "both client cert and client key must be provided"
    );
}

#[test]
fn an_answer_in_the_clear_is_known_where_tls_was_wanted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nno TLS here").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let error = run(async {
        let http = Http::new(&at(format!("https://{address}"))).unwrap();
        http.read(Request::get("/")).await.unwrap_err()
    });
    server.join().unwrap();
    assert!(
        error.to_string().ends_with(": http: server gave HTTP response to HTTPS client"),
        "{error}"
    );
}
