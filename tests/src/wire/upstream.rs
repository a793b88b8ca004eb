//! An upstream that plays answers, and what it remembers.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::{Answer, Headers, Reply, Request, header, http1_upstream, http2_upstream};
use crate::standin::CALL;

/// Answers over HTTP/1.1 on one port and over HTTP/2 on another. Runs until dropped.
pub struct Upstream {
    http1: SocketAddr,
    http2: SocketAddr,
    calls: Arc<Calls>,
    stop: Option<oneshot::Sender<()>>,
}

impl Upstream {
    pub fn start() -> Self {
        let calls = Arc::new(Calls::default());
        let (stop, stopped) = oneshot::channel();
        let (started, addresses) = channel();
        let served = Arc::clone(&calls);
        thread::spawn(move || run(&served, &started, stopped));
        let [http1, http2] = addresses.recv().expect("the upstream listens");
        Self { http1, http2, calls, stop: Some(stop) }
    }

    pub fn http1(&self) -> SocketAddr {
        self.http1
    }

    pub fn http2(&self) -> SocketAddr {
        self.http2
    }

    /// What the call of this name gets, attempt by attempt; the last answer stands for all further ones.
    pub fn will_answer(&self, call: &str, answers: &[Answer]) {
        let known = Call { answers: answers.to_vec(), ..Call::default() };
        self.calls.lock().insert(call.to_owned(), known);
    }

    /// The requests of this call, one for each attempt.
    pub fn asked(&self, call: &str) -> Vec<Request> {
        self.calls.with(call, |call| call.asked.clone()).unwrap_or_default()
    }

    /// The client has read this much of the call's answer.
    pub fn has_seen(&self, call: &str, reply: &Reply) {
        self.calls.with(call, |call| call.seen = reply.body.len());
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

fn run(calls: &Arc<Calls>, started: &Sender<[SocketAddr; 2]>, stopped: oneshot::Receiver<()>) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime for the upstream");
    runtime.block_on(async {
        let http1 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port for the upstream");
        let http2 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port for the upstream");
        let address = |listener: &TcpListener| listener.local_addr().expect("a listener has an address");
        let _ = started.send([address(&http1), address(&http2)]);
        let accept = async {
            loop {
                tokio::select! {
                    Ok((stream, _)) = http1.accept() => {
                        tokio::spawn(http1_upstream::serve(stream, Arc::clone(calls)));
                    }
                    Ok((stream, _)) = http2.accept() => {
                        tokio::spawn(http2_upstream::serve(stream, Arc::clone(calls)));
                    }
                }
            }
        };
        tokio::select! {
            () = accept => {}
            _ = stopped => {}
        }
    });
}

/// Every call by the name that its request gave it.
#[derive(Default)]
pub(super) struct Calls(Mutex<HashMap<String, Call>>);

#[derive(Default)]
struct Call {
    answers: Vec<Answer>,
    asked: Vec<Request>,
    /// Bytes of the last attempt's body.
    sent: usize,
    seen: usize,
}

impl Calls {
    /// The answer to the next attempt. What nobody knows gets a status that stands out.
    pub(super) fn answer(&self, headers: &Headers) -> (String, Answer) {
        let name = header(headers, CALL).unwrap_or_default().to_owned();
        let answer = self.with(&name, |call| {
            call.sent = 0;
            call.answers.get(call.asked.len()).or(call.answers.last()).cloned()
        });
        (name, answer.flatten().unwrap_or_else(|| Answer::status(599)))
    }

    pub(super) fn asked(&self, name: &str, request: Request) {
        self.with(name, |call| call.asked.push(request));
    }

    pub(super) fn sent(&self, name: &str, bytes: usize) {
        self.with(name, |call| call.sent += bytes);
    }

    pub(super) async fn seen(&self, name: &str) {
        while self.with(name, |call| call.seen < call.sent).unwrap_or_default() {
            sleep(Duration::from_millis(2)).await;
        }
    }

    fn with<T>(&self, name: &str, look: impl FnOnce(&mut Call) -> T) -> Option<T> {
        self.lock().get_mut(name).map(look)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
