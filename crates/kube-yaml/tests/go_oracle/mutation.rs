//! Mutations of test files, the same for the same seed.

/// What mutations insert: the pieces that YAML gives a meaning.
const PIECES: &[&str] = &[
    ": ",
    ":",
    "- ",
    "-",
    "? ",
    "?",
    "!",
    "!!str ",
    "!!int ",
    "!!float ",
    "!!binary ",
    "!<x> ",
    "! ",
    "&a ",
    "*a",
    "*a ",
    "<<: ",
    "<<",
    "\n",
    "\n\n",
    "  ",
    " ",
    "\t",
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    ",",
    ", ",
    "|",
    "|-\n",
    ">",
    ">+\n",
    "|2\n",
    "---\n",
    "--- ",
    "...\n",
    "#",
    " # c",
    "%",
    "%YAML 1.1\n",
    "0x1F",
    "0o7",
    "017",
    "1_0",
    ".5",
    "1e3",
    ".inf",
    "~",
    "null",
    "yes",
    "no",
    "on",
    "\\",
    "\\n",
    "\\x41",
    "\\u00e9",
    "\r\n",
    "\r",
    "\u{feff}",
    "\u{e9}",
    "\u{85}",
    "\u{2028}",
    "\u{1f600}",
    "a: b\n",
    "a: b",
    "@",
    "`",
    "=",
    "\u{0}",
    "\u{7f}",
    "{}",
    "[]",
    "{\"a\": 1}",
    "null\n",
];

/// A xorshift generator: the tests need variety, not quality.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % end.max(1)
    }
}

/// Returns `count` mutations of the files, each by one to four steps.
pub(crate) fn mutate(files: &[Vec<u8>], seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    (0..count)
        .map(|_| {
            let mut file = files[random.below(files.len())].clone();
            for _ in 0..=random.below(4) {
                let other = &files[random.below(files.len())];
                step(&mut file, other, &mut random);
            }
            file
        })
        .collect()
}

fn step(file: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(file.len() + 1);
    let to = (at + random.below(6)).min(file.len());
    match random.below(8) {
        0 => drop(file.drain(at..to)),
        1 => {
            let copy = file[at..to].to_vec();
            file.splice(to..to, copy);
        }
        2 => {
            let from = random.below(other.len() + 1);
            let slice = other[from..(from + random.below(20)).min(other.len())].to_vec();
            file.splice(at..at, slice);
        }
        3 if at < file.len() => file[at] = b" \n:-{}[],#&*!|>'\"%@`a0~"[random.below(23)],
        4 => file.truncate(at),
        _ => {
            let piece = PIECES[random.below(PIECES.len())];
            file.splice(at..at, piece.bytes());
        }
    }
}

/// Returns texts made of pieces, for values and keys.
pub(crate) fn texts(seed: u64, count: usize) -> Vec<String> {
    let mut random = Random::new(seed);
    (0..count).map(|_| (0..random.below(5)).map(|_| PIECES[random.below(PIECES.len())]).collect()).collect()
}
