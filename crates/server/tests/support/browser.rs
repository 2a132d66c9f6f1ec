//! Headless Chromium as agent and as customer.
