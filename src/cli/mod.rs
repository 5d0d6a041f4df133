//! The commands. Each prints for a person, or with `--json` one JSON document; exit status 0, 1 (failed), 2 (usage).

mod arguments;
mod arguments_desk;
mod arguments_extract;
mod arguments_log;
mod arguments_queue;
mod arguments_rule;
mod arguments_search;
mod compliance;
mod configuration;
mod contain;
mod credential;
mod demo;
mod desk;
mod dns;
mod generate;
mod hardening;
mod keys;
mod keys_rekey;
mod log;
mod log_case;
mod log_extract;
mod log_message;
mod log_parquet;
mod log_questions;
mod log_rows;
mod log_rule;
mod log_search;
mod log_stats;
mod log_timeline;
mod log_tree;
mod merchant;
mod new_file;
mod order;
mod output;
mod process;
mod providers;
mod queue;
mod residency;
mod rules;
mod sealed_file;
mod senders;
mod queue_blocks;
mod queue_counts;
mod queue_many;
mod queue_route;
mod serve;
mod token;
mod webhook;

use arguments::{Arguments, Command};
use clap::Parser;
use output::Failure;
use std::process::ExitCode;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    hardening::harden();
    quiet_panics();
    let json = arguments.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return output::failed(&Failure::new(format!("the runtime can't start: {error}")), json);
        }
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::failed(&failure, json),
    }
}

/// A panic's message may quote what was being read (slicing a text does), so only its place is told.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        if tracing::dispatcher::has_been_set() {
            tracing::error!(event = "panic", place, "a defect; what was under way is given up");
        } else {
            output::defect(&place);
        }
    }));
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let common = arguments.common();
    match arguments.command {
        Command::Demo { once } => demo::run(once, &common).await,
        Command::Serve { roles } => serve::run(&roles, &common).await,
        Command::Config { command } => configuration::run(&command, &common),
        Command::Merchant { command } => merchant::run(command, &common).await,
        Command::Order { command } => order::run(command, &common).await,
        Command::Queue { command } => queue::run(command, &common).await,
        Command::Log { command } => log::run(command, &common).await,
        Command::Reveal { command } => desk::run(command, &common).await,
        Command::Senders { command } => senders::run(command, &common).await,
        Command::Keys { command } => keys::run(&command, &common).await,
        Command::Dns { check } => dns::run(check, &common).await,
        Command::Compliance { command } => compliance::run(command, &common).await,
        Command::Token { command } => token::run(command, &common).await,
        Command::Webhook { command } => webhook::run(command, &common).await,
    }
}
