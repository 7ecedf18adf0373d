"""Start and stop the whole cluster on this machine, and say how it is."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from socket import socket
from typing import Final

import psycopg2
import redis
import requests
from celery import Celery

from common.errors import ConfigurationError
from common.redaction import Redactor
from common.settings import DagSettings, PipelineSettings
from local import init_step
from local.airflow_api import AirflowApi
from local.environment import (
    cluster_environment,
    key_stand_in,
    person_settings,
    provisioning_environment,
    settings_of,
)
from local.leftovers import end_leftovers, leftovers
from local.monitoring import missing_programs, monitoring_programs
from local.ports import is_free
from local.processes import Program, Supervisor, pipeline_programs, servers, storage_programs
from local.program_environment import environment_of
from local.server_user import remove_copies
from local.services import ServiceMissing, find_postgres
from local.state import State
from local.waiter import ClusterFailed, Waiter
from workers import airflow_patches
from workers.dag_health import last_line

ADMIN: Final = "admin"
#: How often it starts where other programs take its ports between choice and use.
_STARTS: Final = 3

Say = Callable[[str], None]


@dataclass
class Cluster:
    """One local cluster. ``workers`` and ``monitoring`` count for the next start only.

    ``monitoring``: Prometheus and Alertmanager start too, where they are installed. ``person``: what a person set; by
    default what ``.env`` and the environment say. ``forks``: see ``pipeline_programs``.
    """

    state: State
    workers: int = 2
    say: Say = print
    person: Mapping[str, str] | None = None
    forks: bool = True
    monitoring: bool = False
    started: datetime | None = field(default=None, init=False)  # by us, now; None: it ran already
    _starting: bool = field(default=False, init=False)
    _held: list[socket] = field(default_factory=list, init=False, repr=False)  # reserve the ports

    @cached_property
    def ports(self) -> dict[str, int]:
        """The ports of the running cluster, or of the last one."""
        return self.state.ports()

    @cached_property
    def environment(self) -> dict[str, str]:
        """The environment that every process gets."""
        person = person_settings() if self.person is None else self.person
        return cluster_environment(self.state, self.ports, person)

    @property
    def settings(self) -> PipelineSettings:
        """The pipeline's settings as the processes see them."""
        return settings_of(self.environment)

    @property
    def supervisor(self) -> Supervisor:
        """The process manager."""
        return Supervisor(self.state, self.ports["supervisor"], self.state.secrets()["supervisor"])

    @cached_property
    def api(self) -> AirflowApi:
        """Airflow's REST API, as the admin. One client: each log-in costs the api-server a slow hash."""
        url = f"http://127.0.0.1:{self.ports['airflow']}"
        return AirflowApi(url, ADMIN, self.state.secrets()["airflow_admin"])

    @property
    def flower_url(self) -> str:
        """Flower's address."""
        return f"http://127.0.0.1:{self.ports['flower']}"

    def url_of(self, server: str) -> str:
        """Return the address of ``exporter``, ``prometheus`` or ``alertmanager``."""
        return f"http://127.0.0.1:{self.ports[server]}"

    @property
    def running(self) -> bool:
        """Whether a process manager of this cluster answers."""
        return bool(self.ports) and self.supervisor.running

    def up(self, *, ends_with_us: bool = False) -> None:
        """Start everything and wait until it is healthy, or stop what was started.

        Where another program takes a port meanwhile, it starts again with other ports.
        Raises ClusterFailed, ConfigurationError or RuntimeError.
        """
        if self.running:  # said before any port is looked at: they are all our own
            raise ClusterFailed("the cluster runs already: `make status` shows it, `make down` stops it.")
        for _ in range(_STARTS - 1):
            try:
                self._start_or_stop(ends_with_us=ends_with_us)
            except (ClusterFailed, RuntimeError):
                if not (taken := self._taken_ports()):
                    raise
                for note in taken:
                    self.say(note)
            else:
                return
        self._start_or_stop(ends_with_us=ends_with_us)

    def _start_or_stop(self, *, ends_with_us: bool) -> None:
        self._clear_the_way()
        self.settings  # noqa: B018  a setting that cannot be used is refused before anything starts
        DagSettings.from_environment(self.environment)  # same
        airflow_patches.check_setting(self.environment)  # same
        self.started = datetime.now(UTC)
        self._starting = True
        try:
            self._start(ends_with_us=ends_with_us)
        except BaseException:
            self.down()
            raise
        finally:
            self._starting = False
            for holder in self._held:  # the process manager has them now
                holder.close()

    def _taken_ports(self) -> list[str]:
        """Return what to say of each of our ports that another program listens on, now that nothing of ours runs."""
        return [
            f"port {port} of {name} was taken by another program meanwhile, so another one is chosen"
            for name, port in self.ports.items()
            if not is_free(port)
        ]

    def _start(self, *, ends_with_us: bool) -> None:
        postgres, broker = servers(self.state, self.ports, self.state.secrets())
        with _step(self.say, "PostgreSQL and Redis"):
            postgres.initialise()
            broker.initialise()
            self.state.write_settings()
            plan = str(self.settings.quota) if self.settings.uses_sandbox else None
            page = key_stand_in(self.settings)
            pipeline = pipeline_programs(self.ports, self.workers, sandbox_plan=plan, page=page, forks=self.forks)
            pipeline += self._monitoring_programs()
            storage = storage_programs(postgres, broker)
            self.supervisor.write([*storage, *pipeline])
            environments = {program.name: self._environment_of(program) for program in (*storage, *pipeline)}
            environments["manager"] = environment_of("manager", self.environment)
            self.supervisor.launch(environments, ends_with_us=ends_with_us, held=self._held)
            self.supervisor.start([program.name for program in storage])
            self._waiter.wait_for("PostgreSQL", lambda: _answers(postgres.url()), 30)
            self._waiter.wait_for("Redis", lambda: bool(redis.Redis.from_url(broker.url()).ping()), 30)
        self._initialise()
        with _step(self.say, f"Airflow, {self.workers} Celery workers and Flower"):
            self.supervisor.start([program.name for program in pipeline])
            self.wait_healthy()

    def _monitoring_programs(self) -> list[Program]:
        if not self.monitoring:
            return []
        if missing := missing_programs():
            self.say(f"Prometheus and Alertmanager do not start: install {' and '.join(missing)} (apt install …)")
            return []
        return monitoring_programs(self.state, self.ports)

    def _environment_of(self, program: Program) -> dict[str, str]:
        return {**environment_of(program.name, self.environment), **program.environment}

    def _clear_the_way(self) -> None:
        """Choose ports; what a hard kill left behind is ended first, so that its ports are free again."""
        self.state.prepare()
        if ended := end_leftovers(self.state.folder):
            self.say(f"ended {ended} processes that an earlier start left behind")
        ports, notes, self._held = self.state.choose_ports()
        for note in notes:
            self.say(note)
        for name in ("environment", "api"):
            self.__dict__.pop(name, None)  # they hold the old ports
        self.ports = ports

    def _initialise(self) -> None:
        """Make databases, roles and the admin user, unless this very version did already."""
        if not init_step.is_done(self.state):
            with _step(self.say, "migrations and the admin user"):
                init_step.run(self.state, self.environment | provisioning_environment(self.state, self.ports))

    def wait_healthy(self, timeout_s: float = 180) -> None:
        """Wait until every part is healthy, the DAG is known and every worker consumes."""
        deadline = time.monotonic() + timeout_s
        waiter = self._waiter
        for part, check in self.checks().items():
            waiter.wait_for(part, check, max(1.0, deadline - time.monotonic()))
        if self._starting:  # what answered on the port of a program that ended was another one
            waiter.refuse_ended()

    def checks(self) -> dict[str, Callable[[], bool]]:
        """Return a check for each part, cheapest first."""
        checks: dict[str, Callable[[], bool]] = {
            "Airflow": lambda: set(self.api.health().values()) == {"healthy"},
            "Flower": lambda: requests.get(f"{self.flower_url}/healthcheck", timeout=5).ok,
            "the exporter": lambda: requests.get(f"{self.url_of('exporter')}/livez", timeout=5).ok,
            "the workers": lambda: len(self.consuming_workers()) >= self._worker_count(),
            "the DAG": self._dag_ready,
        }
        for server in ("prometheus", "alertmanager"):
            if server in self.supervisor.states():
                checks[server.capitalize()] = self._ready_check(server)
        if self.settings.uses_sandbox:
            url = f"{self.settings.sandbox_url}/sandbox/health"
            checks = {"the sandbox": lambda: requests.get(url, timeout=5).ok, **checks}
        return checks

    def _ready_check(self, server: str) -> Callable[[], bool]:
        return lambda: requests.get(f"{self.url_of(server)}/-/ready", timeout=5).ok

    def consuming_workers(self) -> list[str]:
        """Return the names of the workers that take messages from a queue (a ping would not tell)."""
        with Celery(broker=self.environment["AIRFLOW__CELERY__BROKER_URL"]) as app:
            queues = app.control.inspect(timeout=1).active_queues() or {}
        return sorted(name.removeprefix("celery@") for name, taken in queues.items() if taken)

    def _dag_ready(self) -> bool:
        """Whether the DAG can be triggered; what an earlier start left in the metadata does not count."""
        if errors := self.api.import_errors(since=self.started):
            raise ClusterFailed(f"the DAG cannot be parsed: {last_line(errors[0])}")
        return self.api.dag_known(since=self.started)

    def _worker_count(self) -> int:
        return sum(1 for name in self.supervisor.states() if name.startswith("worker-"))

    @property
    def _waiter(self) -> Waiter:
        given = (self.environment.get(name, "") for name in ("ALPHA_VANTAGE_API_KEY", "MARKET_DB_PASSWORD"))
        redactor = Redactor((*self.state.secrets().values(), *given))
        return Waiter(self.supervisor, self.state.logs, redactor, starting=self._starting)

    def down(self) -> bool:
        """Stop everything, workers first; what is left over afterwards is ended too. Return whether anything ran."""
        if ran := self._stoppable:
            names = list(self.supervisor.states())
            storage = ["postgres", "redis"]
            workers = [name for name in names if name.startswith("worker-")]
            rest = [name for name in names if name not in {*storage, *workers}]
            self.supervisor.stop([[*workers, *rest], storage])
        return bool(end_leftovers(self.state.folder)) or ran

    @property
    def _stoppable(self) -> bool:
        """Whether the process manager can be asked; with lost secrets it cannot, and its processes are ended."""
        with suppress(ConfigurationError):
            return self.running
        return False

    def clean(self) -> None:
        """Stop everything and delete all that the cluster stored."""
        self.down()
        if left := leftovers(self.state.folder):
            raise ClusterFailed(f"still running, so nothing was deleted: {', '.join(str(p.pid) for p in left)}")
        shutil.rmtree(self.state.folder)
        with suppress(ServiceMissing):
            remove_copies(find_postgres())


@contextmanager
def _step(say: Say, what: str) -> Iterator[None]:
    """Say what is being started, and how long it took."""
    say(f"starting {what} …")
    begun = time.monotonic()
    yield
    say(f"  ready after {time.monotonic() - begun:.1f} s")


def _answers(url: str) -> bool:
    psycopg2.connect(url, connect_timeout=5).close()
    return True
