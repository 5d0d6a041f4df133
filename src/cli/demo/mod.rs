//! `anshin demo`: the relay at work, without a file or a set-up. A store and a customer exchange three mails through it,
//! over real SMTP with TLS and AUTH; what was sent stands beside what arrived; then everything is checked. With `--once`
//! it ends there, otherwise it goes on as a playground.
//!
//! Rules: everything lies in one private temporary directory and listens on loopback; both go with the end, whether it
//! comes by itself, by Ctrl-C or by SIGTERM. With `--json` one document is printed, playing on or not.
//! When it fails: exit status 1, when something does not start, a mail does not arrive, or (`--once`) a check fails.

mod cast;
mod checks;
mod compose;
mod document;
mod exchange;
mod letters;
mod mailbox;
mod menu;
mod playground;
mod program;
mod reading;
mod scratch;
mod show;
mod stage;
mod traces;
mod width;
mod words;

use super::arguments::Common;
use super::output::{Failure, print};
use serde_json::Value;
use show::Show;
use stage::Stage;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the demo.
pub(super) async fn run(once: bool, common: &Common) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let played = tokio::select! {
        played = play(common, once) => played,
        _ = terminate.recv() => return stopped(once),
        _ = interrupt.recv() => return stopped(once),
    };
    let mut stage = played?;
    if !once {
        tokio::select! {
            () = playground::watch(&mut stage, common) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    // A second signal, or a mail program that keeps its connection, must not keep the terminal.
    tokio::select! {
        () = stage.end() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// A signal came before the exchange was over: to who looks on that is an end, to who wants it checked it is none.
fn stopped(once: bool) -> Result<(), Failure> {
    if once { Err(Failure::new("stopped before the end")) } else { Ok(()) }
}

/// The exchange and its checks, printed as it goes.
async fn play(common: &Common, once: bool) -> Result<Stage, Failure> {
    let show = Show::for_standard_output();
    let tell = |text: &str| {
        if !common.json {
            print(common, &Value::Null, text);
        }
    };
    let mut stage = Stage::set_up().await?;
    tell(&playground::introduction(&stage, show));
    let first = stage.first().await?;
    tell(&blank(&show.exchange(1, &first)));
    let second = stage.second(&first.arrival).await?;
    tell(&blank(&show.exchange(2, &second)));
    let third = stage.third(&second.arrival).await?;
    tell(&blank(&show.exchange(3, &third)));
    let attempts = stage.attempt().await?;
    let exchanges = [first, second, third];
    let mut checks = checks::all(&exchanges, &stage.order, &attempts);
    checks.push(menu::check(&stage).await);
    tell(&blank(&show.checks(&checks)));
    let mut document = document::of(&exchanges, &checks);
    let failed = checks.iter().filter(|check| !check.ok).count();
    if once && failed > 0 {
        let text = format!("{failed} of {} checks failed", checks.len());
        return Err(Failure { details: Some(document), ..Failure::new(text) });
    }
    if !once {
        let access = playground::Access::of(&stage).await?;
        tell(&blank(&access.text(show)));
        if let Some(object) = document.as_object_mut() {
            object.insert("access".into(), access.document());
        }
    }
    if common.json {
        print(common, &document, "");
    }
    Ok(stage)
}

/// With an empty line before it.
fn blank(text: &str) -> String {
    format!("\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_exchange_holds_every_check_and_leaves_nothing_behind() {
        let mut stage = Stage::set_up().await.unwrap();
        let directory = stage.scratch.path().to_owned();
        let first = stage.first().await.unwrap();
        let second = stage.second(&first.arrival).await.unwrap();
        let third = stage.third(&second.arrival).await.unwrap();
        let attempts = stage.attempt().await.unwrap();
        let mut checks = checks::all(&[first, second, third], &stage.order, &attempts);
        checks.push(menu::check(&stage).await);
        assert!(checks.len() > 20);
        for check in &checks {
            assert!(check.ok, "{}: {}", check.name, check.evidence);
        }
        stage.end().await;
        assert!(!directory.exists());
    }
}
