//! A connection to the cloud that can be cut.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::cloud::endpoint;

/// Connections through it end when it is cut, and new ones are closed at once, until it is mended.
#[derive(Clone)]
pub(crate) struct Cable {
    pub(crate) endpoint: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    cut: bool,
    open: Vec<TcpStream>,
}

impl Cable {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let cable = Self { endpoint: format!("http://{address}"), state: Arc::default() };
        let accepting = cable.clone();
        // Ends with the process.
        thread::spawn(move || listener.incoming().flatten().for_each(|stream| accepting.connect(stream)));
        cable
    }

    pub(crate) fn cut(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.cut = true;
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn mend(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).cut = false;
    }

    fn connect(&self, here: TcpStream) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.cut {
            return;
        }
        let there = TcpStream::connect(endpoint().trim_start_matches("http://")).expect("the local cloud");
        for (from, to) in [(&here, &there), (&there, &here)] {
            let (mut from, mut to) = (from.try_clone().expect("a copy"), to.try_clone().expect("a copy"));
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
        state.open.extend([here, there]);
    }
}
