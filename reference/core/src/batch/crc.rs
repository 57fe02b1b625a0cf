//! CRC-32C (Castagnoli), the checksum of batches.

#[cfg(not(feature = "hardware-crc"))]
const CASTAGNOLI: crc::Crc<u32, crc::Table<16>> = crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISCSI);

/// The CRC-32C of `bytes`: by tables, or with the feature `hardware-crc` by the processor's own instructions where it has them.
pub fn crc32c(bytes: &[u8]) -> u32 {
    #[cfg(feature = "hardware-crc")]
    {
        ::crc32c::crc32c(bytes)
    }
    #[cfg(not(feature = "hardware-crc"))]
    {
        static TABLES: crc::Crc<u32, crc::Table<16>> = CASTAGNOLI;
        TABLES.checksum(bytes)
    }
}
