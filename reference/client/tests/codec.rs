//! Compression both ways, in the framings of Kafka's clients.

use highwater_client::codec::{CodecError, compress, compressed, decompress, readable};
use highwater_core::batch::{BatchBuilder, Codec, RecordBatch};
use proptest::prelude::*;

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_bytes_come_back_from_every_codec(bytes in proptest::collection::vec(0..4_u8, 0..200_000)) {
        for codec in CODECS {
            let small = compress(codec, &bytes).expect("compresses");
            let back = decompress(codec, &small, bytes.len()).expect("decompresses");
            prop_assert!(back == bytes, "{codec:?}");
        }
    }

    #[test]
    fn any_bytes_that_are_not_compressed_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for codec in CODECS {
            let _ = decompress(codec, &bytes, 1 << 16);
        }
    }
}

#[test]
fn snappy_begins_as_snappy_java_does() {
    let bytes = compress(Codec::Snappy, &[7; 40_000]).expect("compresses");
    assert_eq!(bytes[..16], *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
    let first = u32::from_be_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]) as usize;
    let second = &bytes[20 + first..];
    assert_eq!(u32::from_be_bytes([second[0], second[1], second[2], second[3]]) as usize, second.len() - 4);
}

#[test]
fn lz4_and_zstd_begin_with_their_magic() {
    assert_eq!(compress(Codec::Lz4, b"a").expect("compresses")[..4], 0x184d_2204_u32.to_le_bytes());
    assert_eq!(compress(Codec::Zstd, b"a").expect("compresses")[..4], 0xfd2f_b528_u32.to_le_bytes());
}

#[test]
fn one_byte_more_than_the_limit_is_refused() {
    for codec in &CODECS[1..] {
        let bytes = compress(*codec, &[0; 1000]).expect("compresses");
        assert!(matches!(decompress(*codec, &bytes, 999), Err(CodecError::TooLarge { .. })), "{codec:?}");
    }
}

#[test]
fn compressed_batch_is_sound_and_reads_as_before() {
    let mut builder = BatchBuilder::default();
    for number in 0..100 {
        builder.record(number, Some(b"key"), Some(b"the same value"));
    }
    let plain = builder.build();
    for codec in CODECS {
        let batch = compressed(plain.clone(), codec).expect("compresses");
        let parsed = RecordBatch::parse(&batch).expect("a sound batch");
        assert_eq!((parsed.header().codec(), parsed.header().count), (codec, 100));
        let back = readable(&batch, codec, true, 1 << 20).expect("readable");
        assert_eq!(back, plain, "{codec:?}");
    }
}
