//! What somebody dials on a phone of the company, by its keys or out of its address book.
//!
//! | dialled | is |
//! |---|---|
//! | `701`–`799`, or `*85` before them | a parking place: whoever is there is picked up |
//! | an emergency number of the company's country | that, whatever else it may be |
//! | an agent's extension | the agent, at the device where he is signed in |
//! | the user name of a phone | its agent, or the phone itself |
//! | anything else | a number outside, as [`crate::outbound::plan`] has it |
//!
//! Numbers of the company itself are found before, by telephony: calls to them are calls like any other.
use crate::address::Address;
use crate::command::Target;
use crate::config::{DeviceKind, EntryPoint, TenantConfig};
use crate::id::DeviceId;
use crate::input::RejectCode;
use crate::outbound::{CallClass, Plan, plan};

/// Feature code before a place, for exchanges and phones that want one.
const PICK_UP: &str = "*85";
/// Numbers of parking places, as telephone systems are used to give them.
pub(crate) const PLACES: std::ops::RangeInclusive<u16> = 701..=799;

#[derive(Debug, Clone, PartialEq)]
pub enum Dialled {
    Place(u16),
    Inside(Target),
    Outside(Plan),
    Nowhere(RejectCode),
}

/// What these keys mean.
pub fn dialled(config: &TenantConfig, keys: &str) -> Dialled {
    let place = keys.strip_prefix(PICK_UP).unwrap_or(keys).parse().ok().filter(|p| PLACES.contains(p));
    if let Some(place) = place {
        return Dialled::Place(place);
    }
    let outside = plan(config, keys);
    match (outside, inside(config, keys)) {
        (Ok(plan), _) if plan.class == CallClass::Emergency => Dialled::Outside(plan),
        (_, Some(target)) => Dialled::Inside(target),
        (Ok(plan), None) => Dialled::Outside(plan),
        (Err(why), None) => Dialled::Nowhere(why.into()),
    }
}

/// What an agent's extension, a phone's user name or one of the company's numbers leads to.
pub(crate) fn inside(config: &TenantConfig, name: &str) -> Option<Target> {
    if let Some(a) = config.agents.values().find(|a| a.active && a.extension == name) {
        return Some(Target::Agent { agent: a.id });
    }
    let of_device = |device: DeviceId| match config.devices.get(&device).and_then(|d| d.agent) {
        Some(agent) => Target::Agent { agent },
        None => Target::Device { device },
    };
    if let Some(number) = config.numbers.values().find(|n| n.number == name) {
        return match number.entry {
            EntryPoint::Queue { queue } => Some(Target::Queue { queue }),
            EntryPoint::Flow { flow } => Some(Target::Flow { flow }),
            EntryPoint::Device { device } => Some(of_device(device)),
            EntryPoint::Echo => None,
        };
    }
    let named = |kind: &DeviceKind| matches!(kind, DeviceKind::Sip { user } if user == name);
    config.devices.values().find(|d| named(&d.kind)).map(|d| of_device(d.id))
}

/// Who calls from a phone, as those whom he calls within the company are shown: extension and name of its agent, else the
/// phone's own.
pub fn caller(config: &TenantConfig, device: DeviceId) -> Option<(Address, String)> {
    let device = config.devices.get(&device)?;
    let agent = device.agent.and_then(|a| config.agents.get(&a)).filter(|a| a.active);
    match (agent, &device.kind) {
        (Some(agent), _) => Some((Address::Extension { number: agent.extension.clone() }, agent.name.clone())),
        (None, DeviceKind::Sip { user }) => Some((Address::Extension { number: user.clone() }, device.name.clone())),
        (None, DeviceKind::Browser | DeviceKind::Uri { .. }) => None,
    }
}
