//! The SQL Browser: tells by UDP on which port an instance listens. It always is at port 1434, so a test
//! takes an address of the loopback for itself.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const PORT: u16 = 1434;
const ASKED_FOR_INSTANCE: u8 = 4;
const ANSWER: u8 = 5;

/// A browser that knows one instance, until it is dropped.
pub struct Browser {
    asked: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Browser {
    pub fn start(address: &str, instance: &str, port: u16) -> Self {
        let socket = UdpSocket::bind((address, PORT)).expect("the port of the browser");
        let soon = Some(Duration::from_millis(50));
        socket.set_read_timeout(soon).expect("a time limit");
        let (asked, ends) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (known, counted, over) = (instance.to_owned(), Arc::clone(&asked), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            let mut request = [0; 64];
            while !over.load(Ordering::Relaxed) {
                let Ok((length, client)) = socket.recv_from(&mut request) else {
                    continue;
                };
                counted.fetch_add(1, Ordering::Relaxed);
                if let Some(answer) = answer(&request[..length], &known, port) {
                    socket.send_to(&answer, client).expect("an answer");
                }
            }
        });
        Self {
            asked,
            ends,
            thread: Some(thread),
        }
    }

    /// How many questions came.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Who is not known gets no answer.
fn answer(request: &[u8], known: &str, port: u16) -> Option<Vec<u8>> {
    let (first, name) = request.split_first()?;
    let name = std::str::from_utf8(name).ok()?.trim_end_matches('\0');
    if *first != ASKED_FOR_INSTANCE || !name.eq_ignore_ascii_case(known) {
        return None;
    }
    let text = format!(
        "ServerName;DOUBLE;InstanceName;{known};IsClustered;No;Version;16.0.4000.1;tcp;{port};;"
    );
    let length = u16::try_from(text.len()).ok()?.to_le_bytes();
    Some([&[ANSWER], &length[..], text.as_bytes()].concat())
}
