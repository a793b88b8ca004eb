//! An upstream that is not there.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// An address where connections are neither taken nor refused, because its queue of them is full.
pub struct Unreachable {
    listener: TcpListener,
    _waiting: TcpStream,
}

impl Unreachable {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        rustix::net::listen(&listener, 0).expect("the shortest queue there is");
        let address = listener.local_addr().expect("a listener has an address");
        let waiting = TcpStream::connect(address).expect("room for one");
        Self { listener, _waiting: waiting }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a listener has an address")
    }
}
