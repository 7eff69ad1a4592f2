"""plot.py - the bench's results as an SVG, one row of bars for each group

Made of rectangles and text alone, so that it needs no library and a diff of
two plots can be read.
"""
import html

from .report import median, rate_of, spread

WIDTH, LEFT, BAR, GAP, HEAD = 760, 190, 22, 8, 44
OURS = ("Holdfast", "journal", "grown journal", "auditor", "holdfast audit")
OUR_COLOUR, OTHER = "#2b6cb0", "#a0aec0"


def element(name, content=None, **attributes):
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
                    for key, value in attributes.items())
    return f"<{name}{words}/>" if content is None else f"<{name}{words}>{html.escape(content)}</{name}>"


def label(x, y, content, **attributes):
    return element("text", content, x=round(x, 1), y=round(y, 1), font_size=13, fill="#1a202c", **attributes)


def colour(name, data):
    """Holdfast's own in colour; with sizes to compare all are its own."""
    ours = name.startswith(OURS) or "baselines" not in data
    return OUR_COLOUR if ours else OTHER


def bar(y, name, data, scale):
    """One subject: its median as a bar, its least and most as a line across the end."""
    key, _ = rate_of(data)
    value = median(data["samples"][name], key)
    low, high = spread(data["samples"][name], key)
    middle = y + BAR / 2
    return [
        label(LEFT - 8, y + BAR - 6, name, text_anchor="end"),
        element("rect", x=LEFT, y=y, width=round(value * scale, 1), height=BAR, fill=colour(name, data)),
        element("line", x1=round(LEFT + low * scale, 1), x2=round(LEFT + high * scale, 1), y1=middle, y2=middle,
                stroke="#1a202c"),
        label(LEFT + high * scale + 8, y + BAR - 6, f"{value:.0f}"),
    ]


def group(top, title, data):
    """The lines of one group and the height it took."""
    samples = data["samples"]
    key, unit = rate_of(data)
    most = max(spread(own, key)[1] for own in samples.values())
    scale = (WIDTH - LEFT - 80) / most
    lines = [label(8, top + 20, f"{title}: {unit}, median and range", font_weight="bold")]
    y = top + HEAD - 12
    for name in samples:
        lines += bar(y, name, data, scale)
        y += BAR + GAP
    return lines, y + 10 - top


def svg(results):
    lines, top = [], 0
    for title, data in results["groups"].items():
        if len(data["samples"]) < 2:
            continue
        more, height = group(top, title, data)
        lines += more
        top += height
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" '
            f'viewBox="0 0 {WIDTH} {top}" font-family="sans-serif">')
    return "\n".join([head, element("rect", width=WIDTH, height=top, fill="white"), *lines, "</svg>", ""])
