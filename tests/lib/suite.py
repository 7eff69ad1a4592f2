"""suite.py - runs the scenarios of a module on an MTA

A scenario is a function of a Site, marked with @scenario and its sentence.
It is written once; tests/postfix/X.py and tests/sendmail/X.py run it on
either MTA.  A Site is a Lab with the MTA, the sink behind it, and a filter
for each scenario on a spool of its own.
"""
import argparse
import dataclasses
import itertools
import os
import pathlib
import re
import sys

from . import build, holdfast, lab, preload, tap
from .compare import first_field
from .holdfast import Filter
from .sink import Sink
from .tally import Figures, Tally
from .tap import Failure, expect, wait_for


def scenario(sentence, needs=(), only=None, rows=None, measures=False):
    """Marks a scenario.

    needs: what the MTA has to offer.  only: the name of the one MTA it is for.
    measures: it measures time or memory, and so is left out on sanitized builds.
    rows: a function of the Mta class that gives (name, argument) for each case
    of the scenario; without it, there is one, and it takes only the Site."""
    def mark(function):
        function.sentence = sentence
        function.needs = frozenset(needs)
        function.only = only
        function.measures = measures
        function.rows = rows
        return function
    return mark


class Site:
    def __init__(self, place, mta_class, **mta_options):
        self.lab = place
        self.sink = Sink().start()
        place.defer(self.sink.stop)
        self.mta = mta_class(place, self.sink.port, **mta_options).start()
        self.filters = []          # of the scenario that runs
        self.thaws = []            # what lets a file system of the scenario go on
        self.tally = Tally()       # of what the scenario sends
        self.figures = Figures()   # of all scenarios so far
        self.defective = False     # filters are started with a seeded defect
        self._shared = {}          # what several cases look at: by what makes it; where that failed, the failure
        self._numbers = itertools.count(1)

    def unique(self, name):
        """A name of a directory that no other scenario has."""
        return f"{name}-{next(self._numbers)}"

    def filter(self, start=True, **options):
        """A filter on the MTA's socket with a new spool; ended after the scenario."""
        options.setdefault("name", self.unique("holdfast"))
        made = Filter(self.lab, self.mta.socket, **options)
        self.filters.append(made)
        if self.defective:
            made.environment = preload.ignoring_errors()
        return made.start() if start else made

    def shared(self, make):
        """What make(site) gave the first case that asked for it; where that failed, it fails for all, and all tell why.

        Its filters end with that case; what they wrote stays."""
        if make not in self._shared:
            try:
                self._shared[make] = make(self)
            except Exception as error:
                self._shared[make] = error
                raise
        made = self._shared[make]
        if isinstance(made, Exception):
            raise Failure(f"what several cases look at could not be made: {type(made).__name__}: {made}")
        return made

    def client(self, **options):
        return self.mta.client(**options)

    def send(self, message, **options):
        """One message on a connection of its own: the reply to its end.  Refused where that is no 250."""
        return self.tally.send(self.mta.port, message, **options)

    def account(self, made, kills=0):
        """Holds what was sent and answered against the journal, prints the figures, and fails where they part."""
        figures = self.tally.compare(made, kills)
        self.figures.add(figures)
        self.note(str(figures))
        expect(figures.lost == 0, f"{figures.lost} answered 250 and not in the journal")
        expect(figures.half == 0, f"{figures.half} shown as whole, and not what was sent")

    def must_report(self, function, *arguments):
        """A control: the scenario has to fail with a filter that answers 250 whatever failed."""
        figures, self.figures = self.figures, Figures()
        self.defective = True
        try:
            function(self, *arguments)
        except Failure as failure:
            expect(re.search("the message was taken|0 records of queue id", str(failure)), f"reported something else: {failure}")
            self.note(f"reported, as it must be: {str(failure).splitlines()[0]}")
        else:
            raise Failure(f"{function.__name__} did not report a filter that ignores errors")
        finally:
            self.defective = False
            self.figures = figures

    def wait_deliveries(self, count, limit=30):
        """All that the sink got, once it is count messages."""
        wait_for(lambda: len(self.sink.deliveries()) >= count, limit,
                 f"{count} messages at the sink; {len(self.sink.deliveries())} came")
        return self.sink.deliveries()

    def delivery_of(self, queue_id, limit=30):
        """What the sink got of the message that the MTA calls so: its Received header tells."""
        def found():
            matching = [delivery for delivery in self.sink.deliveries()
                        if queue_id.encode() in first_field(delivery.octets)]
            return matching[0] if matching else None

        return wait_for(found, limit, f"message {queue_id} at the sink; {len(self.sink.deliveries())} others came")

    def end_scenario(self):
        """Ends the filters and forgets the mail, whether the scenario held or not."""
        while self.thaws:
            self.thaws.pop()()     # else a process that waits for the disk could not end
        for made in self.filters:
            made.kill()
        self.filters.clear()
        self.mta.restore()
        if self.mta.pid() is None:
            self.mta.start()
        self.mta.empty_queue()
        self.sink.forget()
        self.tally = Tally()

    def note(self, text):
        """Figures of a scenario, for whoever reads the report."""
        print(f"# {text}", flush=True)

    def last_words(self):
        """What the MTA, the last filter and its auditor said, for the report of a failure."""
        parts = [f"-- end of {self.mta.log}", self.mta.log_tail()]
        if self.filters:
            for log in sorted(self.filters[-1].dir.glob("*.log")):
                parts += [f"-- end of {log}", *log.read_text(errors="replace").splitlines()[-25:]]
        return "\n".join(parts)


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    sentence: str
    function: object
    arguments: tuple

    def run(self, site):
        self.function(site, *self.arguments)
        for made in site.filters:
            report = made.sanitizer_report()
            expect(not report, report)


def collect(module, mta_class):
    """A module's cases on this MTA, in the order they are written."""
    cases = []
    for function in vars(module).values():
        if getattr(function, "sentence", None) is None or function.__module__ != module.__name__:
            continue
        if not function.needs <= mta_class.offers or function.only not in (None, mta_class.name):
            continue
        if function.measures and build.is_sanitized():
            continue
        if function.rows is None:
            cases.append(Case(function.__name__, function.sentence, function, ()))
            continue
        cases += [Case(function.__name__, f"{function.sentence}: {name}", function, (argument,))
                  for name, argument in function.rows(mta_class)]
    return cases


def is_long():
    """tests/run was started with --long."""
    return os.environ.get("HOLDFAST_LONG") == "1"


def rounds(few, many):
    """How often to repeat: few, many with tests/run --long, hardly where a sanitizer makes all slow."""
    if is_long():
        return many
    return max(2, few // 4) if build.is_sanitized() else few


def main(mta_class, *modules, **mta_options):
    """Runs the modules' scenarios, or those whose names are given as arguments."""
    parser = argparse.ArgumentParser(description="\n".join(module.__doc__ for module in modules))
    parser.add_argument("--keep", action="store_true", help="leave the scratch directory")
    parser.add_argument("names", nargs="*", help="functions to run, all by default")
    arguments = parser.parse_args()
    chosen = [case for module in modules for case in collect(module, mta_class)
              if not arguments.names or case.name in arguments.names]
    if not lab.is_root():
        tap.skip_all("a private MTA needs root")
        return 0
    expect(holdfast.exists(), f"{holdfast.program('holdfast-milter')} is not built: run tests/run first")
    lab.raise_on_signals()
    report = tap.Report(len(chosen))
    name = f"{mta_class.name}-{pathlib.Path(sys.argv[0]).stem}"
    with lab.Lab(name, keep=arguments.keep or os.environ.get("HOLDFAST_KEEP") == "1") as place:
        site = Site(place, mta_class, **mta_options)
        for case in chosen:
            try:
                report.run(f"{case.name}: {case.sentence}", lambda case=case: case.run(site), site.last_words)
            finally:
                site.end_scenario()
        if site.figures.sent:
            site.note(f"{name}, in all: {site.figures}")
    sys.exit(1 if report.failed else 0)
