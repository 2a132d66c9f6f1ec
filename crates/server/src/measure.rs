//! Telephony's counters and the floors' gauges, told to the metrics recorder every few seconds for `/metrics`.
use std::sync::Weak;
use std::time::Duration;

use domain::id::TenantId;
use engine::Engine;
use metrics::{counter, gauge};

/// Scrapes are usually 15 s apart.
const EVERY: Duration = Duration::from_secs(5);

/// Runs until telephony is gone. `tenants` are those known at the start.
pub async fn run(telephony: Weak<telephony::Handle>, engine: Engine, tenants: Vec<TenantId>) {
    let mut tick = tokio::time::interval(EVERY);
    if let Some(telephony) = telephony.upgrade() {
        gauge!("cordboard_media_io", "backend" => telephony.media_io()).set(1.0);
    }
    loop {
        tick.tick().await;
        let Some(stats) = telephony.upgrade().map(|t| t.stats()) else { return };
        for (name, value) in totals(&stats) {
            counter!(name).absolute(value);
        }
        let sound =
            [("relayed", stats.sound_relayed), ("transcoded", stats.sound_transcoded), ("mixed", stats.sound_mixed)];
        for (kind, value) in sound {
            counter!("cordboard_sound_sent_total", "kind" => kind).absolute(value);
        }
        counter!("cordboard_log_lines_dropped_total").absolute(crate::log_sink::dropped());
        // 0: in the database, 1: in the spool, 2: nowhere, new calls are refused.
        gauge!("cordboard_degraded").set(f64::from(engine.saving_worst() as u8));
        gauge!("cordboard_webrtc_sessions").set(stats.webrtc_sessions as f64);
        gauge!("cordboard_legs").set(stats.legs as f64);
        gauge!("cordboard_switch_entries").set(stats.switch_entries as f64);
        gauge!("cordboard_sip_transactions").set(stats.sip_transactions as f64);
        gauge!("cordboard_sip_dialogs").set(stats.sip_dialogs as f64);
        gauge!("cordboard_sip_connections").set(stats.sip_connections as f64);
        gauge!("cordboard_engine_backlog").set(stats.engine_backlog as f64);
        gauge!("cordboard_media_tick_late_max_seconds").set(stats.media_tick_late_us_max as f64 / 1e6);
        let (mut calls, mut waiting, mut seats) = (0, 0, 0);
        for tenant in &tenants {
            // A floor that is stopping has nothing to tell.
            let Ok(view) = engine.view(*tenant).await else { continue };
            calls += view.calls;
            seats += view.seats;
            waiting += view.queues.iter().map(|q| q.waiting).sum::<u32>();
        }
        gauge!("cordboard_calls").set(f64::from(calls));
        gauge!("cordboard_waiting").set(f64::from(waiting));
        gauge!("cordboard_agents_signed_in").set(f64::from(seats));
    }
}

fn totals(s: &telephony::Stats) -> [(&'static str, u64); 23] {
    [
        ("cordboard_legs_ended_total", s.legs_ended),
        ("cordboard_sip_received_total", s.sip_received),
        ("cordboard_sip_sent_total", s.sip_sent),
        ("cordboard_sip_send_failed_total", s.sip_send_failed),
        ("cordboard_sip_dropped_total", s.sip_dropped),
        ("cordboard_sip_wrong_passwords_total", s.sip_wrong_passwords),
        ("cordboard_sip_shunned_total", s.sip_shunned),
        ("cordboard_sip_shunned_requests_total", s.sip_shunned_requests),
        ("cordboard_calls_refused_total", s.calls_refused),
        ("cordboard_tcp_refused_total", s.tcp_refused),
        ("cordboard_tls_failed_total", s.tls_failed),
        ("cordboard_rtp_received_total", s.rtp_received),
        ("cordboard_rtp_sent_total", s.rtp_sent),
        ("cordboard_fax_sent_total", s.fax_sent),
        ("cordboard_srtp_rejected_total", s.srtp_rejected),
        ("cordboard_rtp_send_failed_total", s.rtp_send_failed),
        ("cordboard_webrtc_received_total", s.webrtc_received),
        ("cordboard_webrtc_sent_total", s.webrtc_sent),
        ("cordboard_media_ticks_total", s.media_ticks),
        ("cordboard_recording_bytes_total", s.recording_bytes),
        ("cordboard_recording_chunks_dropped_total", s.recording_chunks_dropped),
        ("cordboard_recording_errors_total", s.recording_errors),
        ("cordboard_telephony_panics_total", s.panics),
    ]
}
