//! Ports for parts that cannot choose one themselves, or that must come back on the one they had.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Below those that the kernel hands out by itself: a part that is started again finds its port free, and a client
/// that keeps trying to connect cannot meet itself.
const RANGE: Range<u16> = 20_000..30_000;
/// Coprime with the range's length, so that test programs start far apart and still visit every port.
const STRIDE: u32 = 7919;

/// An address on which nobody listens now, handed out once.
#[track_caller]
pub fn free_address() -> SocketAddr {
    static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let length = u32::from(RANGE.end - RANGE.start);
    let start = std::process::id() % length;
    let port = (0..length)
        .filter_map(|n| u16::try_from((start + n) * STRIDE % length).ok())
        .map(|offset| RANGE.start + offset)
        .find(|port| !taken.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .unwrap_or_else(|| panic!("no free port in {RANGE:?}"));
    taken.insert(port);
    (Ipv4Addr::LOCALHOST, port).into()
}
