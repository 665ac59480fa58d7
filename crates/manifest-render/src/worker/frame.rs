//! Frames of the pipe to a worker: 4 bytes of length, 1 byte of kind, and the payload.

/// Bytes before the payload.
const HEADER: usize = 5;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) payload: Vec<u8>,
}

/// A payload that is longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of {length} bytes, where {most} are allowed")]
pub(super) struct TooLong {
    length: u64,
    most: usize,
}

/// Returns a frame as bytes.
pub(super) fn encode(kind: u8, payload: &[&[u8]]) -> Vec<u8> {
    let length: usize = payload.iter().map(|part| part.len()).sum();
    let mut bytes = Vec::with_capacity(HEADER + length);
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    bytes.push(kind);
    for part in payload {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Puts frames together from what arrives.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    arrived: Vec<u8>,
}

impl Decoder {
    /// Takes in what arrived.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.arrived.extend_from_slice(bytes);
    }

    /// Tells whether nothing has arrived beyond the frames taken.
    pub(super) fn is_empty(&self) -> bool {
        self.arrived.is_empty()
    }

    /// Takes the next frame, if all of it has arrived. A payload of more than `most` bytes is refused by its length alone.
    pub(super) fn next(&mut self, most: usize) -> Result<Option<Frame>, TooLong> {
        let Some((header, rest)) = self.arrived.split_at_checked(HEADER) else { return Ok(None) };
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        if wanted > most {
            return Err(TooLong { length: length.into(), most });
        }
        if rest.len() < wanted {
            return Ok(None);
        }
        let frame = Frame { kind: header[4], payload: rest[..wanted].to_vec() };
        self.arrived.drain(..HEADER + wanted);
        if self.arrived.is_empty() {
            // The longest frame of the past is no reason to keep its room.
            self.arrived = Vec::new();
        }
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However the bytes are cut, the frames are the same; nothing makes the decoder panic or hold more than arrived.
        #[test]
        fn frames_survive_any_cutting(
            frames in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..6),
            cut in 1..17_usize,
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(kind, payload)| encode(*kind, &[payload])).collect();
            let mut decoder = Decoder::default();
            let mut read = Vec::new();
            for piece in bytes.chunks(cut) {
                decoder.push(piece);
                while let Some(frame) = decoder.next(100).unwrap() {
                    read.push((frame.kind, frame.payload));
                }
            }
            prop_assert_eq!(read, frames);
            prop_assert!(decoder.is_empty());
        }

        #[test]
        fn any_bytes_are_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            while let Ok(Some(frame)) = decoder.next(64) {
                prop_assert!(frame.payload.len() <= 64);
            }
        }
    }

    #[test]
    fn a_long_payload_is_refused_before_it_arrives() {
        let mut decoder = Decoder::default();
        decoder.push(&[0, 0, 0, 11, 1]);
        assert_eq!(decoder.next(10), Err(TooLong { length: 11, most: 10 }));
        assert_eq!(decoder.next(11), Ok(None));
    }
}
