use std::fmt;

/// A function and the alias that its callers use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The function's name or ARN.
    pub function: String,
    /// The alias's name.
    pub alias: String,
}

impl Target {
    /// The target as `pipeline.yaml` names it.
    pub fn new(function: impl Into<String>, alias: impl Into<String>) -> Self {
        Self { function: function.into(), alias: alias.into() }
    }

    /// The function's name, where an ARN was given too.
    #[must_use]
    pub fn function_name(&self) -> &str {
        let mut parts = self.function.split(":function:");
        let (first, rest) = (parts.next(), parts.next());
        let name = rest.or(first).unwrap_or(&self.function);
        name.split(':').next().unwrap_or(name)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alias {} of function {}", self.alias, self.function_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_ends_in_the_functions_name() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:processor";
        assert_eq!(Target::new(arn, "live").to_string(), "alias live of function processor");
        assert_eq!(Target::new(format!("{arn}:3"), "live").function_name(), "processor");
        assert_eq!(Target::new("processor", "live").function_name(), "processor");
    }
}
