//! The client's own address towards members (IP_TRANSPARENT), on three hosts in a row: client,
//! balancer, member.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use evenkeel_testkit::*;

use crate::echo::connect;

const CLIENT: &str = "10.77.1.2";

/// The hosts; answers of the member come back to the balancer, who is their router.
fn hosts() -> Option<[Namespace; 3]> {
    let [client, balancer, member] = [Namespace::new()?, Namespace::new()?, Namespace::new()?];
    balancer.connect("left", &client, "wire");
    balancer.connect("right", &member, "wire");
    balancer.ip("addr add 10.77.1.1/24 dev left");
    balancer.ip("addr add 10.77.2.1/24 dev right");
    client.ip(&format!("addr add {CLIENT}/24 dev wire"));
    member.ip("addr add 10.77.2.2/24 dev wire");
    member.ip("route add default via 10.77.2.1");
    // What comes from there is for the balancer, whatever address it names.
    balancer.ip("rule add iif right lookup 100");
    balancer.ip("route add local default dev lo table 100");
    Some([client, balancer, member])
}

fn front(protocol: &str, member: SocketAddr) -> String {
    format!(
        "[[listener]]\nname = \"l4\"\nbind = \"10.77.1.1:0\"\nprotocol = \"{protocol}\"\npool = \"p\"\n\
         [[pool]]\nname = \"p\"\nsource = \"client\"\nmembers = [\"{member}\"]\n"
    )
}

#[test]
fn members_see_the_clients_own_address() {
    let Some([client, balancer, member]) = hosts() else {
        eprintln!("skipped: no network namespaces; they need root and iproute2");
        return;
    };
    let start = |config: &str| balancer.inside(|| crate::start(config));

    let listener = member.inside(|| TcpListener::bind("10.77.2.2:0").unwrap());
    let server = start(&front("tcp", listener.local_addr().unwrap()));
    for _ in 0..3 {
        let mut there = client.inside(|| connect(server.addr("l4")));
        let (stream, from) = listener.accept().unwrap();
        assert_eq!(from.ip().to_string(), CLIENT);
        drop(stream);
        assert_eq!(there.read(&mut [0; 8]).unwrap(), 0);
    }

    let socket = member.inside(|| UdpSocket::bind("10.77.2.2:0").unwrap());
    socket.set_read_timeout(Some(LONG)).unwrap();
    let server = start(&front("udp", socket.local_addr().unwrap()));
    let there = client.inside(|| UdpSocket::bind((CLIENT, 0)).unwrap());
    there.set_read_timeout(Some(LONG)).unwrap();
    there.send_to(b"ping", server.addr("l4")).unwrap();
    let mut datagram = [0; 64];
    let (size, from) = socket.recv_from(&mut datagram).unwrap();
    assert_eq!((&datagram[..size], from.ip().to_string().as_str()), (&b"ping"[..], CLIENT));
    socket.send_to(b"pong", from).unwrap();
    let (size, from) = there.recv_from(&mut datagram).unwrap();
    assert_eq!((&datagram[..size], from), (&b"pong"[..], server.addr("l4")));
}
