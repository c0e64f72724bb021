//! Event streams compressed with gzip (RFC 1952), so that what is compressed for one reader can be written to others.
//!
//! A gzip stream is a header, a deflate stream and a trailer. Here the deflate stream is made of parts, each of which ends at
//! a byte and refers to nothing before it: the batches, each compressed once for all readers, and what is a reader's own,
//! as it is. Any sequence of such parts is a deflate stream, and an inflater gives each part out as soon as it has it.
//! What remains for each reader is the checksum that the trailer ends with.

use std::cell::RefCell;

use flate2::{Compress, Compression, Crc, FlushCompress};

use super::encoded::Encoded;

/// RFC 1952, section 2.3: deflate, no name, no time, the fastest level, an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// An empty last block of a deflate stream, with fixed codes; RFC 1951, section 3.2.3.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// The most that a stored block has, in bytes.
const MAX_STORED_BYTES: usize = u16::MAX as usize;

/// The checksum of some bytes, ready to be appended to the checksum of any bytes before them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checksum {
    crc: u32,
    bytes: u32,
    /// What the checksum before is multiplied by, to move it past these bytes.
    shift: u32,
}

/// One reader's stream: what its trailer says.
#[derive(Debug, Default)]
pub(super) struct GzipStream {
    crc: u32,
    bytes: u32,
}

impl GzipStream {
    /// The beginning of the stream, with some text.
    pub(super) fn begin(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = HEADER.to_vec();
        self.push_stored(&mut out, text);
        out
    }

    /// Appends a text as it is.
    pub(super) fn push_stored(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        for part in text.chunks(MAX_STORED_BYTES) {
            // A block that is neither compressed nor the last: its length, and the same inverted; RFC 1951, section 3.2.4.
            let length = part.len() as u16;
            out.push(0);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&(!length).to_le_bytes());
            out.extend_from_slice(part);
        }
        self.append(Checksum::of(text));
    }

    /// The stream goes on with a part that was compressed by [`compressed`].
    pub(super) fn append(&mut self, part: Checksum) {
        self.crc = multiply(self.crc, part.shift) ^ part.crc;
        self.bytes = self.bytes.wrapping_add(part.bytes);
    }

    /// The end of the stream. It shows a reader that nothing has been cut off.
    pub(super) fn trailer(&self) -> Vec<u8> {
        let mut out = LAST_BLOCK.to_vec();
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out
    }
}

thread_local! {
    /// It takes some 300 KiB, which is too much to be set up for each batch.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

/// A text as a part of any gzip stream.
pub(super) fn compressed(text: &[u8]) -> Encoded {
    let part = COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        let mut part = Vec::with_capacity(text.len() / 2 + 64);
        // What has been read is flushed; as long as the room was filled there may be more.
        while part.len() == part.capacity() || compress.total_in() < text.len() as u64 {
            part.reserve(part.len().max(64));
            let read = compress.total_in() as usize;
            // It fails only if there is nothing left to do.
            let flushed = compress.compress_vec(&text[read..], &mut part, FlushCompress::Sync);
            if flushed.is_err() {
                break;
            }
        }
        part
    });
    let mut encoded = Encoded::new(part.len(), |out| out.extend_from_slice(&part));
    encoded.checksum = Some(Checksum::of(text));
    encoded
}

impl Checksum {
    fn of(text: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(text);
        Self {
            crc: crc.sum(),
            bytes: text.len() as u32,
            shift: power_of_x(8 * text.len() as u64),
        }
    }
}

// A CRC is the remainder of a polynomial over the numbers modulo 2, divided by the polynomial below. That of two texts in
// a row is the first one's, multiplied by x for each bit of the second, plus the second one's. The coefficient of the
// highest power stands in the lowest bit.

/// The polynomial of CRC-32, without its highest power.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// The polynomial 1.
const ONE: u32 = 1 << 31;

/// The product of two polynomials, modulo that of CRC-32.
fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    for bit in (0..32).rev() {
        // Without branches, since it is done for every reader of every batch.
        product ^= b & 0_u32.wrapping_sub((a >> bit) & 1);
        b = times_x(b);
    }
    product
}

fn times_x(polynomial: u32) -> u32 {
    (polynomial >> 1) ^ (POLYNOMIAL & 0_u32.wrapping_sub(polynomial & 1))
}

/// A power of x, modulo the same.
fn power_of_x(mut exponent: u64) -> u32 {
    let mut power = ONE;
    let mut square = times_x(ONE);
    while exponent > 0 {
        if exponent & 1 != 0 {
            power = multiply(power, square);
        }
        square = multiply(square, square);
        exponent >>= 1;
    }
    power
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn parts_that_are_compressed_apart_make_one_stream_whose_parts_can_be_read_at_once() {
        let large = "data: and again\n\n".repeat(20_000);
        let texts = ["data: 1\n\n", large.as_str(), "x", "data: 2\n\n"];
        let mut stream = GzipStream::default();
        let mut sent = stream.begin(b": hello\n\n");
        let mut expected = ": hello\n\n".to_owned();
        for (number, text) in texts.iter().cycle().take(12).enumerate() {
            if number % 3 == 0 {
                stream.push_stored(&mut sent, text.as_bytes());
            } else {
                let part = compressed(text.as_bytes());
                sent.extend_from_slice(&part.bytes());
                stream.append(part.checksum.expect("a checksum"));
            }
            expected.push_str(text);
            let mut read = vec![0; expected.len()];
            GzDecoder::new(sent.as_slice())
                .read_exact(&mut read)
                .expect("everything so far");
            assert!(read == expected.as_bytes());
        }
        sent.extend(stream.trailer());
        let mut whole = String::new();
        GzDecoder::new(sent.as_slice())
            .read_to_string(&mut whole)
            .expect("a whole gzip stream, with the right checksum");
        assert_eq!(whole, expected);
    }

    #[test]
    fn a_text_that_cannot_be_compressed_is_whole_too() {
        let mut random = fastrand::Rng::with_seed(1);
        for bytes in [1, 63, 64, 65, 1_000, 100_000] {
            let text: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
                .take(bytes)
                .collect();
            let mut stream = GzipStream::default();
            let mut sent = stream.begin(b"");
            let part = compressed(&text);
            sent.extend_from_slice(&part.bytes());
            stream.append(part.checksum.expect("a checksum"));
            sent.extend(stream.trailer());
            let mut whole = Vec::new();
            GzDecoder::new(sent.as_slice())
                .read_to_end(&mut whole)
                .expect("a whole gzip stream");
            assert!(whole == text, "{bytes}");
        }
    }
}
