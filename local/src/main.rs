//! The API on a laptop: see README.md.

fn main() -> std::process::ExitCode {
    local::main(std::env::args_os())
}
