/// The hash that hashing policies pick by: FNV-1a over the bytes, then the finaliser of
/// MurmurHash3, so that similar keys end up far apart. The same on every machine and in every
/// version, so that instances agree without talking to each other.
pub fn hash_key(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    mix(hash)
}

/// The finaliser of MurmurHash3 (Appleby): every bit of the input moves half of the output.
pub(crate) fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_hash_for_ever() {
        assert_eq!(hash_key(b""), mix(0xcbf2_9ce4_8422_2325));
        assert_ne!(hash_key(b"10.0.0.1"), hash_key(b"10.0.0.2"));
        let buckets = (0..1000_u32).map(|n| hash_key(&n.to_be_bytes()) % 10);
        let mut counts = [0; 10];
        buckets.for_each(|bucket| counts[bucket as usize] += 1);
        assert!(counts.iter().all(|count| (60..=140).contains(count)), "{counts:?}");
    }
}
