use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::{ApiState, http_router, metrics_router};

/// How long requests that are being answered may take to end when the server ends.
const DRAIN_LIMIT: Duration = Duration::from_secs(3);

/// Where to listen; port 0 takes any free port.
#[derive(Clone, Copy, Debug)]
pub struct ListenOptions {
    /// Address of the API; a loopback address.
    pub http: SocketAddr,
    /// Address of metrics and health.
    pub metrics: SocketAddr,
}

/// Listening failed; the addresses have to change.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The API would be open to the network.
    #[error(
        "--http-listen {0} is not a loopback address: requests to the API are not authenticated, so it listens on this machine only, for example on 127.0.0.1:8080"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address} for {purpose}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// `the API` or `metrics`.
        purpose: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// The running listeners.
#[derive(Debug)]
pub struct Serving {
    /// Address of the API.
    pub http: SocketAddr,
    /// Address of metrics and health.
    pub metrics: SocketAddr,
    tasks: JoinSet<()>,
}

impl Serving {
    /// Waits until the listeners have ended after a shutdown; requests that take too long are cut off.
    pub async fn ended(mut self) {
        let drained =
            tokio::time::timeout(DRAIN_LIMIT, async { while self.tasks.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!("requests were cut off because the daemon ends");
            self.tasks.shutdown().await;
        }
    }
}

/// Starts both listeners; they end when `state.shutdown` is cancelled.
pub async fn serve(options: ListenOptions, state: &ApiState) -> Result<Serving, ServeError> {
    if !options.http.ip().to_canonical().is_loopback() {
        return Err(ServeError::NotLoopback(options.http));
    }
    let http = bind(options.http, "the API").await?;
    let metrics = bind(options.metrics, "metrics").await?;
    let address = |listener: &TcpListener, asked: SocketAddr, purpose| {
        listener.local_addr().map_err(|source| ServeError::Bind { address: asked, purpose, source })
    };
    let mut serving = Serving {
        http: address(&http, options.http, "the API")?,
        metrics: address(&metrics, options.metrics, "metrics")?,
        tasks: JoinSet::new(),
    };
    serving.tasks.spawn(run(http, http_router(state.clone()), state.clone()));
    serving.tasks.spawn(run(metrics, metrics_router(state.clone()), state.clone()));
    tracing::info!(http = %serving.http, metrics = %serving.metrics, "listening");
    Ok(serving)
}

async fn bind(address: SocketAddr, purpose: &'static str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Bind { address, purpose, source })
}

async fn run(listener: TcpListener, router: Router, state: ApiState) {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service).with_graceful_shutdown(state.shutdown.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "a listener has ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_of_a_public_address_says_why_and_what_to_do() {
        let message = ServeError::NotLoopback("0.0.0.0:8080".parse().expect("an address")).to_string();
        assert!(message.contains("not authenticated") && message.contains("127.0.0.1:8080"), "{message}");
    }
}
