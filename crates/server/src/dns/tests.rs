//! Sockets, connections and recursors, against clients and recursors that behave, and others.

#![allow(clippy::unwrap_used)]

use std::alloc::System;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use agent::log::Level;
use agent::telemetry::Naming;
use cap::Cap;
use catalog::{Check, Command, Node, Register, Service};
use settings::RecursorStrategy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use super::*;
use crate::store::with_store;

/// Of the whole process, other tests included.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

const PATIENCE: Duration = Duration::from_secs(20);
const NOERROR: u8 = 0;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;
const REFUSED: u8 = 5;

fn rules(recursors: &[SocketAddr]) -> DnsRules {
    DnsRules {
        zone: ::dns::Settings { recursors: !recursors.is_empty(), ..::dns::Settings::default() },
        recursors: recursors.iter().map(ToString::to_string).collect(),
        strategy: RecursorStrategy::Sequential,
        recursor_timeout: Duration::from_millis(200),
        allow_stale: true,
        max_stale: Duration::from_secs(3600),
    }
}

/// Runs a test against a server at an address of its own.
fn served(rules: DnsRules, patience: Patience, test: impl AsyncFnOnce(Arc<Dns>, SocketAddr)) {
    led(rules, patience, |_| true, test);
}

/// The same, where somebody leads only if that is said.
fn led(
    rules: DnsRules,
    patience: Patience,
    leads: fn(&Store) -> bool,
    test: impl AsyncFnOnce(Arc<Dns>, SocketAddr),
) {
    with_store(async |store| {
        let naming = Naming { retention: PATIENCE * 10, ..Naming::default() };
        let telemetry = Arc::new(Telemetry::new(naming, "n1"));
        let mut dns = Dns::new(&rules, store, telemetry, Log::silent()).unwrap();
        dns.budget.of_all = true;
        let dns = Arc::new(Dns { patience, leads, ..dns });
        // A port that is free for TCP may be somebody's for UDP.
        let (address, _) = (0..9).find_map(|_| dns.listen(any_port()).ok()).unwrap();
        timeout(PATIENCE * 3, test(dns, address)).await.unwrap();
    });
}

fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn query(id: u16, name: &str) -> Vec<u8> {
    let mut query = id.to_be_bytes().to_vec();
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        query.push(label.len().try_into().unwrap());
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    query
}

/// `.addr` needs nothing of the catalogue, and says which question it belongs to.
fn address_query(id: u16, number: u16) -> Vec<u8> {
    query(id, &format!("0a00{number:04x}.addr.consul"))
}

fn code(reply: &[u8]) -> u8 {
    reply[3] & 15
}

fn is_answer(reply: &[u8], id: u16, number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    reply[..2] == id.to_be_bytes() && code(reply) == 0 && reply.ends_with(&[10, 0, high, low])
}

/// How often something was counted.
fn counted(dns: &Dns, what: &str) -> u64 {
    let text = dns.telemetry.metrics().prometheus(&[]);
    let line = text.lines().find(|line| !line.starts_with('#') && line.contains(what));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |number| number.parse().unwrap())
}

const CROWDED: &str = "dns_connection_dropped{reason=\"crowded\"}";
const SLOW: &str = "dns_connection_dropped{reason=\"slow\"}";

async fn client() -> UdpSocket {
    UdpSocket::bind(any_port()).await.unwrap()
}

async fn received(socket: &UdpSocket) -> Vec<u8> {
    let mut reply = vec![0; 65536];
    let (length, _) = timeout(PATIENCE, socket.recv_from(&mut reply)).await.unwrap().unwrap();
    reply.truncate(length);
    reply
}

async fn ask(at: SocketAddr, query: &[u8]) -> Vec<u8> {
    let socket = client().await;
    socket.send_to(query, at).await.unwrap();
    received(&socket).await
}

fn framed(query: &[u8]) -> Vec<u8> {
    [&u16::try_from(query.len()).unwrap().to_be_bytes(), query].concat()
}

async fn read(stream: &mut TcpStream) -> Vec<u8> {
    let length = timeout(PATIENCE, stream.read_u16()).await.unwrap().unwrap();
    let mut reply = vec![0; length.into()];
    timeout(PATIENCE, stream.read_exact(&mut reply)).await.unwrap().unwrap();
    reply
}

/// Whether the other side has hung up.
async fn hung_up(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset is one way to do it.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
}

#[test]
fn both_transports_answer() {
    served(rules(&[]), Patience::default(), async |_, at| {
        assert!(is_answer(&ask(at, &address_query(7, 300)).await, 7, 300));
        assert_eq!(code(&ask(at, &query(8, "www.example.com")).await), REFUSED);
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(&framed(&address_query(9, 301))).await.unwrap();
        assert!(is_answer(&read(&mut stream).await, 9, 301));
    });
}

#[test]
fn no_answer_is_mixed_with_another() {
    const CLIENTS: u16 = 32;
    const ROUNDS: u16 = 50;
    served(rules(&[]), Patience::default(), async |_, at| {
        let mut clients = tokio::task::JoinSet::new();
        for client in 0..CLIENTS {
            clients.spawn(async move {
                let socket = self::client().await;
                let mut stream = TcpStream::connect(at).await.unwrap();
                for round in 0..ROUNDS {
                    // Several questions at once, over both.
                    let numbers = (0..4).map(|each| client * 1000 + round * 4 + each);
                    let numbers: Vec<u16> = numbers.collect();
                    for number in &numbers {
                        let query = address_query(!number, *number);
                        socket.send_to(&query, at).await.unwrap();
                        stream.write_all(&framed(&query)).await.unwrap();
                    }
                    let mut open = numbers.clone();
                    while !open.is_empty() {
                        let reply = received(&socket).await;
                        let before = open.len();
                        open.retain(|number| !is_answer(&reply, !number, *number));
                        assert_eq!(open.len() + 1, before, "{reply:?}");
                    }
                    for number in numbers {
                        assert!(is_answer(&read(&mut stream).await, !number, number));
                    }
                }
            });
        }
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
    });
}

#[test]
fn garbage_disturbs_nobody() {
    served(rules(&[]), Patience::default(), async |dns, at| {
        let socket = client().await;
        let whole = address_query(1, 1);
        for length in 0..whole.len() {
            socket.send_to(&whole[..length], at).await.unwrap();
        }
        for byte in 0..=u8::MAX {
            socket.send_to(&[byte; 64], at).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert!(is_answer(&ask(at, &address_query(2, 2)).await, 2, 2));
        let mut stream = TcpStream::connect(at).await.unwrap();
        for garbage in [&[0, 0][..], &[0, 1, 7], &framed(&[0xff; 40]), &framed(&whole[..20])] {
            stream.write_all(garbage).await.unwrap();
        }
        stream.write_all(&framed(&address_query(3, 3))).await.unwrap();
        loop {
            let reply = read(&mut stream).await;
            if reply[..2] == [0, 3] {
                break assert!(is_answer(&reply, 3, 3));
            }
            assert_ne!(code(&reply), 0);
        }
        assert!(counted(&dns, "dns_malformed_query") > 2);
        // Those of the datagrams that are shorter than a header, and one that is empty over TCP.
        assert!(counted(&dns, "dns_unanswerable_message") > 12);
    });
}

#[test]
fn a_thousand_silent_connections_do_no_harm() {
    served(rules(&[]), Patience::default(), async |dns, at| {
        let mut asking = TcpStream::connect(at).await.unwrap();
        let mut silent = Vec::new();
        for number in 0..1000 {
            let mut stream = TcpStream::connect(at).await.unwrap();
            // Half of them begin a question.
            if number % 2 == 0 {
                stream.write_all(&[0]).await.unwrap();
            }
            silent.push(stream);
            if number % 50 == 0 {
                // Who asks now and then stays.
                asking.write_all(&framed(&address_query(1, number))).await.unwrap();
                assert!(is_answer(&read(&mut asking).await, 1, number));
            }
        }
        assert!(is_answer(&ask(at, &address_query(2, 2)).await, 2, 2));
        let mut another = TcpStream::connect(at).await.unwrap();
        another.write_all(&framed(&address_query(3, 3))).await.unwrap();
        assert!(is_answer(&read(&mut another).await, 3, 3));
        assert!(dns.connections.len() <= connections::MOST, "{}", dns.connections.len());
        // Two ask; the others that have no place had to go.
        assert_eq!(counted(&dns, CROWDED), 1002 - connections::MOST as u64);
        hung_up(&mut silent[0]).await;
        drop((silent, asking, another));
        while dns.connections.len() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn all_addresses_together_have_a_limit() {
    const ADDRESSES: u16 = 6;
    const EACH: u16 = 90;
    served(rules(&[]), Patience::default(), async |dns, at| {
        let mut streams = Vec::new();
        for number in 0..ADDRESSES * EACH {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            let [.., low] = (number / EACH + 2).to_be_bytes();
            socket.bind((Ipv4Addr::new(127, 0, 0, low), 0).into()).unwrap();
            streams.push(socket.connect(at).await.unwrap());
        }
        let surplus = u64::from(ADDRESSES * EACH) - connections::MOST as u64;
        while counted(&dns, CROWDED) < surplus {
            tokio::task::yield_now().await;
        }
        assert!(dns.connections.len() <= connections::MOST, "{}", dns.connections.len());
        hung_up(&mut streams[0]).await;
        let last = streams.last_mut().unwrap();
        last.write_all(&framed(&address_query(1, 1))).await.unwrap();
        assert!(is_answer(&read(last).await, 1, 1));
        assert_eq!(counted(&dns, CROWDED), surplus);
    });
}

#[test]
fn who_is_silent_is_hung_up_on() {
    let short = Duration::from_millis(30);
    let patience = Patience { idle: short, question: short, reply: PATIENCE };
    served(rules(&[]), patience, async |dns, at| {
        let mut idle = TcpStream::connect(at).await.unwrap();
        let mut begun = TcpStream::connect(at).await.unwrap();
        begun.write_all(&[0, 40, 1]).await.unwrap();
        hung_up(&mut idle).await;
        hung_up(&mut begun).await;
        assert_eq!(dns.connections.len(), 0);
        assert_eq!(counted(&dns, SLOW), 1, "who has asked nothing may go");
    });
}

#[test]
fn who_does_not_read_is_hung_up_on() {
    let patience =
        Patience { idle: PATIENCE, question: PATIENCE, reply: Duration::from_millis(30) };
    served(rules(&[]), patience, async |dns, at| {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let questions = framed(&address_query(1, 1)).repeat(1000);
        // What nobody reads fills both sides' buffers; then the connection is reset.
        while stream.write_all(&questions).await.is_ok() {}
        while dns.connections.len() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(counted(&dns, SLOW), 1);
        assert!(is_answer(&ask(at, &address_query(2, 2)).await, 2, 2));
    });
}

#[test]
fn who_is_connected_at_the_end_is_hung_up_on() {
    let patience = Patience { idle: PATIENCE * 4, ..Patience::default() };
    served(rules(&[]), patience, async |dns, at| {
        let mut streams = Vec::new();
        for number in 0..3 {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(&framed(&address_query(1, number))).await.unwrap();
            assert!(is_answer(&read(&mut stream).await, 1, number));
            streams.push(stream);
        }
        dns.hang_up();
        assert_eq!(dns.connections.len(), 0);
        streams.push(TcpStream::connect(at).await.unwrap());
        for stream in &mut streams {
            hung_up(stream).await;
        }
    });
}

/// As `no-leader` of the recordings has it.
#[test]
fn without_a_leader_only_what_needs_no_state_is_answered() {
    led(
        rules(&[]),
        Patience::default(),
        |_| false,
        async |_, at| {
            for (name, wanted) in [
                ("n1.node.consul", SERVFAIL),
                ("web.service.consul", SERVFAIL),
                ("pq.query.consul", SERVFAIL),
                ("web.virtual.consul", SERVFAIL),
                ("1.0.0.127.in-addr.arpa", SERVFAIL),
                ("x.y.consul", NXDOMAIN),
                ("web.service.dc9.consul", NXDOMAIN),
                ("0a010203.addr.consul", NOERROR),
                ("www.example.com", REFUSED),
            ] {
                assert_eq!(code(&ask(at, &query(1, name)).await), wanted, "{name}");
            }
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(&framed(&query(2, "web.service.consul"))).await.unwrap();
            assert_eq!(code(&read(&mut stream).await), SERVFAIL);
        },
    );
}

#[test]
fn when_the_leader_is_gone_old_answers_last_as_long_as_they_may() {
    static LEADS: AtomicBool = AtomicBool::new(true);
    let leads = |_: &Store| LEADS.load(Ordering::Relaxed);
    led(rules(&[]), Patience::default(), leads, async |dns, at| {
        let asked = query(1, "absent.node.consul");
        assert_eq!(code(&ask(at, &asked).await), NXDOMAIN);
        LEADS.store(false, Ordering::Relaxed);
        assert_eq!(code(&ask(at, &asked).await), NXDOMAIN);
        for (allow_stale, max_stale) in [(false, PATIENCE), (true, Duration::from_millis(1))] {
            dns.reconfigure(&DnsRules { allow_stale, max_stale, ..rules(&[]) }).unwrap();
            // A leader who has just gone is none of a time before.
            while code(&ask(at, &asked).await) != SERVFAIL {}
        }
        dns.reconfigure(&rules(&[])).unwrap();
        assert_eq!(code(&ask(at, &asked).await), NXDOMAIN);
        dns.reconfigure(&DnsRules { allow_stale: false, ..rules(&[]) }).unwrap();
        LEADS.store(true, Ordering::Relaxed);
        assert_eq!(code(&ask(at, &asked).await), NXDOMAIN);
    });
}

/// 16 instances of a service, each at a name that recursors have to be asked for.
async fn register_elsewhere(dns: &Dns) {
    for number in 0..16 {
        let node = format!("n{number}");
        let service = Service {
            node: (&*node).into(),
            id: "web".into(),
            name: "web".into(),
            address: format!("host{number}.example.com").into(),
            ..Service::default()
        };
        let register = Register {
            node: Node { name: (&*node).into(), address: "10.0.0.1".into(), ..Node::default() },
            skip_node_update: false,
            service: Some(Box::new(service)),
            checks: [].into(),
        };
        dns.store.write(Command::Register(Box::new(register))).await.unwrap();
    }
}

#[test]
fn an_answer_does_not_wait_for_name_after_name() {
    with_recursors(Vec::new(), async |dns, at| {
        register_elsewhere(&dns).await;
        let (silent, asked) = counting(|_| Vec::new()).await;
        dns.reconfigure(&rules(&[silent])).unwrap();
        let services = for_srv(query(1, "web.service.consul"));
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(&framed(&services)).await.unwrap();
        let reply = read(&mut stream).await;
        assert_eq!((code(&reply), reply[7]), (NOERROR, 16));
        let asked = asked.load(Ordering::Relaxed);
        assert!((1..=2).contains(&asked), "{asked}");
    });
}

/// Names that instances lead to are those of one choice, however often it is made again.
#[test]
fn one_choice_of_instances_asks_recursors_for_one_name() {
    with_recursors(Vec::new(), async |dns, at| {
        register_elsewhere(&dns).await;
        let (refusing, asked) = counting(|query| vec![reply(query, 0)]).await;
        dns.reconfigure(&rules(&[refusing])).unwrap();
        for round in 1..=10 {
            let reply = ask(at, &query(1, "web.service.consul")).await;
            assert!(reply.ends_with(&[198, 51, 100, 1]), "{reply:?}");
            assert_eq!(asked.load(Ordering::Relaxed), round);
        }
    });
}

/// As many instances of `web`, each on a node of its own.
async fn register(dns: &Dns, instances: u32) {
    for number in 0..instances {
        let node: Box<str> = format!("n{number}").into();
        let service = Service {
            node: (&*node).into(),
            id: "web".into(),
            name: "web".into(),
            ..Service::default()
        };
        let address = Ipv4Addr::from_bits(0x0a00_0000 + number).to_string().into();
        let register = Register {
            node: Node { name: (&*node).into(), address, ..Node::default() },
            skip_node_update: false,
            service: Some(Box::new(service)),
            checks: [].into(),
        };
        dns.store.write(Command::Register(Box::new(register))).await.unwrap();
    }
}

fn for_srv(mut query: Vec<u8>) -> Vec<u8> {
    let record_type = query.len() - 3;
    query[record_type] = 33;
    query
}

/// Those who send all questions at once get no more than a turn, all together, before others have
/// theirs.
#[test]
fn no_connections_take_the_turns_of_others() {
    const CONNECTIONS: usize = 50;
    const QUESTIONS: usize = 200;
    served(rules(&[]), Patience::default(), async |dns, at| {
        register(&dns, 400).await;
        let questions = framed(&for_srv(query(1, "web.service.consul"))).repeat(QUESTIONS);
        let mut others = tokio::task::JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (mut from, mut to) = TcpStream::connect(at).await.unwrap().into_split();
            others.spawn(async move {
                let mut bytes = vec![0; 1 << 16];
                while from.read(&mut bytes).await.unwrap() > 0 {}
            });
            let questions = questions.clone();
            others.spawn(async move {
                to.write_all(&questions).await.unwrap();
                std::future::pending().await
            });
        }
        let answered = || counted(&dns, "dns_domain_query_count") as usize;
        let (mut before, mut most) = (answered(), 0);
        let enough = before + 200;
        while before < enough {
            assert!(is_answer(&ask(at, &address_query(2, 2)).await, 2, 2));
            let now = answered();
            most = most.max(now - before);
            before = now;
        }
        assert!(most < 20, "{most} answers to the others between two of the one");
        others.abort_all();
    });
}

/// From the socket to the socket: what a question takes in a round in which nobody else takes any.
#[test]
fn a_question_over_udp_allocates_nothing() {
    const ROUNDS: usize = 50_000;
    served(rules(&[]), Patience::default(), async |dns, at| {
        register(&dns, 3).await;
        let client = std::net::UdpSocket::bind(any_port()).unwrap();
        client.set_nonblocking(true).unwrap();
        let instances = query(1, "web.service.consul");
        let absent = query(2, "absent.service.consul");
        for query in [for_srv(instances.clone()), instances, absent] {
            let mut allocated = usize::MAX;
            for _ in 0..ROUNDS {
                let (mut reply, before) = ([0; 1024], MEMORY.total_allocated());
                client.send_to(&query, at).unwrap();
                while client.recv(&mut reply).is_err() {
                    tokio::task::yield_now().await;
                }
                allocated = allocated.min(MEMORY.total_allocated() - before);
                assert_eq!(reply[..2], query[..2]);
                if allocated == 0 {
                    break;
                }
            }
            assert_eq!(allocated, 0);
        }
        assert!(MEMORY.total_allocated() > 0, "nothing is counted");
    });
}

/// Room for so many bytes.
fn with_edns(mut query: Vec<u8>, bytes: u16) -> Vec<u8> {
    query[11] = 1;
    query.extend([0, 0, 41]);
    query.extend(bytes.to_be_bytes());
    query.extend([0; 6]);
    query
}

#[test]
fn nobody_gets_long_replies_over_udp_without_end() {
    served(rules(&[]), Patience::default(), async |dns, at| {
        register(&dns, 400).await;
        let large = with_edns(query(1, "web.service.consul"), u16::MAX);
        let mut bytes = 0;
        let short = loop {
            let reply = ask(at, &large).await;
            if reply.len() <= 1232 {
                break reply;
            }
            assert_eq!(reply[2] & 2, 0);
            bytes += reply.len();
            // What comes back meanwhile is little.
            assert!(bytes < 4 << 20, "{bytes}");
        };
        assert!(bytes > 900_000, "{bytes}");
        // The rest is there over TCP; short ones are answered as ever.
        assert_eq!((short[2] & 2, code(&short)), (2, NOERROR));
        assert!(short[7] > 50, "{}", short[7]);
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(&framed(&large)).await.unwrap();
        assert!(read(&mut stream).await.len() > 6_000);
        let usual = ask(at, &with_edns(query(2, "web.service.consul"), 1232)).await;
        assert_eq!((usual[2] & 2, code(&usual)), (0, NOERROR));
        assert!(counted(&dns, "dns_reply_shortened") >= 1);
        let lines = dns.warnings.log.subscribe(Level::Warn).remembered;
        assert_eq!(lines.len(), 1);
        // What a recursor says is cut, too, as nothing of it is ours.
        let talking = recursor(|query| {
            let mut long = reply(query, 0);
            long.resize(60_000, 0);
            vec![long]
        })
        .await;
        dns.reconfigure(&rules(&[talking])).unwrap();
        let foreign = with_edns(query(3, "www.example.com"), u16::MAX);
        let reply = ask(at, &foreign).await;
        assert_eq!((reply.len(), reply[2] & 2, code(&reply)), (foreign.len(), 2, NOERROR));
    });
}

/// The reply of a recursor: its code, and one address.
fn reply(query: &[u8], code: u8) -> Vec<u8> {
    let mut reply = query.to_vec();
    reply[2] |= 0x80;
    reply[3] = code;
    if code == 0 {
        reply[7] = 1;
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 1]);
    }
    reply
}

/// A recursor that answers each question with these messages.
async fn recursor(answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = client().await;
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = [0; 1024];
        loop {
            let (length, from) = socket.recv_from(&mut query).await.unwrap();
            for answer in answers(&query[..length]) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    address
}

/// The same, and how often it was asked.
async fn counting(
    answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = asked.clone();
    let counted = recursor(move |query| {
        seen.fetch_add(1, Ordering::Relaxed);
        answers(query)
    });
    (counted.await, asked)
}

fn with_recursors(addresses: Vec<SocketAddr>, test: impl AsyncFnOnce(Arc<Dns>, SocketAddr)) {
    served(rules(&addresses), Patience::default(), test);
}

/// What comes of a question when these are the recursors.
async fn outcome(dns: &Dns, at: SocketAddr, recursors: &[SocketAddr]) -> Vec<u8> {
    dns.reconfigure(&rules(recursors)).unwrap();
    let asked = query(4242, "www.example.com");
    let reply = ask(at, &asked).await;
    assert_eq!(reply[..2], asked[..2]);
    reply
}

#[test]
fn recursors_are_asked_in_turn_and_liars_not_believed() {
    with_recursors(Vec::new(), async |dns, at| {
        let honest = recursor(|query| vec![reply(query, 0)]).await;
        let refusing = recursor(|query| vec![reply(query, REFUSED)]).await;
        let silent = recursor(|_| Vec::new()).await;
        let lying = recursor(|query| {
            let mut other_id = reply(query, 0);
            other_id[0] ^= 1;
            let mut other_question = reply(query, 0);
            other_question[14] ^= 1;
            let question = query.to_vec();
            vec![other_id, other_question, question, vec![7; 5], Vec::new()]
        })
        .await;
        let flooding = recursor(|_| vec![vec![0; 20]; 100]).await;
        let large = recursor(|query| {
            let mut large = reply(query, 0);
            large.resize(600, 0);
            vec![large]
        })
        .await;
        let broken = recursor(|query| {
            let mut broken = reply(query, 0);
            broken[7] = 5;
            broken.extend([7; 20]);
            vec![broken]
        })
        .await;
        for first in [refusing, silent, lying, flooding, large, broken] {
            let reply = outcome(&dns, at, &[first, honest]).await;
            assert!(reply.ends_with(&[198, 51, 100, 1]), "{reply:?}");
            assert_eq!(code(&outcome(&dns, at, &[first]).await), SERVFAIL);
        }
        assert_eq!(counted(&dns, "dns_recursion_failed"), 6);
        // Who has given no answer has a line, however often it was asked.
        let lines = dns.warnings.log.subscribe(Level::Warn).remembered;
        for (line, (recursor, why)) in lines.iter().zip([
            (refusing, "it says REFUSED"),
            (silent, "no answer within 200ms"),
            (lying, "no answer within 200ms"),
            (flooding, "too many messages that are no reply"),
            (large, "the reply is longer than who asked can take"),
            (broken, "records that cannot be read"),
        ]) {
            let told = line.text.contains(&recursor.to_string()) && line.text.contains(why);
            assert!(told, "{}", line.text);
        }
        assert_eq!(lines.len(), 6);
    });
}

#[test]
fn a_cut_answer_is_passed_on_as_cut() {
    with_recursors(Vec::new(), async |dns, at| {
        let cutting = recursor(|query| {
            let mut cut = reply(query, 0);
            cut[2] |= 2;
            vec![cut]
        })
        .await;
        assert_eq!(outcome(&dns, at, &[cutting]).await[2] & 2, 2);
    });
}

#[test]
fn over_tcp_recursors_are_asked_over_tcp() {
    with_recursors(Vec::new(), async |dns, at| {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        dns.reconfigure(&rules(&[listener.local_addr().unwrap()])).unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let query = read(&mut stream).await;
                stream.write_all(&framed(&reply(&query, 0))).await.unwrap();
            }
        });
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(&framed(&query(5, "www.example.com"))).await.unwrap();
        stream.write_all(&framed(&address_query(6, 6))).await.unwrap();
        assert!(read(&mut stream).await.ends_with(&[198, 51, 100, 1]));
        assert!(is_answer(&read(&mut stream).await, 6, 6));
    });
}

#[test]
fn who_waits_for_a_recursor_is_not_crowded_out() {
    with_recursors(Vec::new(), async |dns, at| {
        let silent = recursor(|_| Vec::new()).await;
        let patient = DnsRules { recursor_timeout: Duration::from_secs(1), ..rules(&[silent]) };
        dns.reconfigure(&patient).unwrap();
        let mut waiting = TcpStream::connect(at).await.unwrap();
        waiting.write_all(&framed(&query(5, "www.example.com"))).await.unwrap();
        while dns.recursions.left() == dns.recursions.most() {
            tokio::task::yield_now().await;
        }
        let mut idle = Vec::new();
        for _ in 0..=connections::MOST {
            idle.push(TcpStream::connect(at).await.unwrap());
        }
        assert_eq!(code(&read(&mut waiting).await), SERVFAIL);
    });
}

#[test]
fn who_is_its_own_recursor_fails_and_serves_on() {
    with_recursors(Vec::new(), async |dns, at| {
        for (round, recursors) in (1..).zip([&[at][..], &[at, at], &[at; 5]]) {
            let patient = DnsRules { recursor_timeout: PATIENCE, ..rules(recursors) };
            dns.reconfigure(&patient).unwrap();
            assert_eq!(code(&ask(at, &query(1, "www.example.com")).await), SERVFAIL);
            // The first that comes back is known: they do not breed.
            assert_eq!(counted(&dns, "dns_recursion_refused"), round);
            while dns.recursions.left() < dns.recursions.most() {
                tokio::task::yield_now().await;
            }
            assert!(is_answer(&ask(at, &address_query(2, 2)).await, 2, 2));
        }
        assert_eq!(counted(&dns, "dns_recursion_failed"), 3);
    });
}

/// Each question would wait for the silent one before it is asked again.
#[test]
fn a_silent_recursor_before_oneself_makes_no_chain() {
    with_recursors(Vec::new(), async |dns, at| {
        let (silent, asked) = counting(|_| Vec::new()).await;
        dns.reconfigure(&rules(&[silent, at])).unwrap();
        assert_eq!(code(&ask(at, &query(1, "www.example.com")).await), SERVFAIL);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(dns.recursions.left(), dns.recursions.most());
    });
}

/// However many ask for a name, a recursor is asked for it once, and each has a reply of its own.
#[test]
fn who_asks_the_same_shares_the_reply_of_a_recursor() {
    const ASKERS: u16 = 150;
    with_recursors(Vec::new(), async |dns, at| {
        let socket = client().await;
        let asked = Arc::new(AtomicUsize::new(0));
        let patient =
            DnsRules { recursor_timeout: PATIENCE, ..rules(&[socket.local_addr().unwrap()]) };
        dns.reconfigure(&patient).unwrap();
        let seen = asked.clone();
        let asking = dns.clone();
        tokio::spawn(async move {
            let mut query = [0; 1024];
            loop {
                let (length, from) = socket.recv_from(&mut query).await.unwrap();
                // It is slow: all others have asked when it answers.
                while asking.recursions.most() - asking.recursions.left() < ASKERS.into()
                    && seen.load(Ordering::Relaxed) == 0
                {
                    tokio::task::yield_now().await;
                }
                seen.fetch_add(1, Ordering::Relaxed);
                socket.send_to(&reply(&query[..length], 0), from).await.unwrap();
            }
        });
        let clients: Vec<_> = {
            let mut clients = Vec::new();
            for number in 0..ASKERS {
                let socket = client().await;
                socket.send_to(&query(number, "www.example.com"), at).await.unwrap();
                clients.push(socket);
                tokio::task::yield_now().await;
            }
            clients
        };
        for (number, client) in (0..).zip(&clients) {
            let reply = received(client).await;
            assert_eq!((reply[..2] == u16::to_be_bytes(number)[..], code(&reply)), (true, NOERROR));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        // Letters as they were asked: who takes them for a sign of truth gets them back.
        let reply = ask(at, &query(7, "WWW.example.com")).await;
        assert_eq!(reply[13..16], *b"WWW");
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        assert_eq!(counted(&dns, "dns_recursion_refused"), 0);
    });
}

/// Who fills all places that it can have at a silent recursor leaves others theirs.
#[test]
fn nobody_takes_all_places_at_recursors() {
    with_recursors(Vec::new(), async |dns, at| {
        let silent = recursor(|_| Vec::new()).await;
        let patient = DnsRules { recursor_timeout: PATIENCE, ..rules(&[silent]) };
        dns.reconfigure(&patient).unwrap();
        let greedy = client().await;
        let (most, mut number) = (dns.recursions.most(), 0);
        while dns.recursions.left() > most - most * 3 / 4 {
            greedy.send_to(&query(1, &format!("a{number}.example.com")), at).await.unwrap();
            number += 1;
            tokio::task::yield_now().await;
        }
        assert_eq!(code(&ask(at, &query(1, "a.example.com")).await), SERVFAIL);
        let before = dns.recursions.left();
        assert!(before > 0);
        let another = UdpSocket::bind((Ipv4Addr::new(127, 0, 1, 1), 0)).await.unwrap();
        another.send_to(&query(1, "b.example.com"), at).await.unwrap();
        while dns.recursions.left() == before {
            tokio::task::yield_now().await;
        }
    });
}

/// Rows over rows are read for it: each of 40 instances leads to the same 300, which do not
/// serve, by a name of its own.
#[test]
fn an_explanation_holds_nobody_up_and_has_an_end() {
    served(rules(&[]), Patience::default(), async |dns, at| {
        register(&dns, 300).await;
        for number in 0..300 {
            let node: Box<str> = format!("n{number}").into();
            let check = Check {
                node: (&*node).into(),
                id: "down".into(),
                status: "critical".into(),
                ..Check::default()
            };
            let register = Register {
                node: Node { name: (&*node).into(), ..Node::default() },
                skip_node_update: true,
                service: None,
                checks: [check].into(),
            };
            dns.store.write(Command::Register(Box::new(register))).await.unwrap();
        }
        for number in 0..40 {
            let service = Service {
                node: "up".into(),
                id: (&*format!("a{number}")).into(),
                name: "a".into(),
                address: format!("tag{number}.web.service.consul").into(),
                port: number,
                ..Service::default()
            };
            let register = Register {
                node: Node { name: "up".into(), address: "10.0.0.1".into(), ..Node::default() },
                skip_node_update: false,
                service: Some(Box::new(service)),
                checks: [].into(),
            };
            dns.store.write(Command::Register(Box::new(register))).await.unwrap();
        }
        let asked = for_srv(query(1, "a.service.consul"));
        let explaining = tokio::spawn({
            let (dns, asked) = (dns.clone(), asked.clone());
            async move { dns.explain(&asked, Transport::Tcp, Ipv4Addr::LOCALHOST.into()).await }
        });
        let turn = dns.explanations.acquire().await.unwrap();
        tokio::task::yield_now().await;
        assert!(!explaining.is_finished(), "one at a time");
        drop(turn);
        let mut answered = 0;
        while !explaining.is_finished() {
            assert!(is_answer(&ask(at, &address_query(2, 2)).await, 2, 2));
            answered += 1;
        }
        assert!(answered > 1, "nobody else has had a turn");
        let steps = explaining.await.unwrap().unwrap().steps;
        assert_eq!(steps.len(), ::dns::STEPS + 2);
        assert!(matches!(steps.last(), Some(::dns::Step::Replied { .. })));
        // Who hangs up does not make room for another one while the work goes on.
        let is_held = async || {
            let hurried = tokio::spawn({
                let (dns, asked) = (dns.clone(), asked.clone());
                async move { dns.explain(&asked, Transport::Tcp, Ipv4Addr::LOCALHOST.into()).await }
            });
            while dns.explanations.available_permits() > 0 {
                tokio::task::yield_now().await;
            }
            hurried.abort();
            assert!(hurried.await.is_err_and(|error| error.is_cancelled()));
            dns.explanations.available_permits() == 0
        };
        let mut held = false;
        for _ in 0..20 {
            held = held || is_held().await;
        }
        assert!(held);
    });
}

#[test]
fn too_many_questions_to_recursors_fail_at_once() {
    with_recursors(Vec::new(), async |dns, at| {
        let (refusing, asked) = counting(|query| vec![reply(query, 0)]).await;
        let take = || dns.recursions.take(Ipv4Addr::LOCALHOST.into());
        let places: Vec<_> = std::iter::from_fn(take).collect();
        assert_eq!(code(&outcome(&dns, at, &[refusing]).await), SERVFAIL);
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        register_elsewhere(&dns).await;
        let explained = async |query: &[u8]| {
            dns.explain(query, Transport::Udp, Ipv4Addr::LOCALHOST.into()).await.is_some()
        };
        let elsewhere = query(1, "web.service.consul");
        assert!(explained(&address_query(1, 1)).await, "who asks nobody needs no place");
        assert!(!explained(&elsewhere).await);
        drop(places);
        assert!(explained(&elsewhere).await);
        assert_eq!(code(&outcome(&dns, at, &[refusing]).await), 0);
    });
}
