"""What a process lends to its tasks, and when it is closed."""

from collections.abc import Iterator

import pytest

from workers.airflow_patches.resource_cache import ResourceCache


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
def cache(made: list[Connection]) -> Iterator[ResourceCache[Connection]]:
    def make() -> Connection:
        made.append(Connection())
        return made[-1]

    return ResourceCache(make)


def test_one_task_closes_after_itself(cache: ResourceCache[Connection], made: list[Connection]):
    """Unless it is told to keep, each task has a connection of its own."""
    for _ in range(2):
        with cache.lend() as lent:
            assert lent.closed == 0
    assert [connection.closed for connection in made] == [1, 1]


def test_a_kept_process_lends_again(cache: ResourceCache[Connection], made: list[Connection]):
    """After a task that went well the next one gets what it used, still open."""
    cache.keep()
    for _ in range(3):
        with cache.lend():
            pass
    assert [connection.closed for connection in made] == [0]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_error_it_is_closed(
    cache: ResourceCache[Connection], made: list[Connection], error: type[BaseException]
):
    """What an error may have left in the middle of an exchange is not lent again."""
    cache.keep()
    with pytest.raises(error), cache.lend():
        raise error
    with cache.lend():
        pass
    assert [connection.closed for connection in made] == [1, 0]


def test_a_clean_exit_keeps_the_connection(made: list[Connection]):
    """A task that ends by a clean exit, as one that gives its slot away does, leaves the connection whole."""

    def make() -> Connection:
        made.append(Connection())
        return made[-1]

    cache = ResourceCache(make, clean_exits=(StopIteration,))
    cache.keep()
    with pytest.raises(StopIteration), cache.lend():
        raise StopIteration
    with cache.lend():
        pass
    assert [connection.closed for connection in made] == [0]


def test_an_idle_process_closes_once(cache: ResourceCache[Connection], made: list[Connection]):
    """An idle process closes what it keeps, and makes a new one when it works again."""
    cache.keep()
    cache.close_idle()
    with cache.lend():
        pass
    cache.close_idle()
    cache.close_idle()
    with cache.lend():
        pass
    assert [connection.closed for connection in made] == [1, 0]


def test_what_cannot_be_made_says_so():
    """An error of the making passes; the next task tries again."""

    def fail() -> Connection:
        raise OSError("no server")

    broken = ResourceCache(fail)
    broken.keep()
    for _ in range(2):
        with pytest.raises(OSError, match="no server"), broken.lend():
            pass
