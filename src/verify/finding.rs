use std::fmt;

use serde::Serialize;

use crate::failure::Failure;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's name.
    pub check: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was tried and what came back, with what to do next where there is something to do.
    #[serde(flatten)]
    pub told: Failure,
}

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A run will not stumble over it.
    Good,
    /// A run may go well, but this should be known.
    Warning,
    /// A run would fail, or may not begin.
    Failed,
}

impl Finding {
    /// All is well.
    pub fn good(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Good, told: Failure::new(message) }
    }

    /// Something that should be known.
    #[must_use]
    pub fn warning(check: &'static str, told: Failure) -> Self {
        Self { check, verdict: Verdict::Warning, told }
    }

    /// Something that a run would fail at.
    #[must_use]
    pub fn failed(check: &'static str, told: Failure) -> Self {
        Self { check, verdict: Verdict::Failed, told }
    }
}

/// Everything that was found, in the order of the checks.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The project's name.
    pub project: String,
    /// The environment's name.
    pub environment: String,
    /// What each check found; at least one finding a check.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether a check failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.count(Verdict::Failed) > 0
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} · {}\n", self.project, self.environment)?;
        let width = self.findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
        for Finding { check, verdict, told } in &self.findings {
            let symbol = match verdict {
                Verdict::Good => '✔',
                Verdict::Warning => '!',
                Verdict::Failed => '✘',
            };
            let lines = told.to_string().replace('\n', &format!("\n{:indent$}", "", indent = width + 6));
            writeln!(f, "  {symbol} {check:width$}  {lines}")?;
        }
        let warnings = match self.count(Verdict::Warning) {
            0 => String::new(),
            1 => ", 1 warning".to_owned(),
            count => format!(", {count} warnings"),
        };
        match self.count(Verdict::Failed) {
            0 => writeln!(f, "\nready to run{warnings}"),
            count => writeln!(f, "\nnot ready: {count} failed{warnings}"),
        }
    }
}
