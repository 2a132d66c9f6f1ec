//! Every operation of the interface, one module per group; [`operations`] is the list that the router, the OpenAPI
//! document and the two-tenant test are made from.
pub mod admin;
pub mod analysis;
pub mod flows;
pub mod interactions;
pub mod live;
pub mod meta;
pub mod public;
pub mod session;

use crate::openapi::Operation;

pub fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    all.extend(session::operations());
    all.extend(admin::operations());
    all.extend(flows::operations());
    all.extend(interactions::operations());
    all.extend(analysis::operations());
    all.extend(live::operations());
    all.extend(public::operations());
    all.extend(meta::operations());
    all
}
