//! Measures parts of the pipeline from within, through its public interface, and prints JSON.

mod changed;
mod find;
mod follow;
mod produce;

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let measured = match arguments.as_slice() {
        ["changed", repository, before, after, inputs @ ..] => {
            changed::measure(repository, before, after, inputs)?
        }
        ["find", endpoint, repository, tag] => find::measure(endpoint, repository, tag).await?,
        ["follow", endpoint, watched, project, stacks] => {
            follow::measure(endpoint, watched, project, stacks.parse()?).await?
        }
        ["produce", brokers, value, seconds, in_flight] => {
            produce::measure(brokers, value, seconds.parse()?, in_flight.parse()?)?
        }
        _ => bail!("usage: probe changed REPOSITORY BEFORE AFTER INPUT… | find … | follow … | produce …"),
    };
    writeln!(std::io::stdout(), "{measured}")?;
    Ok(())
}

/// How long some work takes, again and again, in milliseconds.
fn times(rounds: usize, mut work: impl FnMut() -> Result<()>) -> Result<Value> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        work()?;
        times.push(millis(began.elapsed()));
    }
    Ok(times.into())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
