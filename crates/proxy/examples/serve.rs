//! temp
#![allow(missing_docs, clippy::all)]
use evenkeel_plan::*;
use evenkeel_proxy::core::*;
use std::sync::Arc;
fn main() {
    let mut l = Listener::new(Name::new("web").unwrap(), vec!["127.0.0.1:8090".parse().unwrap()]);
    l.pool = Some(Name::new("app").unwrap());
    let mut p = Pool::new(Name::new("app").unwrap());
    for a in std::env::args().skip(1) { p.members.push(Member::new(a.parse().unwrap())); }
    let plan = Arc::new(Plan { listeners: vec![l], pools: vec![p], ..Plan::default() });
    let mut names = evenkeel_observe::metrics::Names::new();
    let snap = evenkeel_proxy::snapshot::Snapshot::build(plan, &evenkeel_proxy::snapshot::Snapshot::empty(), &mut names, evenkeel_net::clock::now()).ok().unwrap();
    let id = snap.listeners[0].id;
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(61).build_local(Default::default()).unwrap();
    let (tx, rx) = tokio::sync::mpsc::channel(8);
    let sock = evenkeel_net::listen::bind_tcp("127.0.0.1:8090".parse().unwrap(), true).unwrap();
    let (done, _w) = tokio::sync::oneshot::channel();
    tx.try_send(CoreCommand::Swap(Swap { snapshot: Arc::new(snap), open: vec![Opened { id: 1, listener: id, socket: sock }], close: vec![], log: None, done })).ok().unwrap();
    rt.block_on(run(0, 1, 42, rx));
    drop(tx);
}
