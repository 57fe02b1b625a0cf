//! Identities as Kafka writes them: 16 bytes in URL-safe base64 without padding, 22 characters.

use highwater_core::Uuid;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const LENGTH: usize = 22;

/// An identity as text.
pub fn format(uuid: Uuid) -> String {
    // 132 bits for 22 characters: the identity, and four zeros at the end.
    let digit = |index: usize| {
        let shift = 126 - 6 * index.min(21);
        let bits = if index == LENGTH - 1 { uuid.0 << 4 } else { uuid.0 >> (shift - 4) };
        char::from(ALPHABET[(bits & 0x3f) as usize])
    };
    (0..LENGTH).map(digit).collect()
}

/// The identity that a text is.
pub fn parse(text: &str) -> Option<Uuid> {
    let text = text.strip_suffix("==").unwrap_or(text);
    if text.len() != LENGTH {
        return None;
    }
    let mut value = 0_u128;
    for (index, byte) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|digit| *digit == byte)? as u128;
        value = if index == LENGTH - 1 { value << 2 | digit >> 4 } else { value << 6 | digit };
    }
    Some(Uuid(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_formats_as_kafka_does() {
        // The example of Kafka's own quorum-state.
        let text = "J8aAPcfLQt2bqs1JT_rMgQ";
        assert_eq!(parse(text).map(format).as_deref(), Some(text));
        assert_eq!(parse(text), Some(Uuid(0x27c6_803d_c7cb_42dd_9baa_cd49_4ffa_cc81)));
    }

    #[test]
    fn uuid_of_the_metadata_log_is_known() {
        assert_eq!(format(Uuid::METADATA), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(parse("AAAAAAAAAAAAAAAAAAAAAQ"), Some(Uuid::METADATA));
    }

    #[test]
    fn uuid_of_another_length_or_alphabet_is_none() {
        assert_eq!((parse("AAAA"), parse("AAAAAAAAAAAAAAAAAAAAA+")), (None, None));
    }
}
