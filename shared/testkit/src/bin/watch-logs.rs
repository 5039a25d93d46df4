//! Looks at what processes wrote out: `watch-logs FILE..` fails when it holds what must not be kept, or metrics that CloudWatch does not take.

use std::process::ExitCode;

use testkit::watch;

fn main() -> ExitCode {
    let mut lines = 0;
    for path in std::env::args().skip(1) {
        let written = match std::fs::read(&path) {
            Ok(written) => written,
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::FAILURE;
            }
        };
        for line in String::from_utf8_lossy(&written).lines() {
            watch::line(line);
            lines += 1;
        }
    }
    println!("{lines} lines that were written out: nothing in them must not be kept");
    // Nothing to look at means that the wrong files were given.
    if lines == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
