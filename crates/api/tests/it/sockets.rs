//! The sockets against a listening server: desk, lead, device, live board, guests.
use std::net::SocketAddr;
use std::time::Duration;

use domain::address::Address;
use domain::device::{DeviceReport, DeviceSignal};
use domain::id::{DeviceId, LegId};
use domain::leg::{Codec, LegCommand, LegEvent, Via};
use engine::port::{Down, Up};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::{Person, World};

struct Tab {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The newest desk: it may come before or after the answer to the command that changed it.
    desk: Value,
}

async fn serve(world: &World) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = world.router.clone().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

async fn connect(url: String, headers: &[(&'static str, String)]) -> Result<Tab, u16> {
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(Tab { socket, desk: Value::Null }),
        Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
        Err(e) => panic!("{e}"),
    }
}

impl Tab {
    async fn open(at: SocketAddr, who: &Person, hello: Value) -> Tab {
        let protocol = ("sec-websocket-protocol", format!("cordboard, {}", who.token));
        let mut tab = connect(format!("ws://{at}/api/v1/socket"), &[protocol]).await.unwrap();
        tab.send(hello).await;
        tab
    }

    async fn send(&mut self, message: Value) {
        self.socket.send(Message::Text(message.to_string().into())).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        let next = tokio::time::timeout(Duration::from_secs(10), self.socket.next());
        match next.await.expect("no message in 10 s").unwrap().unwrap() {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["desk"].is_object() {
                    self.desk = message["desk"].clone();
                }
                message
            }
            Message::Close(frame) => json!({"type": "closed", "code": frame.map(|f| u16::from(f.code))}),
            other => panic!("{other:?}"),
        }
    }

    /// The next message of a type that fulfils a condition; others are passed over.
    async fn until(&mut self, kind: &str, holds: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..100 {
            let message = self.next().await;
            if message["type"] == kind && holds(&message) {
                return message;
            }
        }
        panic!("no such {kind} among 100 messages");
    }

    /// The desk as soon as it fulfils a condition.
    async fn desk(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        while !holds(&self.desk) {
            self.next().await;
        }
        self.desk.clone()
    }

    async fn command(&mut self, command: Value) -> Value {
        self.send(json!({"type": "command", "id": "c", "command": command})).await;
        loop {
            let message = self.next().await;
            if message["type"] == "ack" || message["type"] == "error" {
                return message;
            }
        }
    }
}

fn desk(tab: &str) -> Value {
    json!({"type": "hello", "tab": tab, "subscribe": ["desk"]})
}

fn live() -> Value {
    json!({"type": "hello", "tab": "board", "subscribe": ["live"]})
}

/// The tab's peer connection comes up; telephony's part is played here. Returns the device.
async fn connect_device(world: &World, tab: &mut Tab, generation: u64) -> DeviceId {
    let sdp = format!("v=0 offer {generation}");
    tab.send(json!({"type": "device_offer", "generation": generation, "sdp": sdp})).await;
    let (device, ours) = world
        .told(|down| match down {
            Down::Device(DeviceSignal::Connect { device, generation, offer_sdp, .. }) if *offer_sdp == sdp => {
                Some((*device, *generation))
            }
            _ => None,
        })
        .await;
    let answer = DeviceReport::Answer { device, generation: ours, answer_sdp: "v=0 answer".into() };
    world.up.send(Up::Device(answer)).await.unwrap();
    let answer = tab.until("device_answer", |_| true).await;
    assert_eq!((&answer["generation"], &answer["sdp"]), (&json!(generation), &json!("v=0 answer")));
    world.up.send(Up::Device(DeviceReport::Ready { device, generation: ours })).await.unwrap();
    tab.until("device_state", |m| m["state"] == "ready").await;
    device
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_rings_is_accepted_and_wrapped_up_on_the_desk() {
    let world = World::new().await;
    let at = serve(&world).await;
    let mut tab = Tab::open(at, &world.a.worker, desk("one")).await;
    let snapshot = tab.next().await;
    assert_eq!((&snapshot["type"], &snapshot["desk"]["agent"]["id"]), (&json!("snapshot"), &json!(world.a.agent)));
    tab.until("device_state", |m| m["state"] == "connecting").await;
    tab.send(json!({"type": "preflight", "microphone": "ok"})).await;
    connect_device(&world, &mut tab, 7).await;
    let available = json!({"command": "set_presence", "presence": {"state": "available"}});
    assert_eq!(tab.command(available).await["type"], "ack");

    let leg = LegId(u128::MAX - 1);
    let offered = LegEvent::Offered {
        leg,
        tenant: world.a.tenant,
        number: world.a.number,
        from: Address::from_sip("13800138000", "carrier.example", Some("CN")),
        name: None,
        via: Via::Loopback,
        claims: Default::default(),
    };
    world.up.send(Up::Leg(offered)).await.unwrap();
    world.told(|d| matches!(d, Down::Leg(LegCommand::Answer { leg: l }) if *l == leg).then_some(())).await;
    world.up.send(Up::Leg(LegEvent::Answered { leg, codec: Codec::Pcma })).await.unwrap();
    let ringing = tab.desk(|d| d["offers"].as_array().is_some_and(|o| !o.is_empty())).await;
    let offer = &ringing["offers"][0];
    assert_eq!(
        (&offer["from"]["text"], &offer["queue"]["name"]["en"]),
        (&json!("+8613800138000"), &json!("alpha queue"))
    );
    let accept = json!({"command": "accept_offer", "offer": offer["offer"]});
    assert_eq!(tab.command(accept).await["type"], "ack");
    let agent_leg = world
        .told(|d| match d {
            Down::Leg(LegCommand::Originate { leg, .. }) => Some(*leg),
            _ => None,
        })
        .await;
    world.up.send(Up::Leg(LegEvent::Answered { leg: agent_leg, codec: Codec::Pcmu })).await.unwrap();
    let talking = tab.desk(|d| d["work"][0]["state"] == "talking").await;
    let segment = talking["work"][0]["segment"].clone();
    assert_eq!(tab.command(json!({"command": "hold", "segment": segment})).await["type"], "ack");
    tab.desk(|d| d["work"][0]["state"] == "held").await;
    assert_eq!(tab.command(json!({"command": "hang_up", "segment": segment})).await["type"], "ack");
    tab.desk(|d| d["work"][0]["state"] == "wrap_up").await;
    let note = json!({"command": "set_disposition", "segment": segment, "disposition": world.a.disposition,
                      "note": "wants a call back"});
    assert_eq!(tab.command(note).await["type"], "ack");
    assert_eq!(tab.command(json!({"command": "end_wrap_up", "segment": segment})).await["type"], "ack");
    tab.desk(|d| d["work"].as_array().is_some_and(Vec::is_empty)).await;
    let gone = tab.command(json!({"command": "hold", "segment": segment})).await;
    assert_eq!((&gone["type"], &gone["code"]), (&json!("error"), &json!("segment.not_yours")));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tab_leads_and_another_may_take_over() {
    let world = World::new().await;
    let at = serve(&world).await;
    let mut first = Tab::open(at, &world.a.worker, desk("one")).await;
    first.until("device_state", |m| m["state"] == "connecting").await;
    let mut second = Tab::open(at, &world.a.worker, desk("two")).await;
    second.until("device_state", |m| m["state"] == "not_leading").await;
    let available = json!({"command": "set_presence", "presence": {"state": "available"}});
    assert_eq!(second.command(available.clone()).await["code"], "tab.not_leading");
    second.send(json!({"type": "device_offer", "generation": 1, "sdp": "v=0\r\n"})).await;
    assert_eq!(second.until("device_refused", |_| true).await["code"], "tab.not_leading");
    second.send(json!({"type": "lead", "take": false})).await;
    assert_eq!(second.until("error", |_| true).await["code"], "tab.not_leading");
    second.send(json!({"type": "lead", "take": true})).await;
    second.until("device_state", |m| m["state"] == "connecting").await;
    first.until("notice", |m| m["code"] == "tab.lead_taken").await;
    first.until("device_state", |m| m["state"] == "not_leading").await;
    assert_eq!(second.command(available).await["type"], "ack");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_microphone_keeps_offers_away_and_says_so() {
    let world = World::new().await;
    let at = serve(&world).await;
    let mut tab = Tab::open(at, &world.a.worker, desk("one")).await;
    tab.until("device_state", |m| m["state"] == "connecting").await;
    let device = connect_device(&world, &mut tab, 1).await;
    tab.send(json!({"type": "preflight", "microphone": "denied"})).await;
    let state = tab.until("device_state", |m| m["state"] == "lost").await;
    assert_eq!(state["code"], "microphone.denied");
    let told = tab.desk(|d| d["blocked"] == "microphone.denied").await;
    assert_eq!(told["device"]["id"], json!(device));
    world
        .told(|d| matches!(d, Down::Device(DeviceSignal::Close { device: d, .. }) if *d == device).then_some(()))
        .await;
    tab.send(json!({"type": "device_offer", "generation": 2, "sdp": "v=0\r\n"})).await;
    assert_eq!(tab.until("device_refused", |_| true).await["code"], "microphone.unavailable");
    tab.send(json!({"type": "preflight", "microphone": "listen_only"})).await;
    tab.desk(|d| d["blocked"] != "microphone.denied").await;
    connect_device(&world, &mut tab, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_board_sends_changed_rows_and_resumes() {
    let world = World::new().await;
    let at = serve(&world).await;
    let mut board = Tab::open(at, &world.a.supervisor, live()).await;
    let snapshot = board.next().await;
    assert_eq!(snapshot["live"]["queues"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&snapshot["desk"], &snapshot["live"]["agents"][0]["presence"]["state"]),
        (&Value::Null, &json!("offline"))
    );
    let (epoch, seq) = (snapshot["epoch"].clone(), snapshot["seq"].clone());

    let duty = format!("/agents/{}/duty", world.a.agent);
    world.call(&world.a.supervisor, axum::http::Method::PUT, &duty, Some(json!({"device": world.a.uri}))).await.ok();
    let on_duty = |m: &Value| m["changes"]["agents"][0]["presence"]["state"] == "available";
    let change = board.until("live", on_duty).await;
    assert!(change["seq"].as_u64() > seq.as_u64());
    assert_eq!(change["changes"]["queues"][0]["agents"]["idle"], json!(1));
    drop(board);
    // Back within a minute: only what changed since.
    let hello = json!({"type": "hello", "tab": "board", "epoch": epoch, "last_seq": seq, "subscribe": ["live"]});
    let mut board = Tab::open(at, &world.a.supervisor, hello).await;
    assert_eq!(board.next().await["type"], "resumed");
    assert!(on_duty(&board.next().await));
    let out = json!({"command": "sign_out_agent", "agent": world.a.agent});
    assert_eq!(board.command(out).await["type"], "ack");
    board.until("live", |m| m["changes"]["agents"][0]["signed_in"] == false).await;
    // Another run of the board: the whole.
    let hello = json!({"type": "hello", "tab": "board", "epoch": "else", "last_seq": 1, "subscribe": ["live"]});
    assert_eq!(Tab::open(at, &world.a.supervisor, hello).await.next().await["type"], "snapshot");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_and_commands_stay_within_the_company() {
    let world = World::new().await;
    let at = serve(&world).await;
    let (a, b) = (&world.a, &world.b);
    let mut board = Tab::open(at, &a.supervisor, live()).await;
    let text = board.next().await.to_string();
    for foreign in [b.agent.to_string(), b.queue.to_string(), "beta".to_owned()] {
        assert!(!text.contains(&foreign), "{foreign}");
    }
    for (command, code) in [
        (json!({"command": "sign_out_agent", "agent": b.agent}), "agent.unknown"),
        (json!({"command": "set_agent_presence", "agent": b.agent, "presence": {"state": "offline"}}), "agent.unknown"),
        (json!({"command": "end_interaction", "interaction": b.interaction}), "interaction.unknown"),
    ] {
        assert_eq!(board.command(command).await["code"], code);
    }
    let mut tab = Tab::open(at, &a.worker, desk("one")).await;
    assert!(!tab.next().await.to_string().contains("beta"));
    let foreign_device = json!({"command": "sign_in", "device": b.uri});
    assert_eq!(tab.command(foreign_device).await["code"], "device.unknown");
    let break_reason = json!({"command": "set_presence", "presence": {"state": "break", "reason": b.break_reason}});
    assert_eq!(tab.command(break_reason).await["code"], "break_reason.unknown");
    // An agent may not watch the board.
    let mut agent = Tab::open(at, &a.worker, live()).await;
    assert_eq!(agent.next().await["code"], "auth.forbidden");
    assert_eq!(agent.next().await["live"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_other_sites_and_nonsense_get_no_socket() {
    let world = World::new().await;
    let at = serve(&world).await;
    let url = || format!("ws://{at}/api/v1/socket");
    assert_eq!(connect(url(), &[]).await.err(), Some(401));
    let token = ("sec-websocket-protocol", "cordboard, cbt_unknown".to_owned());
    assert_eq!(connect(url(), &[token]).await.err(), Some(401));
    let (session, secret) = {
        let user = world.store.user(crate::support::scope(&world.a), world.a.worker.user).await.unwrap();
        world.store.create_session(&user, Duration::from_secs(60), crate::support::now()).await.unwrap()
    };
    let cookie = ("cookie", format!("cordboard_session={secret}"));
    let evil = ("origin", "https://evil.example".to_owned());
    assert_eq!(connect(url(), &[cookie.clone(), evil]).await.err(), Some(403));
    let ours = ("origin", format!("http://{at}"));
    let mut tab = connect(url(), &[cookie, ours]).await.unwrap();
    tab.send(json!({"type": "ping"})).await;
    assert_eq!(tab.next().await, json!({"type": "closed", "code": 4400}));
    assert_eq!(session.tenant_id, world.a.tenant);

    let mut tab = Tab::open(at, &world.a.worker, desk("one")).await;
    tab.until("snapshot", |_| true).await;
    tab.send(json!({"type": "command", "id": "x", "command": {"command": "fly"}})).await;
    assert_eq!(tab.until("error", |_| true).await["code"], "socket.protocol");
    tab.send(json!({"type": "ping"})).await;
    tab.until("pong", |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_calls_a_web_number_of_the_company_it_visits() {
    let world = World::new().await;
    let at = serve(&world).await;
    let page = world.send(axum::http::Method::GET, "/public/default", &[], None).await.ok();
    assert_eq!((&page["name"], page["numbers"].as_array().unwrap().len()), (&json!("alpha company"), 1));
    let guest = world.send(axum::http::Method::POST, "/public/alpha/sessions", &[], None).await.ok();
    let url = format!("ws://{at}/api/v1/public/socket?token={}", guest["token"].as_str().unwrap());
    // Who connects anew takes the place of his own connection, which may be over a network that is no more.
    let mut older = connect(url.clone(), &[]).await.unwrap();
    let mut tab = connect(url.clone(), &[]).await.unwrap();
    assert_eq!(older.until("closed", |_| true).await["code"], 4409);
    assert_eq!(connect(format!("ws://{at}/api/v1/public/socket?token=x"), &[]).await.err(), Some(401));
    let device = connect_device(&world, &mut tab, 1).await;
    // 20005 is alpha's, but not for the web; 20004 is beta's.
    tab.send(json!({"type": "dial", "number": "20004"})).await;
    assert_eq!(tab.until("error", |_| true).await["code"], "number.unknown");
    tab.send(json!({"type": "dial", "number": "1000"})).await;
    assert_eq!(tab.until("error", |_| true).await["code"], "request.too_many");
    tokio::time::sleep(Duration::from_millis(2_050)).await;
    tab.send(json!({"type": "dial", "number": "1000"})).await;
    let dialled = world
        .told(|d| match d {
            Down::Device(DeviceSignal::Dial { device, number }) => Some((*device, *number)),
            _ => None,
        })
        .await;
    assert_eq!(dialled, (device, world.a.number));
    let state = domain::device::GuestCallState::Ringing;
    world.up.send(Up::Device(DeviceReport::GuestCall { device, state })).await.unwrap();
    assert_eq!(tab.until("call", |_| true).await["state"], "ringing");
    tab.send(json!({"type": "digit", "digit": "5"})).await;
    world.told(|d| matches!(d, Down::Device(DeviceSignal::Digit { digit: '5', .. })).then_some(())).await;
    // Cut off, he comes back to his call; leaving, he ends it.
    drop(tab);
    let mut tab = connect(url.clone(), &[]).await.unwrap();
    assert_eq!(connect_device(&world, &mut tab, 2).await, device);
    let closed = |d: &Down| matches!(d, Down::Device(DeviceSignal::Close { .. }));
    assert!(!world.down.lock().unwrap().iter().any(closed));
    tab.socket.close(None).await.unwrap();
    world
        .told(|d| matches!(d, Down::Device(DeviceSignal::Close { device: d, .. }) if *d == device).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_messages_are_told_to_those_whom_the_mailbox_tells() {
    let world = World::new().await;
    let at = serve(&world).await;
    let a = &world.a;
    let hello = || json!({"type": "hello", "tab": "mail", "subscribe": ["voicemail"]});
    let told = async |who: &Person| {
        let mut tab = Tab::open(at, who, hello()).await;
        let message = tab.until("voicemail", |_| true).await;
        message["new"].as_u64()
    };
    assert_eq!((told(&a.worker).await, told(&a.supervisor).await), (Some(1), Some(1)));
    for (whom, at_agent, at_supervisor) in [("supervisors", 0, 1), ("nobody", 0, 0)] {
        let rules = json!({"voicemail": {"notify": whom}});
        world.patch(&a.admin, &format!("/queues/{}", a.queue), rules).await.ok();
        assert_eq!((told(&a.worker).await, told(&a.supervisor).await), (Some(at_agent), Some(at_supervisor)), "{whom}");
    }
    // Whoever may open no mailbox is told nothing: the first answer is the last.
    let mut tab = Tab::open(at, &a.nobody, hello()).await;
    tab.until("snapshot", |_| true).await;
    tab.send(json!({"type": "ping"})).await;
    assert_eq!(tab.next().await["type"], "pong");
}
