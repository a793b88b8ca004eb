//! The cluster's name server: IPv4 addresses of the names that the mesh knows, and none of any other.
//!
//! Envoy asks it for providers; programs that read `/etc/hosts` do not get here.

use std::collections::BTreeMap;
use std::net::{IpAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::network::NODE;

pub type Names = Arc<Mutex<BTreeMap<String, IpAddr>>>;

const PORT: u16 = 53;
/// The header of a message, before its first question.
const HEADER_BYTES: usize = 12;
const TYPE_A: [u8; 2] = [0, 1];
const NO_SUCH_NAME: u8 = 3;
const TTL_SECONDS: u8 = 5;

/// Answers as long as the program runs.
pub fn serve(names: Names) {
    let socket = UdpSocket::bind((NODE, PORT)).expect("the node's address");
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((count, from)) = socket.recv_from(&mut buffer) {
            let query = buffer.get(..count).unwrap_or_default();
            if let Some(answer) = answer(query, &names) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
}

/// `None` for what is no query.
fn answer(query: &[u8], names: &Names) -> Option<Vec<u8>> {
    let (name, end) = name(query)?;
    let question = query.get(HEADER_BYTES..end + 4)?;
    let asked = query.get(end..end + 2)?;
    let known = names.lock().unwrap_or_else(PoisonError::into_inner).get(&name).copied();
    let address = match known {
        Some(IpAddr::V4(address)) if asked == TYPE_A => Some(address),
        _ => None,
    };
    let code = if known.is_some() { 0 } else { NO_SUCH_NAME };
    let mut message = query.get(..2)?.to_vec();
    // An answer of who knows: with recursion, as asked; one question.
    message.extend([0x85, 0x80 | code, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
    message.extend(question);
    if let Some(address) = address {
        // The name of the question, type A, class IN.
        message.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, TTL_SECONDS, 0, 4]);
        message.extend(address.octets());
    }
    Some(message)
}

/// The name of the first question, and where it ends.
fn name(query: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut at = HEADER_BYTES;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(name: &str, kind: u8) -> Vec<u8> {
        let mut query = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend(label.bytes());
        }
        query.extend([0, 0, kind, 0, 1]);
        let names = Names::default();
        names.lock().unwrap().insert("a.example".to_owned(), IpAddr::from([10, 0, 0, 1]));
        answer(&query, &names).unwrap()
    }

    #[test]
    fn known_names_have_an_address() {
        let answer = ask("A.example", 1);
        assert_eq!(answer[..4], [7, 9, 0x85, 0x80]);
        assert_eq!(answer[6..8], [0, 1]);
        assert!(answer.ends_with(&[0, 4, 10, 0, 0, 1]));
    }

    #[test]
    fn others_have_none() {
        assert_eq!(ask("b.example", 1)[3] & 15, NO_SUCH_NAME);
        let six = ask("a.example", 28);
        assert_eq!((six[3] & 15, six[7]), (0, 0));
        assert_eq!(answer(&[0; 11], &Names::default()), None);
    }
}
