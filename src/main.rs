//! The command line of `pipeline`.

use std::process::ExitCode;

use clap::Parser;
use pipeline::cli;

#[tokio::main]
async fn main() -> ExitCode {
    let code = match cli::main(cli::Cli::parse()).await {
        Ok(code) => code,
        Err(exit) => {
            cli::note(&exit.message);
            exit.code
        }
    };
    ExitCode::from(code as u8)
}
