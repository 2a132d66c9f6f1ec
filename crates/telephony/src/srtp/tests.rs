//! Against the vectors of the RFCs and of libsrtp, and between two ends of each profile.
use super::*;

const PROFILES: [Profile; 4] = [Profile::AesCm128, Profile::AesCm128Short, Profile::Gcm128, Profile::Gcm256];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The material of a handshake: all keys and salts differ.
fn material(profile: Profile) -> Vec<u8> {
    (0..2 * (profile.key_len() + profile.salt_len())).map(|n| n as u8 ^ 0x5a).collect()
}

fn ends(profile: Profile) -> (Srtp, Srtp) {
    let material = material(profile);
    (Srtp::new(profile, &material, true).unwrap(), Srtp::new(profile, &material, false).unwrap())
}

fn packet(ssrc: u32, sequence: u16) -> Vec<u8> {
    let header = rtp::Header { sequence, ssrc, payload_type: 8, ..rtp::Header::default() };
    rtp::Packet::new(header, &sequence.to_be_bytes().repeat(80)).to_vec()
}

fn sealed(from: &Srtp, ssrc: u32, index: u64) -> Vec<u8> {
    let mut bytes = packet(ssrc, index as u16);
    assert!(from.seal(ssrc, index, &mut bytes));
    bytes
}

/// RFC 3711 appendix B.3.
#[test]
fn session_keys_are_those_of_the_rfc() {
    let (key, salt) = (hex("E1F97A0D3E018BE0D64FA32C06DE4139"), hex("0EC675AD498AFEEBB6960B3AABE6"));
    for (label, wanted) in [
        (LABEL_CIPHER, "C61E7A93744F39EE10734AFE3FF7A087"),
        (LABEL_AUTH, "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"),
        (LABEL_SALT, "30CBBC08863D8C85D49DB34A9AE1"),
    ] {
        let mut out = vec![0xff; wanted.len() / 2];
        derive(Profile::AesCm128, &key, &salt, label, &mut out).unwrap();
        assert_eq!(out, hex(wanted));
    }
}

/// RFC 7714 §16.1.1, §16.2.1, §17.1, §17.2: session keys as given there.
#[test]
fn gcm_packets_are_those_of_the_rfc() {
    let salt = hex("51756964 2070726f 2071756f").try_into().unwrap();
    let rtp = "8040f17b 8041f8d3 5501a0b2";
    let plain = format!("{rtp} 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573");
    let rtcp = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef \
                deadbeef deadbeef";
    for (profile, key, rtp_sealed, rtcp_sealed) in [
        (
            Profile::Gcm128,
            "000102030405060708090a0b0c0d0e0f",
            "f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf \
             765ee439 0cce",
            "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded \
             0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
        ),
        (
            Profile::Gcm256,
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            "32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb \
             7878d7a7 6c13",
            "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658 c61de047 \
             6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4",
        ),
    ] {
        let cipher = Cipher::gcm(profile, &hex(key), salt).unwrap();
        let mut bytes = hex(&plain);
        cipher.seal_rtp(0x5501_a0b2, 0xf17b, 12, &mut bytes).unwrap();
        assert_eq!(bytes, [hex(rtp), hex(rtp_sealed)].concat());
        let mut out = Vec::new();
        cipher.open_rtp(0x5501_a0b2, 0xf17b, 12, &bytes, &mut out).unwrap();
        assert_eq!(out, hex(&plain));
        let mut bytes = hex(rtcp);
        cipher.seal_rtcp(0x4d61_7273, 0x5d4, &mut bytes).unwrap();
        assert_eq!(bytes, hex(rtcp_sealed));
    }
}

/// libsrtp's reference packets (its validation of AES-CM with HMAC-SHA1-80), from the master keys on.
#[test]
fn counter_mode_packets_are_those_of_libsrtp() {
    let keys = hex("E1F97A0D3E018BE0D64FA32C06DE4139").repeat(2);
    let salts = hex("0EC675AD498AFEEBB6960B3AABE6").repeat(2);
    let mut srtp = Srtp::new(Profile::AesCm128, &[keys, salts].concat(), true).unwrap();
    let mut bytes = hex("800f1234 decafbad cafebabe abababab abababab abababab abababab");
    assert!(srtp.seal(0xcafe_babe, 0x1234, &mut bytes));
    let wanted = "800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc 99ea179b 8dbb";
    assert_eq!(bytes, hex(wanted));
    let mut bytes = hex("81c8000b cafebabe abababab abababab abababab abababab");
    srtp.out.rtcp_index = 1;
    assert!(srtp.seal_rtcp(0xcafe_babe, &mut bytes));
    assert_eq!(bytes, hex("81c8000b cafebabe 7128035b e487b9bd bef89041 f977a5a8 80000001 993e08cd 54d6c123 0798"));
}

#[test]
fn the_two_ends_of_each_profile_understand_each_other_and_nobody_else() {
    for profile in PROFILES {
        let (client, mut server) = ends(profile);
        let mut out = Vec::new();
        for index in [7, 8, 9] {
            assert_eq!(server.open(&sealed(&client, 77, index), &mut out), Some(true), "{profile:?}");
            assert_eq!(out, packet(77, index as u16));
        }
        // Not one bit of it may change, nor may it come back to its sender.
        let bytes = sealed(&client, 77, 10);
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            assert_eq!(server.open(&forged, &mut out), None, "{profile:?}, octet {at}");
        }
        for cut in 0..bytes.len() {
            assert_eq!(server.open(&bytes[..cut], &mut out), None, "{profile:?}, cut at {cut}");
        }
        let (mut client, _) = ends(profile);
        assert_eq!(client.open(&bytes, &mut out), None);
        // What was refused has changed nothing.
        assert_eq!(server.open(&bytes, &mut out), Some(true));
    }
}

#[test]
fn headers_with_sources_and_extension_stay_readable_and_are_checked() {
    for profile in PROFILES {
        let (client, mut server) = ends(profile);
        let mut bytes = hex("91080001 00000000 00000007 00000009 bede0001 10310000 0102030405060708");
        client.out.rtp.seal_rtp(7, 1, 24, &mut bytes).unwrap();
        let mut out = Vec::new();
        assert_eq!(server.open(&bytes, &mut out), Some(true));
        assert_eq!(rtp::Packet::parse(&out).unwrap().payload, [1, 2, 3, 4, 5, 6, 7, 8]);
        bytes[21] ^= 1;
        server.inn.streams = Streams::default();
        assert_eq!(server.open(&bytes, &mut out), None);
    }
}

#[test]
fn a_packet_counts_once_whatever_its_order_across_the_roll_over() {
    let (client, mut server) = ends(Profile::Gcm256);
    let mut out = Vec::new();
    let mut open = |index: u64| server.open(&sealed(&client, 5, index), &mut out);
    for index in [65_530, 65_534, 65_537, 65_535, 65_536, 65_531] {
        assert!(open(index).is_some(), "{index}");
        assert_eq!(open(index), None, "{index} twice");
    }
    assert_eq!(open(65_532), Some(false));
    assert_eq!(open(65_537 + 127), Some(true));
    assert_eq!(open(65_538), Some(false), "late, yet within the window");
    assert_eq!(open(65_533), None, "older than the window");
    // Far ahead by losses; half a cycle is the limit of what can be told.
    assert_eq!(open(65_664 + 30_000), Some(true));
    assert_eq!(open(65_664 + 30_000), None);
}

#[test]
fn sources_are_kept_apart_and_their_number_is_bounded() {
    let (client, mut server) = ends(Profile::Gcm128);
    let mut out = Vec::new();
    for ssrc in 0..STREAMS_MAX as u32 + 3 {
        let wanted = (ssrc < STREAMS_MAX as u32).then_some(true);
        assert_eq!(server.open(&sealed(&client, ssrc, 1), &mut out), wanted);
    }
    assert_eq!(server.open(&sealed(&client, 0, 1), &mut out), None);
    assert_eq!(server.open(&sealed(&client, 0, 2), &mut out), Some(true));
}

#[test]
fn reports_have_numbers_of_their_own() {
    for profile in PROFILES {
        let (mut client, _) = ends(profile);
        let report = hex("80c90001 00000007");
        let (mut first, mut second) = ([report.clone(), vec![0; 8]].concat(), [report, vec![0; 8]].concat());
        assert!(client.seal_rtcp(7, &mut first) && client.seal_rtcp(7, &mut second));
        assert_eq!(first[..8], second[..8]);
        assert_ne!(first[8..16], second[8..16], "{profile:?}");
        assert!(client.out.rtcp_index > RTCP_FIRST);
    }
}

#[test]
fn a_report_is_opened_once_and_never_a_forged_one() {
    for profile in PROFILES {
        let (mut client, mut server) = ends(profile);
        let plain = [hex("80c90001 00000007"), vec![3; 24]].concat();
        let sealed = |client: &mut Srtp| {
            let mut bytes = plain.clone();
            assert!(client.seal_rtcp(7, &mut bytes));
            bytes
        };
        let (first, second) = (sealed(&mut client), sealed(&mut client));
        let mut out = Vec::new();
        for at in [3, 7, 9, first.len() - 12, first.len() - 1] {
            let mut forged = first.clone();
            forged[at] ^= 1;
            assert!(!server.open_rtcp(&forged, &mut out), "{profile:?} {at}");
        }
        assert!(server.open_rtcp(&second, &mut out) && out == plain, "{profile:?}");
        assert!(!server.open_rtcp(&second, &mut out), "{profile:?} again");
        assert!(server.open_rtcp(&first, &mut out) && !server.open_rtcp(&first, &mut out), "{profile:?} overtaken");
        for length in 0..first.len() {
            assert!(!server.open_rtcp(&first[..length], &mut out), "{profile:?} cut to {length}");
        }
    }
}

#[test]
fn short_material_makes_no_session() {
    for profile in PROFILES {
        let material = material(profile);
        assert!(Srtp::new(profile, &material[1..], true).is_none());
    }
}

fn by_sdes() -> impl Iterator<Item = (Srtp, Srtp, Keys)> {
    Suite::ALL.into_iter().map(|suite| {
        let key = |n| sip::sdp::Key::all(&[n; 32], 1).into_iter().find(|k| k.suite() == suite).unwrap();
        let keys = Keys { ours: key(1), theirs: key(2) };
        let (a, b) = (keys, Keys { ours: keys.theirs, theirs: keys.ours });
        (Srtp::by_sdes(a).unwrap(), Srtp::by_sdes(b).unwrap(), keys)
    })
}

#[test]
fn packets_and_reports_of_two_phones_pass_each_suite_and_forged_ones_do_not() {
    for (mut a, mut b, keys) in by_sdes() {
        let suite = keys.ours.suite();
        let mut out = Vec::new();
        // Across the roll-over, with one lost and two that change places.
        for sequence in [65_533, 65_535, 65_534, 0, 2, 1] {
            let mut bytes = packet(9, sequence);
            assert!(a.seal_next(&mut bytes), "{suite:?} {sequence}");
            assert!(b.open(&bytes, &mut out).is_some(), "{suite:?} {sequence}");
            assert_eq!(out, packet(9, sequence));
            assert_eq!(b.open(&bytes, &mut out), None, "twice");
            assert!(!a.seal_next(&mut packet(9, sequence)), "no index serves twice");
        }
        let plain = hex("81c8000c 00000009 abababab abababab abababab abababab 01020304");
        for _ in 0..2 {
            let mut report = plain.clone();
            assert!(a.seal_rtcp(9, &mut report));
            for at in 0..report.len() {
                let mut forged = report.clone();
                forged[at] ^= 1;
                assert!(!b.open_rtcp(&forged, &mut out), "{suite:?}, octet {at}");
                assert!(!b.open_rtcp(&report[..at], &mut out), "{suite:?}, cut at {at}");
            }
            assert!(b.open_rtcp(&report, &mut out), "{suite:?}");
            assert_eq!(out, plain);
            assert!(!b.open_rtcp(&report, &mut out), "twice");
        }
    }
}

#[test]
fn a_direction_whose_key_stays_goes_on_counting() {
    for (mut a, b, keys) in by_sdes() {
        let mut out = Vec::new();
        let (mut first, mut old) = (packet(9, 7), packet(9, 7));
        assert!(a.seal_next(&mut first));
        let mut b = b.rekey(Keys { ours: keys.theirs, theirs: keys.ours }).unwrap();
        assert!(b.open(&first, &mut out).is_some());
        // The same key again, and the other side's is new.
        let other = sip::sdp::Key::all(&[3; 32], 1).into_iter().find(|k| k.suite() == keys.ours.suite()).unwrap();
        let mut a = a.rekey(Keys { ours: keys.ours, theirs: other }).unwrap();
        assert!(!a.seal_next(&mut old));
        let mut b = b.rekey(Keys { ours: other, theirs: keys.ours }).unwrap();
        assert_eq!(b.open(&first, &mut out), None, "what was heard before is not heard again");
        let mut back = packet(11, 7);
        assert!(b.seal_next(&mut back) && a.open(&back, &mut out).is_some());
    }
}

#[test]
fn the_next_process_goes_on_with_the_same_keys_and_uses_no_index_twice() {
    for (mut us, mut phone, keys) in by_sdes() {
        // Beyond two roll-overs, in both directions.
        let (mut out, mut ours) = (Vec::new(), 65_000u64);
        let mut theirs = 64_000u64;
        let mut told = None;
        let mut former = Vec::new();
        for n in 0..140_000u64 {
            if n == 139_500 {
                told = Some(us.numbers());
            }
            (ours, theirs) = (ours + 1, theirs + 1);
            let mut bytes = packet(7, ours as u16);
            assert!(us.seal_next(&mut bytes));
            if n > 139_500 {
                former.push((ours as u16, bytes.clone()));
            }
            assert!(n % 50 > 0 && n < 139_000 || phone.open(&bytes, &mut out).is_some(), "{n}");
            let mut bytes = packet(9, theirs as u16);
            assert!(phone.seal_next(&mut bytes));
            assert!(n % 50 > 0 && n < 139_000 || us.open(&bytes, &mut out).is_some());
        }
        let mut next = Srtp::by_sdes(keys).unwrap();
        next.resume(told.unwrap());
        // As the plane begins: 2,000 beyond what was told.
        let first = (ours - 499 + 2_000) as u16;
        let mut bytes = packet(7, first);
        assert!(next.seal_next(&mut bytes) && phone.open(&bytes, &mut out).is_some(), "the phone follows");
        let used = former.iter().all(|(sequence, _)| *sequence != first);
        assert!(used, "no number that the former process used");
        let mut bytes = packet(9, (theirs + 300) as u16);
        assert!(phone.seal_next(&mut bytes) && next.open(&bytes, &mut out).is_some(), "and is followed");
        let mut report = vec![0x80, 200, 0, 6, 0, 0, 0, 7];
        report.resize(28, 0);
        assert!(next.seal_rtcp(7, &mut report) && phone.open_rtcp(&report, &mut out));
    }
}
