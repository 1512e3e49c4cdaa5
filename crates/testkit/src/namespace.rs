//! Network namespaces of Linux as the hosts of a test. Need root and `ip` of iproute2.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A host of its own, with nothing but its loopback device. Gone when dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// A new host; `None` where there can be none: without root, or without iproute2.
    pub fn new() -> Option<Namespace> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("ek{}-{}", std::process::id(), MADE.fetch_add(1, Relaxed));
        if !ip(&["netns", "add", &name]) {
            return None;
        }
        let namespace = Namespace { name };
        namespace.ip("link set lo up");
        Some(namespace)
    }

    /// Runs `ip` with these words for this host.
    ///
    /// # Panics
    /// It fails.
    #[track_caller]
    pub fn ip(&self, words: &str) {
        let words: Vec<&str> = words.split(' ').collect();
        assert!(ip(&[&["-n", &self.name], &words[..]].concat()), "ip {words:?} failed");
    }

    /// A cable between two hosts, with a device of that name at each end.
    #[track_caller]
    pub fn connect(&self, device: &str, other: &Namespace, its: &str) {
        let (here, there) = (&self.name, &other.name);
        self.ip(&format!("link add {device} type veth peer name {its} netns {there}"));
        for (host, device) in [(here, device), (there, its)] {
            assert!(
                ip(&["-n", host, "link", "set", "dev", device, "up"]),
                "{device} does not come up"
            );
        }
    }

    /// Does something on this host: sockets that are made there, and processes that are started
    /// there, stay its own.
    ///
    /// # Panics
    /// As the work does.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.name)).expect("the host is there");
        thread::scope(|scope| {
            let there = scope.spawn(|| {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("a thread may change its host");
                work()
            });
            there.join().expect("what is done on the host goes well")
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["netns", "del", &self.name]);
    }
}

fn ip(words: &[&str]) -> bool {
    let mut command = Command::new("ip");
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
