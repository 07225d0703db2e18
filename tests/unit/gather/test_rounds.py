"""A login that never begins with the script: a start-up file that hangs, or prints without end."""

from conformance.gather.rounds import BEGIN, Rounds
from conformance.reads import command

READS = [command("uname -r"), command("uptime")]


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def begun(reads=READS):
    clock = Clock()
    rounds = Rounds(reads, sudo=False, clock=clock)
    assert rounds.next()
    return rounds, clock


def test_a_login_that_hangs_is_given_up_long_before_the_deadline_of_the_host():
    rounds, clock = begun()
    rounds.stdout(b"Last login: yesterday\n")
    assert 0 < rounds.patience() <= BEGIN
    clock.now += BEGIN
    assert rounds.patience() <= 0
    rounds.end()
    problems = [answer.problem for answer in rounds.answers().values()]
    assert {one.kind for one in problems} == {"timed-out"}
    assert all("start-up file of the login shell" in one.message and ".bashrc" in one.message for one in problems)
    assert rounds.next() is None


def test_a_login_that_prints_without_end_is_given_up():
    rounds, _ = begun()
    for _ in range(65):
        rounds.stdout(b"x" * 1_048_576)
    assert rounds.over
    rounds.end()
    assert all("prints without end" in answer.problem.message for answer in rounds.answers().values())


def test_once_the_script_has_begun_its_reads_have_their_own_limits():
    rounds, clock = begun()
    nonce = rounds.parser.nonce
    rounds.stdout(b"a noisy start-up file\n" + f"\n{nonce} b 0 -\n".encode())
    clock.now += 5
    assert rounds.patience() == READS[0].timeout + 3.0 - 5
    rounds.stdout(f"6.1.0\n{nonce} e 0 0\n".encode())
    clock.now += BEGIN
    assert rounds.patience() == float("inf")
