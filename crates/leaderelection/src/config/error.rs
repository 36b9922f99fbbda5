//! All that is wrong with a configuration, together.

use std::fmt;

/// A configuration with which there is no election: everything that is wrong with it.
///
/// It prints as one line, the problems one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

/// What is wrong with one field: which, what it says, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    field: String,
    value: String,
    problem: String,
}

impl ConfigProblem {
    /// For whoever makes something of a configuration: the field as the file calls it, its value as it stands there, and what
    /// would be allowed, such as `must be greater than 0`.
    pub fn new(field: impl Into<String>, value: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            value: value.into(),
            problem: problem.into(),
        }
    }

    /// The field as the file calls it, such as `leaseDuration`; with its path where [`ConfigError::under`] said it.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What it says, as it stands in the file: a text is in quotes.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What is allowed instead.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            value,
            problem,
        } = self;
        write!(f, "{field}: {value}: {problem}")
    }
}

impl ConfigError {
    /// For whoever makes something of a configuration and found these, of which there is at least one.
    pub fn new(problems: Vec<ConfigProblem>) -> Self {
        Self { problems }
    }

    /// All of them, in the order in which they were found.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }

    /// Says where in the file the configuration stands: under `leaderElection`, `leaseDuration` is
    /// `leaderElection.leaseDuration`.
    #[must_use]
    pub fn under(mut self, path: &str) -> Self {
        for problem in &mut self.problems {
            problem.field = format!("{path}.{}", problem.field);
        }
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
