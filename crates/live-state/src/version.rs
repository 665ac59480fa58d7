use std::fmt;

/// The uid of an object, 16 bytes when it is a UUID as the API server makes them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(Form);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    Uuid([u8; 16]),
    Text(Box<str>),
}

impl Uid {
    /// Reads a uid; any text is one.
    pub fn new(text: &str) -> Self {
        Self(uuid(text).map_or_else(|| Form::Text(text.into()), Form::Uuid))
    }

    /// Tells whether the object had no uid.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Form::Text(text) if text.is_empty())
    }
}

/// Reads lower-case hexadecimal in groups of 8, 4, 4, 4 and 12, so that it prints as it was.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if text.len() != 36 || [8, 13, 18, 23].iter().any(|at| text[*at] != b'-') {
        return None;
    }
    let mut digits =
        text.iter().enumerate().filter(|(at, _)| ![8, 13, 18, 23].contains(at)).map(|(_, byte)| digit(*byte));
    let mut uuid = [0; 16];
    for byte in &mut uuid {
        *byte = digits.next()?? << 4 | digits.next()??;
    }
    Some(uuid)
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Text(text) => f.write_str(text),
            Form::Uuid(bytes) => bytes.iter().enumerate().try_for_each(|(at, byte)| {
                let dash = if [4, 6, 8, 10].contains(&at) { "-" } else { "" };
                write!(f, "{dash}{byte:02x}")
            }),
        }
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The version of a stored object. Numbers of one kind in one cluster are ordered; any other text is only equal or not.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ResourceVersion(Order);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Order {
    Number(u64),
    Text(Box<str>),
}

impl ResourceVersion {
    /// Reads a `resourceVersion`; an absent one is the empty text.
    pub fn new(text: &str) -> Self {
        let number = text.parse().ok().filter(|number: &u64| number.to_string() == text);
        Self(number.map_or_else(|| Order::Text(text.into()), Order::Number))
    }

    /// Returns the number, when it is one.
    pub fn number(&self) -> Option<u64> {
        match self.0 {
            Order::Number(number) => Some(number),
            Order::Text(_) => None,
        }
    }

    /// Tells whether this is known to be older than `other`.
    pub fn is_older_than(&self, other: &Self) -> bool {
        matches!((&self.0, &other.0), (Order::Number(own), Order::Number(other)) if own < other)
    }

    /// Tells whether this is known to be the same version as `other`; an absent version never is.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self == other && !matches!(&self.0, Order::Text(text) if text.is_empty())
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Order::Number(number) => write!(f, "{number}"),
            Order::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
