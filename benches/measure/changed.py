"""What changed, in large repositories."""

import json
import shutil
import subprocess

from table import at_most, spread
from tools import PROBE, WORK, git, interleaved, run

INPUTS = 200
ROUNDS = 5


def measure(_):
    for files in (100_000, 1_000_000):
        directory = repository(files)
        inputs = [f"d{number % 100}/e{number * 7 % 100}" for number in range(INPUTS)]
        probed = json.loads(run(PROBE, "changed", directory, "main~1", "main", *inputs).output)
        diff = interleaved(ROUNDS, git=lambda: run("git", "diff", "--name-only", "main~1", "main", cwd=directory))
        yield at_most(
            f"what changed under {INPUTS} inputs, {files:,} files", 2, probed["digests"], "ms",
            peers={
                "`git diff --name-only` of everything": spread([it * 1000 for it in diff["git"]], "ms"),
                "libgit2's diff of everything": spread(probed["libgit2"], "ms"),
            },
        )  # fmt: skip
    whole = json.loads(run(PROBE, "changed", directory, "main~1", "main", ".").output)
    yield at_most(f"what changed in a whole repository, {files:,} files", 2, whole["digests"], "ms")


def repository(files):
    """Two commits that differ in one file; files are spread over 100 × 100 directories."""
    directory = WORK / f"files-{files}"
    if not (directory / "done").exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        git(directory, "init", "--quiet", "--initial-branch=main")
        with subprocess.Popen(
            ["git", "fast-import", "--quiet"], cwd=directory, stdin=subprocess.PIPE, text=True
        ) as importer:
            importer.stdin.writelines(stream(files))
        assert importer.returncode == 0
        (directory / "done").touch()
    return directory


def stream(files):
    yield "blob\nmark :1\ndata 4\none\n\nblob\nmark :2\ndata 4\ntwo\n\n"
    yield "commit refs/heads/main\nmark :3\ncommitter Bench <bench@example.com> 0 +0000\ndata 5\nfirst\n"
    for number in range(files):
        yield f"M 100644 :1 d{number % 100}/e{number // 100 % 100}/f{number // 10_000}\n"
    yield "\ncommit refs/heads/main\ncommitter Bench <bench@example.com> 1 +0000\ndata 6\nsecond\nfrom :3\n"
    yield "M 100644 :2 d7/e7/f0\n\n"
