//! Decompression: what clients wrote comes out, and nothing else makes it more than say so.

use highwater_codec::{CodecError, decompress, readable};
use highwater_core::batch::{Codec, RecordBatch};
use proptest::prelude::*;

use crate::files::{batch, compress, compressed, xerial};

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

#[test]
fn batches_of_every_codec_have_their_records() {
    let plain = batch(5, 40);
    let expected: Vec<_> = RecordBatch::parse(&plain).expect("a batch").records().expect("plain").collect();
    for codec in CODECS {
        let bytes = compressed(&plain, codec);
        let readable = readable(&bytes, codec, true, 1 << 20).expect("readable");
        let records: Vec<_> =
            RecordBatch::parse(&readable).expect("a batch").records().expect("plain").collect();
        assert_eq!(records, expected, "{codec:?}");
    }
}

#[test]
fn snappy_of_java_is_read_block_by_block() {
    let text = b"abcdefgh".repeat(1000);
    let framed = xerial(&text, 700);
    assert_eq!(decompress(Codec::Snappy, &framed, 8000).expect("snappy"), text);
    // Cut anywhere but between blocks it is an error.
    let cut = &framed[..framed.len() - 1];
    assert!(matches!(decompress(Codec::Snappy, cut, 8000), Err(CodecError::Malformed { .. })));
    assert!(matches!(decompress(Codec::Snappy, &framed[..10], 8000), Err(CodecError::Malformed { .. })));
}

#[test]
fn output_beyond_the_limit_is_refused() {
    let zeros = vec![0; 1 << 20];
    for codec in CODECS.into_iter().filter(|codec| *codec != Codec::None) {
        let bytes = compress(&zeros, codec);
        assert_eq!(decompress(codec, &bytes, 1 << 20).expect("fits").len(), 1 << 20, "{codec:?}");
        let refused = decompress(codec, &bytes, (1 << 20) - 1);
        assert!(matches!(refused, Err(CodecError::TooLarge { .. })), "{codec:?}: {refused:?}");
    }
    let framed = xerial(&zeros, 1 << 16);
    assert!(matches!(decompress(Codec::Snappy, &framed, 1 << 17), Err(CodecError::TooLarge { .. })));
}

#[test]
fn lengths_that_lie_allocate_nothing() {
    // A raw block that says it is 2^28 - 1 bytes, of which none are there.
    let lie = [0xff, 0xff, 0xff, 0x7f];
    let refused = decompress(Codec::Snappy, &lie, 256 << 20).expect_err("a lie");
    assert!(refused.to_string().contains("268435455 bytes are said to be in 4"), "{refused}");
}

fn codec() -> impl Strategy<Value = Codec> {
    prop::sample::select(&CODECS[1..])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_an_error_or_bounded(codec in codec(), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(out) = decompress(codec, &bytes, 4096) {
            prop_assert!(out.len() <= 4096);
        }
    }

    #[test]
    fn what_was_compressed_and_damaged_is_an_error_or_bounded(
        codec in codec(),
        text in prop::collection::vec(0_u8..4, 0..3000),
        framed in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        keep in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = if framed && codec == Codec::Snappy { xerial(&text, 500) } else { compress(&text, codec) };
        if damage.is_empty() && !is_cut {
            let out = decompress(codec, &bytes, 3000).expect("undamaged");
            prop_assert_eq!(&out[..], &text[..]);
        }
        for (at, byte) in damage {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        if is_cut {
            bytes.truncate(keep.index(bytes.len() + 1));
        }
        if let Ok(out) = decompress(codec, &bytes, 4096) {
            prop_assert!(out.len() <= 4096);
        }
    }

    #[test]
    fn damaged_batches_are_an_error_or_readable(
        codec in codec(),
        damage in prop::collection::vec((61_usize..200, any::<u8>()), 0..4),
    ) {
        let mut bytes = compressed(&batch(0, 12), codec);
        for (at, byte) in damage {
            if let Some(old) = bytes.get_mut(at) {
                *old = byte;
            }
        }
        if let Ok(readable) = readable(&bytes, codec, false, 1 << 16) {
            let batch = RecordBatch::parse(&readable).expect("it was sealed");
            prop_assert!(batch.records().expect("it is not compressed").count() <= 13);
        }
    }
}
