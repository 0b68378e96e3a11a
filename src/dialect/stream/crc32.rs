/// The CRC-32 of zlib, over bytes that may come in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crc32(u32);

impl Default for Crc32 {
    fn default() -> Self {
        Self(!0)
    }
}

impl Crc32 {
    pub(super) fn of(bytes: &[u8]) -> u32 {
        let mut crc = Self::default();
        crc.add(bytes);
        crc.value()
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        // Eight at a time: each byte has a table that has shifted it past those behind it.
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let mixed = u64::from_le_bytes(*word) ^ u64::from(self.0);
            let shifted = mixed.to_le_bytes().into_iter().rev().zip(&TABLES);
            self.0 = shifted.fold(0, |crc, (byte, table)| crc ^ look_up(table, byte));
        }
        for byte in rest {
            let [low, ..] = self.0.to_le_bytes();
            self.0 = look_up(&TABLES[0], low ^ byte) ^ (self.0 >> 8);
        }
    }

    pub(super) fn value(self) -> u32 {
        !self.0
    }
}

fn look_up(table: &[u32; 256], byte: u8) -> u32 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}

/// What a byte does to the checksum, and what it does with one to seven zero bytes behind it.
static TABLES: [[u32; 256]; 8] = tables();

#[allow(clippy::indexing_slicing, reason = "computed when compiled")]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ POLYNOMIAL
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// The polynomial of Ethernet and zlib, its bits reversed.
const POLYNOMIAL: u32 = 0xedb8_8320;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_comes_out() {
        assert_eq!(Crc32::of(b"123456789"), 0xcbf4_3926);
        assert_eq!(Crc32::of(b""), 0);
        assert_eq!(
            Crc32::of(b"The quick brown fox jumps over the lazy dog"),
            0x414f_a339
        );
    }

    #[test]
    fn parts_add_up() {
        let bytes: Vec<u8> = (0..100).collect();
        for at in 0..bytes.len() {
            let (head, tail) = bytes.split_at(at);
            let mut crc = Crc32::default();
            crc.add(head);
            crc.add(tail);
            assert_eq!(crc.value(), Crc32::of(&bytes), "{at}");
        }
    }
}
