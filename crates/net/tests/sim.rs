//! The simulated network behaves like one.

use std::io::{ErrorKind, IoSlice};
use std::time::Duration;

use evenkeel_net::sim::{Fault, Weather, World};
use evenkeel_net::{Buffer, Deadline, Stream, Target, clock, connect};

const WEATHER: Weather = Weather { read_max: 3, delay_max: Duration::from_millis(20), window: 50 };

#[tokio::test(start_paused = true)]
async fn bytes_arrive_whole_and_in_order_in_rough_weather() {
    for seed in 0..50 {
        let world = World::enter(seed, WEATHER);
        let address = "127.0.0.1:80".parse().unwrap();
        let listener = world.listen(address);
        let mut near =
            connect::connect(&Target::Tcp(address), Duration::from_secs(1)).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let mut far = Stream::Sim(far);
        let text: Vec<u8> = (0..500_u32).map(|i| (i % 251) as u8).collect();
        let (mut buffer, mut got) = (Buffer::new(), Vec::new());
        let mut slices = [IoSlice::new(&text[..100]), IoSlice::new(&text[100..])];
        let (mut sending, mut receiving) = (Deadline::never(), Deadline::never());
        let send = async {
            near.send(&mut slices, &mut sending).await.unwrap();
            near.split().1.finish().await.unwrap();
        };
        let recv = async {
            while far.recv(&mut buffer, 1000, &mut receiving).await.unwrap() > 0 {
                got.extend_from_slice(buffer.bytes());
                buffer.clear();
            }
        };
        tokio::join!(send, recv);
        assert_eq!(got, text, "seed {seed}");
        world.leave();
    }
}

#[tokio::test(start_paused = true)]
async fn faults_and_closes_look_like_the_kernels() {
    let world = World::enter(1, Weather::default());
    let address = "127.0.0.1:80".parse().unwrap();
    let second = Duration::from_secs(1);
    let refused = connect::connect(&Target::Tcp(address), second).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    world.fault(address, Some(Fault::BlackHole));
    let began = clock::now();
    let lost = connect::connect(&Target::Tcp(address), second).await.err().unwrap();
    assert_eq!((lost.kind(), clock::now().since(began)), (ErrorKind::TimedOut, second));
    world.fault(address, None);

    let listener = world.listen(address);
    let mut near = connect::connect(&Target::Tcp(address), second).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    assert!(near.is_fresh());
    let mut never = Deadline::never();
    near.send(&mut [IoSlice::new(b"unread")], &mut never).await.unwrap();
    drop(far);
    assert!(!near.is_fresh());
    let error = near.recv(&mut Buffer::new(), 100, &mut never).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    world.leave();
}
