//! Nothing is touched with credentials for another account.

use super::three_stacks;

#[test]
fn the_wrong_account_is_noticed_before_anything_else() {
    let (repository, cloud) = three_stacks();
    repository.edit("pipeline.yaml", "region: us-west-2", "region: us-west-2, account: '111111111111'");
    let proxy = repository.behind_proxy();
    for command in ["run", "plan", "status"] {
        let output = repository.pipeline(&[command, "--env", "local"]).code(1);
        assert!(
            output.stderr.contains("belong to account 000000000000, the environment to 111111111111"),
            "{}",
            output.stderr
        );
        assert_eq!(output.stdout, "");
        assert_eq!(proxy.take(), ["GetCallerIdentity"], "{command}");
    }
    assert_eq!(cloud.stack_status("a"), None);
}

#[test]
fn the_right_account_is_let_through() {
    let (repository, _cloud) = three_stacks();
    repository.edit("pipeline.yaml", "region: us-west-2", "region: us-west-2, account: '000000000000'");
    let proxy = repository.behind_proxy();
    repository.plan(&[]).code(0);
    assert_eq!(proxy.take()[0], "GetCallerIdentity");
}
