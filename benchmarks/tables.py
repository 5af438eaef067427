"""Print a table as aligned text or as Markdown."""


def format_table(header, rows, markdown=False):
    """Return the table as one string; the first column is left-aligned."""
    cells = [[str(c) for c in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = []
    for row in cells:
        padded = [row[0].ljust(widths[0])]
        padded += [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        lines.append(
            "| " + " | ".join(padded) + " |" if markdown else "  ".join(padded)
        )
    rule = "|" + "|".join(["---"] + ["---:"] * (len(header) - 1)) + "|"
    lines.insert(1, rule if markdown else "-" * len(lines[0]))
    return "\n".join(lines)


def format_number(value, digits=3):
    """Return a number in plain notation with a few significant digits."""
    if value is None:
        return ""
    text = f"{value:#.{digits}g}"
    return f"{value:.0f}" if "e" in text else text.rstrip(".")
