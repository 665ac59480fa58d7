//! A gate between a daemon and the API server: while it is closed, what the daemon asks for is held back, and what it has asked for
//! before goes on being answered.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use integration_tests::{DEADLINE, Environment};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::api_recorder::ApiRecorder;

/// A gate in front of a recorder; it ends when dropped.
pub(crate) struct Gate {
    kubeconfig: PathBuf,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

struct Shared {
    is_open: watch::Sender<bool>,
    /// What came while the gate was closed.
    held: watch::Sender<Vec<u8>>,
}

impl Gate {
    /// Makes a closed gate in front of a recorder.
    pub(crate) async fn closed(env: &Environment, recorder: &ApiRecorder) -> Self {
        let config = std::fs::read_to_string(recorder.kubeconfig()).expect("the recorder has written it");
        let behind = config.split("http://").nth(1).and_then(|rest| rest.split('\'').next());
        let behind = behind.expect("the recorder's kubeconfig names its address").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let kubeconfig = env.directory().join("gate.kubeconfig");
        std::fs::write(&kubeconfig, config.replace(&behind, &address.to_string())).expect("a file can be written");
        let shared = Arc::new(Shared { is_open: watch::Sender::new(false), held: watch::Sender::new(Vec::new()) });
        let serving = tokio::spawn(serve(listener, behind, Arc::clone(&shared)));
        Self { kubeconfig, shared, serving: serving.abort_handle() }
    }

    /// Gives the kubeconfig that leads through the gate.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Lets through what is held and what comes.
    pub(crate) fn open(&self) {
        self.shared.is_open.send_replace(true);
    }

    /// Holds back what comes.
    pub(crate) fn close(&self) {
        self.shared.held.send_replace(Vec::new());
        self.shared.is_open.send_replace(false);
    }

    /// Waits until something is held that contains this text.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub(crate) async fn wait_held(&self, text: &str) {
        let mut held = self.shared.held.subscribe();
        let found = held.wait_for(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()));
        let found = tokio::time::timeout(DEADLINE, found).await.is_ok();
        assert!(found, "{text} was not asked for: {}", String::from_utf8_lossy(&self.shared.held.borrow()));
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, behind: String, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let Ok(server) = TcpStream::connect(&behind).await else { continue };
        let (from_client, mut to_client) = client.into_split();
        let (mut from_server, to_server) = server.into_split();
        tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
        tokio::spawn(pass(from_client, to_server, Arc::clone(&shared)));
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: Arc<Shared>) {
    let mut is_open = shared.is_open.subscribe();
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if !*is_open.borrow() {
            shared.held.send_modify(|held| held.extend_from_slice(&buffer[..count]));
        }
        if is_open.wait_for(|open| *open).await.is_err() || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
