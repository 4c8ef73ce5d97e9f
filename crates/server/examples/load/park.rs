//! Many reads that wait, and one write that ends them.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::timeout;

use crate::exchange::{Exchange, request};
use crate::template::Template;

/// Who waits, and for what.
pub(crate) struct Park {
    pub(crate) address: SocketAddr,
    pub(crate) count: u64,
    /// From how many addresses; a server may limit the connections of each.
    pub(crate) sources: u16,
    /// How long the answers may take.
    pub(crate) seconds: f64,
    pub(crate) path: Template,
}

#[derive(Default)]
struct Answers {
    count: Cell<u64>,
    failed: Cell<u64>,
    last: Cell<Option<Instant>>,
    more: Notify,
}

impl Park {
    /// Runs to the end; the report.
    pub(crate) async fn run(self) -> String {
        let local = LocalSet::new();
        let answers = Rc::new(Answers::default());
        let line = local.run_until(self.open(answers.clone())).await;
        let early = answers.count.get();
        let mut last = 0;
        let mut words = line.trim_end().splitn(3, ' ');
        if let (Some(method), Some(path)) = (words.next(), words.next()) {
            let mut text = String::new();
            request(method, path, words.next().unwrap_or_default(), &mut text);
            let mut trigger = Exchange::new(TcpStream::connect(self.address).await.unwrap());
            let begun = Instant::now();
            let ended = local.run_until(async {
                trigger.send(&text).await.unwrap();
                assert_eq!(trigger.answered().await.unwrap(), 200, "{line}");
                while answers.count.get() < self.count {
                    answers.more.notified().await;
                }
            });
            // Those that are missing then are missing in the report.
            let _ = timeout(Duration::from_secs_f64(self.seconds), ended).await;
            last = answers.last.get().map_or(0, |last| (last - begun).as_micros());
        }
        format!(
            r#"{{"early":{early},"answered":{},"failed":{},"last":{last}}}"#,
            answers.count.get(),
            answers.failed.get()
        )
    }

    /// Opens and sends all, then waits for a line on the standard input.
    async fn open(&self, answers: Rc<Answers>) -> String {
        let mut text = String::new();
        for n in 0..self.count {
            let socket = TcpSocket::new_v4().unwrap();
            let [high, low] = ((n % u64::from(self.sources)) as u16).to_be_bytes();
            let source = Ipv4Addr::new(127, 95, high, low.saturating_add(1));
            socket.bind((source, 0).into()).unwrap();
            let mut exchange = Exchange::new(socket.connect(self.address).await.unwrap());
            let mut path = String::new();
            self.path.write(n, &mut path);
            text.clear();
            request("GET", &path, "", &mut text);
            exchange.send(&text).await.unwrap();
            let answers = answers.clone();
            tokio::task::spawn_local(async move {
                match exchange.answered().await {
                    Ok(200 | 404) => answers.count.set(answers.count.get() + 1),
                    _ => answers.failed.set(answers.failed.get() + 1),
                }
                answers.last.set(Some(Instant::now()));
                answers.more.notify_one();
            });
        }
        println!("parked");
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
            line
        });
        line.await.unwrap()
    }
}
