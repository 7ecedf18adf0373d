"""The scripts in a real Redis against a model in Python, under any interleaving of events and time."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.support.limiter_clock import ClockedRedis
from tests.support.limiter_world import World

pytestmark = pytest.mark.redis

QUOTAS = ("1/s,3/5s", "2/s,3/2s,7/10s", "4/3s", "1/s", "5/s,5/20s", "1/3s")
PERMITS = tuple(f"p{number}" for number in range(12))
STEPS = (0, 1, 500_000, 999_999, 1_000_000, 1_000_001, 2_345_678, 3_000_000, 5_000_000, 30_000_000)
ANY_SPEED = settings(deadline=None, suppress_health_check=list(HealthCheck))


def play(world: World, program: bytes) -> None:
    """Read two bytes as one event: most often somebody asks, or time passes."""
    for event, detail in zip(program[::2], program[1::2], strict=False):
        permit = PERMITS[detail % len(PERMITS)]
        match event % 16:
            case 0 | 1 | 2 | 3 | 4 | 5:
                world.acquire(permit)
            case 6 | 7 | 8 if world.calls:
                world.settle(sorted(world.calls)[detail % len(world.calls)])
            case 9:
                world.release(permit)
            case 10 | 11:
                world.wait(STEPS[detail % len(STEPS)])
            case 12:
                world.wait(detail * 10_007)
            case 13 | 14:
                world.wait_for_the_next_slot(late=detail % 2)
            case 15:
                world.hold_back(1 + detail % 3) if detail < 64 else world.check_usage()
    world.check_usage()


@settings(ANY_SPEED, max_examples=2500)
@given(quota=st.sampled_from(QUOTAS), program=st.binary(min_size=8, max_size=80))
@example(  # a permit that is settled after it was forgotten
    quota="4/3s",
    program=bytes.fromhex("000500060600 00f4 0600 0a1b 0000 0000 0000 0000 0000 0000 0601 0000 0064"),
)
@example(quota="1/s,3/5s", program=bytes([0, 0, 0, 1, 0, 2, 0, 3, 13, 0, 0, 1, 6, 0, 13, 0, 0, 1, 0, 2]))
def test_no_interleaving_exceeds_a_window(clocked, quota, program):
    """Any order of acquire, claim, settle, release, crash, hold and time keeps every window, as the model does."""
    play(World(clocked, quota), program)


class Machine(RuleBasedStateMachine):
    """The same events, as rules that hypothesis chooses and shrinks to a readable story."""

    client: ClockedRedis

    @initialize(quota=st.sampled_from(QUOTAS))
    def begin(self, quota: str) -> None:
        self.world = World(self.client, quota)

    @rule(permit=st.sampled_from(PERMITS))
    def acquire(self, permit: str) -> None:
        self.world.acquire(permit)

    @precondition(lambda self: self.world.calls)
    @rule(choice=st.integers(0, 11))
    def settle(self, choice: int) -> None:
        self.world.settle(sorted(self.world.calls)[choice % len(self.world.calls)])

    @rule(permit=st.sampled_from(PERMITS))
    def release(self, permit: str) -> None:
        self.world.release(permit)

    @rule(step=st.sampled_from(STEPS))
    def wait(self, step: int) -> None:
        self.world.wait(step)

    @rule(late=st.booleans())
    def wait_for_the_next_slot(self, late: bool) -> None:
        self.world.wait_for_the_next_slot(late)

    @rule(seconds=st.sampled_from([1, 10]))
    def hold_back(self, seconds: int) -> None:
        self.world.hold_back(seconds)

    @rule()
    def look(self) -> None:
        self.world.check_usage()


def test_the_scripts_tell_the_models_story(clocked):
    """Whatever a caller does next, and whenever, its answer is the model's, to the microsecond."""
    machine = type("RedisMachine", (Machine,), {"client": clocked})
    run_state_machine_as_test(machine, settings=settings(ANY_SPEED, max_examples=100, stateful_step_count=25))
