//! A core on the simulated network, with clients and members that follow scripts.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part")]

pub mod frames;

use std::future::Future;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_net::sim::{SimListener, Weather, World};
use evenkeel_net::{Buffer, Deadline, Peer, Stream, clock};
use evenkeel_observe::metrics::Names;
use evenkeel_plan::{Listener, Member, Name, Plan, Pool};
use evenkeel_proxy::simulated::SimCore;
use evenkeel_proxy::snapshot::Snapshot;

pub const ROUGH: Weather =
    Weather { read_max: 7, delay_max: Duration::from_millis(30), window: 300 };
pub const SEEDS: u64 = 40;

pub struct Setup {
    pub core: Rc<SimCore>,
    pub listener: u32,
    pub world: Rc<World>,
    pub weather: Weather,
}

/// A core with one pool of members at 10.0.0.1:80, 10.0.0.2:80… in that weather.
pub fn setup(seed: u64, weather: Weather, members: u8, change: impl Fn(&mut Plan)) -> Setup {
    let world = World::enter(seed, weather);
    let mut listener = Listener::new(name("web"), vec!["127.0.0.1:80".parse().unwrap()]);
    listener.pool = Some(name("app"));
    let mut pool = Pool::new(name("app"));
    pool.members =
        (1..=members).map(|n| Member::new(format!("10.0.0.{n}:80").parse().unwrap())).collect();
    let mut plan = Plan { listeners: vec![listener], pools: vec![pool], ..Plan::default() };
    change(&mut plan);
    let built = Snapshot::build(
        Arc::new(plan),
        &Snapshot::empty(),
        &mut Names::new(),
        &Default::default(),
        clock::now(),
    );
    let snapshot = Arc::new(built.ok().unwrap());
    let listener = snapshot.listeners[0].id;
    Setup { core: Rc::new(SimCore::new(snapshot, seed)), listener, world, weather }
}

impl Setup {
    pub fn world_is_rough(&self) -> bool {
        self.weather.read_max < 100
    }

    /// A client's connection to the core.
    pub async fn client(&self) -> Stream {
        let front: SocketAddr = "127.0.0.1:8000".parse().unwrap();
        let accepting = self.world.listen(front);
        let near = self.world.connect(front).await.unwrap();
        let (far, from) = accepting.accept().await.unwrap();
        let (core, listener) = (self.core.clone(), self.listener);
        tokio::task::spawn_local(async move {
            core.serve(listener, Stream::Sim(far), Peer::Tcp(from)).await;
        });
        Stream::Sim(near)
    }

    /// A member that answers each connection by `script`.
    pub fn member<F: Future<Output = ()> + 'static>(
        &self,
        n: u8,
        script: impl Fn(Stream) -> F + 'static,
    ) {
        let listener: SimListener = self.world.listen(SocketAddr::from(([10, 0, 0, n], 80)));
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(script(Stream::Sim(stream)));
            }
        });
    }
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub async fn send(stream: &mut Stream, bytes: &[u8]) {
    let _ = stream.send(&mut [IoSlice::new(bytes)], &mut Deadline::never()).await;
}

/// Reads until `until` says that it is enough, or the end.
pub async fn read(stream: &mut Stream, until: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let (mut buffer, mut never) = (Buffer::new(), Deadline::never());
    while !until(buffer.bytes()) {
        if !matches!(stream.recv(&mut buffer, 1 << 20, &mut never).await, Ok(1..)) {
            break;
        }
    }
    buffer.bytes().to_vec()
}

pub fn has_head(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|w| w == b"\r\n\r\n")
}

/// A member that reads a request's head and answers these bytes, again and again.
pub fn answering(
    answer: &'static [u8],
) -> impl Fn(Stream) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
    move |mut stream| {
        Box::pin(async move {
            while has_head(&read(&mut stream, has_head).await) {
                send(&mut stream, answer).await;
            }
        })
    }
}

/// The test runs on a local runtime with a paused clock: time passes only when nothing else can.
pub fn simulate(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true);
    runtime.build_local(tokio::runtime::LocalOptions::default()).unwrap().block_on(test);
}
