//! `quarterdeck query`: PromQL from a shell.

use quarterdeck_kernel::time::{millis, parse_duration};
use quarterdeck_kernel::{Clock, Labels, SystemClock, Timestamp};
use quarterdeck_widgets::text::clean;
use serde_json::Value;

use super::client::Client;
use super::{say, say_exactly};
use crate::cli::{Global, Output, Query};
use crate::exit::Failure;

/// Runs the command.
///
/// # Errors
/// When a time is not one, no console answers, or the question is wrong.
pub async fn run(global: &Global, query: Query) -> Result<(), Failure> {
    let usage = |e: &dyn std::fmt::Display| Failure::Usage(e.to_string());
    let client = Client::find(global, &query.server)?;
    let mut params = vec![("query", query.promql.clone())];
    let path = match &query.range {
        None => {
            if let Some(time) = &query.time {
                params.push(("time", time.clone()));
            }
            "/api/v1/query"
        }
        Some(range) => {
            let range = parse_duration(range).map_err(|e| usage(&e))?;
            let end = match &query.time {
                None => SystemClock.now(),
                Some(text) => parse_time(text).ok_or_else(|| {
                    Failure::Usage(format!(
                        "--time {text:?} is not a time: write 2026-01-31T12:00:00Z or Unix seconds"
                    ))
                })?,
            };
            let step = match &query.step {
                Some(step) => parse_duration(step).map_err(|e| usage(&e))?,
                None => (range / 60).max(std::time::Duration::from_secs(1)),
            };
            params.push(("start", (end - range).as_secs_f64().to_string()));
            params.push(("end", end.as_secs_f64().to_string()));
            params.push(("step", (millis(step) as f64 / 1000.0).to_string()));
            "/api/v1/query_range"
        }
    };
    let answer: Value = client.get_json(path, &params).await?;
    if query.output == Output::Json {
        say_exactly(&answer.to_string());
        return Ok(());
    }
    for note in ["warnings", "infos"] {
        for text in answer[note].as_array().into_iter().flatten() {
            eprintln!("quarterdeck: {}", clean(text.as_str().unwrap_or_default()));
        }
    }
    print_result(&answer["data"]);
    Ok(())
}

fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<f64>() {
        return seconds.is_finite().then(|| Timestamp::from_secs_f64(seconds));
    }
    text.parse::<jiff::Timestamp>().ok().map(|t| Timestamp::from_millis(t.as_millisecond()))
}

fn print_result(data: &Value) {
    let result = &data["result"];
    let sample = |pair: &Value| pair[1].as_str().unwrap_or_default().to_owned();
    match data["resultType"].as_str() {
        Some("scalar" | "string") => say(&sample(result)),
        Some("vector") => {
            for series in result.as_array().into_iter().flatten() {
                say(&format!("{} {}", labels(&series["metric"]), sample(&series["value"])));
            }
        }
        _ => {
            for series in result.as_array().into_iter().flatten() {
                say(&labels(&series["metric"]).to_string());
                for point in series["values"].as_array().into_iter().flatten() {
                    let at = Timestamp::from_secs_f64(point[0].as_f64().unwrap_or_default());
                    say(&format!("  {at} {}", sample(point)));
                }
            }
        }
    }
}

fn labels(metric: &Value) -> Labels {
    serde_json::from_value(metric.clone()).unwrap_or_default()
}
