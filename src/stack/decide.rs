use std::fmt;

use super::{Live, ParameterValue, Spec};
use crate::failure::Failure;
use crate::plan::{Action, Decision};

/// What is to be done with a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Unchanged,
    /// It does not exist.
    Create,
    /// Its creation failed; what is left is deleted first.
    Recreate {
        /// The status it is in.
        status: String,
    },
    /// It differs, or may differ.
    Update {
        /// In what.
        differences: Vec<Difference>,
    },
    /// Its last update failed and was not taken back whole; that is finished first, and then it is decided anew.
    Recover {
        /// The status it is in.
        status: String,
    },
    /// An operation is under way and has to end first.
    Busy {
        /// The status it is in.
        status: String,
    },
    /// It is in a state that needs a person.
    Stuck(Failure),
}

/// One way in which a live stack differs from what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The template says something else. Comments and the order of keys do not count.
    Template,
    /// A parameter has another value.
    Parameter {
        /// The parameter.
        name: String,
        /// The live value, if the live stack has the parameter.
        before: Option<String>,
        /// The wanted value.
        after: String,
    },
    /// A parameter's value is not known yet.
    Pending {
        /// The parameter.
        name: String,
    },
    /// A parameter's live value can't be compared: it is hidden, or looked up when the stack is applied.
    Hidden {
        /// The parameter.
        name: String,
    },
    /// The tags differ.
    Tags,
}

/// Decides what is to be done with a stack.
#[must_use]
pub fn decide(spec: &Spec, live: Option<&Live>) -> Verdict {
    let Some(live) = live else { return Verdict::Create };
    let status = live.status.0.clone();
    if live.status.never_created() || live.status.gone() {
        Verdict::Create
    } else if live.status.busy() {
        Verdict::Busy { status }
    } else if live.status.failed_creation() {
        Verdict::Recreate { status }
    } else if live.status.half_rolled_back() {
        Verdict::Recover { status }
    } else if live.status.updatable() {
        match differences(spec, live) {
            differences if differences.is_empty() => Verdict::Unchanged,
            differences => Verdict::Update { differences },
        }
    } else {
        Verdict::Stuck(stuck(&spec.stack_name, &status))
    }
}

fn differences(spec: &Spec, live: &Live) -> Vec<Difference> {
    let mut differences = Vec::new();
    if live.template.as_ref() != Some(&spec.template.body) {
        differences.push(Difference::Template);
    }
    for (name, parameter) in &spec.template.parameters {
        let before = live.parameters.get(name);
        let difference = match spec.effective(name) {
            Some(ParameterValue::Pending(_)) => Some(Difference::Pending { name: name.clone() }),
            Some(ParameterValue::Known(_))
                if parameter.no_echo || parameter.type_name.starts_with("AWS::SSM::") =>
            {
                Some(Difference::Hidden { name: name.clone() })
            }
            Some(ParameterValue::Known(after)) if before != Some(&after) => {
                Some(Difference::Parameter { name: name.clone(), before: before.cloned(), after })
            }
            _ => None,
        };
        differences.extend(difference);
    }
    if live.tags != spec.tags {
        differences.push(Difference::Tags);
    }
    differences
}

fn stuck(stack_name: &str, status: &str) -> Failure {
    let hint = match status {
        "DELETE_FAILED" => format!(
            "look at what could not be deleted, then `aws cloudformation delete-stack --stack-name {stack_name}` \
             and run again"
        ),
        _ => format!("look at the events of {stack_name} in the CloudFormation console"),
    };
    Failure::new(format!("{stack_name} is in {status} and can't be updated")).hint(hint)
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template => f.write_str("template changed"),
            Self::Parameter { name, .. } => write!(f, "{name} changed"),
            Self::Pending { name } => write!(f, "{name} not known yet"),
            Self::Hidden { name } => write!(f, "{name} can't be compared"),
            Self::Tags => f.write_str("tags changed"),
        }
    }
}

impl Verdict {
    /// The decision to show for it.
    #[must_use]
    pub fn decision(&self) -> Decision {
        match self {
            Self::Unchanged => Decision::new(Action::Nothing, "template and parameters are live"),
            Self::Create => Decision::new(Action::Create, "the stack does not exist"),
            Self::Recreate { status } => {
                Decision::new(Action::Recreate, format!("its creation failed ({status})"))
            }
            Self::Recover { status } => Decision::new(
                Action::Update,
                format!("a failed update was not taken back whole ({status}): that is finished first"),
            ),
            Self::Update { differences } => {
                let only_pending =
                    differences.iter().all(|difference| matches!(difference, Difference::Pending { .. }));
                let reasons: Vec<String> = differences.iter().map(ToString::to_string).collect();
                Decision::new(if only_pending { Action::Unknown } else { Action::Update }, reasons.join(", "))
            }
            Self::Busy { status } => {
                Decision::new(Action::Unknown, format!("an operation is under way ({status})"))
            }
            Self::Stuck(failure) => Decision::new(Action::Unknown, failure.message.clone()),
        }
    }
}
