//! `quarterdeck screenshot`: a picture of a pane of a running console.

use super::client::Client;
use crate::cli::{Global, Screenshot};
use crate::exit::Failure;

/// Runs the command.
///
/// # Errors
/// When the words make no picture, no console answers, or the file cannot be written.
pub async fn run(global: &Global, shot: Screenshot) -> Result<(), Failure> {
    let (width, height) = shot
        .size
        .split_once(['x', '×'])
        .and_then(|(w, h)| Some((w.parse::<u16>().ok()?, h.parse::<u16>().ok()?)))
        .ok_or_else(|| {
            Failure::Usage(format!("--size {:?}: write columns and rows as in 120x40", shot.size))
        })?;
    let Some(format @ ("svg" | "png" | "txt")) = shot.out.extension().and_then(|e| e.to_str()) else {
        return Err(Failure::Usage(format!("--out {}: end it in .svg, .png or .txt", shot.out.display())));
    };
    let mut query = vec![
        ("pane", shot.pane),
        ("width", width.to_string()),
        ("height", height.to_string()),
        ("format", format.to_owned()),
    ];
    query.extend(shot.theme.map(|theme| ("theme", theme)));
    query.extend(shot.at.map(|at| ("at", at)));
    query.extend(shot.keys.map(|keys| ("keys", keys)));
    let client = Client::find(global, &shot.server)?;
    let response = client.get("/api/quarterdeck/v1/screenshot", &query).await?;
    let bytes = response
        .bytes()
        .await
        .map_err(|e| Failure::Failed(format!("the picture did not arrive whole: {e}")))?;
    std::fs::write(&shot.out, &bytes).map_err(|e| Failure::Failed(format!("{}: {e}", shot.out.display())))
}
