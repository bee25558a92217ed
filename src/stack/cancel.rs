use aws_sdk_cloudformation::Client;

use super::{Status, live};
use crate::aws::failure;
use crate::failure::Failure;

/// How an operation under way is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nothing ran before a creation: what was made is deleted.
    Delete,
    /// An update is taken back.
    TakeBack,
    /// It is on its way back already, or has ended.
    None,
}

fn way(status: &Status) -> Way {
    match status.0.as_str() {
        "CREATE_IN_PROGRESS" => Way::Delete,
        "UPDATE_IN_PROGRESS" => Way::TakeBack,
        _ => Way::None,
    }
}

/// Ends what CloudFormation is doing on a stack: an update is taken back, a creation is deleted again. Tells whether
/// there was anything to end.
///
/// # Errors
/// If the stack can't be read, or CloudFormation refuses.
pub async fn cancel(client: &Client, stack_id: &str) -> Result<bool, Failure> {
    let Some(live) = live::observe(client, stack_id).await? else { return Ok(false) };
    match way(&live.status) {
        Way::Delete => {
            let sent = client.delete_stack().stack_name(stack_id).send().await;
            sent.map(|_| true).map_err(|error| failure(format!("DeleteStack {stack_id}"), error))
        }
        Way::TakeBack => {
            let sent = client.cancel_update_stack().stack_name(stack_id).send().await;
            sent.map(|_| true).map_err(|error| failure(format!("CancelUpdateStack {stack_id}"), error))
        }
        Way::None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_creation_is_deleted() {
        let way = |status: &str| way(&Status(status.to_owned()));
        assert_eq!(way("CREATE_IN_PROGRESS"), Way::Delete);
        assert_eq!(way("UPDATE_IN_PROGRESS"), Way::TakeBack);
        for status in [
            "ROLLBACK_IN_PROGRESS",
            "UPDATE_ROLLBACK_IN_PROGRESS",
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            "UPDATE_COMPLETE",
            "CREATE_COMPLETE",
            "REVIEW_IN_PROGRESS",
        ] {
            assert_eq!(way(status), Way::None, "{status}");
        }
    }
}
