//! How records are compressed, in the framings that Kafka's clients write: both ways.
//!
//! | codec | written | read |
//! |---|---|---|
//! | gzip | one member | members one after the other |
//! | snappy | the framing of snappy-java (xerial), blocks of 32 KiB | that; or one raw block, as others write it |
//! | lz4 | the LZ4 frame format, independent blocks of 64 KiB | the LZ4 frame format |
//! | zstd | one frame, of the fastest level | one frame |
//!
//! # Invariants
//! - What comes out is never more than the limit that the caller sets; the first byte beyond is an error.
//! - No input makes it panic, hang, or allocate more than a constant times that limit.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read, Write};

use highwater_core::batch::{self, BatchError, Codec, HEADER_SIZE, RecordBatch};

/// As much as the records of a batch may take here: far more than any broker lets in.
pub const DECOMPRESSED_MAX: usize = 256 << 20;

/// What a block of snappy holds at most, as snappy-java writes it.
const XERIAL_BLOCK: usize = 32 << 10;

/// What snappy-java begins with; two versions of 4 bytes follow.
const XERIAL: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER: usize = 16;

const ATTRIBUTES_AT: usize = 21;
const LENGTH_AT: usize = 8;
const CODEC_MASK: u8 = 0x07;

/// Why records cannot be read.
#[derive(Debug)]
pub enum CodecError {
    /// They are not what the codec makes.
    Malformed {
        /// The codec.
        codec: Codec,
        /// What its decoder says.
        because: String,
    },
    /// They take more than the limit.
    TooLarge {
        /// The codec.
        codec: Codec,
        /// The limit, in bytes.
        limit: usize,
    },
    /// What came out is no batch.
    Batch(BatchError),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { codec, because } => {
                write!(f, "the records are not {} as expected: {because}", name(*codec))
            }
            Self::TooLarge { codec, limit } => {
                write!(f, "the records take more than {limit} bytes without {}", name(*codec))
            }
            Self::Batch(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for CodecError {}

/// Kafka's name of a codec.
pub fn name(codec: Codec) -> &'static str {
    match codec {
        Codec::None => "none",
        Codec::Gzip => "gzip",
        Codec::Snappy => "snappy",
        Codec::Lz4 => "lz4",
        Codec::Zstd => "zstd",
    }
}

/// The codec with this name.
pub fn named(name: &str) -> Option<Codec> {
    CODECS.into_iter().find(|codec| self::name(*codec) == name)
}

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

/// `bytes`, compressed.
///
/// # Errors
/// If the codec's library says so, which it has no reason to.
pub fn compress(codec: Codec, bytes: &[u8]) -> Result<Cow<'_, [u8]>, CodecError> {
    let malformed =
        |because: &dyn fmt::Display| CodecError::Malformed { codec, because: because.to_string() };
    let io = |error: io::Error| malformed(&error);
    match codec {
        Codec::None => Ok(Cow::Borrowed(bytes)),
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).map_err(io)?;
            encoder.finish().map(Cow::Owned).map_err(io)
        }
        Codec::Snappy => {
            let mut out = XERIAL.to_vec();
            // Its version, and the oldest that can read it.
            out.extend_from_slice(&1_i32.to_be_bytes());
            out.extend_from_slice(&1_i32.to_be_bytes());
            let mut encoder = snap::raw::Encoder::new();
            for block in bytes.chunks(XERIAL_BLOCK) {
                let block = encoder.compress_vec(block).map_err(|error| malformed(&error))?;
                // A block of 32 KiB becomes no more than twice that.
                out.extend_from_slice(&(block.len() as u32).to_be_bytes());
                out.extend_from_slice(&block);
            }
            Ok(Cow::Owned(out))
        }
        Codec::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(
                lz4_flex::frame::FrameInfo::new()
                    .block_size(lz4_flex::frame::BlockSize::Max64KB)
                    .block_mode(lz4_flex::frame::BlockMode::Independent),
                Vec::new(),
            );
            encoder.write_all(bytes).map_err(io)?;
            encoder.finish().map(Cow::Owned).map_err(|error| malformed(&error))
        }
        Codec::Zstd => {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            Ok(Cow::Owned(ruzstd::encoding::compress_to_vec(bytes, level)))
        }
    }
}

/// The same batch, its records compressed and its checksum right again. `batch` is a batch without compression.
///
/// # Errors
/// If the codec's library says so.
pub fn compressed(batch: Vec<u8>, codec: Codec) -> Result<Vec<u8>, CodecError> {
    if codec == Codec::None || batch.len() < HEADER_SIZE {
        return Ok(batch);
    }
    let (header, payload) = batch.split_at(HEADER_SIZE);
    let payload = compress(codec, payload)?;
    let mut out = Vec::with_capacity(HEADER_SIZE + payload.len());
    out.extend_from_slice(header);
    out.extend_from_slice(&payload);
    let length = i32::try_from(out.len() - LENGTH_AT - 4);
    let length = length.map_err(|_| CodecError::TooLarge { codec, limit: i32::MAX as usize })?;
    out[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
    out[ATTRIBUTES_AT + 1] |= codec as u8;
    batch::seal(&mut out);
    Ok(out)
}

/// What `bytes` are without their compression: at most `limit` bytes.
///
/// # Errors
/// If they are not what the codec makes, or more.
pub fn decompress(codec: Codec, bytes: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, CodecError> {
    match codec {
        Codec::None => Ok(Cow::Borrowed(bytes)),
        Codec::Gzip => read(codec, flate2::read::MultiGzDecoder::new(bytes), limit),
        Codec::Snappy => snappy(bytes, limit).map(Cow::Owned),
        Codec::Lz4 => read(codec, lz4_flex::frame::FrameDecoder::new(bytes), limit),
        Codec::Zstd => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(bytes);
            let malformed =
                |error: &dyn fmt::Display| CodecError::Malformed { codec, because: error.to_string() };
            read(codec, decoder.map_err(|error| malformed(&error))?, limit)
        }
    }
}

/// The same batch without compression and with a right checksum, so that its records can be iterated; of a batch that has no
/// compression and is sound, the bytes themselves.
///
/// `bytes` begin with a header that was checked.
///
/// # Errors
/// If the records are not what the codec makes, or more than the limit, or no records.
pub fn readable(
    bytes: &[u8],
    codec: Codec,
    is_sound: bool,
    limit: usize,
) -> Result<Cow<'_, [u8]>, CodecError> {
    if codec == Codec::None && is_sound {
        return Ok(Cow::Borrowed(bytes));
    }
    let payload = decompress(codec, bytes.get(HEADER_SIZE..).unwrap_or_default(), limit)?;
    let mut batch = Vec::with_capacity(HEADER_SIZE + payload.len());
    batch.extend_from_slice(bytes.get(..HEADER_SIZE).unwrap_or_default());
    batch.extend_from_slice(&payload);
    let length = i32::try_from(batch.len().saturating_sub(LENGTH_AT + 4));
    let length = length.map_err(|_| CodecError::TooLarge { codec, limit })?;
    if let Some(field) = batch.get_mut(LENGTH_AT..LENGTH_AT + 4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
    if let Some(attributes) = batch.get_mut(ATTRIBUTES_AT + 1) {
        *attributes &= !CODEC_MASK;
    }
    batch::seal(&mut batch);
    RecordBatch::parse(&batch).map_err(CodecError::Batch)?;
    Ok(Cow::Owned(batch))
}

fn read<'a>(codec: Codec, decoder: impl Read, limit: usize) -> Result<Cow<'a, [u8]>, CodecError> {
    let mut bytes = Vec::new();
    let read = decoder.take(limit as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error: io::Error| CodecError::Malformed { codec, because: error.to_string() })?;
    if bytes.len() > limit {
        return Err(CodecError::TooLarge { codec, limit });
    }
    Ok(Cow::Owned(bytes))
}

fn snappy(bytes: &[u8], limit: usize) -> Result<Vec<u8>, CodecError> {
    let codec = Codec::Snappy;
    let malformed =
        |because: &dyn fmt::Display| CodecError::Malformed { codec, because: because.to_string() };
    let mut out = Vec::new();
    let mut block = |bytes: &[u8]| {
        let length = snap::raw::decompress_len(bytes).map_err(|error| malformed(&error))?;
        // A byte of snappy makes 64 at most: a length beyond is a lie, for which nothing is allocated.
        if length > limit.saturating_sub(out.len()) {
            return Err(CodecError::TooLarge { codec, limit });
        }
        if length > bytes.len().saturating_mul(64) {
            return Err(malformed(&format!("{length} bytes are said to be in {}", bytes.len())));
        }
        let decoded = snap::raw::Decoder::new().decompress_vec(bytes).map_err(|error| malformed(&error))?;
        out.extend_from_slice(&decoded);
        Ok(())
    };
    if !bytes.starts_with(XERIAL) {
        block(bytes)?;
        return Ok(out);
    }
    let mut rest = bytes.get(XERIAL_HEADER..).ok_or_else(|| malformed(&"the header is cut off"))?;
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(i32::from_be_bytes(*length)).ok();
        let (chunk, behind) = length
            .and_then(|length| behind.split_at_checked(length))
            .ok_or_else(|| malformed(&"a block is cut off"))?;
        block(chunk)?;
        rest = behind;
    }
    if !rest.is_empty() {
        return Err(malformed(&"the length of a block is cut off"));
    }
    Ok(out)
}
