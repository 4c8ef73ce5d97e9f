//! A node's web page: its name and its role.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// The file in which the node that announced the floating address last has put its name.
pub(crate) const HOLDER_FILE: &str = "holder";

/// Serves the page of `node` at `address` from a thread of its own, for as long as the process
/// lives. `folder` is the cluster's. Fails if the address cannot be listened on.
pub fn serve(node: String, address: SocketAddr, folder: PathBuf) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind(address))?;
    std::thread::Builder::new().name("page".to_owned()).spawn(move || {
        runtime.block_on(accept(listener, node, folder));
    })?;
    Ok(())
}

/// Ends this process when its standard input does: the parent holds the other end, so a node never
/// outlives its cluster, however that ended.
pub fn end_with_parent() -> io::Result<()> {
    std::thread::Builder::new().name("parent".to_owned()).spawn(|| {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(1);
    })?;
    Ok(())
}

async fn accept(listener: TcpListener, node: String, folder: PathBuf) {
    loop {
        // An error here is a lack of file descriptors; the connection is lost, the page is not.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let (node, folder) = (node.clone(), folder.clone());
        tokio::spawn(async move {
            let service = service_fn(move |_: Request<Incoming>| {
                let holds = std::fs::read_to_string(folder.join(HOLDER_FILE))
                    .is_ok_and(|holder| holder.trim() == node);
                let role = if holds { "primary" } else { "standby" };
                let body = format!("<html><body><h1>{role}: {node}</h1></body></html>\n");
                let mut response = Response::new(Full::new(Bytes::from(body)));
                let html = hyper::header::HeaderValue::from_static("text/html");
                response.headers_mut().insert(CONTENT_TYPE, html);
                async move { Ok::<_, Infallible>(response) }
            });
            // A client that goes away early is its own affair.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
