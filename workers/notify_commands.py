"""What ``python -m workers notify`` does: send a test message to each address, or what waits in the outbox."""

from dataclasses import asdict, replace

from common.command_line import ExitCode
from common.errors import ConfigurationError, PipelineError
from common.notify import AlertAddress, Delivery, Kind, Message, Notifier, send_all
from common.settings import NotificationSettings
from workers.commands import CommandResult, failed
from workers.wiring import Wiring

_TEST = Message.of(
    Kind.TEST,
    "Test message of the stock data pipeline",
    "Messages about failed runs and alerts arrive here. Nothing has happened: a person asked for this one.",
)


def notify(*, test: bool) -> CommandResult:
    """Send a test message, or what waits; say for each address whether it went."""
    try:
        addresses = NotificationSettings.from_environment().addresses()
        if not addresses:
            raise ConfigurationError(
                "ALERT_URLS is not set: docs/notifications.md shows what to write there.", variable="ALERT_URLS"
            )
        return _ended(_send_test(addresses) if test else _send_waiting(addresses))
    except PipelineError as error:
        result = failed(error)
        return replace(result, document={"sent": False, "deliveries": [], **result.document})


def _send_test(addresses: tuple[AlertAddress, ...]) -> list[Delivery]:
    problems = send_all([(address, _TEST) for address in addresses])
    return [Delivery(str(address), _TEST.title, problem) for address, problem in zip(addresses, problems, strict=True)]


def _send_waiting(addresses: tuple[AlertAddress, ...]) -> list[Delivery]:
    with Wiring.from_environment() as wiring:
        return Notifier(addresses, wiring.store.notifications).deliver()


def _ended(deliveries: list[Delivery]) -> CommandResult:
    failed = sum(bool(delivery.problem) for delivery in deliveries)
    result = CommandResult(
        ExitCode.FAILED if failed else ExitCode.DONE,
        {"sent": not failed, "deliveries": [asdict(delivery) for delivery in deliveries]},
        [f"{'FAILED' if each.problem else 'sent':<6}  {each}" for each in deliveries] or ["Nothing waits to be sent."],
    )
    return replace(result, problem=f"{failed} of {len(deliveries)} messages did not go.") if failed else result
