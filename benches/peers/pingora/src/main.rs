//! The least load balancer that can be made of the pingora crates: two members, round robin, one
//! thread. `pingora-peer LISTEN MEMBER MEMBER`.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::prelude::{HttpPeer, Opt, Server};
use pingora_core::server::configuration::ServerConf;
use pingora_load_balancing::LoadBalancer;
use pingora_load_balancing::selection::RoundRobin;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

struct Balancer(Arc<LoadBalancer<RoundRobin>>);

#[async_trait]
impl ProxyHttp for Balancer {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut (),
    ) -> pingora_core::Result<Box<HttpPeer>> {
        let member = self.0.select(b"", 8).expect("there are members");
        Ok(Box::new(HttpPeer::new(member, false, String::new())))
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, a, b] = &arguments[..] else { panic!("LISTEN MEMBER MEMBER") };
    let conf = ServerConf {
        threads: 1,
        work_stealing: false,
        upstream_keepalive_pool_size: 1024,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::default(), conf);
    server.bootstrap();
    let members = LoadBalancer::try_from_iter([a.as_str(), b.as_str()]).expect("two addresses");
    let mut service = http_proxy_service(&server.configuration, Balancer(Arc::new(members)));
    service.add_tcp(listen);
    server.add_service(service);
    server.run_forever();
}
