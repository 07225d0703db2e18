"""The two streams of a host arrive independently: no read has its answer before both have told its end."""

from paramiko.buffered_pipe import BufferedPipe

from conformance.answers import Problem, Unreadable
from conformance.gather.lifeline import Lifeline
from conformance.gather.rounds import Rounds
from conformance.gather.ssh import _Session
from conformance.reads import command, journal

LOG = journal("kubelet", matching="boom", required=False)
HINT = "Hint: You are currently not seeing messages from other users and the system.\n"


class Channel:
    """A channel on which everything has arrived."""

    eof_received = closed = False

    def __init__(self, stdout, stderr):
        self.in_buffer, self.in_stderr_buffer = BufferedPipe(), BufferedPipe()
        self.in_buffer.feed(stdout)
        self.in_stderr_buffer.feed(stderr)

    def send_ready(self):
        return True

    def send(self, data):
        return len(data)

    def shutdown_write(self):
        pass

    def recv_ready(self):
        return self.in_buffer.read_ready()

    def recv(self, size):
        return self.in_buffer.read(size)

    def recv_stderr_ready(self):
        return self.in_stderr_buffer.read_ready()

    def recv_stderr(self, size):
        return self.in_stderr_buffer.read(size)


def begun(*others):
    """A round of the log and others, and the log as it arrives on both streams: read by one who may not, with status 0."""
    rounds = Rounds([LOG, *others], sudo=True)
    assert rounds.next()
    nonce = rounds.parser.nonce
    stdout = f"\n{nonce} b 0 user\n{nonce} rc 0\n\n{nonce} s 0\n\n{nonce} e 0 -\n\n{nonce} b 1 user\n"
    stderr = f"\n{nonce} b 0 user\n{HINT}\n{nonce} b 1 user\n"
    return rounds, stdout.encode(), stderr.encode()


def test_standard_error_is_read_to_its_end_although_a_later_read_floods():
    flood = command("/usr/bin/yes", sudo=True, timeout=15.0)
    rounds, stdout, stderr = begun(flood)
    channel = Channel(stdout + b"y\n" * flood.limit, stderr)
    _Session(None, Lifeline(60), True)._pump(channel, rounds, memoryview(b"script"))
    rounds.end()
    assert rounds.next() is None, "both reads have their answers"
    assert rounds.answers()[flood.key].problem.kind == "cut-off"
    given = LOG.extract(rounds.answers()[LOG.key])
    assert isinstance(given, Unreadable)
    assert "not readable to the login user" in given.reason


def test_a_read_that_ended_well_is_unknown_where_its_standard_error_was_lost():
    rounds, stdout, _ = begun(command("uptime", timeout=15.0))
    rounds.stdout(stdout)
    rounds.end(Problem("unreachable", "the connection was lost"))
    problem = rounds.answers()[LOG.key].problem
    assert (problem.kind, problem.message.partition(" (")[0]) == ("unreachable", "the connection was lost")
    assert "standard error" in problem.message


def test_a_read_whose_standard_error_has_not_come_yet_is_made_again():
    rounds, stdout, _ = begun(flood := command("/usr/bin/yes", sudo=True, timeout=15.0))
    rounds.stdout(stdout + b"y\n" * flood.limit)
    rounds.end()
    assert "journalctl" in rounds.next()
    assert "/usr/bin/yes" not in rounds.next()


def test_a_host_from_which_standard_error_never_comes():
    rounds, stdout, _ = begun(command("uptime", timeout=15.0))
    rounds.stdout(stdout + f"\n{rounds.parser.nonce} e 1 -\n\n{rounds.parser.nonce} done\n".encode())
    rounds.end()
    assert rounds.next() is None
    assert {one.problem.message for one in rounds.answers().values()} == {
        "standard error does not arrive from there: what ran may have failed"
    }
