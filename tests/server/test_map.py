"""The map of a small space: where texts are, what is meant by a place, and what points are coloured by."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from latentia.errors import InputError
from latentia.server import create_app
from latentia.server.map import Survey, texts_of
from latentia.server.map.views import Neighbourly
from tests.laws.tables import TEXTS
from tests.operations.labelled import labelled_space
from tests.server.conftest import asker

PLANES = ["plane=difference", "plane=principal", "plane=dimensions&first=2&second=0"]


def points_of(ask, query: str) -> np.ndarray:
    return np.frombuffer(ask("GET", f"/v1/models/tiny/map/points?{query}").content, "<f4").reshape(-1, 2)


@pytest.mark.parametrize("query", PLANES)
def test_points_are_where_the_codes_of_their_texts_are(ask, space, query):
    found = ask("GET", f"/v1/models/tiny/map?{query}").json()
    points, texts = points_of(ask, query), ask("GET", "/v1/models/tiny/map/texts").json()["texts"]
    assert found["count"] == len(points) == len(texts) == len(TEXTS)
    assert sorted(texts) == sorted(TEXTS)
    kind, *dimensions = (part.partition("=")[2] for part in query.split("&"))
    choice = dict(zip(("first", "second"), map(int, dimensions), strict=False))
    body = {"codes": space.encode(texts).tolist(), "plane": kind, **choice}
    places = ask("POST", "/v1/models/tiny/map/places", body).json()["places"]
    assert np.allclose(places, points, atol=1e-4)
    if dimensions:
        codes = space.encode(texts)
        assert np.allclose(points, codes[:, [2, 0]], atol=1e-4)


@pytest.mark.parametrize("query", PLANES)
def test_the_code_of_a_place_is_there(ask, query):
    kind, *dimensions = (part.partition("=")[2] for part in query.split("&"))
    choice = dict(zip(("first", "second"), map(int, dimensions), strict=False))
    code = ask("GET", f"/v1/models/tiny/map/code?{query}&x=0.7&y=-1.3").json()["code"]
    body = {"codes": [code], "plane": kind, **choice}
    (place,) = ask("POST", "/v1/models/tiny/map/places", body).json()["places"]
    assert place == pytest.approx([0.7, -1.3], abs=1e-4)


def test_contours_hold_their_share_of_the_prior(ask):
    density = ask("GET", "/v1/models/tiny/map?plane=principal").json()["density"]
    prior = np.exp(density["prior"])
    assert len(density["shade"]) == len(prior)
    for level, share in zip(density["levels"], (0.5, 0.9, 0.99), strict=True):
        assert prior[np.log(prior) >= level - 1e-3].sum() / prior.sum() == pytest.approx(share, abs=0.02)


def test_where_the_prior_has_mass_and_no_text_is_it_is_shaded(space):
    """All texts in one place leave the rest of the prior to holes."""
    from latentia.server.map.chart import Chart

    survey = Survey(space)
    while not survey.complete:
        survey.advance()
    survey.posteriors = type(survey.posteriors)(torch.full((16, 3), 2.0), torch.full((16, 3), -6.0))
    raster = Chart(survey).view(("dimensions", 0, 1)).raster
    side = math.isqrt(len(raster.shade))
    shade = np.array(raster.shade).reshape(side, side)
    axis = np.linspace(-raster.reach, raster.reach, side)
    near = lambda value: int(np.abs(axis - value).argmin())  # noqa: E731
    assert shade[near(0), near(0)] > 230
    assert shade[near(2), near(2)] < 30
    assert raster.holes


def test_columns(ask, space):
    texts = ask("GET", "/v1/models/tiny/map/texts").json()["texts"]
    names = [each["name"] for each in ask("GET", "/v1/models/tiny/map").json()["columns"]]
    found = {name: ask("GET", f"/v1/models/tiny/map/column?name={name}").json() for name in names}
    assert [found["label"]["categories"][int(place)] for place in found["label"]["values"]] == [
        text.split()[1] for text in texts
    ]
    assert found["length"]["values"] == [len(text.split()) for text in texts]
    assert set(found["cluster"]["values"]) == set(range(len(found["cluster"]["categories"])))
    whole = next(iter(space.score(texts[:1], samples=400)))
    assert found["nll"]["values"][0] == pytest.approx(-whole.elbo / whole.tokens, abs=0.5)
    part = ask("GET", "/v1/models/tiny/map/column?name=nll&start=3&count=2").json()["values"]
    assert part == found["nll"]["values"][3:5]


def test_groups_are_means_of_the_codes_of_a_label(ask, space):
    groups = ask("GET", "/v1/models/tiny/map").json()["groups"]
    assert [each["label"] for each in groups] == ["cat", "dog"]
    cats = [text for text in TEXTS if text.split()[1] == "cat"]
    assert groups[0]["size"] == len(cats)
    assert groups[0]["code"] == pytest.approx(space.encode(cats).mean(dim=0).tolist(), abs=1e-4)


def test_the_nearest_text_to_the_code_of_a_text_is_itself(ask, space):
    texts = ask("GET", "/v1/models/tiny/map/texts").json()["texts"]
    body = {"code": space.encode([TEXTS[3]])[0].tolist(), "n": 4}
    nearest = ask("POST", "/v1/models/tiny/map/nearest", body).json()["nearest"]
    assert len(nearest) == 4
    assert nearest[0]["distance"] == pytest.approx(0, abs=1e-4)
    assert all(texts[each["point"]] == each["text"] for each in nearest)
    assert [each["distance"] for each in nearest] == sorted(each["distance"] for each in nearest)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("?plane=dimensions&first=1&second=1", 422),
        ("?plane=dimensions&first=0&second=3", 422),
        ("?plane=other", 400),
        ("/points?first=-1", 400),
        ("/code?x=nan&y=0", 400),
        ("/texts?count=0", 400),
        ("/column?name=other", 400),
    ],
)
def test_what_cannot_be_shown_is_refused(ask, path, status):
    response = ask("GET", f"/v1/models/tiny/map{path}")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert ask("GET", f"/v1/models/other/map{path}").status_code in (400, 404)


def test_a_missing_library_is_named_and_a_space_without_texts_refused(ask, space, monkeypatch):
    monkeypatch.setattr("latentia.server.map.chart.find_spec", lambda _: None)
    planes = {each["kind"]: each["problem"] for each in ask("GET", "/v1/models/tiny/map").json()["planes"]}
    assert "latentia[umap]" in planes["neighbours"]
    assert ask("GET", "/v1/models/tiny/map?plane=neighbours").status_code == 422
    bare = type(space)(space.model, space.tokenizer, space.max_tokens)
    assert "training texts" in asker(create_app({"bare": bare}))("GET", "/v1/models/bare/map").json()["detail"]


def test_in_a_map_of_neighbours_texts_average():
    torch.manual_seed(0)
    codes, places = torch.randn(30, 4), torch.randn(30, 2).double()
    view = Neighbourly(codes, places, on_sphere=False)
    assert torch.allclose(view.codes(places[:3]), codes[:3].double(), atol=1e-4)
    assert torch.allclose(view.places(codes[:3]), places[:3], atol=1e-4)
    middle = view.codes(places[:2].mean(dim=0)[None])
    assert bool((middle >= codes.min(dim=0).values).all() and (middle <= codes.max(dim=0).values).all())


def test_a_map_of_other_texts(space, tmp_path):
    from latentia.data import Columns

    file = tmp_path / "few.txt"
    file.write_text(f"{TEXTS[0]}\n{TEXTS[5]}\n{' '.join(['a'] * 50)}\n")
    selection = texts_of(space, [str(file)], Columns())
    assert list(selection.texts()) == [TEXTS[0], TEXTS[5]]
    ask = asker(create_app({"tiny": space}, shown={"tiny": lambda: selection}))
    found = ask("GET", "/v1/models/tiny/map").json()
    assert found["count"] == 2
    assert not found["groups"]


def test_directions_on_a_sphere_have_a_plane_too():
    from tests.laws.tables import spherical_model

    ask = asker(create_app({"tiny": labelled_space(spherical_model)}))
    assert ask("GET", "/v1/models/tiny/map?plane=difference").status_code == 422
    assert ask("GET", "/v1/models/tiny/map").json()["on_sphere"]
    code = ask("GET", "/v1/models/tiny/map/code?plane=principal&x=0.3&y=0.4").json()["code"]
    assert math.hypot(*code) == pytest.approx(1)
    (place,) = ask("POST", "/v1/models/tiny/map/places", {"codes": [code], "plane": "principal"}).json()["places"]
    assert place == pytest.approx([0.3, 0.4], abs=1e-5)


def test_codes_without_a_plane_are_refused(space):
    survey = Survey(space, lambda: space.training)
    space.model.latent_dim, size = 1, space.model.latent_dim
    try:
        with pytest.raises(InputError, match="no plane"):
            survey.advance()
    finally:
        space.model.latent_dim = size
