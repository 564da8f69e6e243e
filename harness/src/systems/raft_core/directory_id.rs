//! The server's own identity: sixty-four bits that are drawn when its disk is first used. They survive restarts and the
//! rewriting of the log, and nothing else: a server whose disk was emptied has another identity, so that nobody takes it
//! for the one that had made promises.
//!
//! They stand in a file of their own, behind a CRC32C. It is written at the first boot, so that the sync which any boot
//! begins with covers it: nothing is promised, and nothing stands in the log, before it is durable. A torn one was
//! never known to anybody, and another is drawn; a bad one beside a log with records is damage.

use super::wal::{CHECKSUM_SEED, DamagedFile};
use crate::world::{Disk, FileName};

/// The file that it is in.
pub const FILE: FileName = "id";

/// The identity that the disk keeps, or the one that was drawn for it, to be durable with the next sync. `promised`: whether the log holds
/// anything.
pub fn open(disk: &mut Disk, drawn: u64, promised: bool) -> Result<u64, DamagedFile> {
    if let Some((checksum, identity)) = disk.read(FILE).split_first_chunk::<4>()
        && let Some(identity) = identity.first_chunk::<8>()
        && u32::from_le_bytes(*checksum) == crc32c::crc32c_append(CHECKSUM_SEED, identity)
    {
        return Ok(u64::from_le_bytes(*identity));
    }
    if promised {
        let reason = "it was durable before the log had its first record".to_owned();
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
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;
    use rand::RngCore;

    #[test]
    fn an_identity_stays_once_it_is_durable_and_no_longer_than_its_disk() {
        for seed in 0..200 {
            let (mut disk, mut chance) = (Disk::new(), stream(seed, "identity", [0; 2]));
            let first = open(&mut disk, chance.next_u64(), false).unwrap();
            assert_eq!(open(&mut disk, chance.next_u64(), false), Ok(first), "the page cache has it");
            // However often the power fails before anything was promised, one is found or drawn.
            for _ in 0..3 {
                disk.lose_power(&mut chance);
                open(&mut disk, chance.next_u64(), false).unwrap();
            }
            let drawn = open(&mut disk, chance.next_u64(), false).unwrap();
            let sync = disk.begin_sync();
            disk.end_sync(sync, |_| {});
            disk.lose_power(&mut chance);
            assert_eq!(open(&mut disk, chance.next_u64(), true), Ok(drawn));
            disk.wipe();
            assert_ne!(open(&mut disk, chance.next_u64(), false), Ok(drawn));
        }
    }

    #[test]
    fn a_flipped_bit_beside_a_log_is_damage() {
        let (mut good, mut chance) = (Disk::new(), stream(0, "identity", [0; 2]));
        open(&mut good, chance.next_u64(), false).unwrap();
        for bit in 0..96 {
            let mut bytes = good.read(FILE).to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut disk = Disk::new();
            disk.append(FILE, |file| file.extend_from_slice(&bytes));
            let damaged = open(&mut disk, chance.next_u64(), true).unwrap_err();
            assert!(damaged.to_string().starts_with("the identity is damaged"), "{damaged}");
        }
    }
}
