"""What somebody else on this machine can read of a running cluster."""

import os
from pathlib import Path
from subprocess import PIPE, run

import pytest

from local.server_user import as_server_user
from local.state import State
from local.waiter import ClusterFailed
from tests.local.test_process_manager import SECRET, OnlyServers

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


class Watched(OnlyServers):
    """A cluster of which nobody reads what he can once PostgreSQL and Redis answer."""

    def _initialise(self) -> None:
        walked = ((folder, *names) for folder, _, names in os.walk(self.state.folder))
        paths = [str(Path(folder, name)) for folder, *names in walked for name in ("", *names)]
        self.paths = as_nobody('for path; do [ -r "$path" ] && echo "$path"; done; true', *paths)
        self.environments = as_nobody("cat /proc/[0-9]*/environ 2>/dev/null; true")
        super()._initialise()


def as_nobody(script: str, *arguments: str) -> str:
    """Run a shell script as nobody; return what it printed."""
    command = ["xargs", "-0", "sh", "-c", script, "sh"]
    given = "\0".join(arguments).encode()
    done = run(command, **as_server_user(), input=given, stdout=PIPE, cwd="/", check=True)
    return done.stdout.decode(errors="replace")


def test_another_user_reads_nothing(tmp_path: Path):
    """Nobody else can read a file of the cluster's folder, or a secret in any process's environment."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o711)  # as /home is: what protects the cluster's folder is the folder itself
    cluster = Watched(State(tmp_path / "state"), person={"ALPHA_VANTAGE_API_KEY": SECRET})
    with pytest.raises(ClusterFailed, match="PostgreSQL and Redis answer"):
        cluster.up(ends_with_us=True)
    assert cluster.paths == ""
    assert "LC_ALL=C" in cluster.environments  # of PostgreSQL, which runs as nobody
    secrets = {SECRET, *cluster.state.secrets().values()}
    assert not [secret for secret in secrets if secret in cluster.environments]
