//! One tab's connection: desk, live board, commands, lead, microphone check, the browser device.
//!
//! ```text
//! opened ─hello→ attending ⇄ leading ─closed→ (the lease ends 10 s later unless the tab comes back)
//! ```
//! Only the leading tab acts as the agent and has the peer connection; others of the same agent are read-only.
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use domain::access::Action;
use domain::device::{DeviceLoss, DeviceReport};
use domain::id::{AgentId, DeviceId};
use engine::{Attendance, DeskState, OfferGone};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::board::Board;
use super::commands::{agent_command, browser_device, sign_in, supervise};
use super::mail::{Mail, mail_news};
use super::{Closed, LARGEST, Received, SILENT, close, end, read, send};
use crate::App;
use crate::auth::caller::Proof;
use crate::auth::{Caller, SESSION_LIFE};
use crate::dto::command::Command;
use crate::dto::live::{LiveAgent, LiveInteraction, LiveView};
use crate::dto::quality::CallQuality;
use crate::dto::socket::{ClientMessage, DeviceStateWord, LiveChanges, Microphone, ServerMessage, Topic};
use crate::error::{ApiError, ApiResult, Code, Message};
use crate::views::{Addresses, LOOK_UP, call_quality, desk, desk_addresses, load_addresses, shown};

/// The first message must come in this time.
const HELLO: Duration = Duration::from_secs(10);
/// Commands decided at the same time for one tab; a person sends one at a time.
const COMMANDS: usize = 16;
/// How often a connection asks whether its session still lives.
const RECHECK: Duration = Duration::from_secs(60);
/// How often a desk is told how its conversations sound: telephony judges them every 5 s.
const LISTEN: Duration = Duration::from_secs(2);
/// Accounts at relays outlast a shift: some relays end a connection whose account has ended. Renewed at half of it.
const RELAY_LIFE: Duration = SESSION_LIFE;

pub async fn open(State(app): State<App>, caller: Caller, upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols(["cordboard"]).max_message_size(LARGEST).max_frame_size(LARGEST).on_upgrade(
        move |mut socket| async move {
            metrics::gauge!("cordboard_sockets").increment(1);
            let closed = match greet(&app, caller, &mut socket).await {
                Ok(mut session) => session.run(&mut socket).await,
                Err(closed) => Err(closed),
            };
            metrics::gauge!("cordboard_sockets").decrement(1);
            if let Err(closed) = closed {
                end(socket, closed).await;
            }
        },
    )
}

struct Session {
    app: App,
    caller: Caller,
    desk: Option<Desk>,
    live: Option<Live>,
    mail: Option<Mail>,
    running: JoinSet<(String, ApiResult<()>)>,
}

/// The agent's side of a connection.
struct Desk {
    agent: AgentId,
    attendance: Attendance,
    state: watch::Receiver<Arc<DeskState>>,
    offers_gone: broadcast::Receiver<OfferGone>,
    device: DeviceId,
    reports: broadcast::Receiver<DeviceReport>,
    microphone: Option<Microphone>,
    was_leading: bool,
    /// Relays were told last.
    relays_told: Instant,
    addresses: Addresses,
    /// As last told.
    quality: Vec<CallQuality>,
}

struct Live {
    board: watch::Receiver<Arc<Board>>,
    /// Last number sent.
    seq: u64,
}

async fn greet(app: &App, caller: Caller, socket: &mut WebSocket) -> Result<Session, Closed> {
    let first = tokio::time::timeout(HELLO, socket.recv()).await.map_err(|_| Closed::protocol())?;
    let Received::Message(ClientMessage::Hello { tab, epoch, last_seq, subscribe }) = read(first) else {
        return Err(Closed::protocol());
    };
    if tab.is_empty() || tab.len() > 64 {
        return Err(Closed::protocol());
    }
    let mut session = Session { app: app.clone(), caller, desk: None, live: None, mail: None, running: JoinSet::new() };
    if subscribe.contains(&Topic::Desk)
        && let Some(agent) = session.caller.agent
        && session.caller.may(Action::DeskUse, &session.own_resource(agent).await.map_err(|_| overloaded())?)
    {
        match session.attend(agent, tab).await {
            Ok(desk) => session.desk = Some(desk),
            Err(error) => session.refuse(socket, None, error).await?,
        }
    }
    if subscribe.contains(&Topic::Live) {
        if session.caller.may_somewhere(Action::LiveView) {
            match app.boards().watch(app, session.caller.tenant).await {
                Ok(board) => session.live = Some(Live { board, seq: 0 }),
                Err(error) => session.refuse(socket, None, error).await?,
            }
        } else {
            session.refuse(socket, None, Code::Forbidden.into()).await?;
        }
    }
    if subscribe.contains(&Topic::Voicemail) && session.caller.may_somewhere(Action::VoicemailUse) {
        session.mail = Some(Mail::open(app, session.caller.tenant).await);
    }
    session.tell_relays(socket).await?;
    session.welcome(socket, epoch.as_deref().zip(last_seq)).await?;
    session.send_mail(socket).await?;
    Ok(session)
}

fn overloaded() -> Closed {
    Closed { code: close::OVERLOADED, reason: "system.overloaded" }
}

impl Session {
    async fn own_resource(&self, agent: AgentId) -> ApiResult<domain::access::Resource> {
        let known = self.app.known(self.caller.tenant).await?;
        Ok(self.caller.resource(&known.config, [], [agent]))
    }

    async fn attend(&self, agent: AgentId, tab: String) -> ApiResult<Desk> {
        let (engine, tenant) = (self.app.engine(), self.caller.tenant);
        let device = browser_device(&self.app, &self.caller, agent).await?;
        let desk = Desk {
            agent,
            state: engine.watch_desk(tenant, agent).await?,
            offers_gone: engine.offers_gone(),
            device,
            reports: engine.devices().subscribe(device),
            attendance: engine.attend(tenant, agent, tab).await?,
            microphone: None,
            was_leading: false,
            relays_told: Instant::now(),
            addresses: Addresses::new(),
            quality: Vec::new(),
        };
        Ok(desk)
    }

    /// The first answer: the whole, or what changed since `resume`.
    async fn welcome(&mut self, socket: &mut WebSocket, resume: Option<(&str, u64)>) -> Result<(), Closed> {
        let now = self.app.now().0;
        let board = self.live.as_mut().map(|live| live.board.borrow_and_update().clone());
        let epoch = board.as_ref().map(|b| b.epoch.clone()).unwrap_or_default();
        let seq = board.as_ref().map_or(0, |b| b.seq);
        let resumes = board.as_ref().zip(resume).is_some_and(|(b, (epoch, seq))| b.can_resume(epoch, seq));
        if resumes && let (Some(live), Some((_, seen))) = (&mut self.live, resume) {
            live.seq = seen;
            send(socket, &ServerMessage::Resumed { epoch, seq: seen, now }).await?;
            self.send_live(socket).await?;
            if self.desk.is_some() {
                self.send_desk(socket).await?;
            }
        } else {
            let live = match &board {
                Some(board) => Some(self.whole_board(board).await),
                None => None,
            };
            if let Some(live) = &mut self.live {
                live.seq = seq;
            }
            let desk = self.desk_view().await;
            send(socket, &ServerMessage::Snapshot { epoch, seq, now, desk, live }).await?;
        }
        self.leadership(socket).await
    }

    /// Before anything that makes the tab connect.
    async fn tell_relays(&mut self, socket: &mut WebSocket) -> Result<(), Closed> {
        let (Some(desk), relays) = (&mut self.desk, &self.app.options().relays) else { return Ok(()) };
        if relays.urls.is_empty() {
            return Ok(());
        }
        desk.relays_told = Instant::now();
        let servers = relays.servers(desk.device, self.app.now(), RELAY_LIFE);
        send(socket, &ServerMessage::Ice { servers, relay_only: relays.is_only_way }).await
    }

    async fn run(&mut self, socket: &mut WebSocket) -> Result<(), Closed> {
        let mut heard = Instant::now();
        let mut recheck = tokio::time::interval(RECHECK);
        recheck.tick().await;
        let mut listen = tokio::time::interval(LISTEN);
        listen.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = socket.recv() => match read(message) {
                    Received::Message(message) => {
                        heard = Instant::now();
                        self.message(socket, message).await?;
                    }
                    Received::Unknown => self.refuse(socket, None, Code::SocketProtocol.into()).await?,
                    Received::Nothing => heard = Instant::now(),
                    Received::Gone => return Ok(()),
                },
                () = tokio::time::sleep_until(heard + SILENT) => {
                    return Err(Closed { code: close::SLOW, reason: "socket.silent" });
                }
                Some(done) = self.running.join_next(), if !self.running.is_empty() => match done {
                    Ok((id, Ok(()))) => send(socket, &ServerMessage::Ack { id }).await?,
                    Ok((id, Err(error))) => self.refuse(socket, Some(id), error).await?,
                    Err(_) => {}
                },
                news = desk_news(&mut self.desk) => self.news(socket, news).await?,
                () = board_news(&mut self.live) => self.send_live(socket).await?,
                () = mail_news(&mut self.mail) => self.send_mail(socket).await?,
                _ = recheck.tick() => {
                    self.recheck().await?;
                    if self.desk.as_ref().is_some_and(|desk| desk.relays_told.elapsed() > RELAY_LIFE / 2) {
                        self.tell_relays(socket).await?;
                    }
                    // Somebody may have become a member of a queue.
                    self.send_mail(socket).await?;
                }
                _ = listen.tick(), if self.desk.is_some() => self.send_quality(socket).await?,
            }
        }
    }

    async fn message(&mut self, socket: &mut WebSocket, message: ClientMessage) -> Result<(), Closed> {
        match message {
            ClientMessage::Hello { .. } => Err(Closed::protocol()),
            ClientMessage::Ping => send(socket, &ServerMessage::Pong { now: self.app.now().0 }).await,
            ClientMessage::Command { id, command } => {
                if id.len() > 64 {
                    return Err(Closed::protocol());
                }
                match self.begin_command(&id, command) {
                    Ok(()) => Ok(()),
                    Err(error) => self.refuse(socket, Some(id), error).await,
                }
            }
            ClientMessage::Lead { take } => {
                let Some(desk) = &self.desk else { return self.refuse(socket, None, Code::NotAnAgent.into()).await };
                let taken = desk.attendance.leader.borrow().is_some() && !desk.attendance.leads();
                if taken && !take {
                    return self.refuse(socket, None, Code::NotLeading.into()).await;
                }
                if let Err(error) = desk.attendance.lead().await {
                    return self.refuse(socket, None, error.into()).await;
                }
                self.leadership(socket).await
            }
            ClientMessage::Preflight { microphone } => self.preflight(socket, microphone).await,
            ClientMessage::DeviceOffer { generation, sdp } => self.device_offer(socket, generation, sdp).await,
        }
    }

    fn begin_command(&mut self, id: &str, command: Command) -> ApiResult<()> {
        if self.running.len() >= COMMANDS {
            return Err(Code::TooManyRequests.into());
        }
        let (app, caller, id) = (self.app.clone(), self.caller.clone(), id.to_owned());
        match command {
            Command::Agent(command) => {
                let desk = self.desk.as_ref().ok_or(Code::NotAnAgent)?;
                if !desk.attendance.leads() {
                    return Err(Code::NotLeading.into());
                }
                let (agent, device) = (desk.agent, desk.device);
                self.running.spawn(async move {
                    let done = agent_command(&app, &caller, agent, command, Some(device)).await;
                    (id, done.map(drop))
                });
            }
            Command::Supervisor(command) => {
                self.running.spawn(async move { (id, supervise(&app, &caller, command).await) });
            }
        }
        Ok(())
    }

    /// Tells the tab whether it leads now; a tab that begins to lead signs its agent in.
    async fn leadership(&mut self, socket: &mut WebSocket) -> Result<(), Closed> {
        let Some(desk) = &mut self.desk else { return Ok(()) };
        let leads = desk.attendance.leads();
        let nobody = desk.attendance.leader.borrow_and_update().is_none();
        let first = !desk.was_leading;
        let lost = desk.was_leading && !leads;
        desk.was_leading = leads;
        if leads {
            if first {
                let (agent, device) = (desk.agent, desk.device);
                if let Err(error) = sign_in(&self.app, &self.caller, agent, device).await {
                    let message = ServerMessage::Notice { code: error.code.to_owned(), message: error.message };
                    send(socket, &message).await?;
                }
                return device_state(socket, DeviceStateWord::Connecting, None).await;
            }
            return Ok(());
        }
        if lost {
            let message = Code::LeadTaken.message();
            send(socket, &ServerMessage::Notice { code: Code::LeadTaken.as_str().to_owned(), message }).await?;
        }
        let code = nobody.then_some("tab.lead_free");
        device_state(socket, DeviceStateWord::NotLeading, code).await
    }

    async fn preflight(&mut self, socket: &mut WebSocket, microphone: Microphone) -> Result<(), Closed> {
        let Some(desk) = &mut self.desk else { return self.refuse(socket, None, Code::NotAnAgent.into()).await };
        desk.microphone = Some(microphone);
        let Some(code) = bad_microphone(Some(microphone)) else { return self.send_desk(socket).await };
        if desk.attendance.leads() {
            // A closed connection is what keeps offers away: the floor sees a lost device.
            if let Some((generation, _)) = self.app.connection(desk.device) {
                self.app.set_connection(desk.device, None);
                // A closed port means that telephony is gone and every device with it.
                let _ = self.app.engine().devices().close(desk.device, generation);
            }
            device_state(socket, DeviceStateWord::Lost, Some(code)).await?;
        }
        self.send_desk(socket).await
    }

    async fn device_offer(&mut self, socket: &mut WebSocket, theirs: u64, sdp: String) -> Result<(), Closed> {
        let Some(desk) = &mut self.desk else { return self.refuse(socket, None, Code::NotAnAgent.into()).await };
        let refused = if !desk.attendance.leads() {
            Some(Code::NotLeading)
        } else if sdp.len() > 20_000 || !sdp.starts_with("v=0") {
            Some(Code::DeviceBadSdp)
        } else if bad_microphone(desk.microphone).is_some() {
            Some(Code::NoMicrophone)
        } else {
            None
        };
        let refused = match refused {
            Some(code) => Some(ApiError::from(code)),
            None => match self.app.engine().devices().connect(self.caller.tenant, desk.device, sdp) {
                Ok(ours) => {
                    self.app.set_connection(desk.device, Some((ours, theirs)));
                    None
                }
                Err(error) => Some(error.into()),
            },
        };
        match refused {
            None => device_state(socket, DeviceStateWord::Connecting, None).await,
            Some(error) => {
                let (code, message) = (error.code.to_owned(), error.message);
                send(socket, &ServerMessage::DeviceRefused { generation: theirs, code, message }).await
            }
        }
    }

    async fn news(&mut self, socket: &mut WebSocket, news: News) -> Result<(), Closed> {
        match news {
            News::Desk => self.send_desk(socket).await,
            News::Leader => self.leadership(socket).await,
            News::Report(report) => self.report(socket, report).await,
            News::OfferGone(gone) => match &self.desk {
                Some(desk) if gone.tenant == self.caller.tenant && gone.agent == desk.agent => {
                    let (offer, why) = (gone.offer.to_string(), "withdrawn".to_owned());
                    send(socket, &ServerMessage::OfferWithdrawn { offer, why }).await
                }
                _ => Ok(()),
            },
            News::Stopping => Err(overloaded()),
        }
    }

    async fn report(&mut self, socket: &mut WebSocket, report: DeviceReport) -> Result<(), Closed> {
        let Some(desk) = &mut self.desk else { return Ok(()) };
        // Another tab's connection is its own affair.
        let Some((ours, theirs)) = self.app.connection(desk.device).filter(|_| desk.attendance.leads()) else {
            return Ok(());
        };
        match report {
            DeviceReport::Answer { generation, answer_sdp, .. } if generation == ours => {
                send(socket, &ServerMessage::DeviceAnswer { generation: theirs, sdp: answer_sdp }).await
            }
            DeviceReport::Refused { generation, code, .. } if generation == ours => {
                self.app.set_connection(desk.device, None);
                let message = Code::DeviceBadSdp.message();
                send(socket, &ServerMessage::DeviceRefused { generation: theirs, code, message }).await
            }
            DeviceReport::Ready { generation, .. } if generation == ours => {
                device_state(socket, DeviceStateWord::Ready, None).await
            }
            DeviceReport::Lost { generation, why, .. } if generation == ours => {
                self.app.set_connection(desk.device, None);
                let code = match why {
                    DeviceLoss::Closed => "device.closed",
                    DeviceLoss::IceFailed => "device.ice_failed",
                    DeviceLoss::Replaced => "device.replaced",
                    DeviceLoss::RegistrationExpired | DeviceLoss::Unregistered => "device.unregistered",
                };
                device_state(socket, DeviceStateWord::Lost, Some(code)).await
            }
            DeviceReport::Answer { .. }
            | DeviceReport::Refused { .. }
            | DeviceReport::Ready { .. }
            | DeviceReport::Lost { .. }
            | DeviceReport::GuestCall { .. }
            | DeviceReport::Binding { .. } => Ok(()),
        }
    }

    async fn desk_view(&mut self) -> Option<crate::dto::desk::DeskView> {
        let desk_side = self.desk.as_mut()?;
        let state = desk_side.state.borrow_and_update().clone();
        let view = state.view.as_ref()?;
        let known = self.app.known(self.caller.tenant).await.ok()?;
        let wanted = desk_addresses(view);
        desk_side.addresses.retain(|id, _| wanted.contains(id));
        // An offer does not wait for the store: without it the caller is shown without a number.
        let loaded = load_addresses(&self.app, self.caller.tenant, wanted, &mut desk_side.addresses);
        let _ = tokio::time::timeout(LOOK_UP, loaded).await;
        let blocked = if desk_side.attendance.leads() { bad_microphone(desk_side.microphone) } else { None };
        let addresses = shown(&self.caller, &known, &desk_side.addresses);
        Some(desk(view, &known, &addresses, blocked))
    }

    async fn send_desk(&mut self, socket: &mut WebSocket) -> Result<(), Closed> {
        let Some(desk) = self.desk_view().await else { return Ok(()) };
        let seq = self.live.as_ref().map_or(0, |live| live.seq);
        send(socket, &ServerMessage::Desk { seq, now: self.app.now().0, desk }).await
    }

    /// How the agent's conversations sound, if that changed.
    async fn send_quality(&mut self, socket: &mut WebSocket) -> Result<(), Closed> {
        let Some(desk) = &mut self.desk else { return Ok(()) };
        let live = self.app.engine().quality();
        let state = desk.state.borrow().clone();
        let work = state.view.iter().flat_map(|view| &view.work);
        let calls: Vec<CallQuality> = work.filter_map(|w| call_quality(w, live)).collect();
        if calls == desk.quality {
            return Ok(());
        }
        desk.quality.clone_from(&calls);
        send(socket, &ServerMessage::Quality { calls }).await
    }

    /// How many new messages there are, if anything changed.
    async fn send_mail(&mut self, socket: &mut WebSocket) -> Result<(), Closed> {
        let Some(mail) = &mut self.mail else { return Ok(()) };
        let Ok(known) = self.app.known(self.caller.tenant).await else { return Ok(()) };
        match mail.news(&self.caller, &known) {
            Some(message) => send(socket, &message).await,
            None => Ok(()),
        }
    }

    /// The rows changed since the last message, as far as the caller may see them.
    async fn send_live(&mut self, socket: &mut WebSocket) -> Result<(), Closed> {
        let Some(live) = &mut self.live else { return Ok(()) };
        let board = live.board.borrow_and_update().clone();
        if board.seq <= live.seq {
            return Ok(());
        }
        let since = live.seq;
        live.seq = board.seq;
        let mut changes = self.rows(&board, since).await;
        changes.totals = (board.totals.0 > since).then(|| board.totals.1.clone());
        send(socket, &ServerMessage::Live { seq: board.seq, now: self.app.now().0, changes }).await
    }

    async fn whole_board(&self, board: &Board) -> LiveView {
        let rows = self.rows(board, 0).await;
        LiveView {
            at: board.at,
            totals: board.totals.1.clone(),
            queues: rows.queues,
            agents: rows.agents,
            interactions: rows.interactions,
        }
    }

    async fn rows(&self, board: &Board, since: u64) -> LiveChanges {
        let mut changes = LiveChanges::default();
        let Ok(known) = self.app.known(self.caller.tenant).await else { return changes };
        let everything = self.caller.may(Action::LiveView, &self.caller.tenant_resource());
        let sees = |queues: Vec<_>, agents: Vec<_>| {
            everything || self.caller.may(Action::LiveView, &self.caller.resource(&known.config, queues, agents))
        };
        let newer = |seq: &u64| *seq > since;
        for (seq, row) in board.queues.values() {
            if newer(seq) && sees(vec![row.id], vec![]) {
                changes.queues.push(row.clone());
            }
        }
        for (seq, row) in board.agents.values() {
            if newer(seq) && sees(vec![], vec![row.id]) {
                changes.agents.push(row.clone());
            }
        }
        for (seq, row) in board.interactions.values() {
            let queues = row.segments.iter().filter_map(|s| s.queue).collect();
            let agents = row.segments.iter().filter_map(|s| s.agent).collect();
            if newer(seq) && sees(queues, agents) {
                changes.interactions.push(row.clone());
            }
        }
        if self.caller.sees_masked(&known.config) {
            changes.agents.iter_mut().for_each(LiveAgent::mask);
            changes.interactions.iter_mut().for_each(LiveInteraction::mask);
        }
        let removed = board.removed.iter().filter(|(seq, ..)| newer(seq));
        changes.removed = removed.map(|(.., id)| id.clone()).collect();
        changes
    }

    /// A session that ended elsewhere (sign-out, password change, deactivated user) ends here too.
    async fn recheck(&mut self) -> Result<(), Closed> {
        let proof = self.caller.proof.clone();
        let (tenant, user) = (self.caller.tenant, self.caller.user);
        if let Proof::Session { secret, .. } = &proof {
            let now = self.app.now();
            match self.app.store().find_session(secret, now).await {
                Ok(None) => return Err(Closed { code: close::NOT_SIGNED_IN, reason: "auth.not_signed_in" }),
                // An open desk is use: nobody is signed out in the middle of a call.
                Ok(Some(session)) => drop(self.app.store().touch_session(session.id, SESSION_LIFE, now).await),
                // The store is away for a moment.
                Err(_) => {}
            }
        }
        match Caller::of_user(&self.app, tenant, user, proof).await {
            Ok(caller) => {
                self.caller = caller;
                Ok(())
            }
            Err(error) if error.status.is_client_error() => {
                Err(Closed { code: close::NOT_SIGNED_IN, reason: "auth.not_signed_in" })
            }
            // The store is away for a moment: go on with what is known.
            Err(_) => Ok(()),
        }
    }

    async fn refuse(&self, socket: &mut WebSocket, id: Option<String>, error: ApiError) -> Result<(), Closed> {
        let (code, message): (String, Message) = (error.code.to_owned(), error.message);
        send(socket, &ServerMessage::Error { id, code, message }).await
    }
}

enum News {
    Desk,
    Leader,
    Report(DeviceReport),
    OfferGone(OfferGone),
    Stopping,
}

async fn desk_news(desk: &mut Option<Desk>) -> News {
    let Some(desk) = desk else { return std::future::pending().await };
    loop {
        tokio::select! {
            changed = desk.state.changed() => return if changed.is_ok() { News::Desk } else { News::Stopping },
            changed = desk.attendance.leader.changed() => {
                return if changed.is_ok() { News::Leader } else { News::Stopping };
            }
            report = desk.reports.recv() => match report {
                Ok(report) => return News::Report(report),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return News::Stopping,
            },
            gone = desk.offers_gone.recv() => match gone {
                Ok(gone) => return News::OfferGone(gone),
                // Only an explanation is lost; the desk itself says what is there.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return News::Stopping,
            },
        }
    }
}

async fn board_news(live: &mut Option<Live>) {
    if let Some(live) = live
        && live.board.changed().await.is_ok()
    {
        return;
    }
    // The board ended with its floor, or none was asked for; the connection goes on.
    std::future::pending().await
}

async fn device_state(socket: &mut WebSocket, state: DeviceStateWord, code: Option<&str>) -> Result<(), Closed> {
    send(socket, &ServerMessage::DeviceState { state, code: code.map(str::to_owned) }).await
}

fn bad_microphone(microphone: Option<Microphone>) -> Option<&'static str> {
    match microphone? {
        Microphone::Ok | Microphone::ListenOnly => None,
        Microphone::Denied => Some("microphone.denied"),
        Microphone::Missing => Some("microphone.missing"),
    }
}
