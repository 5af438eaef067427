"""What a diagnosis consists of."""

import textwrap
from dataclasses import dataclass, field

SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """Something that is likely to be wrong, with the numbers that say so.

    Attributes
    ----------
    name : str
        For programs, such as "vanishing_gradient".
    severity : {"error", "warning", "info"}
        "error": the network cannot have learnt as it should. "warning": it learns
        worse, or more slowly, than it could. "info": worth knowing.
    numbers : dict
        What was measured, by name.
    sentence : str
        What was found.
    remedy : str
        What to try.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from fastnn import MLPClassifier
    >>> from fastnn.inspection import diagnose
    >>> X, y = load_wine(return_X_y=True)  # without a StandardScaler
    >>> finding = diagnose(MLPClassifier((8,), random_state=0), X, y)[0]
    >>> finding.severity in ("error", "warning")
    True
    >>> sorted(vars(finding))
    ['name', 'numbers', 'remedy', 'sentence', 'severity']
    """

    name: str
    severity: str
    numbers: dict
    sentence: str
    remedy: str

    def __str__(self):
        text = f"{self.severity}: {self.sentence} {self.remedy}"
        return textwrap.fill(text, 80, subsequent_indent="    ")


@dataclass
class Diagnosis:
    """What `diagnose` has found: a list of findings, the severest first.

    Attributes
    ----------
    findings : list of Finding
    not_judged : list of str
        What could not be looked at, and why.
    estimator : network or pipeline
        That was judged; the one given, or the clone that was trained. None if
        training diverged.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from fastnn import MLPClassifier
    >>> from fastnn.inspection import diagnose
    >>> X, y = load_wine(return_X_y=True)  # without a StandardScaler
    >>> diagnosis = diagnose(MLPClassifier((8,), random_state=0), X, y)
    >>> diagnosis.is_healthy
    False
    >>> "unscaled_inputs" in diagnosis.names
    True
    >>> diagnosis["unscaled_inputs"].severity
    'warning'
    """

    findings: list = field(default_factory=list)
    not_judged: list = field(default_factory=list)
    estimator: object = None

    def __post_init__(self):
        self.findings = sorted(
            self.findings, key=lambda finding: SEVERITIES.index(finding.severity)
        )

    def __iter__(self):
        return iter(self.findings)

    def __len__(self):
        return len(self.findings)

    def __bool__(self):
        return True  # also without findings it is a diagnosis

    def __contains__(self, name):
        return name in self.names

    def __getitem__(self, key):
        """Return a finding by its place or its name; the first of that name."""
        if isinstance(key, str):
            found = [finding for finding in self.findings if finding.name == key]
            if not found:
                raise KeyError(f"no finding {key!r}; there are {self.names}")
            return found[0]
        return self.findings[key]

    @property
    def names(self):
        """Names of the findings, in their order."""
        return [finding.name for finding in self.findings]

    @property
    def is_healthy(self):
        """Whether there are neither errors nor warnings."""
        return all(finding.severity == "info" for finding in self.findings)

    def __str__(self):
        lines = [str(finding) for finding in self.findings]
        if not lines:
            lines = ["Nothing found."]
        if self.not_judged:
            text = "Not judged: " + "; ".join(self.not_judged) + "."
            lines.append(textwrap.fill(text, 80, subsequent_indent="    "))
        return "\n".join(lines)
