"""The profile as a flame graph: one SVG file, which a browser can search and zoom.

Width is time. A function stands on its caller; side by side stand the callees, by name and not in order of time. At
the bottom are the processes and their threads.
"""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import zlib
from xml.sax.saxutils import escape

from samples import Frame, Profile

WIDTH = 1200
MARGIN = 10
ROW = 17
HEADER = 54
FONT_SIZE = 11
# Of the monospaced font: how wide a character is at this size.
CHARACTER = 6.65
# Narrower ones are left out. Unit: pixels.
SMALLEST = 0.5

# Hue, saturation and lightness of each module. Those that are not here are `OTHER`.
COLOURS = {
    "LSM": (130, 50, 66),
    "RocksDB": (38, 90, 66),
    "Server": (285, 45, 76),
    "Wire": (265, 55, 78),
    "Engine": (165, 40, 66),
    "Schema": (245, 45, 82),
    "Bytes": (95, 40, 72),
    "SwiftNIO": (215, 65, 76),
    "nghttp2": (190, 55, 68),
    "Swift": (345, 70, 80),
    "Swift runtime": (355, 75, 72),
    "zstd": (60, 60, 64),
    "LZ4": (50, 55, 72),
    "libc": (30, 25, 76),
    "kernel": (215, 12, 74),
    "seandb-bench": (0, 0, 86),
}
OTHER = (20, 30, 84)
TASK = (0, 0, 93)


@dataclasses.dataclass
class Node:
    """A function, called by one chain of callers."""

    frame: Frame
    time: int = 0
    callees: dict[Frame, Node] = dataclasses.field(default_factory=dict)


def svg(profile: Profile, title: str) -> str:
    root = tree(profile)
    scale = (WIDTH - 2 * MARGIN) / root.time
    rows = depth(root, SMALLEST / scale)
    height = HEADER + (rows + 1) * ROW + MARGIN
    boxes = []
    draw(root, 0, 0, rows, root.time, scale, boxes)
    script = (pathlib.Path(__file__).parent / "flame_graph.js").read_text(encoding="utf-8")
    for word, number in {"WIDTH": WIDTH - 2 * MARGIN, "MARGIN": MARGIN, "CHARACTER": CHARACTER}.items():
        script = script.replace(word, str(number))
    subtitle = f"{root.time / 1e9:.2f} s of processor time"
    if profile.focus:
        subtitle += f", only inside functions named like {profile.focus}"
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-size="{FONT_SIZE}"
  font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace">
<title>{escape(title)}</title>
<style>.frame {{ cursor: pointer }} .frame:hover rect {{ stroke: black }} .found rect {{ fill: magenta }}</style>
<rect width="100%" height="100%" fill="white"/>
<text x="{MARGIN}" y="18" font-size="13">{escape(title)}</text>
<text x="{MARGIN}" y="34">{escape(subtitle)} · click: zoom, Escape: all, /: search <tspan id="found"/></text>
{legend(profile)}
{"".join(boxes)}<script><![CDATA[
{script}]]></script>
</svg>
"""


def tree(profile: Profile) -> Node:
    root = Node(Frame("all", ""))
    for stack, time in profile.stacks.items():
        root.time += time
        node = root
        for frame in stack:
            node = node.callees.setdefault(frame, Node(frame))
            node.time += time
    return root


def depth(node: Node, smallest: float) -> int:
    """The rows above `node` that something is drawn in."""
    return max((1 + depth(callee, smallest) for callee in node.callees.values() if callee.time >= smallest), default=0)


def draw(node: Node, start: int, row: int, rows: int, total: int, scale: float, boxes: list[str]):
    width = node.time * scale
    if width < SMALLEST:
        return
    x, y = MARGIN + start * scale, HEADER + (rows - row) * ROW
    frame = node.frame
    place = f" [{frame.module}]" if frame.module else ""
    hint = f"{frame.name}{place}: {node.time / 1e6:,.0f} ms, {100 * node.time / total:.2f} %"
    boxes.append(
        f'<g class="frame" data-x="{start / total:.6g}" data-width="{node.time / total:.6g}" data-row="{row}">'
        f"<title>{escape(hint)}</title>"
        f'<rect x="{x:.2f}" y="{y}" width="{width:.2f}" height="{ROW - 1}" rx="1" fill="{colour(frame)}"/>'
        f'<text x="{x + 3:.2f}" y="{y + 12}">{escape(fitted(frame.name, width))}</text></g>\n'
    )
    for callee in sorted(node.callees.values(), key=lambda callee: (callee.frame.name, callee.frame.module)):
        draw(callee, start, row + 1, rows, total, scale, boxes)
        start += callee.time


def fitted(name: str, width: float) -> str:
    """As much of the name as the box is wide, like `fitted` of flame_graph.js."""
    characters = int((width - 6) / CHARACTER)
    if len(name) <= characters:
        return name
    return name[: characters - 1] + "…" if characters > 3 else ""


def colour(frame: Frame) -> str:
    """The module's, a little lighter or darker for each function."""
    hue, saturation, lightness = COLOURS.get(frame.module, OTHER) if frame.module else TASK
    shade = zlib.crc32(frame.name.encode()) % 9 - 4 if frame.module else 0
    return f"hsl({hue},{saturation}%,{lightness + shade}%)"


def legend(profile: Profile) -> str:
    """The modules with the most time of their own."""
    own = collections.Counter()
    for stack, time in profile.stacks.items():
        own[stack[-1].module] += time
    parts, x = [], MARGIN
    for module, time in own.most_common():
        label = f"{module} {100 * time / profile.total:.0f}%"
        width = 14 + (len(label) + 2) * CHARACTER
        if not module or time < profile.total / 200 or x + width > WIDTH - MARGIN:
            continue
        hue, saturation, lightness = COLOURS.get(module, OTHER)
        parts.append(
            f'<rect x="{x:.1f}" y="41" width="10" height="10" fill="hsl({hue},{saturation}%,{lightness}%)"/>'
            f'<text x="{x + 14:.1f}" y="50">{escape(label)}</text>'
        )
        x += width
    return "".join(parts)
