//! Figures against their targets.

/// The result of everything here: what went wrong is printed as it is.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Figures that are worse than they must be.
#[derive(Default)]
pub(crate) struct Targets(Vec<String>);

impl Targets {
    pub(crate) fn at_most(&mut self, what: &str, is: f64, most: f64) {
        if is > most {
            self.0.push(format!("{what}: {is:.2}, at most {most}"));
        }
    }

    pub(crate) fn at_least(&mut self, what: &str, is: f64, least: f64) {
        if is < least {
            self.0.push(format!("{what}: {is:.2}, at least {least}"));
        }
    }

    pub(crate) fn result(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("targets missed: {}", self.0.join("; ")).into()) }
    }
}

/// The most memory that this process has had, in megabytes.
pub(crate) fn memory_peak_mb() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? / 1024.0)
}
