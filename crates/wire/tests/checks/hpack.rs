//! HPACK: noise does no harm, and what one side writes the other reads.

use evenkeel_wire::http2::hpack::{Decoder, Encoder, Fault};

/// Names and values, as owned.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads one block.
pub fn read(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, Fault> {
    let mut fields = Vec::new();
    decoder.decode(block, |field| fields.push((field.name.to_vec(), field.value.to_vec())))?;
    Ok(fields)
}

/// Noise is read, the same each time, or is a fault; what it says is written and read back.
pub fn noise(data: &[u8]) {
    for most in [0, 100, 4096] {
        let mut decoders = [Decoder::new(most), Decoder::new(most)];
        let (mut encoder, mut peer) = (Encoder::new(), Decoder::new(4096));
        for block in data.chunks(64) {
            let [first, second] = decoders.each_mut().map(|decoder| read(decoder, block));
            assert_eq!(first, second);
            let Ok(fields) = first else { break };
            for turn in 0..3 {
                encoder.limit(4096 >> (turn * 4));
                written_is_read(&mut encoder, &mut peer, &fields);
            }
        }
    }
}

/// Lines of `name:value` are fields, an empty line ends a block, and a byte below a space changes
/// the size of the table.
pub fn fields(data: &[u8]) {
    let (mut encoder, mut peer) = (Encoder::new(), Decoder::new(4096));
    let mut fields = Vec::new();
    for line in data.split(|&byte| byte == b'\n') {
        match line {
            [] => {
                written_is_read(&mut encoder, &mut peer, &fields);
                fields.clear();
            }
            [step @ 0..b' ', ..] => encoder.limit(usize::from(*step) * 160),
            line => {
                let end = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
                let (name, value) = line.split_at(end);
                fields.push((name.to_vec(), value.to_vec()));
            }
        }
    }
    written_is_read(&mut encoder, &mut peer, &fields);
}

/// Whether a block with the fields says just that to the other side.
pub fn written_is_read(encoder: &mut Encoder, peer: &mut Decoder, fields: &[(Vec<u8>, Vec<u8>)]) {
    let mut block = Vec::new();
    encoder.begin(&mut block);
    encoder.status(204, &mut block);
    encoder.status(599, &mut block);
    for (name, value) in fields {
        encoder.field(name, value, &mut block);
    }
    let mut want = vec![(":status".into(), "204".into()), (":status".into(), "599".into())];
    want.extend(fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())));
    assert_eq!(read(peer, &block), Ok(want));
}
