//! Registrations: the table by itself, and REGISTER through the endpoint.

use std::time::Duration;

use sip::digest::{Credentials, Secret, answer};
use sip::msg::{ContactList, Message, Name, NameAddr};
use sip::registrar::{BindingChange, RegisterError, Registrar, RegistrarLimits, Registration, UserKey};
use sip::{Event, Hop, Input, Output};

use crate::net::{Policy, address};

const AOR: &str = "alice@call.example";

fn list(text: &str) -> ContactList {
    if text == "*" {
        return ContactList::Star;
    }
    ContactList::Addresses(text.split(',').map(|item| NameAddr::parse(item).unwrap()).collect())
}

struct Table {
    registrar: Registrar,
    user: UserKey,
}

impl Table {
    fn new() -> Self {
        let limits = RegistrarLimits { contacts_per_aor: 2, contacts: 3, ..RegistrarLimits::default() };
        Self { registrar: Registrar::new(limits), user: "u".into() }
    }

    fn register(
        &mut self,
        now: u64,
        aor: &str,
        call_id: &str,
        cseq: u32,
        contacts: &str,
        expires: Option<u32>,
    ) -> Result<Vec<BindingChange>, RegisterError> {
        let contacts = list(contacts);
        let wish = Registration {
            aor,
            user: &self.user,
            hop: Hop::udp(address(0), address(1)),
            call_id,
            cseq,
            user_agent: None,
            contacts: &contacts,
            path: &[],
            expires,
            has_flows: true,
        };
        self.registrar.register(Duration::from_secs(now), &wish)
    }

    fn contacts(&self) -> Vec<String> {
        self.registrar.bindings(AOR).iter().map(|binding| binding.contact.to_string()).collect()
    }
}

#[test]
fn binding_lives_as_long_as_wished_within_limits() {
    let mut table = Table::new();
    for (param, header, expected) in
        [("", None, 600), ("", Some(120), 120), (";expires=90", Some(120), 90), (";expires=99999", None, 3600)]
    {
        table.registrar = Table::new().registrar;
        table.register(0, AOR, "a", 1, &format!("<sip:a@192.0.2.1>{param}"), header).unwrap();
        assert_eq!(table.registrar.next_expiry(), Some(Duration::from_secs(expected)));
    }
    let brief = table.register(0, AOR, "b", 1, "<sip:b@192.0.2.1>", Some(30));
    assert_eq!(brief, Err(RegisterError::TooBrief { min: Duration::from_secs(60) }));
}

#[test]
fn contacts_are_ordered_by_preference_and_lapse() {
    let mut table = Table::new();
    table
        .register(0, AOR, "a", 1, "<sip:a@192.0.2.1>;q=0.5;expires=60,<sip:b@192.0.2.1>;q=0.8;expires=100", None)
        .unwrap();
    assert_eq!(table.contacts(), ["sip:b@192.0.2.1", "sip:a@192.0.2.1"]);
    let gone = table.registrar.expire(Duration::from_secs(60));
    assert!(matches!(&gone[..], [(aor, BindingChange::Expired(b))] if aor == AOR && b.q_milli == 500));
    assert_eq!(table.contacts(), ["sip:b@192.0.2.1"]);
}

#[test]
fn older_request_of_the_same_phone_changes_nothing() {
    let mut table = Table::new();
    table.register(0, AOR, "a", 5, "<sip:a@192.0.2.1>", None).unwrap();
    assert_eq!(table.register(1, AOR, "a", 5, "<sip:a@192.0.2.1>", None), Err(RegisterError::OutOfOrder));
    assert_eq!(table.register(1, AOR, "a", 4, "*", Some(0)), Err(RegisterError::OutOfOrder));
    // After a restart the phone has a new Call-ID and may begin at 1.
    table.register(1, AOR, "b", 1, "<sip:a@192.0.2.1>", None).unwrap();
    assert_eq!(table.registrar.len(), 1);
}

#[test]
fn a_flow_takes_the_place_of_its_forerunner_whatever_it_is_addressed_by() {
    let mut table = Table::new();
    let way = |port: u16, number: u32| {
        format!("<sip:a@192.0.2.1:{port};transport=tcp>;+sip.instance=\"<urn:uuid:0>\";reg-id={number}")
    };
    table.register(0, AOR, "one", 1, &way(4001, 1), None).unwrap();
    // By another proxy, with the same address.
    table.register(0, AOR, "two", 1, &way(4001, 2), None).unwrap();
    assert_eq!(table.registrar.len(), 2);
    table.register(0, AOR, "two", 2, &way(4002, 2), None).unwrap();
    // Its first connection broke and the next has another port: no third way, though the table has room for two.
    let changes = table.register(1, AOR, "one", 2, &way(4003, 1), None).unwrap();
    assert!(matches!(&changes[..], [BindingChange::Removed(old), BindingChange::Bound(new)]
        if old.contact.port == Some(4001) && new.contact.port == Some(4003)));
    assert_eq!(table.registrar.len(), 2);
    assert_eq!(table.register(1, AOR, "one", 2, &way(4004, 1), None), Err(RegisterError::OutOfOrder));
    // Another phone under the same name has ways of its own.
    assert_eq!(
        table.register(1, AOR, "x", 1, &way(4005, 1).replace("uuid:0", "uuid:1"), None),
        Err(RegisterError::TooMany)
    );
    table.register(2, AOR, "two", 3, &way(4002, 2), Some(0)).unwrap();
    assert_eq!(table.contacts(), ["sip:a@192.0.2.1:4003;transport=tcp"]);
    // Without flows it is one address, once.
    table.register(3, AOR, "two", 4, &way(4003, 2), None).unwrap();
    table.register(4, AOR, "three", 1, "<sip:a@192.0.2.1:4003;transport=tcp>", None).unwrap();
    assert_eq!(table.contacts(), ["sip:a@192.0.2.1:4003;transport=tcp"]);
}

#[test]
fn star_removes_all_and_only_with_zero_expiry() {
    let mut table = Table::new();
    table.register(0, AOR, "a", 1, "<sip:a@192.0.2.1>,<sip:b@192.0.2.1>", None).unwrap();
    assert_eq!(table.register(0, AOR, "a", 2, "*", Some(60)), Err(RegisterError::Malformed));
    assert_eq!(table.register(0, AOR, "a", 2, "*", Some(0)).unwrap().len(), 2);
    assert!(table.registrar.is_empty());
    assert_eq!(table.registrar.next_expiry(), None);
}

#[test]
fn tables_are_bounded_and_refresh_still_works_when_full() {
    let mut table = Table::new();
    table.register(0, AOR, "a", 1, "<sip:a@192.0.2.1>,<sip:b@192.0.2.1>", None).unwrap();
    assert_eq!(table.register(0, AOR, "a", 2, "<sip:c@192.0.2.1>", None), Err(RegisterError::TooMany));
    table.register(0, "bob@call.example", "x", 1, "<sip:bob@192.0.2.1>", None).unwrap();
    assert_eq!(table.register(0, "eve@call.example", "y", 1, "<sip:eve@192.0.2.1>", None), Err(RegisterError::Full));
    table.register(0, AOR, "a", 3, "<sip:b@192.0.2.1>", None).unwrap();
    assert_eq!(table.registrar.len(), 3);
}

#[test]
fn failed_request_leaves_the_table_as_it_was() {
    let mut table = Table::new();
    table.register(0, AOR, "a", 1, "<sip:a@192.0.2.1>", None).unwrap();
    table.register(0, AOR, "a", 2, "<sip:b@192.0.2.1>,<tel:110>", None).unwrap_err();
    assert_eq!(table.contacts(), ["sip:a@192.0.2.1"]);
}

#[test]
fn bindings_survive_export_and_import_with_what_is_left_of_their_time() {
    let mut table = Table::new();
    table.register(0, AOR, "a", 1, "<sip:a@192.0.2.1>;expires=100,<sip:b@192.0.2.1>;expires=300", None).unwrap();
    let records = table.registrar.export(Duration::from_secs(50));
    let mut again = Table::new();
    again.registrar.import(Duration::from_secs(5), Duration::from_secs(60), records);
    assert_eq!(again.contacts(), ["sip:b@192.0.2.1"]);
    assert_eq!(again.registrar.next_expiry(), Some(Duration::from_secs(195)));
}

struct Phone {
    endpoint: sip::Endpoint,
    cseq: u32,
    now: Duration,
}

impl Phone {
    fn new() -> Self {
        Self { endpoint: sip::Endpoint::new(sip::Config::new([3; 32])), cseq: 0, now: Duration::ZERO }
    }

    fn send(&mut self, to: &str, contact: &str, authorization: Option<&str>) -> (Message, Vec<Event>) {
        self.cseq += 1;
        let cseq = self.cseq;
        let authorization = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        let request = format!(
            "REGISTER sip:call.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;rport;branch=z9hG4bKr{cseq}\r\n\
             From: <{to}>;tag=1\r\nTo: <{to}>\r\nCall-ID: reg\r\nCSeq: {cseq} REGISTER\r\n{contact}{authorization}\
             Content-Length: 0\r\n\r\n"
        );
        let remote = "203.0.113.5:40000".parse().unwrap();
        let input = Input::Datagram { local: address(0), remote, bytes: request.as_bytes() };
        self.endpoint.handle(self.now, input, &Policy::default());
        let mut events = Vec::new();
        let mut response = None;
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    assert_eq!(transmit.hop.remote, remote);
                    response = Some(Message::parse(&transmit.bytes).unwrap());
                }
                Output::Event(event) => events.push(event),
                Output::CloseStream { .. } => {}
            }
        }
        (response.unwrap(), events)
    }

    fn register(&mut self, to: &str, contact: &str, password: &str) -> (Message, Vec<Event>) {
        let (challenge, _) = self.send(to, contact, None);
        assert_eq!(challenge.status(), 401);
        let credentials = Credentials { user: "alice".to_owned(), secret: Secret::Password(password.to_owned()) };
        let header =
            answer(challenge.all(Name::WwwAuthenticate), &credentials, "REGISTER", "sip:call.example", 1, "c").unwrap();
        self.send(to, contact, Some(&header))
    }
}

#[test]
fn phone_registers_from_behind_nat_and_is_known_by_its_source() {
    let mut phone = Phone::new();
    let contact = "Contact: <sip:alice@10.0.0.9:5060>;expires=120\r\n";
    let (response, events) = phone.register("sip:alice@call.example", contact, "secret");
    assert_eq!(response.status(), 200);
    assert_eq!(response.get(Name::Contact), Some("<sip:alice@10.0.0.9:5060>;expires=120"));
    let [Event::Registration { aor, change: BindingChange::Bound(binding) }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(aor, AOR);
    assert_eq!(binding.hop.remote, "203.0.113.5:40000".parse().unwrap());
    assert_eq!(&*binding.user, "user-alice");
    phone.now = phone.endpoint.next_timeout().unwrap();
    while phone.endpoint.load().bindings > 0 {
        phone.now = phone.endpoint.next_timeout().unwrap();
        phone.endpoint.handle(phone.now, Input::Timeout, &Policy::default());
    }
    assert_eq!(phone.now, Duration::from_secs(120));
    let expired = |o: Output| matches!(o, Output::Event(Event::Registration { change: BindingChange::Expired(_), .. }));
    assert!(phone.endpoint.poll_output().is_some_and(expired));
}

#[test]
fn proxies_in_front_of_a_phone_are_remembered_in_their_order() {
    let mut phone = Phone::new();
    let path = "Path: <sip:inner.example;lr>, <sip:b64@edge.example;lr;ob>\r\nRequire: path\r\n";
    let contact = format!("Contact: <sip:alice@10.0.0.9>\r\n{path}");
    let (response, events) = phone.register("sip:alice@call.example", &contact, "secret");
    assert_eq!(response.status(), 200);
    let told: Vec<_> = response.list(Name::Path).collect();
    assert_eq!(told, ["<sip:inner.example;lr>", "<sip:b64@edge.example;lr;ob>"]);
    let [Event::Registration { change: BindingChange::Bound(binding), .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(binding.path, told);
    // No way is that long, and none goes by what is no address.
    for path in
        [format!("Path: {}\r\n", "<sip:a.example>,".repeat(6) + "<sip:b.example>"), "Path: <tel:1>\r\n".to_owned()]
    {
        let mut phone = Phone::new();
        let contact = format!("Contact: <sip:alice@10.0.0.9>\r\n{path}");
        let (response, events) = phone.register("sip:alice@call.example", &contact, "secret");
        assert_eq!((response.status(), events.len()), (400, 0), "{path}");
    }
    // What our registrar does not know is refused by name.
    let contact = "Contact: <sip:alice@10.0.0.9>\r\nRequire: gruu, path\r\n";
    let (response, _) = Phone::new().send("sip:alice@call.example", contact, None);
    assert_eq!((response.status(), response.get(Name::Unsupported)), (420, Some("gruu")));
}

#[test]
fn a_phone_of_rfc_5626_learns_whether_its_flows_are_kept() {
    let flow = "Contact: <sip:alice@10.0.0.9>;+sip.instance=\"<urn:uuid:0>\";reg-id=1;expires=600\r\n";
    for (more, kept) in [
        ("Supported: path, outbound\r\n", true),
        ("Supported: outbound\r\nPath: <sip:inner.example;lr>, <sip:b64@edge.example;lr;ob>\r\n", true),
        // An edge that keeps no connections, and a phone that says nothing of it, are served as ever.
        ("Supported: outbound\r\nPath: <sip:edge.example;lr>\r\n", false),
        ("", false),
    ] {
        let mut phone = Phone::new();
        let (response, events) = phone.register("sip:alice@call.example", &format!("{flow}{more}"), "secret");
        assert_eq!(response.status(), 200);
        let told = (response.get(Name::Require), response.get(Name::FlowTimer));
        assert_eq!(told, if kept { (Some("outbound"), Some("120")) } else { (None, None) }, "{more}");
        let [Event::Registration { change: BindingChange::Bound(binding), .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(binding.flow.is_some(), kept);
        let contact = response.get(Name::Contact).unwrap();
        assert_eq!(contact.ends_with(";+sip.instance=\"<urn:uuid:0>\";reg-id=1"), kept, "{contact}");
    }
    // Who insists on it is told that its proxy does not know it.
    let insists = format!("{flow}Require: outbound\r\nPath: <sip:edge.example;lr>\r\n");
    let (response, events) = Phone::new().register("sip:alice@call.example", &insists, "secret");
    assert_eq!((response.status(), events.len()), (439, 0));
}

#[test]
fn registration_is_refused_for_wrong_secrets_and_foreign_addresses() {
    let mut phone = Phone::new();
    let contact = "Contact: <sip:alice@10.0.0.9>\r\n";
    let (response, events) = phone.register("sip:alice@call.example", contact, "wrong");
    assert_eq!(response.status(), 403);
    assert!(events.is_empty());
    assert_eq!(phone.endpoint.guesses().wrong, 1);
    assert_eq!(phone.register("sip:bob@call.example", contact, "secret").0.status(), 403);
    assert_eq!(phone.send("sip:alice@other.example", contact, None).0.status(), 404);
    assert_eq!(phone.endpoint.load().bindings, 0);
}

#[test]
fn faults_in_contacts_have_their_own_status() {
    let mut phone = Phone::new();
    let to = "sip:alice@call.example";
    let (brief, _) = phone.register(to, "Contact: <sip:alice@10.0.0.9>;expires=5\r\n", "secret");
    assert_eq!((brief.status(), brief.get(Name::MinExpires)), (423, Some("60")));
    let bare_headers = "Contact: sip:alice@10.0.0.9?Route=%3Csip:x%3E\r\n";
    // What cannot be read is refused before anybody is asked who they are.
    assert_eq!(phone.send(to, bare_headers, None).0.status(), 400);
    assert_eq!(phone.register(to, "Contact: *\r\n", "secret").0.status(), 400);
    // A look-up without Contact changes nothing.
    let (query, events) = phone.register(to, "", "secret");
    assert_eq!((query.status(), events.len()), (200, 0));
}

#[test]
fn challenge_names_md5_alone_unless_told_otherwise() {
    let mut phone = Phone::new();
    let (challenge, _) = phone.send("sip:alice@call.example", "", None);
    let values: Vec<_> = challenge.all(Name::WwwAuthenticate).collect();
    assert!(values.len() == 1 && values[0].contains("algorithm=MD5"), "{values:?}");
    let mut config = sip::Config::new([3; 32]);
    config.algorithms = vec![sip::digest::Algorithm::Sha256, sip::digest::Algorithm::Md5];
    phone.endpoint = sip::Endpoint::new(config);
    let (response, _) = phone.register("sip:alice@call.example", "", "secret");
    assert_eq!(response.status(), 200);
}
