use super::*;
use std::net::UdpSocket as Plain;
use std::time::Duration;

fn local(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn bound(address: &str) -> UdpSocket {
    UdpSocket::new(bind_udp(local(address), true).unwrap()).unwrap()
}

fn plain(address: &str) -> Plain {
    let socket = Plain::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

#[tokio::test]
async fn datagrams_of_every_size_come_in_order() {
    let front = bound("127.0.0.1:0");
    let client = plain("127.0.0.1:0");
    let sizes = [0, 1, 64, 1200, 9000, 65_507, 3];
    client.connect(front.local_address().unwrap()).unwrap();
    for size in sizes {
        assert_eq!(client.send(&vec![7; size]).unwrap(), size);
    }
    let mut batch = Batch::new();
    let mut got = Vec::new();
    while got.len() < sizes.len() {
        front.recv(&mut batch).await.unwrap();
        for message in batch.messages() {
            assert_eq!(message.peer, client.local_addr().unwrap());
            assert!(message.local.is_none() && !message.truncated);
            assert_eq!(message.count(), 1);
            got.push(message.bytes.len());
        }
    }
    assert_eq!(got, sizes);
}

#[tokio::test]
async fn a_message_is_cut_into_datagrams_and_put_together_again() {
    let (far, near) = (plain("127.0.0.1:0"), bound("127.0.0.1:0"));
    let to = Some(far.local_addr().unwrap());
    let bytes: Vec<u8> = (0..250).collect();
    let slices = [IoSlice::new(&bytes[..200]), IoSlice::new(&bytes[200..])];
    assert_eq!(near.try_send(&slices, 100, to, None).unwrap(), 3);
    let mut buffer = [0; 2000];
    for piece in bytes.chunks(100) {
        let size = far.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..size], piece);
    }
    // The same to a socket that takes them together.
    let front = bound("127.0.0.1:0");
    let to = Some(front.local_address().unwrap());
    assert_eq!(near.try_send(&slices, 100, to, None).unwrap(), 3);
    let (mut batch, mut got) = (Batch::new(), Vec::new());
    while got.len() < 250 {
        front.recv(&mut batch).await.unwrap();
        for message in batch.messages() {
            assert_eq!(message.count(), message.bytes.len().div_ceil(100));
            got.extend_from_slice(message.bytes);
        }
    }
    assert_eq!(got, bytes);
}

#[tokio::test]
async fn more_than_one_message_can_hold_goes_out_in_several() {
    let (far, near) = (plain("127.0.0.1:0"), bound("127.0.0.1:0"));
    let to = Some(far.local_addr().unwrap());
    let bytes = vec![1; 100 * 10 + 5];
    assert_eq!(near.try_send(&[IoSlice::new(&bytes)], 10, to, None).unwrap(), 101);
    let mut buffer = [0; 2000];
    let sizes: Vec<usize> = (0..101).map(|_| far.recv(&mut buffer).unwrap()).collect();
    assert_eq!((sizes[..100].iter().all(|size| *size == 10), sizes[100]), (true, 5));
    near.whole.set(true);
    assert_eq!(near.try_send(&[IoSlice::new(&bytes)], 10, to, None).unwrap(), 101);
}

#[tokio::test]
async fn answers_leave_from_the_address_that_was_asked() {
    let front = bound("0.0.0.0:0");
    let port = front.local_address().unwrap().port();
    let client = plain("127.0.0.1:0");
    client.connect(("127.0.0.2", port)).unwrap();
    client.send(b"who").unwrap();
    let mut batch = Batch::new();
    front.recv(&mut batch).await.unwrap();
    let message = batch.messages().next().unwrap();
    assert_eq!(message.local, Some("127.0.0.2".parse().unwrap()));
    let slices = [IoSlice::new(b"me")];
    front.try_send(&slices, 2, Some(message.peer), message.local).unwrap();
    // A connected socket takes answers from that address only.
    assert_eq!(client.recv(&mut [0; 10]).unwrap(), 2);
}

#[tokio::test]
async fn the_same_with_ipv6() {
    let front = bound("[::]:0");
    let port = front.local_address().unwrap().port();
    let client = plain("[::1]:0");
    client.connect(("::1", port)).unwrap();
    client.send(b"who").unwrap();
    let mut batch = Batch::new();
    front.recv(&mut batch).await.unwrap();
    let message = batch.messages().next().unwrap();
    assert_eq!(message.local, Some("::1".parse().unwrap()));
    front.try_send(&[IoSlice::new(b"")], 1, Some(message.peer), message.local).unwrap();
    assert_eq!(client.recv(&mut [0; 10]).unwrap(), 0);
}

#[tokio::test]
async fn that_nobody_listens_is_told() {
    let gone = plain("127.0.0.1:0").local_addr().unwrap();
    let socket = UdpSocket::connect(gone, &Connect { many: true, ..Connect::default() }).unwrap();
    assert_eq!(socket.try_send(&[IoSlice::new(b"x")], 1, None, None).unwrap(), 1);
    let error = socket.recv(&mut Batch::new()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    // And the socket goes on: a server that comes back is reached.
    let back = Plain::bind(gone).unwrap();
    assert_eq!(socket.try_send(&[IoSlice::new(b"y")], 1, None, None).unwrap(), 1);
    assert_eq!(back.recv(&mut [0; 10]).unwrap(), 1);
}

#[tokio::test]
async fn runs_keep_the_order_of_each_sender() {
    let front = bound("127.0.0.1:0");
    let to = front.local_address().unwrap();
    let (one, two) = (plain("127.0.0.1:0"), plain("127.0.0.1:0"));
    let sent: [(&Plain, &[u8]); 9] = [
        (&one, b"aaaa"),
        (&two, b"AAAA"),
        (&one, b"bbbb"),
        (&one, b"cc"),
        (&two, b""),
        (&one, b"dddd"),
        (&two, b"BBBB"),
        (&one, b"eeeee"),
        (&two, b"CCCC"),
    ];
    for (socket, bytes) in sent {
        assert_eq!(socket.send_to(bytes, to).unwrap(), bytes.len());
    }
    let mut batch = Batch::new();
    while batch.messages().count() < sent.len() {
        // All of them are there: sending on loopback ends with the arrival.
        assert_eq!(front.recv(&mut batch).await.unwrap(), sent.len());
    }
    let mut runs = Vec::new();
    batch.runs(|run| {
        let text = run.slices.iter().map(|slice| str::from_utf8(slice).unwrap());
        let name = if run.first.peer == one.local_addr().unwrap() { "one" } else { "two" };
        runs.push(format!("{name} {} {}", run.count, text.collect::<Vec<_>>().join("+")));
    });
    let expected = [
        "one 3 aaaa+bbbb+cc",
        "two 1 AAAA",
        "two 1 ",
        "one 1 dddd",
        "two 2 BBBB+CCCC",
        "one 1 eeeee",
    ];
    assert_eq!(runs, expected);
}
