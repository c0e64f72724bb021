//! What an event carries: who published it, its number, when it was due. Exactly 100 bytes, of fixed places, so that a
//! reader can tell millions of them a second apart.

/// The length of every event's data.
pub(crate) const LENGTH: usize = 100;

const PADDING: u8 = b'.';

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The measurement that it belongs to.
    pub(crate) run: u32,
    /// The connection that it was published on; order is promised for each by itself.
    pub(crate) publisher: u32,
    /// Its number among that connection's events, from 0.
    pub(crate) number: u32,
    /// When it was due, in nanoseconds since the load client started.
    pub(crate) due: u64,
}

impl Stamp {
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let start = out.len();
        for word in [
            self.run << 8 | self.publisher,
            self.number,
            (self.due >> 32) as u32,
            self.due as u32,
        ] {
            out.extend_from_slice(&hex(word));
        }
        out.resize(start + LENGTH, PADDING);
    }

    /// `None` when this is no event of the comparison.
    #[inline]
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        if data.len() != LENGTH || data[LENGTH - 1] != PADDING {
            return None;
        }
        let (words, _) = data.as_chunks::<8>();
        let [source, number, high, low, ..] = words else {
            return None;
        };
        let source = unhex(*source);
        Some(Self {
            run: source >> 8,
            publisher: source & 0xff,
            number: unhex(*number),
            due: u64::from(unhex(*high)) << 32 | u64::from(unhex(*low)),
        })
    }
}

fn hex(word: u32) -> [u8; 8] {
    let mut digits = [0; 8];
    for (at, digit) in digits.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(word >> (28 - 4 * at) & 0xf) as usize];
    }
    digits
}

/// All eight digits at once. What is no digit gives some number, which the count of events then shows.
#[inline]
fn unhex(digits: [u8; 8]) -> u32 {
    let text = u64::from_be_bytes(digits);
    let letters = (text >> 6) & 0x0101_0101_0101_0101;
    let nibbles = (text & 0x0f0f_0f0f_0f0f_0f0f) + 9 * letters;
    let bytes = (nibbles | nibbles >> 4) & 0x00ff_00ff_00ff_00ff;
    let halves = (bytes | bytes >> 8) & 0x0000_ffff_0000_ffff;
    (halves | halves >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for stamp in [
            Stamp {
                run: 1,
                publisher: 3,
                number: 0,
                due: 0,
            },
            Stamp {
                run: 0x00ab_cdef,
                publisher: 255,
                number: u32::MAX,
                due: 0x0123_4567_89ab_cdef,
            },
        ] {
            let mut data = Vec::new();
            stamp.write(&mut data);
            assert_eq!(data.len(), LENGTH);
            assert_eq!(Stamp::read(&data), Some(stamp));
        }
    }

    #[test]
    fn other_data_is_none() {
        assert_eq!(Stamp::read(b"hello"), None);
        assert_eq!(Stamp::read(&[b'0'; LENGTH]), None);
        assert_eq!(Stamp::read(&[b'.'; LENGTH + 1]), None);
    }
}
