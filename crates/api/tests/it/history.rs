//! Interactions, recordings, reports.
use axum::http::Method;
use serde_json::json;

use crate::support::{World, wav};

#[tokio::test(flavor = "multi_thread")]
async fn interactions_are_listed_filtered_and_shown() {
    let world = World::new().await;
    let a = &world.a;
    let list = world.get(&a.supervisor, "/interactions").await.ok();
    let row = &list["items"][0];
    assert_eq!((&row["id"], &row["end"], &row["sample"]), (&json!(a.interaction), &json!("served"), &json!(true)));
    assert_eq!(
        (&row["queues"][0]["name"]["en"], &row["agents"][0]["name"]),
        (&json!("alpha queue"), &json!("alpha worker"))
    );
    assert_eq!(row["number"]["number"], json!("1000"));
    let count = async |query: &str| {
        let page = world.get(&a.supervisor, &format!("/interactions?{query}")).await.ok();
        page["items"].as_array().unwrap().len()
    };
    let agent = format!("agent={}", a.agent);
    for (query, wanted) in [
        (agent.as_str(), 1),
        ("state=ended", 1),
        ("state=live", 0),
        ("end=abandoned", 0),
        ("direction=outbound", 0),
        ("medium=voice", 1),
        ("sample=false", 0),
        ("sample=true", 1),
        ("from=1&to=2", 0),
        ("q=13800138000", 0),
    ] {
        assert_eq!(count(query).await, wanted, "{query}");
    }
    assert_eq!(count(&format!("q={}", a.interaction)).await, 1);
    world.get(&a.supervisor, "/interactions?state=odd").await.refused(422, "request.invalid");

    let detail = world.get(&a.supervisor, &format!("/interactions/{}", a.interaction)).await.ok();
    let segment = &detail["segments"][0];
    assert_eq!(
        (&segment["of"], &segment["start"], &segment["end"]),
        (&json!("agent"), &json!("offer"), &json!("caller_hung_up"))
    );
    assert_eq!(
        (&detail["recordings"][0]["id"], &detail["recordings"][0]["stored"]),
        (&json!(a.recording), &json!(true))
    );
    world.get(&a.supervisor, &format!("/interactions/{}/events", a.interaction)).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_are_served_by_ranges_with_their_peaks() {
    let world = World::new().await;
    let (who, path) = (&world.a.supervisor, format!("/recordings/{}", world.a.recording));
    let token = format!("Bearer {}", who.token);
    let whole = world.get(who, &path).await;
    assert_eq!(
        (whole.status.as_u16(), whole.header("accept-ranges"), whole.header("content-type")),
        (200, "bytes", "audio/wav")
    );
    assert_eq!(whole.bytes, wav());
    let range = async |range: &str| {
        let headers = [("authorization", token.as_str()), ("range", range), ("accept-encoding", "gzip")];
        world.send(Method::GET, &path, &headers, None).await
    };
    let total = wav().len();
    let part = range("bytes=100-199").await;
    assert_eq!((part.status.as_u16(), part.header("content-range")), (206, format!("bytes 100-199/{total}").as_str()));
    assert_eq!(part.bytes, wav()[100..200]);
    assert_eq!(range("bytes=-10").await.bytes, wav()[total - 10..]);
    let outside = range("bytes=99999999-").await;
    assert_eq!(outside.header("content-range"), format!("bytes */{total}"));
    outside.refused(416, "request.range");
    let ogg = world.get(who, &format!("{path}?format=ogg")).await;
    assert_eq!((ogg.status.as_u16(), ogg.header("content-type")), (200, "audio/ogg"));
    assert_eq!(ogg.text(), format!("OggS 2 {}", total - 44), "all of the samples, and nothing else");
    world.get(who, &format!("{path}?format=mp3")).await.refused(422, "request.invalid");
    let peaks = world.get(who, &format!("{path}/peaks")).await.ok();
    assert_eq!((&peaks["length_ms"], peaks["left"].as_array().unwrap().len()), (&json!(10_000), 200));
    assert_eq!((&peaks["left"][0]["max"], &peaks["right"][0]["max"]), (&json!(0.5), &json!(0.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_add_up_rows_and_print_their_formulas() {
    let world = World::new().await;
    let who = &world.a.supervisor;
    let from = crate::support::now().0 - 2 * 86_400_000;
    for interval in ["15m", "1h", "1d", "all"] {
        for time in ["event", "arrival"] {
            let path = format!("/reports/queues?from={from}&interval={interval}&time={time}");
            let report = world.get(who, &path).await.ok();
            let rows = report["rows"].as_array().unwrap();
            assert_eq!(rows.len(), 1, "{path}");
            assert_eq!((&rows[0]["figures"]["offered"], &rows[0]["figures"]["asa_ms"]), (&json!(4), &json!(5_000)));
            assert_eq!((&report["total"]["answered"], &report["total"]["service_level"]), (&json!(3), &json!(0.5)));
            assert!(rows[0]["from_at"].as_i64().unwrap() < rows[0]["to_at"].as_i64().unwrap());
        }
    }
    let agents = world.get(who, &format!("/reports/agents?from={from}&interval=all")).await.ok();
    let figures = &agents["rows"][0]["figures"];
    assert_eq!(
        (&figures["handled"], &figures["talk_ms"], &figures["aht_ms"]),
        (&json!(1), &json!(10_000), &json!(10_000))
    );
    let token = format!("Bearer {}", who.token);
    let headers = [("authorization", token.as_str()), ("accept", "text/csv")];
    let csv = world.send(Method::GET, &format!("/reports/queues?from={from}&lang=zh-CN"), &headers, None).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let text = csv.text();
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("开始,结束,技能组,进入") && lines[1].contains("alpha queue,4,3,2,1"), "{text}");
    for (query, code) in
        [("from=5&to=1", "report.range"), ("from=0&interval=15m", "report.range"), ("interval=7m", "request.invalid")]
    {
        world.get(who, &format!("/reports/queues?{query}")).await.refused(422, code);
    }
    let formulas = world.get(&world.a.worker, "/reports/formulas").await.ok();
    let metrics: Vec<_> = formulas["items"].as_array().unwrap().iter().map(|f| f["metric"].as_str().unwrap()).collect();
    assert!(
        metrics
            .iter()
            .all(|m| agents["total"].get(m).is_some() || ["service_level", "abandon_rate", "asa_ms"].contains(m))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_history_goes_with_one_call() {
    let world = World::new().await;
    assert_eq!(world.delete(&world.a.admin, "/sample-history").await.status.as_u16(), 204);
    let left = world.get(&world.a.admin, "/interactions").await.ok();
    assert!(left["items"].as_array().unwrap().is_empty());
    world.get(&world.a.admin, &format!("/recordings/{}", world.a.recording)).await.refused(404, "not_found");
    assert_eq!(world.get(&world.a.admin, "/tenant").await.ok()["has_sample_history"], json!(false));
    assert_eq!(world.get(&world.b.admin, "/interactions").await.ok()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_completeness_report_tells_what_is_missing_and_of_nothing_a_caller_may_not_see() {
    let world = World::new().await;
    let a = &world.a;
    let from = crate::support::now().0 - 86_400_000;
    let get = async |who, query: &str| world.get(who, &format!("/reports/recordings?from={from}{query}")).await;
    let report = get(&a.supervisor, "").await.ok();
    let (total, row) = (&report["total"], &report["rows"][0]);
    assert_eq!(
        (&report["conversations"], &total["talk_ms"], &total["share"]),
        (&json!(1), &json!(10_000), &json!(0.75))
    );
    assert_eq!((&row["interaction"], &row["agent"]["name"]), (&json!(a.interaction), &json!("alpha worker")));
    assert_eq!((&row["figures"]["recorded_ms"], &row["figures"]["crash_ms"]), (&json!(7_500), &json!(2_500)));
    for (query, rows) in
        [("&state=missing", 1), ("&state=erased", 0), ("&sample=false", 0), ("&to=1000000000000000&state=recorded", 0)]
    {
        let answer = get(&a.supervisor, query).await;
        if query.contains("to=") {
            answer.refused(422, "report.range");
            continue;
        }
        assert_eq!(answer.ok()["rows"].as_array().unwrap().len(), rows, "{query}");
    }
    get(&a.supervisor, "&state=odd").await.refused(422, "request.invalid");
    assert_eq!(get(&world.b.supervisor, "").await.ok()["rows"][0]["interaction"], json!(world.b.interaction));
    let csv = get(&a.supervisor, "&format=csv&lang=en").await.text();
    let lines: Vec<&str> = csv.trim_start_matches('\u{feff}').lines().collect();
    assert!(lines[0].starts_with("From (UTC),Agent,Queue,Interaction,Talk ms"), "{csv}");
    assert!(
        lines[1].contains("alpha worker,alpha queue,int_") && lines[2].ends_with("10000,7500,0,0,0,0,2500,0,0,0.7500")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_for_a_court_cannot_be_deleted_until_it_is_released() {
    let world = World::new().await;
    let a = &world.a;
    let (interaction, hold) =
        (format!("/interactions/{}", a.interaction), format!("/interactions/{}/hold", a.interaction));
    let change = |held: bool, reason: &str| json!({"held": held, "reason": reason});
    world.put(&a.supervisor, &hold, change(true, "case 17")).await.refused(403, "auth.forbidden");
    world.put(&a.admin, &hold, change(true, "  ")).await.refused(422, "request.invalid");
    world.put(&a.admin, &hold, change(false, "never held")).await.refused(404, "not_found");
    assert_eq!(world.get(&a.admin, "/interactions?held=true").await.ok()["items"], json!([]));
    assert_eq!(world.put(&a.admin, &hold, change(true, "case 17")).await.ok()["reason"], json!("case 17"));

    let detail = world.get(&a.admin, &interaction).await.ok();
    assert_eq!((&detail["summary"]["held"], &detail["hold"]["reason"]), (&json!(true), &json!("case 17")));
    let detail = world.get(&a.supervisor, &interaction).await.ok();
    assert!(detail["hold"]["at"].is_i64() && detail["hold"]["reason"].is_null(), "why is not for everybody");
    let held = world.get(&a.supervisor, "/interactions?held=true").await.ok();
    assert_eq!((&held["items"][0]["id"], &held["items"][0]["held"]), (&json!(a.interaction), &json!(true)));
    let refused = world.delete(&a.supervisor, &format!("/voicemails/{}", a.message)).await;
    let message = refused.refused(409, "recording.legal_hold")["message"].clone();
    assert!(message["zh-CN"].is_string() && message["en"].is_string(), "{message}");

    assert_eq!(world.put(&a.admin, &hold, change(false, "settled")).await.ok(), json!(null));
    assert_eq!(world.delete(&a.supervisor, &format!("/voicemails/{}", a.message)).await.status.as_u16(), 204);
    let trail = world.get(&a.admin, "/audit").await.ok();
    let rows: Vec<_> =
        trail["items"].as_array().unwrap().iter().map(|r| (&r["action"], &r["detail"]["reason"])).collect();
    for row in [("interaction.hold", "case 17"), ("interaction.release", "settled")] {
        assert!(rows.contains(&(&json!(row.0), &json!(row.1))), "{rows:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_leaves_old_recordings_readable_and_their_keys_are_sealed_anew() {
    let world = World::new().await;
    let a = &world.a;
    world.get(&a.supervisor, "/encryption").await.refused(403, "auth.forbidden");
    let before = world.get(&a.admin, "/encryption").await.ok();
    assert_eq!((&before["number"], &before["older"]), (&json!(1), &json!(0)));
    let after = world.post(&a.admin, "/encryption/rotate", json!(null)).await.ok();
    assert_eq!((&after["number"], &after["older"], &after["current"]), (&json!(2), &before["current"], &json!(0)));
    let recording = format!("/recordings/{}", a.recording);
    assert_eq!(world.get(&a.admin, &recording).await.bytes, wav());
    let renewed = world.post(&a.admin, "/encryption/rewrap", json!(null)).await.ok();
    assert_eq!((&renewed["older"], &renewed["current"]), (&json!(0), &before["current"]));
    assert_eq!(world.get(&a.admin, &recording).await.bytes, wav());
    assert_eq!(world.get(&world.b.admin, "/encryption").await.ok()["number"], json!(1));
}
