//! Every operation of the interface, one module per group; [`operations`] is the list that the router, the OpenAPI
//! document and the two-tenant test are made from.
mod admin;
mod analysis;
mod coverage;
mod csv;
mod devices;
mod flows;
mod holds;
mod interactions;
mod keys;
mod live;
mod meta;
mod people;
mod prompts;
mod provisioning;
mod public;
mod resource;
pub mod session;
mod sound;
mod spend;
mod trunks;
pub mod voicemails;
mod wav;

use crate::openapi::Operation;

pub fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    all.extend(session::operations());
    all.extend(people::operations());
    all.extend(admin::operations());
    all.extend(trunks::operations());
    all.extend(devices::operations());
    all.extend(provisioning::operations());
    all.extend(prompts::operations());
    all.extend(flows::operations());
    all.extend(interactions::operations());
    all.extend(holds::operations());
    all.extend(voicemails::operations());
    all.extend(analysis::operations());
    all.extend(coverage::operations());
    all.extend(live::operations());
    all.extend(spend::operations());
    all.extend(keys::operations());
    all.extend(public::operations());
    all.extend(meta::operations());
    all
}
