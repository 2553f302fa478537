"""Numbers for Prometheus, in its exposition format."""

from __future__ import annotations

import pytest

from tidegate.core.metrics import Counter, Gauge, exposition


def test_the_text_of_counters_and_gauges() -> None:
    """Each family has its help and type, and a line for each series, sorted; the last line ends."""
    transfers = Counter("t_total", "Files.", ("partner", "status"))
    transfers.add(1, "bank", "completed")
    transfers.add(2, "acme", "completed")
    transfers.add(1, "acme", "completed")
    gauge = Gauge("t_open", "Open.", lambda: {(): 1.5})
    assert exposition([transfers, gauge]) == (
        "# HELP t_total Files.\n"
        "# TYPE t_total counter\n"
        't_total{partner="acme",status="completed"} 3\n'
        't_total{partner="bank",status="completed"} 1\n'
        "# HELP t_open Open.\n"
        "# TYPE t_open gauge\n"
        "t_open 1.5\n"
    )


def test_a_counter_without_labels_begins_at_nothing() -> None:
    """It is there before anything was counted; series with labels are not."""
    assert exposition([Counter("t_total", "x")]).endswith("\nt_total 0\n")
    assert exposition([Counter("t_total", "x", ("a",))]).endswith(" counter\n")


def test_label_values_and_help_are_escaped() -> None:
    """A quote, a backslash and a line end cannot end the value, nor the help."""
    counter = Counter("t_total", "a\\b\nc", ("a",))
    counter.add(1, 'x"\\\ny')
    text = exposition([counter])
    assert 't_total{a="x\\"\\\\\\ny"} 1\n' in text
    assert "# HELP t_total a\\\\b\\nc\n" in text


def test_series_are_bounded() -> None:
    """Beyond the bound the rest is counted together, and the sum is right."""
    counter = Counter("t_total", "x", ("partner", "status"), max_series=3)
    for number in range(10):
        counter.add(1, f"p{number}", "ok")
    counter.add(1, "p0", "ok")
    found = counter.read()
    assert len(found) == 4
    assert found["(other)", "(other)"] == 7
    assert sum(found.values()) == 11
    assert counter.value("p0", "ok") == 2


@pytest.mark.parametrize("name", ["", "1x", "a-b", "a b"])
def test_bad_names_are_refused(name: str) -> None:
    """A name that a scraper would refuse is refused here."""
    with pytest.raises(ValueError, match="no name"):
        exposition([Counter(name, "x")])
    with pytest.raises(ValueError, match="no name"):
        exposition([Counter("x_total", "x", (name or "__a",))])


def test_a_name_is_there_once() -> None:
    """Two families of one name would be read as one."""
    with pytest.raises(ValueError, match="already"):
        exposition([Counter("x_total", "x"), Counter("x_total", "x")])
