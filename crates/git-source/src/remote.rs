use std::{
    collections::BTreeSet,
    error::Error,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use application_api::RepoUrl;
use gix::{
    ObjectId,
    bstr::{BString, ByteSlice as _},
    odb::pack,
    progress::Discard,
    protocol::{
        Handshake, LsRefsCommand, fetch, handshake,
        ls_refs::RefPrefixes,
        transport::{
            Protocol, Service,
            client::{
                self,
                blocking_io::{self, Transport, http},
            },
            packetline,
        },
    },
};
use reqwest::Client;
use tokio::runtime::Handle;

use crate::{
    AddressPolicy, GitError, GitStep,
    http::GitHttp,
    revision::{References, Tip},
    url::{Place, redacted},
    watchdog::{HttpFailure, Watchdog},
};

/// How to reach a server.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) url: RepoUrl,
    pub(crate) place: Place,
    /// Where what is fetched goes.
    pub(crate) directory: PathBuf,
    pub(crate) client: Client,
    pub(crate) runtime: Handle,
    pub(crate) watchdog: Arc<Watchdog>,
    pub(crate) addresses: AddressPolicy,
}

/// A connection to a server, with the handshake done.
pub(crate) struct Remote {
    route: Route,
    transport: Box<dyn Transport + Send>,
    handshake: Handshake,
}

/// Why a fetch failed.
#[derive(Debug)]
pub(crate) enum FetchFailure {
    /// The server does not give what was asked for, and said so.
    Refused(GitError),
    /// Anything else.
    Failed(GitError),
}

impl FetchFailure {
    pub(crate) fn into_error(self) -> GitError {
        match self {
            Self::Refused(error) | Self::Failed(error) => error,
        }
    }
}

/// How much history to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The commits alone, without their parents.
    Commits,
    /// All there is.
    Everything,
}

impl Remote {
    /// Connects and shakes hands.
    pub(crate) fn connect(route: &Route) -> Result<Self, GitError> {
        let invalid = |error: String| GitError::Unsupported { url: route.url.clone(), detail: error };
        let url = match &route.place {
            Place::Disk(path) => gix::url::parse(path.as_os_str().as_encoded_bytes().as_bstr()),
            Place::Http => gix::url::parse(route.url.as_str()),
        };
        let url = url.map_err(|error| invalid(redacted(&route.url, &error.to_string())))?;
        let mut transport: Box<dyn Transport + Send> = match &route.place {
            Place::Http => {
                let http = GitHttp::new(
                    route.client.clone(),
                    route.runtime.clone(),
                    Arc::clone(&route.watchdog),
                    route.addresses.clone(),
                );
                Box::new(http::Transport::new_http(http, url, Protocol::V2, false))
            }
            Place::Disk(_) => {
                let options = blocking_io::connect::Options { version: Protocol::V2, ..Default::default() };
                blocking_io::connect::connect(url, options)
                    .map_err(|error| route.error(GitStep::ListReferences, &error))?
            }
        };
        // No credential helper and no prompt: an unanswered challenge ends the connection.
        let handshake = handshake(&mut transport, Service::UploadPack, |_| Ok(None), Vec::new(), &mut Discard)
            .map_err(|error| route.error(GitStep::ListReferences, &error))?;
        Ok(Self { route: route.clone(), transport, handshake })
    }

    /// Lists the references with the given prefixes; servers of the first protocol send all of them.
    pub(crate) fn list(&mut self, prefixes: &BTreeSet<String>) -> Result<References, GitError> {
        let refs = if let Some(refs) = &self.handshake.refs {
            refs.clone()
        } else {
            let mut wanted = RefPrefixes::new();
            wanted.extend(prefixes.iter().map(|prefix| BString::from(prefix.as_str())));
            LsRefsCommand::new(Some(wanted), &self.handshake.capabilities, agent())
                .invoke_blocking(&mut self.transport, &mut Discard, false)
                .map_err(|error| self.route.error(GitStep::ListReferences, &error))?
        };
        Ok(refs.into_iter().filter_map(tip).collect())
    }

    /// Fetches commits into the bare repository at `git_dir`, telling the server which ones are there.
    ///
    /// The file `shallow` of the repository has to name those of `haves` whose parents are missing.
    pub(crate) fn fetch(
        &mut self,
        git_dir: &Path,
        objects: gix::odb::HandleArc,
        wants: &BTreeSet<ObjectId>,
        haves: &BTreeSet<ObjectId>,
        depth: Depth,
    ) -> Result<(), FetchFailure> {
        let shallow = match depth {
            _ if !self.can_be_shallow() => fetch::Shallow::NoChange,
            Depth::Commits => fetch::Shallow::DepthAtRemote(std::num::NonZeroU32::MIN),
            Depth::Everything => fetch::Shallow::undo(),
        };
        let pack_dir = git_dir.join("objects/pack");
        let consume = |reader: &mut dyn io::BufRead, progress: &mut dyn gix::DynNestedProgress, interrupt: &_| {
            let written = pack::Bundle::write_to_directory(
                reader,
                Some(&pack_dir),
                progress,
                interrupt,
                Some(objects),
                gix::hash::Kind::Sha1,
                pack::bundle::write::Options { thread_limit: Some(2), ..Default::default() },
            )?;
            // Nothing collects garbage here, and commits are pinned in any case.
            written.keep_path.map_or(Ok(()), std::fs::remove_file).map_err(gix::Error::from_error)?;
            Ok(true)
        };
        let options = fetch::Options {
            shallow_file: git_dir.join("shallow"),
            shallow: &shallow,
            tags: fetch::Tags::None,
            reject_shallow_remote: false,
        };
        let context = fetch::Context {
            handshake: &mut self.handshake,
            transport: &mut self.transport,
            user_agent: agent(),
            trace_packetlines: false,
        };
        let interrupt = self.route.watchdog.interrupt();
        let mut asked = Asked { wants, haves };
        let result = gix::protocol::fetch(&mut asked, consume, Discard, interrupt, context, options);
        // Only a server at the other end of a pipe waits for this.
        gix::protocol::indicate_end_of_interaction(&mut self.transport, false).ok();
        result.map(|_| ()).map_err(|error| {
            // A server at the other end of a pipe may hang up before all was said.
            let hung_up =
                error.downcast_any_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
            let refused = server_message(&error).is_some() || (hung_up && matches!(self.route.place, Place::Disk(_)));
            let error = self.route.error(GitStep::Fetch, &error);
            if refused { FetchFailure::Refused(error) } else { FetchFailure::Failed(error) }
        })
    }

    fn can_be_shallow(&self) -> bool {
        let capabilities = &self.handshake.capabilities;
        match self.handshake.server_protocol_version {
            Protocol::V2 => {
                capabilities.capability("fetch").and_then(|fetch| fetch.supports("shallow")).unwrap_or_default()
            }
            _ => capabilities.capability("shallow").is_some(),
        }
    }
}

fn agent() -> (&'static str, Option<String>) {
    ("agent", Some(gix::protocol::agent(concat!("driftless/", env!("CARGO_PKG_VERSION")))))
}

/// Turns what a server lists into a name and what it points to.
fn tip(reference: handshake::Ref) -> Option<(String, Tip)> {
    let (name, commit, advertised) = match reference {
        handshake::Ref::Direct { full_ref_name, object } => (full_ref_name, object, object),
        handshake::Ref::Peeled { full_ref_name, tag, object } => (full_ref_name, object, tag),
        handshake::Ref::Symbolic { full_ref_name, tag, object, .. } => (full_ref_name, object, tag.unwrap_or(object)),
        handshake::Ref::Unborn { .. } => return None,
    };
    Some((name.to_str().ok()?.to_owned(), Tip { commit, advertised }))
}

/// Says at once what is wanted and what is there: with few commits in force, a single round is all it takes.
struct Asked<'a> {
    wants: &'a BTreeSet<ObjectId>,
    haves: &'a BTreeSet<ObjectId>,
}

impl fetch::Negotiate for Asked<'_> {
    fn mark_complete_and_common_ref(&mut self) -> gix::Result<fetch::negotiate::Action> {
        Ok(fetch::negotiate::Action::MustNegotiate { remote_ref_target_known: Vec::new() })
    }

    fn add_wants(&mut self, arguments: &mut fetch::Arguments, _known: &[bool]) -> bool {
        self.wants.iter().for_each(|id| arguments.want(id));
        !self.wants.is_empty()
    }

    fn one_round(
        &mut self,
        state: &mut fetch::negotiate::one_round::State,
        arguments: &mut fetch::Arguments,
        _previous: Option<&fetch::Response>,
    ) -> gix::Result<(fetch::negotiate::Round, bool)> {
        self.haves.iter().for_each(|id| arguments.have(id));
        let round = fetch::negotiate::Round {
            haves_sent: self.haves.len(),
            in_vain: 0,
            haves_to_send: state.haves_to_send,
            previous_response_had_at_least_one_in_common: false,
        };
        Ok((round, true))
    }
}

impl Route {
    /// Finds out what an error of the Git library means, with the help of what the exchange below it saw.
    fn error(&self, step: GitStep, error: &gix::Error) -> GitError {
        let url = self.url.clone();
        match self.watchdog.take_failure() {
            Some(failure) => return http_error(url, step, failure, self.watchdog.allowed()),
            None if self.watchdog.is_over() => {
                return GitError::TimedOut { url, step, allowed: self.watchdog.allowed() };
            }
            None => {}
        }
        let detail = redacted(&url, &text(error));
        let refused = matches!(error.downcast_any_ref(), Some(client::Error::AuthenticationRefused(_)));
        if refused || error.is_unauthenticated() {
            return GitError::Unauthenticated { url, step, detail };
        }
        let io = error.downcast_any_ref::<io::Error>().map(io::Error::kind);
        if let Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem) = io
        {
            return GitError::Local { url, step, path: self.directory.clone(), detail };
        }
        if let Some(message) = server_message(error) {
            return GitError::Unreachable { url, step, detail: redacted(&self.url, &message) };
        }
        match step {
            GitStep::ListReferences if matches!(self.place, Place::Disk(_)) => GitError::NotFound { url, detail },
            GitStep::ListReferences if error.is_unsupported() => {
                GitError::NotFound { url, detail: "the answer is not that of a Git server".to_owned() }
            }
            GitStep::Fetch if io == Some(io::ErrorKind::NotFound) || io == Some(io::ErrorKind::PermissionDenied) => {
                GitError::Local { url, step, path: self.directory.clone(), detail }
            }
            _ => GitError::Corrupt { url, step, detail },
        }
    }
}

fn http_error(url: RepoUrl, step: GitStep, failure: HttpFailure, allowed: Duration) -> GitError {
    match failure {
        HttpFailure::Stopped => GitError::TimedOut { url, step, allowed },
        HttpFailure::Connection(detail) => GitError::Unreachable { url, step, detail },
        HttpFailure::Redirect(why) => GitError::Unsupported { url, detail: format!("the server redirects {why}") },
        HttpFailure::Status(status) => {
            let detail = format!("HTTP status {status}");
            match status {
                404 | 410 => GitError::NotFound { url, detail },
                401 | 403 | 407 => GitError::Unauthenticated { url, step, detail },
                _ => GitError::Unreachable { url, step, detail },
            }
        }
    }
}

/// What the server itself says went wrong, such as that it does not have a commit.
fn server_message(error: &gix::Error) -> Option<String> {
    if let Some(line) = error.downcast_any_ref::<packetline::read::Error>() {
        return Some(line.to_string());
    }
    // As the first line of an answer it is taken for a header, and quoted.
    let text = text(error);
    // In the first protocol it is taken for a part of the pack, and all that is left of it is the code of its `E`.
    if text.ends_with("non-side channel line or input was malformed: 69") {
        return Some("the server refused what was asked for".to_owned());
    }
    let (_, quoted) = text.split_once("\"ERR ")?;
    Some(quoted.rsplit_once('"').map_or(quoted, |(message, _)| message).trim_end_matches("\\n").to_owned())
}

/// Joins an error and its causes into one line.
pub(crate) fn text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
