//! Streams over the real kernel.

use std::io::{ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evenkeel_net::{Buffer, Deadline, Listener, Target, clock, connect, listen};
use socket2::{Domain, Type};

#[tokio::test]
async fn a_tcp_stream_carries_slices_and_knows_when_it_is_stale() {
    let socket = listen::bind_tcp("127.0.0.1:0".parse().unwrap(), true).unwrap();
    let address = listen::local_address(&socket).unwrap();
    let listener = Listener::new(socket).unwrap();
    let mut near = connect::connect(&Target::Tcp(address), Duration::from_secs(5)).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    let mut deadline = Deadline::never();
    near.send(&mut [IoSlice::new(b""), IoSlice::new(b"he"), IoSlice::new(b"llo")], &mut deadline)
        .await
        .unwrap();
    let mut buffer = Buffer::new();
    while buffer.len() < 5 {
        far.recv(&mut buffer, 100, &mut deadline).await.unwrap();
    }
    assert_eq!(buffer.bytes(), b"hello");
    assert!(near.is_fresh());
    drop(far);
    let mut gone = Buffer::new();
    let mut soon = Deadline::never();
    soon.set_after(clock::now(), Duration::from_secs(5));
    // The peer read everything, so its close is orderly.
    assert_eq!(near.recv(&mut gone, 100, &mut soon).await.unwrap(), 0);
    assert!(!near.is_fresh());
}

#[tokio::test]
async fn a_deadline_ends_a_wait() {
    let socket = listen::bind_tcp("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let address = listen::local_address(&socket).unwrap();
    let mut near = connect::connect(&Target::Tcp(address), Duration::from_secs(5)).await.unwrap();
    let mut deadline = Deadline::never();
    deadline.set_after(clock::now(), Duration::from_millis(20));
    let error = near.recv(&mut Buffer::new(), 100, &mut deadline).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_unix_socket_left_behind_is_replaced_and_a_live_one_is_not() {
    let path = std::env::temp_dir().join(format!("evenkeel-net-{}.sock", std::process::id()));
    drop(listen::bind_unix(&path).unwrap());
    let live = listen::bind_unix(&path).unwrap();
    assert_eq!(listen::bind_unix(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    let listener = Listener::new(live).unwrap();
    connect::connect(&Target::unix(path.clone()), Duration::from_secs(5)).await.unwrap();
    listener.accept().await.unwrap();
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn asking_whether_an_address_is_free_lets_nobody_in() {
    let held = listen::bind_tcp("127.0.0.1:0".parse().unwrap(), true).unwrap();
    let address = listen::local_address(&held).unwrap();
    let taken = listen::is_free_tcp(address).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse, "not even one who would share it");
    drop(held);
    let done = AtomicBool::new(false);
    let let_in = std::thread::scope(|scope| {
        let knocking = scope.spawn(|| {
            let mut let_in = 0;
            while !done.load(Ordering::Relaxed) {
                let client = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                // From another address, so that it cannot meet itself.
                client.bind(&"127.0.0.2:0".parse::<SocketAddr>().unwrap().into()).unwrap();
                let answer = client.connect(&address.into()).map_err(|error| error.kind());
                let_in += u32::from(answer != Err(ErrorKind::ConnectionRefused));
            }
            let_in
        });
        for _ in 0..3000 {
            // Whoever else took the port meanwhile is no matter here.
            let _ = listen::is_free_tcp(address);
        }
        done.store(true, Ordering::Relaxed);
        knocking.join().unwrap()
    });
    assert_eq!(let_in, 0);
}
