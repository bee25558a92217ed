use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Passes connections on, and can cut them off.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    target: Option<u16>,
    open: Vec<TcpStream>,
}

impl Proxy {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let known = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Whoever can't be passed on is dropped.
                let _ = pass_on(client, &known);
            }
        });
        Self { port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Passes new connections on to this port.
    pub(crate) fn open(&self, target: u16) {
        self.shared.lock().expect("no panic").target = Some(target);
    }

    /// Ends all connections, and takes no new ones.
    pub(crate) fn cut(&self) {
        let mut shared = self.shared.lock().expect("no panic");
        shared.target = None;
        for stream in shared.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass_on(client: TcpStream, shared: &Mutex<Shared>) -> io::Result<()> {
    let mut shared = shared.lock().expect("no panic");
    let target = shared.target.ok_or(io::ErrorKind::ConnectionRefused)?;
    let server = TcpStream::connect(("127.0.0.1", target))?;
    for (mut from, mut to) in
        [(client.try_clone()?, server.try_clone()?), (server.try_clone()?, client.try_clone()?)]
    {
        std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    shared.open.extend([client, server]);
    Ok(())
}
