//! The `anshin` binary: see [`anshin::cli`].
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    anshin::cli::main()
}
