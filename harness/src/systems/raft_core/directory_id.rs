//! The server's directory id (KIP-853): 64 bits drawn when its disk is first used. It survives restarts and
//! rewrites of the log. A wiped disk gets another one, so that the server is not taken for the one whose
//! promises were lost.
//!
//! It stands in a file of its own, after a CRC32C. It is written at the first boot, so the sync at the
//! beginning of each boot covers it, with its name: nothing is promised or logged before it is durable. A torn id was never
//! used, and another is drawn; an invalid one beside a log with records is damage.

use crate::parts::wal::{CHECKSUM_SEED, DamagedFile};
use crate::world::{Disk, FileName};

/// The file of the id.
pub const FILE: FileName = "id";

/// Returns the id on the disk, or writes `drawn`, which is durable with the next sync. `has_log`: whether the
/// log has records, in which case an invalid file is damage.
pub fn open(disk: &mut Disk, drawn: u64, has_log: bool) -> Result<u64, DamagedFile> {
    if let Some((checksum, directory_id)) = disk.read(FILE).split_first_chunk::<4>()
        && let Some(directory_id) = directory_id.first_chunk::<8>()
        && u32::from_le_bytes(*checksum) == crc32c::crc32c_append(CHECKSUM_SEED, directory_id)
    {
        let directory_id = u64::from_le_bytes(*directory_id);
        // A failed sync may have dropped what this read.
        disk.write_again(FILE, 0);
        return Ok(directory_id);
    }
    if has_log {
        let reason = "it was durable before the first record of the log".to_owned();
        return Err(DamagedFile { what: "the identity", offset: 0, reason });
    }
    let bytes = drawn.to_le_bytes();
    if disk.contains(FILE) {
        disk.truncate(FILE, 0);
    }
    disk.append(FILE, |file| {
        file.extend_from_slice(&crc32c::crc32c_append(CHECKSUM_SEED, &bytes).to_le_bytes());
        file.extend_from_slice(&bytes);
    });
    disk.sync_directory();
    Ok(drawn)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]
mod tests {
    use super::*;
    use crate::support::rng::stream;
    use rand::RngCore;

    #[test]
    fn directory_id_lasts_as_long_as_its_disk() {
        for seed in 0..200 {
            let (mut disk, mut rng) = (Disk::new(), stream(seed, "identity", [0; 2]));
            let first = open(&mut disk, rng.next_u64(), false).unwrap();
            assert_eq!(open(&mut disk, rng.next_u64(), false), Ok(first), "the page cache holds the id");
            // While nothing was promised, any loss of power leaves an id or lets one be drawn.
            for _ in 0..3 {
                disk.lose_power(&mut rng);
                open(&mut disk, rng.next_u64(), false).unwrap();
            }
            let drawn = open(&mut disk, rng.next_u64(), false).unwrap();
            let sync = disk.begin_sync();
            disk.end_sync(sync, |_| {});
            disk.lose_power(&mut rng);
            assert_eq!(open(&mut disk, rng.next_u64(), true), Ok(drawn));
            disk.wipe();
            assert_ne!(open(&mut disk, rng.next_u64(), false), Ok(drawn));
        }
    }

    #[test]
    fn flipped_bit_beside_a_log_is_damage() {
        let (mut good, mut rng) = (Disk::new(), stream(0, "identity", [0; 2]));
        open(&mut good, rng.next_u64(), false).unwrap();
        for bit in 0..96 {
            let mut bytes = good.read(FILE).to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut disk = Disk::new();
            disk.append(FILE, |file| file.extend_from_slice(&bytes));
            let damaged = open(&mut disk, rng.next_u64(), true).unwrap_err();
            assert!(damaged.to_string().starts_with("the identity is damaged"), "{damaged}");
        }
    }
}
