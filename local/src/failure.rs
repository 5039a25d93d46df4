//! How a command fails: one line, and an exit code.

use std::process::ExitCode;

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line, or what it names, cannot be used: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It was tried and did not succeed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// It was tried, and everything about it was said already: exit code 1.
    #[error("")]
    Said,
}

impl Failure {
    /// The exit code.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) | Self::Said => ExitCode::FAILURE,
        }
    }

    /// A failure with its causes, in one line.
    pub(crate) fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Failed(causes(error))
    }
}

/// An error and its causes in one line; a cause that repeats the text before it is left out.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text.replace('\n', " ")
}
