//! Protocol buffers, as much as writing ONNX takes: crates for it bring five others and a dozen types of
//! messages, where this is three kinds of fields.

/// Wire type of integers.
const VARINT: u32 = 0;
/// Wire type of what has a length.
const LENGTH: u32 = 2;

/// A message that grows field by field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// Adds an integer.
    pub(super) fn integer(mut self, field: u32, value: i64) -> Self {
        self.key(field, VARINT);
        // Negative ones have the ten bytes of their two's complement.
        self.varint(value as u64);
        self
    }

    /// Adds text.
    pub(super) fn text(self, field: u32, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    /// Adds a message.
    pub(super) fn message(self, field: u32, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    /// Adds bytes.
    pub(super) fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.key(field, LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// What was written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    /// Seven bits a byte, the lowest first; all but the last have the eighth.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_the_encoding_guide() {
        // https://protobuf.dev/programming-guides/encoding/: `a: 150`, `b: "testing"`, and the first as `c`.
        let a = Message::default().integer(1, 150);
        assert_eq!(a.0, [0x08, 0x96, 0x01]);
        let c = Message::default().message(3, &a);
        assert_eq!(c.0, [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let b = Message::default().text(2, "testing").into_bytes();
        assert_eq!(b, b"\x12\x07testing");
        let minus_two = Message::default().integer(1, -2).into_bytes();
        assert_eq!(minus_two[1..], *b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01");
        let far = Message::default().integer(20, 1).into_bytes();
        assert_eq!(far, [0xa0, 0x01, 0x01]);
    }
}
