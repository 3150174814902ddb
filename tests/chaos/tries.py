"""How Hypothesis is asked for random cases here: so many, new ones each time, none made smaller."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings


def tried(count: int) -> settings:
    """Return the settings of so many cases."""
    return settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
