use std::process::{Command, Stdio};

use http::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http_body_util::{BodyExt as _, Full};
use serde_json::json;

use super::AnyBody;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It is passed on and answered.
    Pass,
    /// It is passed on and answered, and another thing happens to a watch that is open, if one is.
    EndWatch {
        /// Which one: a number of any size.
        which: usize,
        /// How it ends.
        how: WatchEnd,
    },
    /// It is answered with an error and never reaches the API server.
    Refuse(Refusal),
    /// Its connection is reset, and it never reaches the API server.
    Reset,
    /// The API server carries it out, and its connection is reset instead of an answer.
    LoseAnswer,
    /// It never reaches the API server and is never answered.
    Hang,
    /// A process is killed around it.
    Kill(Kill),
}

/// How a watch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEnd {
    /// With the event that its version is too old (410): everything has to be listed again.
    Expired,
    /// With a reset of its connection.
    Reset,
}

/// An error that the API server answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 429, as its priority and fairness answers.
    TooMany {
        /// Seconds after which to come back.
        retry_after: u32,
    },
    /// 500 with a Status.
    Internal,
    /// 503 from something before the API server, which knows no Status.
    Unavailable,
    /// 410: the version or the continue token is too old.
    Gone,
}

/// The death of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    /// Its process id.
    pub process: u32,
    /// When.
    pub when: Moment,
}

/// When a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the request reaches the API server.
    Before,
    /// After the API server has carried it out, before the answer comes.
    After,
}

impl Refusal {
    pub(super) fn response(self) -> Response<AnyBody> {
        let (code, reason, message) = match self {
            Self::TooMany { .. } => (429, None, "Too many requests, please try again later."),
            Self::Internal => (500, Some("InternalError"), "Internal error occurred: etcdserver: leader changed"),
            Self::Unavailable => (503, None, "no healthy upstream"),
            Self::Gone => (410, Some("Expired"), EXPIRED),
        };
        let mut response = Response::builder().status(code);
        if let Self::TooMany { retry_after } = self {
            response = response.header(RETRY_AFTER, retry_after);
        }
        let body = match reason {
            Some(reason) => {
                response = response.header(CONTENT_TYPE, "application/json");
                status(code, reason, message).to_string()
            }
            None => message.to_owned(),
        };
        let body = Full::from(body).map_err(|never| match never {}).boxed_unsync();
        response.body(body).expect("the parts are valid")
    }
}

const EXPIRED: &str = "The resourceVersion is too old.";

/// The line by which a watch says that its version is too old.
pub(super) fn expired_event() -> String {
    format!("{}\n", json!({"type": "ERROR", "object": status(410, "Expired", EXPIRED)}))
}

fn status(code: u16, reason: &str, message: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": message,
    })
}

impl Kill {
    pub(super) fn send(self) {
        // It may be dead already.
        let _ = Command::new("kill").args(["-KILL", &self.process.to_string()]).stderr(Stdio::null()).status();
    }
}
