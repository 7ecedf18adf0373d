"""What a process lends to its tasks, and when it is closed."""

from collections.abc import Iterator

import pytest

from workers.airflow_patches.resource_cache import Lender


class Connection:
    """Counts how often it is closed."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def made() -> list[Connection]:
    return []


@pytest.fixture
def lender(made: list[Connection]) -> Iterator[Lender[Connection]]:
    def make() -> Connection:
        made.append(Connection())
        return made[-1]

    return Lender(make)


def test_a_process_of_one_task_closes_after_it(lender: Lender[Connection], made: list[Connection]):
    """Unless it is told to keep, each task has a connection of its own."""
    for _ in range(2):
        with lender.lend() as lent:
            assert lent.closed == 0
    assert [connection.closed for connection in made] == [1, 1]


def test_a_kept_process_lends_the_same_again(lender: Lender[Connection], made: list[Connection]):
    """After a task that went well the next one gets what it used, still open."""
    lender.keep()
    for _ in range(3):
        with lender.lend():
            pass
    assert [connection.closed for connection in made] == [0]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_error_it_is_closed(lender: Lender[Connection], made: list[Connection], error: type[BaseException]):
    """What an error may have left amid an exchange is not lent again."""
    lender.keep()
    with pytest.raises(error), lender.lend():
        raise error
    with lender.lend():
        pass
    assert [connection.closed for connection in made] == [1, 0]


def test_an_end_that_is_no_error_keeps_it(made: list[Connection]):
    """A task that ends by a harmless exception, as one that gives its slot away does, leaves the connection whole."""

    def make() -> Connection:
        made.append(Connection())
        return made[-1]

    lender = Lender(make, harmless=(StopIteration,))
    lender.keep()
    with pytest.raises(StopIteration), lender.lend():
        raise StopIteration
    with lender.lend():
        pass
    assert [connection.closed for connection in made] == [0]


def test_rest_closes_once(lender: Lender[Connection], made: list[Connection]):
    """An idle process closes what it keeps, and makes anew when it works again."""
    lender.keep()
    lender.rest()
    with lender.lend():
        pass
    lender.rest()
    lender.rest()
    with lender.lend():
        pass
    assert [connection.closed for connection in made] == [1, 0]


def test_what_cannot_be_made_says_so():
    """An error of the making passes; the next task tries again."""

    def fail() -> Connection:
        raise OSError("no server")

    broken = Lender(fail)
    broken.keep()
    for _ in range(2):
        with pytest.raises(OSError, match="no server"), broken.lend():
            pass
