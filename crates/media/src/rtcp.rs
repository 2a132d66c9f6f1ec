//! RTCP, the little of it a telephony endpoint needs: sender and receiver reports, SDES with a CNAME, BYE. Parses
//! compound packets from hostile peers and writes our own. Called by the plane; keeps no state.
//!
//! Source: RFC 3550 §6.4 (reports), §6.5 (SDES), §6.6 (BYE).

/// Report blocks read from one packet; a peer of ours has one source to report on.
const BLOCKS_MAX: usize = 31;
/// RTCP packets read from one datagram.
const COMPOUND_MAX: usize = 16;

/// Reception quality as one side reports it to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The source reported on.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the start; negative when duplicates outnumber losses (24 bits signed).
    pub cumulative_lost: i32,
    /// Highest sequence number received, extended by its wrap-arounds.
    pub highest_sequence: u32,
    /// Interarrival jitter in RTP clock units.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report received; 0 = none.
    pub last_sr: u32,
    /// Since that report, in 1/65,536 s.
    pub delay_since_last_sr: u32,
}

/// What a sender says about its own stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderInfo {
    /// NTP time, 32.32 fixed point. Any monotonic clock serves: only differences are used.
    pub ntp: u64,
    pub rtp_timestamp: u32,
    pub packets: u32,
    pub octets: u32,
}

/// One packet of a compound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rtcp {
    SenderReport {
        ssrc: u32,
        info: SenderInfo,
        blocks: Vec<ReportBlock>,
    },
    ReceiverReport {
        ssrc: u32,
        blocks: Vec<ReportBlock>,
    },
    /// The CNAME of a source; other items are skipped.
    Description {
        ssrc: u32,
        cname: String,
    },
    Bye {
        ssrcs: Vec<u32>,
    },
}

/// Reads the packets of a compound datagram, skipping kinds it does not know and stopping at the first that is
/// malformed.
pub fn parse(mut bytes: &[u8]) -> Vec<Rtcp> {
    let mut out = Vec::new();
    while out.len() < COMPOUND_MAX && bytes.len() >= 4 && bytes[0] >> 6 == 2 {
        let length = (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])) + 1) * 4;
        let Some(packet) = bytes.get(..length) else { break };
        let count = usize::from(packet[0] & 0x1f);
        out.extend(parse_one(packet[1], count, &packet[4..]));
        bytes = &bytes[length..];
    }
    out
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at * 4..at * 4 + 4)?.try_into().ok()?))
}

fn parse_one(kind: u8, count: usize, body: &[u8]) -> Option<Rtcp> {
    match kind {
        200 => {
            let info = SenderInfo {
                ntp: u64::from(word(body, 1)?) << 32 | u64::from(word(body, 2)?),
                rtp_timestamp: word(body, 3)?,
                packets: word(body, 4)?,
                octets: word(body, 5)?,
            };
            Some(Rtcp::SenderReport { ssrc: word(body, 0)?, info, blocks: parse_blocks(&body[24..], count) })
        }
        201 => Some(Rtcp::ReceiverReport { ssrc: word(body, 0)?, blocks: parse_blocks(&body[4..], count) }),
        202 => {
            let ssrc = word(body, 0)?;
            let (&kind, &length) = (body.get(4)?, body.get(5)?);
            let text = body.get(6..6 + usize::from(length))?;
            (kind == 1).then(|| Rtcp::Description { ssrc, cname: String::from_utf8_lossy(text).into_owned() })
        }
        203 => Some(Rtcp::Bye { ssrcs: (0..count).map_while(|at| word(body, at)).collect() }),
        _ => None,
    }
}

fn parse_blocks(bytes: &[u8], count: usize) -> Vec<ReportBlock> {
    bytes
        .as_chunks::<24>()
        .0
        .iter()
        .take(count.min(BLOCKS_MAX))
        .filter_map(|block| {
            let loss = word(block, 1)?;
            Some(ReportBlock {
                ssrc: word(block, 0)?,
                fraction_lost: (loss >> 24) as u8,
                // Sign-extends the 24-bit field.
                cumulative_lost: (loss << 8) as i32 >> 8,
                highest_sequence: word(block, 2)?,
                jitter: word(block, 3)?,
                last_sr: word(block, 4)?,
                delay_since_last_sr: word(block, 5)?,
            })
        })
        .collect()
}

/// Appends one packet to `out`. Blocks beyond 31 and a CNAME beyond 255 octets are cut.
pub fn write(packet: &Rtcp, out: &mut Vec<u8>) {
    let start = out.len();
    let (count, kind) = match packet {
        Rtcp::SenderReport { blocks, .. } => (blocks.len().min(BLOCKS_MAX), 200),
        Rtcp::ReceiverReport { blocks, .. } => (blocks.len().min(BLOCKS_MAX), 201),
        Rtcp::Description { .. } => (1, 202),
        Rtcp::Bye { ssrcs } => (ssrcs.len().min(BLOCKS_MAX), 203),
    };
    out.extend_from_slice(&[0x80 | count as u8, kind, 0, 0]);
    match packet {
        Rtcp::SenderReport { ssrc, info, blocks } => {
            out.extend_from_slice(&ssrc.to_be_bytes());
            out.extend_from_slice(&info.ntp.to_be_bytes());
            for word in [info.rtp_timestamp, info.packets, info.octets] {
                out.extend_from_slice(&word.to_be_bytes());
            }
            write_blocks(blocks, out);
        }
        Rtcp::ReceiverReport { ssrc, blocks } => {
            out.extend_from_slice(&ssrc.to_be_bytes());
            write_blocks(blocks, out);
        }
        Rtcp::Description { ssrc, cname } => {
            let text = &cname.as_bytes()[..cname.len().min(255)];
            out.extend_from_slice(&ssrc.to_be_bytes());
            out.extend_from_slice(&[1, text.len() as u8]);
            out.extend_from_slice(text);
            // The item list ends with at least one zero octet, padded to a word.
            let padding = 4 - (out.len() - start) % 4;
            out.resize(out.len() + padding, 0);
        }
        Rtcp::Bye { ssrcs } => {
            ssrcs.iter().take(BLOCKS_MAX).for_each(|ssrc| out.extend_from_slice(&ssrc.to_be_bytes()));
        }
    }
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

fn write_blocks(blocks: &[ReportBlock], out: &mut Vec<u8>) {
    for block in blocks.iter().take(BLOCKS_MAX) {
        let lost = block.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        let loss = u32::from(block.fraction_lost) << 24 | lost;
        for word in [block.ssrc, loss, block.highest_sequence, block.jitter, block.last_sr, block.delay_since_last_sr] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_compound_survives_a_round_trip() {
        let block = ReportBlock {
            ssrc: 5,
            fraction_lost: 12,
            cumulative_lost: -3,
            highest_sequence: 70_000,
            jitter: 80,
            last_sr: 9,
            delay_since_last_sr: 65_536,
        };
        let info = SenderInfo { ntp: 1 << 40 | 7, rtp_timestamp: 160, packets: 1, octets: 160 };
        let packets = [
            Rtcp::SenderReport { ssrc: 1, info, blocks: vec![block] },
            Rtcp::ReceiverReport { ssrc: 1, blocks: vec![] },
            Rtcp::Description { ssrc: 1, cname: "a@b".into() },
            Rtcp::Description { ssrc: 1, cname: "abcdef".into() },
            Rtcp::Bye { ssrcs: vec![1, 2] },
        ];
        let mut bytes = Vec::new();
        packets.iter().for_each(|packet| write(packet, &mut bytes));
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(parse(&bytes), packets);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), kind in 199u8..206) {
            parse(&bytes);
            if bytes.len() > 3 {
                bytes[0] = 0x80 | bytes[0] & 0x1f;
                bytes[1] = kind;
                bytes[2] = 0;
                bytes[3] %= 30;
                parse(&bytes);
            }
        }
    }
}
