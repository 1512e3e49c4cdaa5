//! A request on kept connections takes nothing from the heap: everything that an exchange needs is
//! kept from the one before.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use evenkeel_control::{Command, Controller, Source, Start};
use evenkeel_plan::{BindAddress, Cores, Listener, Member, Name, Plan, Pool};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const REQUEST: &[u8] = b"GET /b/128?x=1 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: test\r\n\
    Accept: */*\r\nCookie: a=b; c=d\r\n\r\n";
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
    Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
const REQUESTS: usize = 2000;

/// Answers each request, without taking anything from the heap itself.
fn origin() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                // A request comes in one piece here, because it goes in one.
                while stream.read(&mut buffer).is_ok_and(|count| count > 0) {
                    if stream.write_all(ANSWER).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn plan(origin: SocketAddr) -> Plan {
    let name = |text: &str| Name::new(text).unwrap();
    let mut pool = Pool::new(name("app"));
    pool.members.push(Member::new(origin.to_string().parse().unwrap()));
    let bind = BindAddress::Socket(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let mut listener = Listener::new(name("web"), vec![bind]);
    listener.pool = Some(name("app"));
    let mut plan = Plan::default();
    plan.server.cores = Cores::Count(1);
    plan.listeners.push(listener);
    plan.pools.push(pool);
    plan
}

/// Serves until the sender is gone; tells where.
fn serve(plan: Plan, told: mpsc::Sender<SocketAddr>, end: mpsc::Receiver<()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime =
        builder.enable_all().build_local(tokio::runtime::LocalOptions::default()).unwrap();
    runtime.block_on(async {
        let source = Source::Plan(Box::new(plan.clone()));
        let start = Start {
            source,
            plan,
            inherited: std::collections::BTreeMap::new(),
            seed: 1,
            key_log: false,
        };
        let (controller, handle) = Controller::start(start).await.unwrap();
        let address = handle.shared().bound()[0].address.parse().unwrap();
        told.send(address).unwrap();
        let (done, ended) = tokio::sync::oneshot::channel();
        thread::spawn(move || {
            end.recv().unwrap_err();
            done.send(()).unwrap();
        });
        tokio::task::spawn_local(async move {
            ended.await.unwrap();
            handle.tell(Command::Stop).await;
        });
        controller.run().await;
    });
}

fn request(stream: &mut TcpStream, buffer: &mut [u8]) {
    stream.write_all(REQUEST).unwrap();
    let mut have = 0;
    while !buffer[..have].ends_with(b"\r\n\r\nhello") {
        let count = stream.read(&mut buffer[have..]).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&buffer[..have]));
        have += count;
    }
}

#[test]
fn a_steady_request_takes_nothing_from_the_heap() {
    let plan = plan(origin());
    let (told, address) = mpsc::channel();
    let (running, end) = mpsc::channel::<()>();
    let server = thread::spawn(move || serve(plan, told, end));
    let address = address.recv_timeout(Duration::from_secs(20)).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = [0; 4096];
    (0..200).for_each(|_| request(&mut stream, &mut buffer));
    let region = Region::new(HEAP);
    drop(std::hint::black_box(Box::new([0_u8; 64])));
    assert!(region.change().allocations >= 1, "what is taken is counted");
    let region = Region::new(HEAP);
    (0..REQUESTS).for_each(|_| request(&mut stream, &mut buffer));
    let change = region.change();
    let each = (change.allocations + change.reallocations) as f64 / REQUESTS as f64;
    drop(stream);
    drop(running);
    server.join().unwrap();
    // Now and then the controller and the core's own sweep take something; requests do not.
    assert!(each < 0.1, "{each} of the heap for each request");
}
