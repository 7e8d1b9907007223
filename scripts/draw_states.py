"""Draws the session machine for the docs from `kaskad.core.session.TABLE`.

    .venv/bin/python scripts/draw_states.py            writes the picture and the table
    .venv/bin/python scripts/draw_states.py --check    fails when the committed ones differ

What the states and arrows are is read from the machine; only where they stand on the page is
written here. A transition without a place, or a place without a transition, is an error.
"""

import sys
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple, get_args

from kaskad.core import inputs, session
from kaskad.core.model import State

DOCS = Path(__file__).parents[1] / "docs" / "explanation"
PICTURE = DOCS / "session-machine.svg"
PAGE = DOCS / "session-machine.md"
BEGIN = "<!-- table: written by scripts/draw_states.py -->"
END = "<!-- table: end -->"

INPUTS: tuple[type[inputs.Input], ...] = get_args(inputs.Input)
OPEN = frozenset({State.WAIT, State.SENT, State.ENDED})
"""States that many arrows leave alike: such an arrow is drawn once, from the box around them."""

Point = tuple[int, int]
End = State | None  # None is the box around the open states
Arrow = tuple[End, State]


class Way(NamedTuple):
    """Where an arrow runs, and where its label begins."""

    points: tuple[Point, ...]
    label: Point
    anchor: str = "start"


# --- where things stand --------------------------------------------------------------------

SIZE = (1120, 690)
BOX = (150, 110, 640, 330)  # x, y, width, height
NODE = (130, 52)
CORNER = 10
LINE = 17

PLACES: dict[State, Point] = {
    State.WAIT: (270, 190),
    State.SENT: (670, 190),
    State.ENDED: (670, 380),
    State.CONFIRMED: (1000, 190),
    State.SPENT: (1000, 380),
    State.EXHAUSTED: (270, 590),
    State.CLOSED: (1000, 590),
}

TITLES: dict[State, str] = {
    State.WAIT: "with the provider",
    State.SENT: "with the person",
    State.ENDED: "resend needed",
    State.CONFIRMED: "number proven",
    State.SPENT: "no attempts left",
    State.EXHAUSTED: "no channel left",
    State.CLOSED: "for good",
}

WAYS: dict[Arrow, Way] = {
    (State.WAIT, State.SENT): Way(((335, 178), (605, 178)), (470, 134), "middle"),
    (State.SENT, State.WAIT): Way(((605, 202), (335, 202)), (470, 221), "middle"),
    (State.WAIT, State.ENDED): Way(((300, 216), (300, 366), (605, 366)), (312, 302)),
    (State.ENDED, State.WAIT): Way(((605, 394), (250, 394), (250, 216)), (470, 412), "middle"),
    (State.SENT, State.ENDED): Way(((670, 216), (670, 354)), (660, 282), "end"),
    (State.WAIT, State.CONFIRMED): Way(((270, 164), (270, 60), (1000, 60), (1000, 164)), (290, 50)),
    (State.WAIT, State.EXHAUSTED): Way(((225, 216), (225, 564)), (214, 480), "end"),
    (State.SENT, State.EXHAUSTED): Way(
        ((735, 200), (760, 200), (760, 500), (310, 500), (310, 564)), (535, 492), "middle"
    ),
    (None, State.CONFIRMED): Way(((790, 190), (935, 190)), (862, 164), "middle"),
    (None, State.SPENT): Way(((790, 380), (935, 380)), (862, 371), "middle"),
    (None, State.CLOSED): Way(((775, 440), (775, 576), (935, 576)), (786, 540)),
    (State.CONFIRMED, State.CLOSED): Way(
        ((1065, 190), (1085, 190), (1085, 590), (1065, 590)), (1076, 290), "end"
    ),
    (State.SPENT, State.CLOSED): Way(((1000, 406), (1000, 564)), (991, 478), "end"),
    (State.EXHAUSTED, State.CLOSED): Way(((335, 604), (935, 604)), (535, 622), "middle"),
    (State.EXHAUSTED, State.CONFIRMED): Way(
        ((270, 616), (270, 644), (1102, 644), (1102, 178), (1065, 178)), (535, 638), "middle"
    ),
}

# --- what there is to draw -----------------------------------------------------------------


def arrows() -> dict[Arrow, tuple[str, ...]]:
    """Every transition into another state, with the inputs that can make it."""
    single = {(a, b): _inputs(a, b) for a in State for b in State if a is not b and _inputs(a, b)}
    found: dict[Arrow, tuple[str, ...]] = {}
    for target in State:
        if target in OPEN:
            continue
        common = set.intersection(*(set(single.get((a, target), ())) for a in OPEN))
        if common:
            found[None, target] = _ordered(common)
        for state in OPEN & {a for a, b in single if b is target}:
            single[state, target] = _ordered(set(single[state, target]) - common)
    found.update({arrow: names for arrow, names in single.items() if names})
    return found


def _inputs(start: State, end: State) -> tuple[str, ...]:
    return tuple(kind.__name__ for kind in INPUTS if end in session.TABLE[kind][start].to)


def _ordered(names: set[str]) -> tuple[str, ...]:
    return tuple(kind.__name__ for kind in INPUTS if kind.__name__ in names)


# --- the picture ---------------------------------------------------------------------------

TITLE = "The states of a session"
TIP = (
    '<marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
    'orient="auto"><path class="tip" d="M0 0 10 5 0 10z"/></marker>'
)
STYLE = """
  .paper { fill: #f7f8fa; stroke: #c6ccd4 }
  .box { fill: #eceff3; stroke: #8b95a1; stroke-dasharray: 6 5 }
  .node { fill: #ffffff; stroke: #39424e; stroke-width: 1.6 }
  .good { fill: #e3f4e6; stroke: #2f7d3e }
  .over { fill: #fbeaea; stroke: #a33c3c }
  .last { fill: #e4e7eb }
  .way { fill: none; stroke: #5b6673; stroke-width: 1.5 }
  .tip { fill: #5b6673 }
  text { fill: #1d232b; font: 13px system-ui, sans-serif }
  .name { font-weight: 600; font-size: 15px }
  .title, .note { fill: #4c5662; font-size: 12px }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #171b21; stroke: #3a424d }
    .box { fill: #1e242c; stroke: #6c7784 }
    .node { fill: #262d37; stroke: #c3cad3 }
    .good { fill: #1d3a25; stroke: #6fc383 }
    .over { fill: #432426; stroke: #e08c8c }
    .last { fill: #343c47 }
    .way { stroke: #a5afbb }
    .tip { fill: #a5afbb }
    text { fill: #edf0f4 }
    .title, .note { fill: #b4bdc8 }
  }
"""

KINDS = {
    State.CONFIRMED: " good",
    State.SPENT: " over",
    State.EXHAUSTED: " over",
    State.CLOSED: " last",
}


def picture() -> str:
    """The SVG."""
    drawn = arrows()
    if set(drawn) != set(WAYS):
        odd = ", ".join(f"{a or 'box'} -> {b}" for a, b in set(drawn) ^ set(WAYS))
        message = f"WAYS and the machine's table differ: {odd}"
        raise SystemExit(message)
    width, height = SIZE
    x, y, box_width, box_height = BOX
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {_size()} role="img" aria-label="{TITLE}">',
        f"<title>{TITLE}</title>",
        f"<desc>{escape(_description(drawn))}</desc>",
        f"<style>{STYLE}</style>",
        TIP,
        f'<rect class="paper" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="12"/>',
        f'<rect class="box" x="{x}" y="{y}" width="{box_width}" height="{box_height}" rx="14"/>',
        _text("note", (x + 14, y + 20), "start", "open"),
        _way(((30, 190), (205, 190))),
        _text("", (32, 181), "start", "start"),
        _text(
            "note",
            (30, height - 20),
            "start",
            "An arrow from the dashed box leaves each of its states. "
            "Tick is time: a deadline of the session has come.",
        ),
    ]
    for arrow, names in drawn.items():
        lines += _labelled(WAYS[arrow], names)
    lines += [line for state in State for line in _node(state)]
    return "\n".join([*lines, "</svg>", ""])


def _size() -> str:
    width, height = SIZE
    return f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'


def _description(drawn: dict[Arrow, tuple[str, ...]]) -> str:
    return " ".join(
        f"{a or 'each open state'} to {b}: {', '.join(names)}." for (a, b), names in drawn.items()
    )


def _labelled(way: Way, names: tuple[str, ...]) -> Iterator[str]:
    yield _way(way.points)
    x, y = way.label
    for row, words in enumerate(_rows(names)):
        yield _text("", (x, y + row * LINE), way.anchor, words)


def _rows(names: tuple[str, ...], each: int = 3) -> Iterable[str]:
    for at in range(0, len(names), each):
        comma = "," if at + each < len(names) else ""
        yield ", ".join(names[at : at + each]) + comma


def _text(kind: str, at: Point, anchor: str, words: str) -> str:
    return (
        f'<text class="{kind}" x="{at[0]}" y="{at[1]}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def _way(points: tuple[Point, ...]) -> str:
    """A path with rounded corners."""
    path = f"M{points[0][0]} {points[0][1]}"
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        near, far = _towards(at, before), _towards(at, after)
        path += f" L{near[0]} {near[1]} Q{at[0]} {at[1]} {far[0]} {far[1]}"
    path += f" L{points[-1][0]} {points[-1][1]}"
    return f'<path class="way" d="{path}" marker-end="url(#tip)"/>'


def _towards(start: Point, end: Point) -> Point:
    """A corner's width from one point towards another on the same row or column."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    step = min(CORNER, abs(dx) + abs(dy))
    return start[0] + step * ((dx > 0) - (dx < 0)), start[1] + step * ((dy > 0) - (dy < 0))


def _node(state: State) -> Iterator[str]:
    (x, y), (width, height) = PLACES[state], NODE
    yield (
        f'<rect class="node{KINDS.get(state, "")}" x="{x - width // 2}" y="{y - height // 2}" '
        f'width="{width}" height="{height}" rx="10"/>'
    )
    yield _text("name", (x, y - 3), "middle", state.value)
    yield _text("title", (x, y + 16), "middle", TITLES[state])


# --- the table -----------------------------------------------------------------------------

ANSWERS = {
    "_late": "noted",
    "_false": "`false`",
    "_state_error": "state's error",
    "_confirmed_already": "`SessionAlreadyConfirmedException`",
}
"""What the rules that change nothing answer."""


def table() -> str:
    """The table of states and inputs, in Markdown."""
    rows = [
        ["input", *(f"in `{state.value}`" for state in State)],
        ["---"] * (len(State) + 1),
        *([f"`{kind.__name__}`", *(_cell(kind, state) for state in State)] for kind in INPUTS),
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cell(kind: type[inputs.Input], state: State) -> str:
    rule = session.TABLE[kind][state]
    known = ANSWERS.get(rule.do.__name__)
    if known is not None:
        return known
    others = ", ".join(other.value for other in State if other in rule.to and other is not state)
    return others or "stays"


def page() -> str:
    """The page with its table as it should be."""
    text = PAGE.read_text()
    head, found, rest = text.partition(BEGIN)
    _, ended, tail = rest.partition(END)
    if not found or not ended:
        message = f"{PAGE} has no place for the table: {BEGIN} ... {END}"
        raise SystemExit(message)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{tail}"


def main(arguments: list[str]) -> int:
    """Write both files, or only compare them."""
    wanted = {PICTURE: picture(), PAGE: page()}
    if arguments == ["--check"]:
        stale = [
            path for path, text in wanted.items() if not path.exists() or path.read_text() != text
        ]
        for path in stale:
            print(f"{path} is not what the machine's table says; run scripts/draw_states.py")
        return 1 if stale else 0
    if arguments:
        print("usage: draw_states.py [--check]")
        return 2
    for path, text in wanted.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
