"""Tests mirror `src/latentia`; `laws/` holds tables of cases, `oracles/` models solved exactly."""

from beartype import BeartypeConf, beartype

# Checks annotations in tests, jaxtyping adding the shapes (addopts in pyproject.toml).
# An int is a float here, as it is to every static type checker.
check = beartype(conf=BeartypeConf(is_pep484_tower=True))
