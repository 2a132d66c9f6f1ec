//! Both backends over loopback sockets; on a machine that refuses io_uring the tests of it say so and pass.
use std::net::UdpSocket as Plain;
use std::sync::atomic::Ordering;

use mio::{Token, Waker};

use super::*;

const KEY: SocketKey = 64;

struct Bench {
    io: PacketIo,
    waker: Waker,
    counters: Arc<Counters>,
}

fn each(test: impl Fn(&mut Bench)) {
    for wish in [MediaIo::Epoll, MediaIo::IoUring] {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(WAKER)).unwrap();
        let counters: Arc<Counters> = Arc::default();
        match PacketIo::open(wish, poll, Budget { shared: 64 }, 1000, counters.clone()) {
            Ok(mut io) => {
                io.begin().unwrap();
                test(&mut Bench { io, waker, counters });
            }
            Err(error) if wish == MediaIo::IoUring => eprintln!("not tested, this kernel refuses io_uring: {error}"),
            Err(error) => panic!("{error}"),
        }
    }
}

impl Bench {
    /// Opens a socket under `key`; answers its address.
    fn open(&mut self, key: SocketKey) -> SocketAddr {
        let socket = crate::net::bind_udp("127.0.0.1:0".parse().unwrap(), 4 << 20, true).unwrap();
        let addr = socket.local_addr().unwrap();
        self.io.add(key, socket).unwrap();
        self.round();
        addr
    }

    /// One round without waiting; answers key, source and octets of what came.
    fn round(&mut self) -> Vec<(SocketKey, SocketAddr, Vec<u8>)> {
        self.io.wait(Duration::from_millis(1)).unwrap();
        let mut got = Vec::new();
        while let Some(datagram) = self.io.next() {
            got.push((datagram.socket, datagram.source, datagram.bytes.to_vec()));
        }
        self.io.flush();
        got
    }

    /// Rounds until `done` says so of all that came.
    fn until(
        &mut self,
        mut done: impl FnMut(&[(SocketKey, SocketAddr, Vec<u8>)]) -> bool,
    ) -> Vec<(SocketKey, SocketAddr, Vec<u8>)> {
        let late = Instant::now() + Duration::from_secs(20);
        let mut got = Vec::new();
        while !done(&got) {
            assert!(Instant::now() < late, "{} waited in vain; {} datagrams came", self.io.name(), got.len());
            got.extend(self.round());
        }
        got
    }
}

fn peer() -> (Plain, SocketAddr) {
    let socket = Plain::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

#[test]
fn datagrams_come_with_their_source_and_go_where_they_should() {
    each(|bench| {
        let (peer, from) = peer();
        for key in [1, KEY] {
            let addr = bench.open(key);
            for n in 0..200u16 {
                peer.send_to(&n.to_be_bytes(), addr).unwrap();
            }
            let got = bench.until(|got| got.len() == 200);
            for (n, (at, source, bytes)) in got.iter().enumerate() {
                assert_eq!((*at, *source, &bytes[..]), (key, from, &(n as u16).to_be_bytes()[..]));
            }
            for n in 0..200u16 {
                bench.io.send(key, from, n.to_be_bytes().to_vec());
            }
            bench.io.flush();
            for n in 0..200u16 {
                let mut buffer = [0; 10];
                assert_eq!(peer.recv_from(&mut buffer).unwrap(), (2, addr));
                assert_eq!(buffer[..2], n.to_be_bytes());
            }
        }
        assert_eq!(bench.counters.rtp_send_failed.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn names_are_read_as_they_are_written() {
    for text in ["192.0.2.7:4000", "[2001:db8::7]:65535"] {
        let addr: SocketAddr = text.parse().unwrap();
        let (name, length) = write_name(addr);
        assert_eq!(parse_name(&name[..length as usize]), Some(addr));
        assert_eq!(parse_name(&name[..7]), None);
    }
}

/// Of many sockets, each with one packet, all are served within a round or two: the kernel does not stop at some twenty.
#[test]
fn one_round_serves_all_sockets_that_have_something() {
    each(|bench| {
        const SOCKETS: usize = 200;
        let (peer, from) = peer();
        let addrs: Vec<SocketAddr> = (0..SOCKETS).map(|n| bench.open(KEY + n)).collect();
        for addr in &addrs {
            peer.send_to(b"all", addr).unwrap();
        }
        bench.io.rest(Instant::now()).unwrap();
        let got = bench.round();
        assert_eq!(got.len(), SOCKETS, "{}", bench.io.name());
        for n in 0..SOCKETS {
            bench.io.send(KEY + n, from, vec![n as u8]);
        }
        bench.io.flush();
        let mut buffer = [0; 10];
        for (n, addr) in addrs.iter().enumerate() {
            assert_eq!(peer.recv_from(&mut buffer).unwrap(), (1, *addr));
            assert_eq!(buffer[0], n as u8);
        }
        assert_eq!(bench.counters.rtp_send_failed.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn what_the_kernel_refuses_to_send_is_counted_and_the_rest_leaves() {
    each(|bench| {
        let (peer, from) = peer();
        let addr = bench.open(KEY);
        let nowhere = "[2001:db8::1]:9".parse().unwrap();
        for (to, bytes) in [(nowhere, b"a".to_vec()), (from, b"b".to_vec()), (nowhere, vec![]), (from, b"c".to_vec())] {
            bench.io.send(KEY, to, bytes);
        }
        bench.io.flush();
        let mut buffer = [0; 10];
        for wanted in [b"b", b"c"] {
            assert_eq!(peer.recv_from(&mut buffer).unwrap(), (1, addr));
            assert_eq!(&buffer[..1], wanted);
        }
        assert_eq!(bench.counters.rtp_send_failed.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn a_flood_on_one_socket_does_not_hold_up_the_others() {
    each(|bench| {
        let (flooder, _) = peer();
        let (caller, caller_addr) = peer();
        let (flooded, quiet) = (bench.open(KEY), bench.open(KEY + 2));
        // More than all receive buffers together.
        for _ in 0..4_000 {
            let _ = flooder.send_to(&[7; 172], flooded);
        }
        caller.send_to(b"hello", quiet).unwrap();
        let heard = |got: &[(SocketKey, SocketAddr, Vec<u8>)]| got.iter().any(|(key, ..)| *key == KEY + 2);
        let mut rounds = 0;
        let got = bench.until(|got| {
            rounds += 1;
            heard(got)
        });
        let from_flooder = got.iter().filter(|(key, ..)| *key == KEY).count();
        assert!(rounds <= 10 && from_flooder <= 10 * Budget::LEG, "{rounds} rounds, {from_flooder} of the flood");
        assert!(got.contains(&(KEY + 2, caller_addr, b"hello".to_vec())));
        // The flooded socket works on when the flood is over.
        while !bench.round().is_empty() {}
        caller.send_to(b"again", flooded).unwrap();
        bench.until(|got| got.contains(&(KEY, caller_addr, b"again".to_vec())));
    });
}

#[test]
fn a_removed_socket_is_silent_and_its_key_and_port_are_free() {
    each(|bench| {
        let (peer, from) = peer();
        for _ in 0..50 {
            let addr = bench.open(KEY);
            // Some are taken over by the kernel before the removal, some never.
            for _ in 0..5 {
                peer.send_to(b"old", addr).unwrap();
            }
            bench.io.send(KEY, from, b"bye".to_vec());
            bench.io.remove(KEY);
            let next = bench.open(KEY);
            peer.send_to(b"new", next).unwrap();
            let got = bench.until(|got| !got.is_empty());
            assert_eq!(got, [(KEY, from, b"new".to_vec())]);
            let late = Instant::now() + Duration::from_secs(20);
            while Plain::bind(addr).is_err() {
                assert!(Instant::now() < late, "the port stays in use");
                bench.round();
            }
            let mut buffer = [0; 10];
            assert_eq!(peer.recv_from(&mut buffer).unwrap(), (3, addr), "what was queued went out first");
            bench.io.remove(KEY);
        }
        // Sending to nowhere and removing twice is nothing.
        bench.io.send(KEY, from, b"lost".to_vec());
        bench.io.remove(KEY);
        bench.io.flush();
    });
}

#[test]
fn a_removal_in_the_middle_of_a_round_hides_the_rest_of_it() {
    each(|bench| {
        let (peer, _) = peer();
        let addr = bench.open(KEY);
        for _ in 0..20 {
            peer.send_to(b"x", addr).unwrap();
        }
        let mut got = 0;
        let late = Instant::now() + Duration::from_secs(20);
        while got == 0 {
            assert!(Instant::now() < late);
            bench.io.wait(Duration::from_millis(1)).unwrap();
            while bench.io.next().is_some() {
                got += 1;
                bench.io.remove(KEY);
            }
            bench.io.flush();
        }
        assert_eq!(got, 1);
    });
}

#[test]
fn what_does_not_fit_is_left_out_and_the_next_is_whole() {
    each(|bench| {
        let (peer, from) = peer();
        let addr = bench.open(KEY);
        peer.send_to(&[1; 9_000], addr).unwrap();
        peer.send_to(&[], addr).unwrap();
        peer.send_to(&[2; 1_500], addr).unwrap();
        let got = bench.until(|got| got.len() == 2);
        assert_eq!(got, [(KEY, from, vec![]), (KEY, from, vec![2; 1_500])]);
    });
}

#[test]
fn the_waker_ends_a_wait_each_time() {
    each(|bench| {
        bench.round();
        for _ in 0..3 {
            bench.waker.wake().unwrap();
            let before = Instant::now();
            bench.io.wait(Duration::from_secs(60)).unwrap();
            assert!(before.elapsed() < Duration::from_secs(30));
            while bench.io.next().is_some() {}
            bench.io.flush();
        }
    });
}
