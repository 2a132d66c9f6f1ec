//! The customer page's connection: one peer connection, calls to the tenant's web numbers, nothing else.
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use domain::device::{DeviceLoss, DeviceReport};
use serde::Deserialize;
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use super::{Closed, LARGEST, Received, SILENT, close, end, read, send};
use crate::App;
use crate::auth::guest::{Guest, VISIT};
use crate::dto::socket::{DeviceStateWord, PublicClientMessage, PublicServerMessage as Out};
use crate::error::{ApiError, Code};
use crate::http::Params;

/// Between two calls of one guest.
const DIAL_EVERY: Duration = Duration::from_secs(2);
/// Whoever is cut off may come back within this; telephony keeps his call as long.
const BACK_WITHIN: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
pub struct Query {
    token: String,
}

pub async fn open(State(app): State<App>, Params(query): Params<Query>, upgrade: WebSocketUpgrade) -> Response {
    let Some(guest) = app.guests().open(&query.token, app.now()) else {
        return ApiError::from(Code::BadToken).into_response();
    };
    if !app.engine().devices().add_guest(guest.tenant, guest.device) {
        return ApiError::from(Code::Overloaded).retry_after(30).into_response();
    }
    // One connection per token: the device belongs to the newest.
    let place = app.enter_guest(guest.device);
    let (failed, unused) = (app.clone(), place.clone());
    upgrade
        .max_message_size(LARGEST)
        .max_frame_size(LARGEST)
        .on_failed_upgrade(move |_| leave(&failed, guest, &unused))
        .on_upgrade(move |mut socket| async move {
            let parting = tokio::select! {
                parting = visit(&app, guest, &mut socket) => parting,
                () = place.notified() => Err(Closed { code: close::REPLACED, reason: "socket.replaced" }),
            };
            match parting {
                Ok(Parting::Left) => leave(&app, guest, &place),
                Ok(Parting::CutOff) => {
                    // Whoever comes back meanwhile takes the place.
                    tokio::time::sleep(BACK_WITHIN).await;
                    leave(&app, guest, &place);
                }
                Err(closed) => {
                    leave(&app, guest, &place);
                    end(socket, closed).await;
                }
            }
        })
}

/// How a visit ended without a fault of its own.
enum Parting {
    /// The page said so.
    Left,
    /// The network, most likely.
    CutOff,
}

/// Ends the call and the connection with it, unless another has taken its place.
fn leave(app: &App, guest: Guest, place: &Arc<Notify>) {
    if app.leave_guest(guest.device, place) {
        app.engine().devices().remove_guest(guest.device);
    }
}

async fn visit(app: &App, guest: Guest, socket: &mut WebSocket) -> Result<Parting, Closed> {
    let devices = app.engine().devices();
    let mut reports = devices.subscribe(guest.device);
    let mut connection: Option<(u64, u64)> = None;
    let mut dialled: Option<Instant> = None;
    let mut heard = Instant::now();
    let over = Instant::now() + VISIT;
    let relays = &app.options().relays;
    let servers = relays.servers(guest.device, app.now(), VISIT);
    send(socket, &Out::Ice { servers, relay_only: relays.is_only_way }).await?;
    loop {
        tokio::select! {
            message = socket.recv() => {
                let parting = if matches!(message, Some(Ok(Message::Close(_)))) { Parting::Left } else { Parting::CutOff };
                let message = match read(message) {
                    Received::Message(message) => message,
                    Received::Nothing => { heard = Instant::now(); continue; }
                    Received::Unknown => return Err(Closed::protocol()),
                    Received::Gone => return Ok(parting),
                };
                heard = Instant::now();
                let done = match message {
                    PublicClientMessage::Ping => {
                        send(socket, &Out::Pong { now: app.now().0 }).await?;
                        Ok(())
                    }
                    PublicClientMessage::DeviceOffer { generation, sdp } => {
                        if sdp.len() > 20_000 || !sdp.starts_with("v=0") {
                            let message = Code::DeviceBadSdp.message();
                            let code = Code::DeviceBadSdp.as_str().to_owned();
                            send(socket, &Out::DeviceRefused { generation, code, message }).await?;
                            Ok(())
                        } else {
                            devices.connect(guest.tenant, guest.device, sdp).map(|ours| {
                                connection = Some((ours, generation));
                            }).map_err(ApiError::from)
                        }
                    }
                    PublicClientMessage::Dial { number } => {
                        if app.now() >= guest.expires {
                            Err(Code::BadToken.into())
                        } else if dialled.is_some_and(|at| at.elapsed() < DIAL_EVERY) {
                            Err(Code::TooManyRequests.into())
                        } else {
                            dialled = Some(Instant::now());
                            dial(app, guest, &number).await
                        }
                    }
                    PublicClientMessage::HangUp => devices.hang_up(guest.device).map_err(ApiError::from),
                    PublicClientMessage::Digit { digit } => match digit.chars().next() {
                        Some(c @ ('0'..='9' | '*' | '#')) if digit.len() == 1 => {
                            devices.digit(guest.device, c).map_err(ApiError::from)
                        }
                        _ => Err(domain::input::RejectCode::DigitsInvalid.into()),
                    },
                };
                if let Err(error) = done {
                    send(socket, &Out::Error { code: error.code.to_owned(), message: error.message }).await?;
                }
            }
            report = reports.recv() => match report {
                Ok(report) => {
                    if let Some(message) = told(report, &mut connection) {
                        send(socket, &message).await?;
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => {
                    return Err(Closed { code: close::OVERLOADED, reason: "system.stopping" });
                }
            },
            () = tokio::time::sleep_until(heard + SILENT) => {
                return Err(Closed { code: close::SLOW, reason: "socket.silent" });
            }
            () = tokio::time::sleep_until(over) => {
                return Err(Closed { code: close::NOT_SIGNED_IN, reason: "auth.not_signed_in" });
            }
        }
    }
}

async fn dial(app: &App, guest: Guest, number: &str) -> Result<(), ApiError> {
    let known = app.known(guest.tenant).await?;
    let found = known.config.numbers.values().find(|n| n.web && n.number == number);
    let number = found.ok_or(domain::input::RejectCode::NumberUnknown)?.id;
    Ok(app.engine().devices().dial(guest.device, number)?)
}

fn told(report: DeviceReport, connection: &mut Option<(u64, u64)>) -> Option<Out> {
    let current = |generation: u64| connection.filter(|(ours, _)| *ours == generation).map(|(_, theirs)| theirs);
    let state = |state, code: Option<&str>| Out::DeviceState { state, code: code.map(str::to_owned) };
    match report {
        DeviceReport::Answer { generation, answer_sdp, .. } => {
            Some(Out::DeviceAnswer { generation: current(generation)?, sdp: answer_sdp })
        }
        DeviceReport::Refused { generation, code, .. } => {
            let message = Code::DeviceBadSdp.message();
            Some(Out::DeviceRefused { generation: current(generation)?, code, message })
        }
        DeviceReport::Ready { generation, .. } => {
            current(generation)?;
            Some(state(DeviceStateWord::Ready, None))
        }
        DeviceReport::Lost { generation, why, .. } => {
            current(generation)?;
            *connection = None;
            let code = if why == DeviceLoss::IceFailed { "device.ice_failed" } else { "device.closed" };
            Some(state(DeviceStateWord::Lost, Some(code)))
        }
        DeviceReport::GuestCall { state, .. } => Some(Out::Call { state }),
        DeviceReport::Binding { .. } => None,
    }
}
