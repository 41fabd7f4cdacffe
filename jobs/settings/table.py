"""The settings as a table in Markdown. `python -m jobs.settings.table README.md` writes it between its two marks."""

import json
import sys
from pathlib import Path

from jobs.settings.keys import plain_keys, section_of
from jobs.settings.layers import shipped_layer
from jobs.settings.sections import Settings

BEGIN, END = "<!-- settings:begin -->", "<!-- settings:end -->"
LONGEST_DEFAULT = 60


def settings_table() -> str:
    """Every setting with its default (conf/base.yaml included) and what it means."""
    defaults = Settings.model_validate(shipped_layer("base")[1])
    rows = ["| key | default | meaning |", "| --- | --- | --- |"]
    for path, field in plain_keys(Settings):
        value: object = defaults
        for part in path:
            value = getattr(value, part)
        meaning = field.description or ""
        section = section_of(field.annotation)
        if section is not None:
            meaning += f"; its keys: {', '.join(section.model_fields)}"
        rows.append(f"| `{'.'.join(path)}` | {_shown(value)} | {_cell(meaning)} |")
    return "\n".join(rows)


def updated(text: str) -> str:
    """A page with the table between its marks brought up to date.

    Raises:
        ValueError: the page lacks one of the marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{settings_table()}\n{END}{after}"


def _shown(value: object) -> str:
    if value is None or value in ([], {}):
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) > LONGEST_DEFAULT:
        text = text[: LONGEST_DEFAULT - 1].rpartition(" ")[0] + " …"
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Bring the pages that are named up to date."""
    for name in sys.argv[1:]:
        page = Path(name)
        page.write_text(updated(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
