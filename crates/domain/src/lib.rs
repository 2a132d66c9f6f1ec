//! The call centre as values and state machines: floor, routing, flows, hours, access, reports.
