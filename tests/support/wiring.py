"""A worker's collaborators as an environment says."""

from common.settings import PipelineSettings
from workers.wiring import Wiring


def wired(environment: dict[str, str], **changes: str) -> Wiring:
    """Wire what the environment says, with the changes, and make the limiter's state known."""
    opened = Wiring(PipelineSettings.from_environment(environment | changes))
    opened.permits.prepare()
    return opened
