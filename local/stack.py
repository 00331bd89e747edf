"""The whole stack: start, watch and end its processes; and a handle on it for tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import FrameType

import psutil
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from local import build, deployment, emulator, isolation, logs, postgres, processes
from local.aws import Aws
from local.processes import Child, ChildError
from local.state import REPOSITORY, STATE_VARIABLE, AlreadyRunningError, Deployment, State
from ses_server.control import Control

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOP_DATABASE = signal.SIGUSR1
START_DATABASE = signal.SIGUSR2

WATCH_SECONDS = 0.5
NOTICE_SECONDS = 10  # a busy supervisor collects logs first
START_SECONDS = 30
STOP_SECONDS = 180  # the emulator waits for every running call
DATABASE_SECONDS = 30
MAX_LOG_BYTES = 20_000_000
IDLE_LOOK_SECONDS, BUSY_LOOK_SECONDS = 5.0, 1.0  # between two looks at FeedbackQueue
# Messages in it: the emulator looks at each one for each call, so that more make all calls slow.
LONGEST_QUEUE, SHORT_QUEUE = 3_000, 1_000
TAKEN_MARGIN = timedelta(seconds=5)  # from SES's call of the topic to its message in the queue

LOST = """\
  The emulator was killed, and lost its queues. Issues go on at once, and SES's events come again;
  sign-ups, confirmations and unsubscribes that had not been applied are lost, unlike on AWS.
"""


def show(text: str) -> None:
    """Print and flush, for a file that is being followed."""
    print(text, flush=True)


class AskedToEnd(BaseException):
    """A signal asks the supervisor to end the stack."""


class Supervisor:
    """Runs the stack of a state folder, in this process and its children."""

    def __init__(self, state: State, *, when_up: Callable[[], None] = lambda: None) -> None:
        self._state = state
        self._when_up = when_up
        self._aws = Aws(emulator_url=state.emulator_url, ses_url=state.ses_url)
        self._postgres: postgres.Postgres | None = None
        self._wants_database = True
        self._children: list[Child] = []
        self._looks_again_at = 0.0

    def run(self) -> None:
        """Start and deploy everything, then watch it until a signal ends it.

        No process is left when this returns or raises. Raises ``AlreadyRunningError``,
        ``PortTakenError``, ``ChildError``, ``BuildError``, ``DeploymentError``.
        """
        with self._state.lock(), ExitStack() as ending:
            # Processes started from here on can be found again, see processes.MARK.
            os.environ[processes.MARK] = str(self._state.folder)
            self._obey_signals()
            self._state.withdraw_end()
            self._state.withdraw_deployment()
            if count := processes.end_leftovers(self._state.folder):
                show(f"  ended {count} processes of an earlier run")
            self._state.require_free_ports()
            _start_new_log(self._state.function_log)
            try:
                self._start(ending)
                self._when_up()
                self._watch()
            except AskedToEnd:
                self._note("the stack ends, as it was asked to")
                show("\nEnding the stack; its data is kept.")
            except Exception as error:
                self._note(f"the stack ends: {error}")
                raise
            finally:
                self._state.announce_end()
                self._state.withdraw_deployment()

    def _note(self, text: str) -> None:
        """Keep what happens to the stack in the functions' log, which the next start keeps."""
        now = int(time.time() * 1000)
        logs.keep(self._state.function_log, [logs.LogLine(at=now, function="stack", text=text)])

    def _start(self, ending: ExitStack) -> None:
        pool = ending.enter_context(ThreadPoolExecutor(max_workers=1))
        ending.callback(processes.end_leftovers, self._state.folder)
        building = pool.submit(build.build, self._state.build, self._state.logs / "build.log")

        with self._step("PostgreSQL"):
            self._postgres = postgres.Postgres(self._state.folder)
            ending.callback(self._postgres.close)
            self._postgres.start()
        with self._step("SES server and inbox"):
            self._start_python(
                *("ses", "local.iam.ses", "--mailbox", self._state.mailbox),
                *("--port", str(self._state.ports().ses)),
                *("--roles", self._state.roles, "--calls", self._state.calls),
                *("--republished-hours", "0"),  # deployment.deploy knows whether the queue is gone
                ending=ending,
                port=self._state.ports().ses,
            )
            # Else it would empty itself into a queue that nothing takes from yet.
            Control(self._state.ses_url).hold_events()
        if emulator.has_lost_its_state(self._state):
            show(LOST)
        with self._step("AWS emulator"):
            child = emulator.start(self._state)
            ending.callback(emulator.stop, child, self._state)
            ending.callback(self._last_look)
            self._children.append(child)
        with self._step("public address"):
            self._start_python(
                *("front", "local.front", "--state", self._state.folder),
                ending=ending,
                port=self._state.ports().front,
            )
        with self._step("sam build"):
            template = building.result()
        with self._step("sam deploy"):
            deployed = deployment.deploy(
                self._state,
                self._aws,
                template,
                database_url=self._postgres.url,
                say=lambda what: show(f"  {what}"),
            )
        self._state.publish_deployment(deployed)

    def _start_python(
        self, name: str, module: str, *arguments: str | Path, ending: ExitStack, port: int
    ) -> None:
        child = Child.start(
            name,
            [sys.executable, "-m", module, *arguments],
            environment=isolation.bare(dict(os.environ)),
            state_folder=self._state.folder,
            cwd=REPOSITORY,
        )
        ending.callback(child.stop)
        child.wait_until(lambda: _answers(port), seconds=START_SECONDS)
        self._children.append(child)

    def _watch(self) -> None:
        while True:
            self._supply_database()
            for child in self._children:
                if not child.is_running:
                    raise ChildError(
                        f"{child.name} ended by itself ({child.process.returncode}), and the stack "
                        f"with it; `make up` starts it again.\n{child.last_words()}"
                    )
            self._take_logs()
            self._tend_events()
            time.sleep(WATCH_SECONDS)

    def _tend_events(self) -> None:
        deployed = self._state.deployment
        if deployed is None or time.monotonic() < self._looks_again_at:
            return
        self._looks_again_at = time.monotonic() + IDLE_LOOK_SECONDS
        with suppress(BotoCoreError, ClientError, HTTPError):
            waiting = tend_events(
                self._aws, deployed.outputs["FeedbackQueueUrl"], Control(self._state.ses_url)
            )
            if waiting:
                self._looks_again_at = time.monotonic() + BUSY_LOOK_SECONDS

    def _supply_database(self) -> None:
        server = self._postgres
        if server is None:
            return
        if server.child and not server.child.is_running:
            show(f"PostgreSQL ended by itself; restarting it.\n{server.child.last_words()}")
            server.start()
        if server.child and not self._wants_database:
            server.stop()
            show("PostgreSQL is stopped, as requested; readers' requests wait in their queue.")
        if not server.child and self._wants_database:
            server.start()
            show("PostgreSQL runs again.")

    def _take_logs(self) -> None:
        # A slow answer of the emulator is no reason to end; ``_watch`` notices when it has ended.
        with suppress(BotoCoreError, ClientError):
            lines = logs.collect(self._aws, deployment.STACK)
            logs.keep(self._state.function_log, lines)
            for line in filter(None, map(logs.readable, lines)):
                show(line)

    def _last_look(self) -> None:
        """Take what the emulator is about to forget: the last logs, and secrets changed since."""
        self._take_logs()
        if deployed := self._state.deployment:
            with suppress(BotoCoreError, ClientError):
                deployment.keep_secrets(self._state, self._aws, deployed.outputs)

    def _obey_signals(self) -> None:
        def end(_number: int, _frame: FrameType | None) -> None:
            for number in ENDING_SIGNALS:  # the way down is not interrupted
                signal.signal(number, lambda _number, _frame: None)
            raise AskedToEnd

        for number in ENDING_SIGNALS:
            signal.signal(number, end)

        def want_database(number: int, _frame: FrameType | None) -> None:
            self._wants_database = number == START_DATABASE

        signal.signal(STOP_DATABASE, want_database)
        signal.signal(START_DATABASE, want_database)

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        show(f"  {name:<22} {time.monotonic() - started:5.1f} s")


@dataclass(frozen=True)
class Stack:
    """A running stack, seen from another process."""

    state: State
    supervisor: subprocess.Popen[bytes] | None = None  # known to the process that started it

    @property
    def public_url(self) -> str:
        """Where readers and authors reach it."""
        return self.state.public_url

    @property
    def inbox_url(self) -> str:
        """The page with the received mails."""
        return self.state.inbox_url

    @property
    def author_token(self) -> str:
        """The first author's token."""
        token = self.state.author_token
        if token is None:
            raise ChildError("The stack was never up.")
        return token

    @property
    def deployment(self) -> Deployment:
        """What is deployed. Raises ``ChildError`` when the stack is not up."""
        deployed = self.state.deployment
        if deployed is None:
            raise ChildError("The stack is not up: `make up` starts it.")
        return deployed

    @property
    def database_url(self) -> str:
        """The connection URL of its database."""
        return self.deployment.database_url

    @cached_property
    def aws(self) -> Aws:
        """Clients of the emulator and of the SES server."""
        return Aws(emulator_url=self.state.emulator_url, ses_url=self.state.ses_url)

    def stop_database(self) -> None:
        """Stop the database: it disconnects its clients and refuses new ones."""
        self._ask(STOP_DATABASE, until=lambda: not self._has_database())

    def start_database(self) -> None:
        """Start the database again."""
        self._ask(START_DATABASE, until=self._has_database)

    def function_logs(self) -> list[logs.LogLine]:
        """Return the functions' logs, as far as they are collected from the emulator."""
        return list(logs.read(self.state.function_log))

    def kill9(self) -> None:
        """Kill every process of the stack at once, like a power cut."""
        supervisor = self.state.holder()
        doomed = list(processes.of_stack(self.state.folder))
        doomed += [psutil.Process(supervisor)] if supervisor else []
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(doomed)
        self._reap()

    def stop(self) -> None:
        """End the stack, and wait until none of its processes runs."""
        down(self.state)
        self._reap()

    def _reap(self) -> None:
        if self.supervisor:
            self.supervisor.wait()

    def _ask(self, what: signal.Signals, *, until: Callable[[], bool]) -> None:
        supervisor = self.state.holder()
        if supervisor is None:
            raise ChildError("The stack is not up: `make up` starts it.")
        os.kill(supervisor, what)
        deadline = time.monotonic() + DATABASE_SECONDS
        while not until():
            if time.monotonic() > deadline:
                raise ChildError(
                    "PostgreSQL did not stop or start in time; logs/postgres.log may show why."
                )
            time.sleep(processes.POLL_SECONDS)

    def _has_database(self) -> bool:
        return postgres.answers(self.database_url)


def start(state: State) -> Stack:
    """Start a stack in the background, show its progress, and return when it is up.

    Raises ``AlreadyRunningError``, and ``ChildError`` if it does not come up.
    """
    if state.holder() is not None:
        raise AlreadyRunningError
    state.withdraw_deployment()
    log = state.logs / "up.log"
    with log.open("wb") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "local", "supervise"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=isolation.without_aws(dict(os.environ)) | {STATE_VARIABLE: str(state.folder)},
            cwd=REPOSITORY,
            start_new_session=True,  # Ctrl-C and the end of the terminal must not reach it
        )
    try:
        _show_progress(state, supervisor, log)
    except BaseException:
        supervisor.terminate()
        supervisor.wait()
        raise
    return Stack(state, supervisor)


def _show_progress(state: State, supervisor: subprocess.Popen[bytes], log: Path) -> None:
    with log.open() as progress:
        is_up = False
        while not is_up:
            has_ended = supervisor.poll() is not None
            is_up = state.deployment is not None
            print(progress.read(), end="", flush=True)
            if has_ended:
                raise ChildError(f"The stack did not come up; its logs are in {state.logs}.")
            time.sleep(processes.POLL_SECONDS)


def down(state: State) -> bool:
    """End a stack, and what a killed one left running; return whether anything ran."""
    supervisor = state.holder()
    if supervisor is not None:
        with suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while (
            state.holder() == supervisor
        ):  # it has ended when its lock is free, even if it is a zombie
            if time.monotonic() > deadline:
                raise ChildError(f"Process {supervisor} is still ending: try again later.")
            time.sleep(processes.POLL_SECONDS)
    state.withdraw_deployment()
    return bool(processes.end_leftovers(state.folder)) or supervisor is not None


@contextmanager
def running(folder: Path) -> Iterator[Stack]:
    """Run a whole stack with its own state folder, for a test."""
    state = State.at(folder)
    stack = start(state)
    try:
        yield stack
    finally:
        stack.stop()


def reload(state: State) -> None:
    """Build the present code, and deploy it to the running stack."""
    stack = Stack(state)
    database_url = stack.database_url
    template = build.build(state.build, state.logs / "build.log")
    deployed = deployment.deploy(state, stack.aws, template, database_url=database_url, say=show)
    state.publish_deployment(deployed)


def tend_events(
    aws: Aws, feedback_queue_url: str, control: Control, margin: timedelta = TAKEN_MARGIN
) -> int:
    """Return how many of SES's events wait in their queue; let SES hold others while they are many.

    Once the queue is empty, SES is told so: those events need not be published again when the queue
    is lost later.
    """
    before = datetime.now(UTC) - margin
    counts = aws.sqs.get_queue_attributes(
        QueueUrl=feedback_queue_url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )["Attributes"]
    waiting = sum(map(int, counts.values()))
    if not waiting:
        control.events_are_taken(before)
    if waiting > LONGEST_QUEUE:
        control.hold_events()
    elif waiting < SHORT_QUEUE:
        control.hold_events(is_held=False)
    return waiting


def answers(state: State) -> bool:
    """Return whether everything that a stack listens with answers."""
    return all(_answers(port) for _, port in state.ports())


def await_notice(state: State) -> None:
    """Wait until the supervisor has noticed that a process of the stack doesn't answer.

    Raises ``ChildError`` when it doesn't notice.
    """
    deadline = time.monotonic() + NOTICE_SECONDS
    while state.deployment is not None and not answers(state):
        if time.monotonic() > deadline:
            raise ChildError("The stack does not answer: `make down` ends it, `make up` starts it.")
        time.sleep(processes.POLL_SECONDS)


def await_end(state: State) -> None:
    """Wait until an ending stack has ended. Raises ``ChildError`` when it takes too long."""
    deadline = time.monotonic() + STOP_SECONDS
    while (supervisor := state.holder()) is not None and state.is_ending:
        if time.monotonic() > deadline:
            raise ChildError(f"Process {supervisor} is still ending: try again later.")
        time.sleep(processes.POLL_SECONDS)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _start_new_log(log: Path) -> None:
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.unlink()
    log.touch()
