//! Places for the connections of one listener, shared out among peers. When all are taken, one that comes takes the newest
//! place of the peer that has the most, as long as that peer keeps more than its own then has: whoever opens all there
//! are holds up nobody else. A peer that has the most itself is refused.
//!
//! A peer is an address, and in IPv6 the network of 64 bits that one host gets.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

#[derive(Clone, Debug)]
pub(super) struct Places {
    max: usize,
    taken: Arc<Mutex<Taken>>,
}

/// Invariant: `all` is the number of places in `by_peer`, and no list in it is empty.
#[derive(Debug, Default)]
struct Taken {
    all: usize,
    next: u64,
    /// Oldest first.
    by_peer: HashMap<IpAddr, Vec<(u64, CancellationToken)>>,
}

/// One place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    peer: IpAddr,
    id: u64,
    /// Cancelled when another peer has got it.
    pub(super) displaced: CancellationToken,
}

/// A place, and whether it was another peer's.
pub(super) type Entered = (Place, bool);

impl Places {
    pub(super) fn new(max: usize) -> Self {
        Self { max, taken: Arc::default() }
    }

    pub(super) fn enter(&self, address: IpAddr) -> Option<Entered> {
        let peer = peer(address);
        let mut taken = self.lock();
        let is_full = taken.all >= self.max;
        if is_full {
            taken.displace_for(&peer)?;
        }
        let (id, displaced) = (taken.next, CancellationToken::new());
        taken.next += 1;
        taken.all += 1;
        taken.by_peer.entry(peer).or_default().push((id, displaced.clone()));
        drop(taken);
        Some((Place { places: self.clone(), peer, id, displaced }, is_full))
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// `None` where no peer has enough to give one away.
    fn displace_for(&mut self, peer: &IpAddr) -> Option<()> {
        let own = self.by_peer.get(peer).map_or(0, Vec::len);
        let (most, places) = self.by_peer.iter().max_by_key(|(_, places)| places.len())?;
        if places.len() <= own + 1 {
            return None;
        }
        let (most, (id, displaced)) = (*most, places.last()?.clone());
        self.remove(&most, id);
        displaced.cancel();
        Some(())
    }

    fn remove(&mut self, peer: &IpAddr, id: u64) {
        let Some(places) = self.by_peer.get_mut(peer) else { return };
        let before = places.len();
        places.retain(|(other, _)| *other != id);
        self.all -= before - places.len();
        if places.is_empty() {
            self.by_peer.remove(peer);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().remove(&self.peer, self.id);
    }
}

fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(places: &Places, address: &str) -> Option<Entered> {
        places.enter(address.parse().unwrap())
    }

    /// Places, and peers.
    fn left(places: &Places) -> (usize, usize) {
        let taken = places.lock();
        (taken.all, taken.by_peer.len())
    }

    #[test]
    fn who_has_the_most_gives_a_place_to_others_and_not_to_itself() {
        let places = Places::new(4);
        let greedy: Vec<Place> = (0..4).map(|_| enter(&places, "10.0.0.1").unwrap().0).collect();
        assert!(enter(&places, "10.0.0.1").is_none());
        let displaced = || greedy.iter().map(|place| place.displaced.is_cancelled()).collect::<Vec<_>>();
        let (first, was_taken) = enter(&places, "10.0.0.2").unwrap();
        assert_eq!((was_taken, displaced()), (true, vec![false, false, false, true]), "its newest");
        let second = enter(&places, "10.0.0.2").unwrap().0;
        assert_eq!(displaced(), [false, false, true, true]);
        assert!(enter(&places, "10.0.0.2").is_none(), "both have as many");
        assert!(enter(&places, "10.0.0.1").is_none());
        // What was displaced does not give its place back twice.
        drop(greedy);
        assert_eq!(left(&places), (2, 1));
        assert!(!first.displaced.is_cancelled() && !second.displaced.is_cancelled());
        drop((first, second));
        assert_eq!(left(&places), (0, 0));
    }

    #[test]
    fn a_peer_is_a_host() {
        let places = Places::new(3);
        let _one = enter(&places, "::ffff:10.0.0.1").unwrap();
        let _other = enter(&places, "10.0.0.1").unwrap();
        let _v6 = enter(&places, "2001:db8::1").unwrap();
        assert_eq!(left(&places), (3, 2));
        assert!(enter(&places, "2001:db8::ffff").is_none());
        assert!(enter(&places, "2001:db8:0:1::1").is_some(), "another network");
    }
}
