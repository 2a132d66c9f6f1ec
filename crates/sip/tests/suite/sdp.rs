//! Session descriptions: reading what phones write, answering, holding.

use std::time::Duration;

use sip::sdp::{
    Capabilities, Codec, Direction, NegotiateError, SdpError, SessionDescription, conclude, negotiate, offer,
};

fn caps(codecs: &[Codec]) -> Capabilities {
    Capabilities {
        codecs: codecs.to_vec(),
        comfort_noise: false,
        local: "192.0.2.1:4000".parse().unwrap(),
        direction: Direction::SendRecv,
        protect: Default::default(),
        keys: Vec::new(),
        ptime: Duration::from_millis(20),
        session_id: 7,
        version: 1,
    }
}

fn parse(text: &str) -> SessionDescription {
    SessionDescription::parse(text.replace('\n', "\r\n").as_bytes()).unwrap()
}

const PHONE: &str = "v=0\no=- 1 1 IN IP4 198.51.100.9\ns=call\nc=IN IP4 198.51.100.9\nt=0 0\n\
    m=audio 11000 RTP/AVP 8 0 96 101\na=rtpmap:8 PCMA/8000\na=rtpmap:0 PCMU/8000\na=rtpmap:96 opus/48000/2\n\
    a=fmtp:96 useinbandfec=1\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=ptime:30\na=x-own:1\na=sendrecv\n";

#[test]
fn answer_takes_our_favourite_among_the_common_codecs() {
    let (answer, agreed) = negotiate(&parse(PHONE), &caps(&[Codec::G722, Codec::Pcmu, Codec::Pcma])).unwrap();
    assert_eq!((agreed.codec, agreed.payload, agreed.digits), (Codec::Pcmu, 0, Some((101, 101))));
    assert_eq!(agreed.remote, Some("198.51.100.9:11000".parse().unwrap()));
    assert_eq!(agreed.remote_rtcp, Some("198.51.100.9:11001".parse().unwrap()));
    assert_eq!((agreed.ptime, agreed.direction), (Duration::from_millis(30), Direction::SendRecv));
    assert_eq!(
        answer.to_string(),
        "v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
}

#[test]
fn dynamic_payload_types_are_the_peers() {
    let (answer, agreed) = negotiate(&parse(PHONE), &caps(&[Codec::Opus])).unwrap();
    assert_eq!((agreed.codec, agreed.payload, agreed.receive_payload), (Codec::Opus, 96, 96));
    assert!(answer.to_string().contains("a=rtpmap:96 opus/48000/2"));
}

#[test]
fn digits_have_the_clock_of_the_sound_or_that_of_a_telephone() {
    let wide = format!("{PHONE}a=rtpmap:97 telephone-event/48000\n").replace("8 0 96 101", "8 0 96 101 97");
    for (text, codec, digits, hz) in [
        (&wide, Codec::Opus, (97, 97), 48_000),
        (&wide, Codec::Pcma, (101, 101), 8_000),
        (&PHONE.to_owned(), Codec::Opus, (101, 101), 8_000),
    ] {
        let (answer, agreed) = negotiate(&parse(text), &caps(&[codec])).unwrap();
        assert_eq!((agreed.digits, agreed.digits_hz), (Some(digits), hz));
        assert!(answer.to_string().contains(&format!("telephone-event/{hz}")));
    }
    let offered = offer(&caps(&[Codec::Opus, Codec::Pcma]));
    let (_, theirs) = negotiate(&offered, &caps(&[Codec::Opus])).unwrap();
    assert_eq!((theirs.digits, theirs.digits_hz), (Some((110, 110)), 48_000));
}

#[test]
fn comfort_noise_goes_with_g711_where_both_can() {
    let pausing = PHONE.replace("8 0 96 101", "8 0 96 13 101");
    for (codec, can, agreed) in [(Codec::Pcma, true, true), (Codec::Pcma, false, false), (Codec::Opus, true, false)] {
        let caps = Capabilities { comfort_noise: can, ..caps(&[codec]) };
        let (answer, agreement) = negotiate(&parse(&pausing), &caps).unwrap();
        assert_eq!(agreement.comfort_noise, agreed);
        assert_eq!(answer.media[0].formats.iter().any(|format| format.payload == 13), agreed);
    }
    let us = Capabilities { comfort_noise: true, ..caps(&[Codec::Pcma]) };
    let offered = offer(&us);
    assert!(conclude(&negotiate(&offered, &us).unwrap().0, &us).unwrap().comfort_noise);
    assert!(!conclude(&negotiate(&offered, &caps(&[Codec::Pcma])).unwrap().0, &us).unwrap().comfort_noise);
}

#[test]
fn static_payload_types_need_no_rtpmap() {
    let (_, agreed) = negotiate(
        &parse("v=0\no=- 1 1 IN IP4 198.51.100.9\ns=-\nc=IN IP4 198.51.100.9\nt=0 0\nm=audio 11000 RTP/AVP 9 8\n"),
        &caps(&[Codec::G722, Codec::Pcma]),
    )
    .unwrap();
    assert_eq!((agreed.codec, agreed.digits), (Codec::G722, None));
}

#[test]
fn further_sections_are_refused_in_place() {
    let text = format!("{PHONE}m=video 12000 RTP/AVP 97\na=rtpmap:97 H264/90000\nm=audio 13000 RTP/SAVP 0\n")
        .replace("m=audio 11000", "m=image 9 udptl t38\nm=audio 11000");
    let (answer, _) = negotiate(&parse(&text), &caps(&[Codec::Pcma])).unwrap();
    let ports: Vec<_> = answer.media.iter().map(|m| (m.kind.as_str(), m.port)).collect();
    assert_eq!(ports, [("image", 0), ("audio", 4000), ("video", 0), ("audio", 0)]);
    assert!(answer.to_string().contains("m=image 0 udptl t38\r\n"));
}

#[test]
fn hold_is_understood_in_all_its_forms() {
    for (from, to) in [
        ("a=sendrecv", "a=sendonly"),
        ("a=sendrecv", "a=inactive"),
        ("c=IN IP4 198.51.100.9", "c=IN IP4 0.0.0.0"),
        ("t=0 0", "t=0 0\na=sendonly"),
    ] {
        let text = PHONE.replace(from, to).replace(if from == "t=0 0" { "a=sendrecv\n" } else { "\0" }, "");
        let (answer, agreed) = negotiate(&parse(&text), &caps(&[Codec::Pcma])).unwrap();
        assert!(agreed.is_held_by_peer && !agreed.direction.sends(), "{to}");
        let expected = if to == "a=inactive" { Direction::Inactive } else { Direction::RecvOnly };
        assert_eq!(answer.media[0].direction, Some(expected), "{to}");
        assert_eq!(agreed.remote.is_none(), to.contains("0.0.0.0"), "{to}");
    }
}

#[test]
fn our_hold_meets_theirs_in_silence() {
    let ours = Capabilities { direction: Direction::SendOnly, ..caps(&[Codec::Pcma]) };
    let (_, agreed) = negotiate(&parse(PHONE), &ours).unwrap();
    assert_eq!((agreed.direction, agreed.is_held_by_peer), (Direction::SendOnly, false));
    let (_, agreed) = negotiate(&parse(&PHONE.replace("sendrecv", "sendonly")), &ours).unwrap();
    assert_eq!(agreed.direction, Direction::Inactive);
}

#[test]
fn offer_is_concluded_by_its_answer_on_both_sides() {
    let us = caps(&[Codec::Opus, Codec::Pcmu, Codec::Pcma]);
    let them = Capabilities { local: "203.0.113.2:6000".parse().unwrap(), ..caps(&[Codec::Pcma, Codec::Pcmu]) };
    let ours = SessionDescription::parse(&offer(&us).to_bytes()).unwrap();
    let (answer, theirs) = negotiate(&ours, &them).unwrap();
    let answer = SessionDescription::parse(&answer.to_bytes()).unwrap();
    let agreed = conclude(&answer, &us).unwrap();
    assert_eq!((agreed.codec, theirs.codec), (Codec::Pcma, Codec::Pcma));
    assert_eq!((agreed.digits, theirs.digits), (Some((101, 101)), Some((101, 101))));
    assert_eq!((agreed.remote, theirs.remote), (Some(them.local), Some(us.local)));
    assert!(agreed.has_rtcp_mux && theirs.has_rtcp_mux);
    assert_eq!(agreed.remote_rtcp, agreed.remote);
}

#[test]
fn rtcp_may_live_elsewhere() {
    let text = PHONE.replace("a=ptime:30", "a=rtcp:53020 IN IP4 198.51.100.77");
    let (_, agreed) = negotiate(&parse(&text), &caps(&[Codec::Pcma])).unwrap();
    assert_eq!(agreed.remote_rtcp, Some("198.51.100.77:53020".parse().unwrap()));
}

#[test]
fn offers_without_common_ground_are_refused() {
    assert_eq!(negotiate(&parse(PHONE), &caps(&[Codec::G722])).unwrap_err(), NegotiateError::NoCodec);
    let off = parse(&PHONE.replace("m=audio 11000", "m=audio 0"));
    assert_eq!(negotiate(&off, &caps(&[Codec::Pcma])).unwrap_err(), NegotiateError::NoAudio);
    assert_eq!(conclude(&off, &caps(&[Codec::Pcma])).unwrap_err(), NegotiateError::NoAudio);
}

#[test]
fn unknown_attributes_are_kept() {
    let read = parse(PHONE);
    assert_eq!(read.media[0].attributes, ["x-own:1"]);
    assert_eq!(SessionDescription::parse(&read.to_bytes()).unwrap(), read);
}

#[test]
fn malformed_descriptions_say_what_is_wrong() {
    for (text, error) in [
        ("", SdpError::Version),
        ("v=1\n", SdpError::Version),
        ("v=0\ns=-\n", SdpError::MissingOrigin),
        ("v=0\nnonsense\n", SdpError::MalformedLine),
        ("v=0\no=- 1 1 IN IP4 x\nm=audio x RTP/AVP 0\n", SdpError::MalformedMedia),
        ("v=0\no=- 1 1 IN IP4 x\nm=audio 1 RTP/AVP 300\n", SdpError::MalformedMedia),
        ("v=0\no=- 1 1 IN IP4 x\nc=IN IP4\n", SdpError::MalformedConnection),
    ] {
        assert_eq!(SessionDescription::parse(text.as_bytes()), Err(error), "{text:?}");
    }
    assert_eq!(SessionDescription::parse(&[0xff, 0xfe]), Err(SdpError::NotText));
}
