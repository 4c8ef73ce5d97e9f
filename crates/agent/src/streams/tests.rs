#![allow(clippy::unwrap_used)]

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use wire::message::gossip::{NodeState, Ping, PushPull};
use wire::{Key, Keyring, SequenceNumber};

use super::*;

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(30);

fn settings(shared: &Shared, key: Option<u8>) -> Settings {
    let keyring = key.map(|byte| Keyring::new(Key::new(&[byte; 16]).unwrap()));
    let security = Security { keyring, ..Security::default() };
    Settings { security, compress: true, shared: shared.clone() }
}

/// Both ends of a stream: ours, and the peer's.
async fn pair() -> (TcpStream, SocketAddr, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (ours, peer) = listener.accept().await.unwrap();
    (ours, peer, theirs)
}

fn ping() -> Vec<u8> {
    let ping = Ping { sequence_number: SequenceNumber(7), ..Ping::default() };
    StreamMessage::Ping(ping).encode()
}

fn push_pull(names: usize) -> Vec<u8> {
    let nodes = (0..names).map(|number| NodeState {
        name: format!("node {number}").as_str().into(),
        ..StateSample::state()
    });
    let state = PushPull { join: false, nodes: nodes.collect(), user_state: Bytes::new() };
    StreamMessage::PushPull(state).encode()
}

struct StateSample;

impl StateSample {
    fn state() -> NodeState {
        NodeState {
            name: "x".into(),
            address: std::net::IpAddr::from([127, 0, 0, 1]).into(),
            port: 7946,
            meta: Bytes::new(),
            incarnation: wire::Incarnation(1),
            state: wire::message::gossip::State::Alive,
            versions: Bytes::from_static(&[1, 5, 2, 2, 5, 5]),
        }
    }
}

/// Nobody asks: the request is not expected to become whole.
fn nobody(_: StreamMessage, _: oneshot::Sender<Vec<Bytes>>) {
    panic!("no whole request was sent");
}

#[tokio::test]
async fn a_request_is_answered() {
    let shared = Shared::new();
    for key in [None, Some(1)] {
        let (ours, peer, theirs) = pair().await;
        let ask = |message, reply: oneshot::Sender<Vec<Bytes>>| {
            assert!(matches!(message, StreamMessage::Ping(_)));
            reply.send(vec![Bytes::from_static(b"\x02\x81\xa5SeqNo\x07")]).unwrap();
        };
        let server = tokio::spawn(serve(ours, peer, LONG, settings(&shared, key), ask));
        let mut client =
            Exchange::new(theirs, peer, Instant::now() + LONG, settings(&shared, key)).unwrap();
        client.send(&[ping().into()], true).await.unwrap();
        let security = client.settings.security.clone();
        let decoder = StreamDecoder::new(Role::Dialer, security);
        let (done, wait) = oneshot::channel();
        let received = client.receive(decoder, |message| {
            let _ = done.send(message);
            wait
        });
        let answer = received.await.map_err(|refusal| refusal.end).unwrap().unwrap();
        assert!(matches!(answer, StreamMessage::Ack(ack) if ack.sequence_number.0 == 7));
        server.await.unwrap().unwrap();
    }
    assert_eq!(shared.budget.load(Ordering::Relaxed), limits::STREAM_BYTES_TOTAL);
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_let_go() {
    let shared = Shared::new();
    for begun in [&b""[..], &push_pull(3)[..20]] {
        let (ours, peer, mut theirs) = pair().await;
        theirs.write_all(begun).await.unwrap();
        let end = serve(ours, peer, SHORT, settings(&shared, None), nobody).await.unwrap_err();
        assert!(end.to_string().ends_with("i/o timeout"), "{end}");
    }
    assert_eq!(shared.budget.load(Ordering::Relaxed), limits::STREAM_BYTES_TOTAL);
}

/// Not those that have just come: they are about to say something.
#[tokio::test]
async fn who_has_had_time_gives_way_to_a_crowd() {
    let shared = Shared::new();
    let (ours, peer, mut theirs) = pair().await;
    let begin = Instant::now();
    let server = tokio::spawn(serve(ours, peer, LONG, settings(&shared, None), nobody));
    let crowd = async {
        loop {
            shared.ask_to_give_way();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // A byte now and then is no way to stay.
    let drip = async {
        for byte in push_pull(1) {
            let _ = theirs.write_all(&[byte]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        std::future::pending::<()>().await;
    };
    let end = tokio::select! {
        end = server => end.unwrap().unwrap_err(),
        () = crowd => unreachable!("it has no end"),
        () = drip => unreachable!("it has no end"),
    };
    assert!(matches!(end, StreamEnd::Crowded), "{end}");
    assert!(begin.elapsed() >= limits::CROWDED_PATIENCE);
}

#[tokio::test]
async fn all_streams_together_hold_a_bounded_number_of_bytes() {
    let shared = Shared { budget: Arc::new(AtomicUsize::new(1000)), ..Shared::new() };
    let (ours, peer, mut theirs) = pair().await;
    theirs.write_all(&push_pull(100)[..4000]).await.unwrap();
    let end = serve(ours, peer, LONG, settings(&shared, None), nobody).await.unwrap_err();
    assert!(matches!(end, StreamEnd::OverBudget), "{end}");
    assert_eq!(shared.budget.load(Ordering::Relaxed), 1000, "and gives them back");
}

/// Whoever holds bytes and does not go on makes room for the next one.
#[tokio::test]
async fn half_a_request_keeps_nobody_out() {
    let shared = Shared { budget: Arc::new(AtomicUsize::new(1000)), ..Shared::new() };
    let (ours, peer, mut half) = pair().await;
    half.write_all(&push_pull(100)[..900]).await.unwrap();
    let first = tokio::spawn(serve(ours, peer, LONG, settings(&shared, None), nobody));
    while shared.budget.load(Ordering::Relaxed) > 100 {
        tokio::task::yield_now().await;
    }
    let (ours, peer, mut theirs) = pair().await;
    theirs.write_all(&push_pull(5)).await.unwrap();
    let ask = |message, _| assert!(matches!(message, StreamMessage::PushPull(_)));
    serve(ours, peer, LONG, settings(&shared, None), ask).await.unwrap();
    let end = first.await.unwrap().unwrap_err();
    assert!(matches!(end, StreamEnd::Crowded), "{end}");
    assert_eq!(shared.budget.load(Ordering::Relaxed), 1000);
}

/// What the outer layers refuse is answered, sealed as we seal; what is inside is not.
#[tokio::test]
async fn failures_of_the_seal_are_answered() {
    let shared = Shared::new();
    for (sent, answered) in [(ping(), true), (vec![99, 1, 2], true), (Vec::new(), false)] {
        let (ours, peer, mut theirs) = pair().await;
        theirs.write_all(&sent).await.unwrap();
        theirs.shutdown().await.unwrap();
        serve(ours, peer, LONG, settings(&shared, Some(1)), nobody).await.unwrap_err();
        let mut answer = Vec::new();
        theirs.read_to_end(&mut answer).await.unwrap();
        assert_eq!(!answer.is_empty(), answered, "{sent:?}");
        if answered {
            let security = settings(&shared, Some(1)).security;
            let progress = StreamDecoder::new(Role::Dialer, security).feed(&answer);
            assert!(matches!(progress, Progress::Message(StreamMessage::Error(_))), "{progress:?}");
        }
    }
    let (ours, peer, mut theirs) = pair().await;
    theirs.write_all(&[99, 1, 2]).await.unwrap();
    serve(ours, peer, LONG, settings(&shared, None), nobody).await.unwrap_err();
    let mut answer = Vec::new();
    // The bytes that nobody read may come back as a reset.
    let _ = theirs.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
}

#[tokio::test]
async fn a_dial_says_why_it_failed() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let request = [Bytes::from(ping())];
    let (_keep, wait) = oneshot::channel::<()>();
    let shared = Shared::new();
    let end = dial(free, Instant::now() + LONG, &request, settings(&shared, None), |_| wait).await;
    let why = end.unwrap_err().to_string();
    assert_eq!(why, format!("dial tcp {free}: connect: connection refused"));
    // Somebody who accepts and is silent.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let (_keep, wait) = oneshot::channel::<()>();
    let end = dial(to, Instant::now() + SHORT, &request, settings(&shared, None), |_| wait).await;
    let why = end.unwrap_err().to_string();
    assert!(why.starts_with("read tcp") && why.ends_with("i/o timeout"), "{why}");
}
