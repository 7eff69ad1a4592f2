"""report.py - medians, ratios and a table of what measure.py gave

Results are kept as JSON with every sample, so that a later reader can make
other figures of them.
"""
import os
import pathlib
import platform
import statistics
import subprocess


def median(samples, key):
    return statistics.median(sample[key] for sample in samples)


def spread(samples, key):
    return min(sample[key] for sample in samples), max(sample[key] for sample in samples)


def rate_of(group):
    """What a group's samples are compared by, and its unit."""
    key = group.get("rate", "messages_per_second")
    return key, key.replace("_per_second", "/s")


def ratio(group, name, baseline):
    """The median of a subject's rates over that of another, round by round."""
    key, _ = rate_of(group)
    pairs = zip(group["samples"][name], group["samples"][baseline])
    return statistics.median(one[key] / other[key] for one, other in pairs)


def table(title, group):
    """Lines for one group of subjects that were measured in turn."""
    samples = group["samples"]
    key, unit = rate_of(group)
    lines = [title, "-" * len(title)]
    head = f"{'':24} {unit:>10} {'least..most':>14}"
    baselines = [name for name in group.get("baselines", []) if name in samples]
    head += "".join(f" {'x ' + name:>{max(8, len(name) + 2)}}" for name in baselines)
    lines.append(head + columns_head(samples))
    for name, own in samples.items():
        low, high = spread(own, key)
        line = f"{name:24} {median(own, key):10.0f} {f'{low:.0f}..{high:.0f}':>14}"
        line += "".join(f" {ratio(group, name, base):{max(8, len(base) + 2)}.2f}" for base in baselines)
        lines.append(line + columns(own))
    return lines + [""]


COLUMNS = (
    ("filter_cpu_us", "cpu µs", lambda value: f"{value:.0f}"),
    ("filter_peak_memory", "peak MB", lambda value: f"{value / 1e6:.1f}"),
    ("p50_ms", "p50 ms", lambda value: f"{value:.2f}"),
    ("p99_ms", "p99 ms", lambda value: f"{value:.2f}"),
    ("max_ms", "max ms", lambda value: f"{value:.0f}"),
    ("batches_per_second", "batches/s", lambda value: f"{value:.0f}"),
    ("octets_per_second", "MB/s", lambda value: f"{value / 1e6:.1f}"),
    ("start_s", "start s", lambda value: f"{value:.2f}"),
    ("cpu_us", "cpu µs", lambda value: f"{value:.1f}"),
    ("peak_memory", "peak MB", lambda value: f"{value / 1e6:.0f}"),
    ("again_s", "again s", lambda value: f"{value:.1f}"),
    ("again_peak_memory", "again MB", lambda value: f"{value / 1e6:.0f}"),
    ("ledger_size", "ledger MB", lambda value: f"{value / 1e6:.0f}"),
    ("explain_ms", "expl. ms", lambda value: f"{value:.1f}"),
    ("explain_max_ms", "slowest", lambda value: f"{value:.1f}"),
)


def value_of(sample, key):
    if key in ("p50_ms", "p99_ms", "max_ms"):
        return sample.get("message_ms", {}).get(key[:3])
    return sample.get(key)


def present(samples, key):
    return all(value_of(sample, key) is not None for own in samples.values() for sample in own)


def columns_head(samples):
    columns.keys = [key for key, _, _ in COLUMNS if present(samples, key)]
    return "".join(f" {title:>9}" for key, title, _ in COLUMNS if key in columns.keys)


def columns(own):
    return "".join(f" {form(statistics.median(value_of(sample, key) for sample in own)):>9}"
                   for key, _, form in COLUMNS if key in columns.keys)


def text(results):
    lines = [f"{name}: {value}" for name, value in results["machine"].items()] + [""]
    for title, group in results["groups"].items():
        lines += table(title, group)
    return "\n".join(lines)


# Between these lines of doc/BENCHMARKS stands what the bench printed.
BEGIN, END = "<<< printed by the bench", ">>> end of what it printed"


def write_doc(path, results):
    """Puts the tables in the place of those that stand there."""
    before, begin, rest = path.read_text().partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    if not begin or not end:
        raise RuntimeError(f"{path}: no line '{BEGIN}' with a line '{END}' below it")
    told = f"measured at: {results['at']}\n{text(results)}"
    path.write_text(f"{before}{begin}\n{told}\n{end}{after}")


def first_line(argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "not installed"
    return (done.stdout.splitlines() or ["unknown"])[0].strip()


def machine(spool):
    """What the numbers were taken on."""
    cpus = [line.partition(":")[2].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")]
    mount = first_line(["findmnt", "-no", "FSTYPE,OPTIONS", "-T", str(spool)])
    return {
        "processors": f"{os.cpu_count()} x {cpus[0] if cpus else 'unknown'}",
        "kernel": platform.release(),
        "file system of the spool": mount,
        "postfix": first_line(["postconf", "-hd", "mail_version"]),
        "libmilter": first_line(["dpkg-query", "-Wf", "${Version}\n", "libmilter1.0.1"]),
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }
