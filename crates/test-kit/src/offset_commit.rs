//! The answer that refuses an offset commit, made from its request. Knows versions 8 and 9 of the protocol, which librdkafka speaks.

/// Every partition of `request` is answered with `error`.
pub(crate) fn refusal(request: &[u8], error: i16) -> Vec<u8> {
    let version = i16::from_be_bytes([request[2], request[3]]);
    assert!((8..=9).contains(&version), "an offset commit of version {version}, which this cannot answer");
    // Its number comes back; kind and version stand before it, the client's name behind it.
    let mut answer = request[4..8].to_vec();
    let client = usize::from(u16::from_be_bytes([request[8], request[9]]));
    let mut rest = Reader(&request[10 + client..]);
    rest.tags();
    // No delay.
    answer.extend([0, 0, 0, 0, 0]);
    let _group = rest.text();
    let _generation = rest.bytes(4);
    let _member = rest.text();
    let _instance = rest.text();
    let topics = rest.count();
    varint(&mut answer, topics);
    for _ in 1..topics {
        let name = rest.text();
        varint(&mut answer, name.len() + 1);
        answer.extend(name);
        let partitions = rest.count();
        varint(&mut answer, partitions);
        for _ in 1..partitions {
            answer.extend(rest.bytes(4));
            answer.extend(error.to_be_bytes());
            answer.push(0);
            let _offset_and_epoch = rest.bytes(12);
            let _metadata = rest.text();
            rest.tags();
        }
        answer.push(0);
        rest.tags();
    }
    answer.push(0);
    answer
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    /// Counts and lengths are one more than what they count; 0 is null.
    fn count(&mut self) -> usize {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.bytes(1)[0];
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return number;
            }
            shift += 7;
        }
    }

    fn text(&mut self) -> &'a [u8] {
        let length = self.count();
        self.bytes(length.saturating_sub(1))
    }

    fn tags(&mut self) {
        let count = self.count();
        assert_eq!(count, 0, "a request with tags, which this cannot answer");
    }
}

fn varint(bytes: &mut Vec<u8>, number: usize) {
    let mut rest = number;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}
