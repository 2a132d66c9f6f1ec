//! What calls to the outside have cost, for those who look after them.
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::AgentId;

use crate::App;
use crate::auth::Caller;
use crate::dto::spend::{AgentSpend, SpendReport, SpendSum};
use crate::error::ApiResult;
use crate::openapi::Operation as Op;
use crate::routes::resource::{READ, reader};
use crate::views::agent_ref;

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/outbound/spend", "get_spend", "outbound", READ, get)
            .summary("What calls to the outside cost today and this month")
            .returns::<SpendReport>(StatusCode::OK),
    ]
}

async fn get(State(app): State<App>, caller: Caller) -> ApiResult<Json<SpendReport>> {
    reader(&caller)?;
    let known = app.known(caller.tenant).await?;
    let Some(spend) = app.engine().view(caller.tenant).await?.spend else {
        let currency = known.settings.outbound.spend.currency.clone();
        let (day, month) = (SpendSum::default(), SpendSum::default());
        return Ok(Json(SpendReport { priced: false, currency, day, month, agents: Vec::new() }));
    };
    let agent =
        |(a, sum): (AgentId, domain::view::SpendSum)| AgentSpend { agent: agent_ref(&known, a), sum: sum.into() };
    Ok(Json(SpendReport {
        priced: true,
        currency: spend.currency,
        day: spend.day.into(),
        month: spend.month.into(),
        agents: spend.agents.into_iter().map(agent).collect(),
    }))
}
