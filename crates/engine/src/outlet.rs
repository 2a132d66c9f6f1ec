//! Where a floor's effects leave the engine: leg commands to telephony, offers to desks.
use std::sync::Arc;

use domain::effect::Effect;
use domain::id::{AgentId, OfferId, TenantId};
use tokio::sync::broadcast;
use tracing::error;

use crate::port::{Down, PortClosed};
use crate::routes::Routes;

/// Told to desks besides the changed desk view, for a one-line explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfferGone {
    pub tenant: TenantId,
    pub agent: AgentId,
    pub offer: OfferId,
}

#[derive(Clone)]
pub struct Outlet {
    pub tenant: TenantId,
    pub down: Arc<dyn Fn(Down) -> Result<(), PortClosed> + Send + Sync>,
    pub routes: Arc<Routes>,
    pub offers_gone: broadcast::Sender<OfferGone>,
}

impl Outlet {
    pub fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::Leg(command) => {
                self.routes.learn_command(self.tenant, &command);
                if (self.down)(Down::Leg(command)).is_err() {
                    error!("telephony does not take a leg command");
                }
            }
            // The desk watches its agent's view, which holds the offer.
            Effect::Offer(_) => {}
            Effect::OfferWithdrawn { agent, offer } => {
                let _ = self.offers_gone.send(OfferGone { tenant: self.tenant, agent, offer });
            }
        }
    }
}
