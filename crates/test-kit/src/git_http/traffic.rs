use std::iter::Sum;
use std::ops::AddAssign;

/// What went to and from a repository. Bytes are those of bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// All requests, those answered with an error included.
    pub requests: u64,
    /// Requests with the command `ls-refs` of protocol version 2. Those with a compressed body are not recognised.
    pub ls_refs: u64,
    /// Requests with the command `fetch` of protocol version 2. Those with a compressed body are not recognised.
    pub fetches: u64,
    /// Answers that contained the beginning of a pack.
    pub packs: u64,
    /// Bytes that clients sent.
    pub bytes_received: u64,
    /// Bytes that the server sent.
    pub bytes_sent: u64,
}

impl Traffic {
    pub(super) fn of_request(body: &[u8]) -> Self {
        // A packet line: four hexadecimal digits of length, then the command.
        let command = body.get(4..).unwrap_or_default();
        Self {
            requests: 1,
            ls_refs: command.starts_with(b"command=ls-refs").into(),
            fetches: command.starts_with(b"command=fetch").into(),
            bytes_received: body.len() as u64,
            ..Self::default()
        }
    }

    pub(super) fn of_response(body: &[u8]) -> Self {
        Self { packs: pack_start(body).is_some().into(), bytes_sent: body.len() as u64, ..Self::default() }
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.ls_refs += other.ls_refs;
        self.fetches += other.fetches;
        self.packs += other.packs;
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
    }
}

impl Sum for Traffic {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut total, one| {
            total += one;
            total
        })
    }
}

/// Finds the header of a pack of version 2 (gitformat-pack) in a response.
pub(super) fn pack_start(body: &[u8]) -> Option<usize> {
    body.windows(8).position(|window| window == b"PACK\0\0\0\x02")
}
