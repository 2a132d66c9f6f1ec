//! What people ask of the floor, by socket or by REST: seats, agents' commands, supervisors' commands.
use std::time::Duration;

use domain::access::Action;
use domain::address::Address;
use domain::command::{
    AgentCommand as FloorCommand, Presence as FloorPresence, SupervisorCommand as FloorSupervision, WatchMode,
};
use domain::config::{DeviceConfig, DeviceKind};
use domain::id::{AgentId, DeviceId, InteractionId, SegmentId};
use domain::input::RejectCode;
use domain::mailbox::CallBack;
use domain::outbound::{Plan, plan};
use engine::CommandError;
use store::Scope;

use crate::App;
use crate::auth::Caller;
use crate::dto::command::{AgentCommand, SupervisorCommand, Target};
use crate::dto::desk::Presence;
use crate::error::{ApiError, ApiResult, Code};
use crate::routes::voicemails;

/// The agent's browser device, made the first time.
pub async fn browser_device(app: &App, caller: &Caller, agent: AgentId) -> ApiResult<DeviceId> {
    let known = app.known(caller.tenant).await?;
    let mine = |d: &&DeviceConfig| d.agent == Some(agent) && d.kind == DeviceKind::Browser;
    if let Some(device) = known.config.devices.values().find(mine) {
        return Ok(device.id);
    }
    let name = known.config.agents.get(&agent).map(|a| a.name.clone()).unwrap_or_default();
    let id = DeviceId::from_parts(app.now().0, rand::random());
    let mut tx = app.admin(caller, "browser").await?;
    tx.put(
        DeviceConfig {
            id,
            name,
            agent: Some(agent),
            kind: DeviceKind::Browser,
            srtp: Default::default(),
            codecs: Vec::new(),
        },
        None,
    )
    .await?;
    app.commit(caller.tenant, tx).await?;
    Ok(id)
}

/// A tab that begins to lead takes the agent's seat, unless a phone holds it already (on duty by API).
pub async fn sign_in(app: &App, caller: &Caller, agent: AgentId, device: DeviceId) -> ApiResult<()> {
    let present = app.engine().agent_view(caller.tenant, agent).await?;
    let elsewhere =
        present.as_ref().is_some_and(|v| v.signed_in && v.device.as_ref().is_some_and(|d| d.device != device));
    if elsewhere {
        return Ok(());
    }
    app.engine().agent(caller.tenant, agent, FloorCommand::SignIn { device, seat: Default::default() }).await?;
    Ok(())
}

/// Carries out an agent's command; returns the floor's last event, durable by then. `device`: what `sign_in` without
/// one means. The caller has checked that it may.
pub async fn agent_command(
    app: &App,
    caller: &Caller,
    agent: AgentId,
    command: AgentCommand,
    device: Option<DeviceId>,
) -> ApiResult<u64> {
    let (engine, tenant) = (app.engine(), caller.tenant);
    let wants_work =
        matches!(command, AgentCommand::SetPresence { presence: Presence::Available | Presence::Break { .. } });
    let command = match command {
        AgentCommand::Dial { number, caller: shown } => {
            let plan = outside(app, caller, agent, &number).await?;
            return Ok(engine.dial(tenant, agent, plan, shown, None).await?.seq);
        }
        AgentCommand::CallBack { interaction, message, caller: shown } => {
            let back = CallBack { of: interaction, message };
            let number = other_party(app, caller, back).await?;
            let plan = outside(app, caller, agent, &number).await?;
            return Ok(engine.dial(tenant, agent, plan, shown, Some(back)).await?.seq);
        }
        AgentCommand::Transfer { segment, to: Target::Outside { number, caller: shown } } => {
            let plan = outside(app, caller, agent, &number).await?;
            return Ok(engine.hand_outside(tenant, agent, segment, plan, shown, false).await?.seq);
        }
        AgentCommand::Consult { segment, to: Target::Outside { number, caller: shown } } => {
            let plan = outside(app, caller, agent, &number).await?;
            return Ok(engine.hand_outside(tenant, agent, segment, plan, shown, true).await?.seq);
        }
        command => command,
    };
    let command = floor_command(app, caller, agent, command, device).await?;
    let first = engine.agent(tenant, agent, command.clone()).await;
    let accepted = match (first, device) {
        // Whoever signed out on a desk and wants work again takes the seat again.
        (Err(CommandError::Rejected(RejectCode::AgentNotSignedIn)), Some(device)) if wants_work => {
            sign_in(app, caller, agent, device).await?;
            engine.agent(tenant, agent, command).await?
        }
        (first, _) => first?,
    };
    Ok(accepted.seq)
}

/// The number of the other party of an interaction that the caller may see, or whose message he may hear.
async fn other_party(app: &App, caller: &Caller, back: CallBack) -> ApiResult<String> {
    let scope = Scope::Tenant(caller.tenant);
    let known = app.known(caller.tenant).await?;
    match back.message {
        Some(message) => {
            let row = voicemails::mine(app, caller, message).await?;
            if row.interaction_id != back.of {
                return Err(Code::NotFound.into());
            }
        }
        None => {
            let row = app.store().interaction(scope, back.of).await?;
            let resource = caller.resource(&known.config, row.queue_id, row.agent_id);
            caller.require(Action::InteractionView, &resource)?;
        }
    }
    let row = app.store().interaction(scope, back.of).await?;
    let Some(address) = row.address_id else { return Err(RejectCode::NumberInvalid.into()) };
    match app.store().address(caller.tenant, address).await?.value {
        Address::Phone { raw, e164, .. } => Ok(e164.unwrap_or(raw)),
        // Perhaps a short code outside: the plan knows the company's own.
        Address::Extension { number } => Ok(number),
        Address::SipUri { .. } | Address::Email { .. } | Address::Social { .. } | Address::Withheld => {
            Err(RejectCode::NumberInvalid.into())
        }
    }
}

/// What calling this number for an agent means. It stays out of the floor, which knows its address by an id.
async fn outside(app: &App, caller: &Caller, agent: AgentId, number: &str) -> ApiResult<Plan> {
    if number.chars().count() > 40 {
        return Err(RejectCode::NumberInvalid.into());
    }
    let known = app.known(caller.tenant).await?;
    if caller.agent != Some(agent) {
        // It opens his microphone to whoever answers: a right like that to break into his calls.
        caller.require(Action::CallIntervene, &caller.resource(&known.config, [], [agent]))?;
    }
    Ok(plan(&known.config, number).map_err(RejectCode::from)?)
}

async fn floor_command(
    app: &App,
    caller: &Caller,
    agent: AgentId,
    command: AgentCommand,
    default_device: Option<DeviceId>,
) -> ApiResult<FloorCommand> {
    Ok(match command {
        AgentCommand::SignIn { device } => {
            let device = device.or(default_device).ok_or_else(|| ApiError::field("command.device", "required"))?;
            FloorCommand::SignIn { device, seat: Default::default() }
        }
        AgentCommand::SignOut => FloorCommand::SignOut,
        AgentCommand::SetPresence { presence } => FloorCommand::SetPresence { presence: presence.into() },
        AgentCommand::AcceptOffer { offer } => FloorCommand::AcceptOffer { offer },
        AgentCommand::DeclineOffer { offer } => FloorCommand::DeclineOffer { offer },
        AgentCommand::Hold { segment } => FloorCommand::Hold { segment },
        AgentCommand::Resume { segment } => FloorCommand::Resume { segment },
        AgentCommand::Mute { segment, muted } => FloorCommand::Mute { segment, muted },
        AgentCommand::StartRecording { segment } => FloorCommand::StartRecording { segment },
        AgentCommand::StopRecording { segment } => FloorCommand::StopRecording { segment },
        AgentCommand::Mask { segment } => FloorCommand::Mask { segment },
        AgentCommand::Unmask { segment } => FloorCommand::Unmask { segment },
        AgentCommand::SendDigits { segment, digits } => FloorCommand::SendDigits { segment, digits },
        AgentCommand::Dial { .. } | AgentCommand::CallBack { .. } => return Err(RejectCode::InputUnexpected.into()),
        AgentCommand::HangUp { segment } => FloorCommand::HangUp { segment },
        AgentCommand::Transfer { segment, to } => {
            FloorCommand::Transfer { segment, to: to.inside().ok_or(RejectCode::InputUnexpected)? }
        }
        AgentCommand::Consult { segment, to } => {
            FloorCommand::Consult { segment, to: to.inside().ok_or(RejectCode::InputUnexpected)? }
        }
        AgentCommand::SwitchParty { segment } => FloorCommand::SwitchParty { segment },
        AgentCommand::CompleteTransfer { segment } => FloorCommand::CompleteTransfer { segment },
        AgentCommand::Conference { segment } => FloorCommand::Conference { segment },
        AgentCommand::Park { segment } => FloorCommand::Park { segment },
        AgentCommand::PickUp { interaction } => FloorCommand::PickUp { interaction },
        AgentCommand::EndConsult { segment } => FloorCommand::EndConsult { segment },
        AgentCommand::SetDisposition { segment, disposition, note } => {
            let note = match note.filter(|n| !n.trim().is_empty()) {
                Some(text) if text.chars().count() > 4_000 => {
                    return Err(ApiError::field("command.note", "too_long"));
                }
                Some(text) => {
                    let (tenant, user) = (caller.tenant, Some(caller.user));
                    let view = app.engine().agent_view(tenant, agent).await?;
                    let work = view.iter().flat_map(|v| &v.work).find(|w| w.segment == segment);
                    let interaction = work.ok_or(RejectCode::SegmentNotYours)?.interaction;
                    let row = app
                        .store()
                        .create_note(tenant, Some(interaction), user, "wrap_up", &text, None, app.now())
                        .await?;
                    Some(row.id)
                }
                None => None,
            };
            FloorCommand::SetDisposition { segment, disposition, note }
        }
        AgentCommand::EndWrapUp { segment } => FloorCommand::EndWrapUp { segment },
        AgentCommand::ExtendWrapUp { segment, by_ms } => {
            FloorCommand::ExtendWrapUp { segment, by: Duration::from_millis(by_ms.min(600_000)) }
        }
    })
}

/// Checks the right over whom or what it concerns, then asks the floor.
pub async fn supervise(app: &App, caller: &Caller, command: SupervisorCommand) -> ApiResult<()> {
    let tenant = caller.tenant;
    let known = app.known(tenant).await?;
    let over = |agent: AgentId| -> ApiResult<()> {
        if !known.config.agents.contains_key(&agent) {
            return Err(RejectCode::AgentUnknown.into());
        }
        caller.require(Action::AgentControl, &caller.resource(&known.config, [], [agent]))
    };
    let over_work = async |action: Action, interaction: InteractionId| -> ApiResult<()> {
        let view = app.engine().view(tenant).await?;
        let live = view.interactions.iter().find(|i| i.interaction == interaction);
        let live = live.ok_or(RejectCode::InteractionUnknown)?;
        let queues = live.segments.iter().filter_map(|s| s.queue);
        let agents = live.segments.iter().filter(|s| s.watching.is_none()).filter_map(|s| s.agent);
        caller.require(action, &caller.resource(&known.config, queues, agents))
    };
    // Of the agent's own segment alone: whoever else has to do with the customer gives nobody a right over him.
    let over_segment = async |action: Action, interaction: InteractionId, segment: SegmentId| -> ApiResult<()> {
        let view = app.engine().view(tenant).await?;
        let live = view.interactions.iter().find(|i| i.interaction == interaction);
        let segments = &live.ok_or(RejectCode::InteractionUnknown)?.segments;
        let target = segments.iter().find(|s| s.segment == segment && s.watching.is_none());
        let target = target.ok_or(RejectCode::SegmentState)?;
        caller.require(action, &caller.resource(&known.config, target.queue, target.agent))
    };
    let command = match command {
        SupervisorCommand::SetAgentPresence { agent, presence } => {
            over(agent)?;
            FloorSupervision::SetAgentPresence { agent, presence: FloorPresence::from(presence) }
        }
        SupervisorCommand::SignOutAgent { agent } => {
            over(agent)?;
            FloorSupervision::SignOutAgent { agent }
        }
        SupervisorCommand::EndInteraction { interaction } => {
            over_work(Action::InteractionEnd, interaction).await?;
            FloorSupervision::EndInteraction { interaction }
        }
        SupervisorCommand::Watch { interaction, segment, mode } => {
            let action = if mode == WatchMode::Monitor { Action::CallMonitor } else { Action::CallIntervene };
            over_segment(action, interaction, segment).await?;
            FloorSupervision::Watch { interaction, segment, mode }
        }
        // Whoever watches may always stop.
        SupervisorCommand::StopWatching { interaction } => FloorSupervision::StopWatching { interaction },
        SupervisorCommand::TakeOver { interaction, segment } => {
            over_segment(Action::CallIntervene, interaction, segment).await?;
            FloorSupervision::TakeOver { interaction, segment }
        }
    };
    app.engine().supervisor(tenant, caller.user, command).await?;
    Ok(())
}
