use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, BodyStream, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::client::Body;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::treatment::{WatchEnd, expired_event};
use super::{AnyBody, AnyError, reset};

/// The watches that are open.
#[derive(Default)]
pub(super) struct OpenWatches(Mutex<Vec<oneshot::Sender<WatchEnd>>>);

/// How far a watch is passed on.
struct Passing {
    events: BodyStream<Body>,
    ending: oneshot::Receiver<WatchEnd>,
    socket: Arc<TcpStream>,
    /// Whether all that was passed on are whole lines.
    between_lines: bool,
}

impl OpenWatches {
    /// Takes the answer to a watch, to pass it on until it is to end.
    pub(super) fn add(&self, events: Body, socket: Arc<TcpStream>) -> AnyBody {
        let (end, ending) = oneshot::channel();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|watch| !watch.is_closed());
        open.push(end);
        let passing = Passing { events: BodyStream::new(events), ending, socket, between_lines: true };
        StreamBody::new(stream::unfold(Some(passing), pass).boxed()).boxed_unsync()
    }

    /// Ends one of the open watches.
    pub(super) fn end(&self, which: usize, how: WatchEnd) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|watch| !watch.is_closed());
        if !open.is_empty() {
            let which = which % open.len();
            // One that closes in this moment has ended by itself.
            let _ = open.swap_remove(which).send(how);
        }
    }
}

async fn pass(passing: Option<Passing>) -> Option<(Result<Frame<Bytes>, AnyError>, Option<Passing>)> {
    let mut passing = passing?;
    tokio::select! {
        biased;
        Ok(how) = &mut passing.ending, if passing.between_lines => {
            let last = match how {
                WatchEnd::Expired => Ok(Frame::data(expired_event().into())),
                WatchEnd::Reset => Err(reset(&passing.socket)),
            };
            Some((last, None))
        }
        frame = passing.events.next() => {
            let frame = frame?;
            if let Ok(Some(data)) = frame.as_ref().map(Frame::data_ref) {
                passing.between_lines = data.ends_with(b"\n");
            }
            Some((frame.map_err(Into::into), Some(passing)))
        }
    }
}
