"""The transformer of scikit-learn, against scikit-learn's own checks and in its pipelines."""

from __future__ import annotations

import joblib
import numpy as np
import pytest
from jaxtyping import TypeCheckError
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.validation import check_is_fitted, validate_data

import latentia
from latentia.errors import InputError, RecipeError, RunError
from latentia.recipes.scikit_learn import LatentTransformer
from latentia.training.weights import tensors_of

TINY = (
    ("model.encoder.embedding_dim", 8),
    ("model.decoder.embedding_dim", 8),
    ("model.encoder.hidden_dim", 10),
    ("model.decoder.hidden_dim", 10),
    ("training.max_steps", 2),
)
TEXTS = [f"{'a good' if row % 2 else 'the bad'} {'c ' * (row % 4)}d{row % 5}" for row in range(60)]
LABELS = [row % 2 for row in range(60)]


def tiny(**settings: object) -> LatentTransformer:
    return LatentTransformer(settings=TINY, latent_dim=3, **settings)


@pytest.fixture(scope="module")
def fitted() -> LatentTransformer:
    return tiny().fit(TEXTS)


ROUNDED = "float32 sums may be rounded otherwise beside other texts, by the processor: 5e-7 off, 1e-7 allowed"
NOT_APPLICABLE = {
    "check_do_not_raise_errors_in_init_or_set_params": "the tests of this package check the types of all arguments",
    "check_methods_sample_order_invariance": ROUNDED,
    "check_methods_subset_invariance": ROUNDED,
    "check_fit2d_1sample": "there is no model of a single text, and the error is the package's own",
}


class OfTables(LatentTransformer):
    """Spells each row of a table as a text, because scikit-learn checks only estimators that take tables."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.one_d_array, tags.input_tags.string = True, False, False
        return tags

    def fit(self, X, y=None):
        return super().fit(self.spelled(X, reset=True))

    def transform(self, X):
        check_is_fitted(self)
        return super().transform(self.spelled(X, reset=False))

    def spelled(self, X, reset: bool) -> list[str]:
        table = validate_data(self, X, reset=reset)
        return [" ".join(f"w{round(float(value)) % 7}" for value in row) for row in table]


def checks():
    for estimator, check in estimator_checks_generator(OfTables(settings=TINY, latent_dim=3)):
        name = getattr(check, "func", check).__name__
        reason = NOT_APPLICABLE.get(name, "")
        marks = [pytest.mark.xfail(reason=reason, strict=reason != ROUNDED)] if reason else []
        yield pytest.param(estimator, check, id=name, marks=marks)


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_scikit_learn(estimator, check):
    check(estimator)


def test_scikit_learn_knows_that_it_takes_texts():
    tags = get_tags(tiny()).input_tags
    assert (tags.string, tags.one_d_array, tags.two_d_array) == (True, True, False)


def test_codes_are_those_of_the_space(fitted):
    codes = fitted.transform(np.array(TEXTS[:5], dtype=object))
    assert codes.shape == (5, 3)
    assert codes.dtype == np.float32
    np.testing.assert_array_equal(codes, fitted.space_.encode(TEXTS[:5]).numpy())
    assert fitted.inverse_transform(codes.astype(np.float64)).tolist() == fitted.space_.decode(codes)
    assert fitted.get_feature_names_out().tolist() == [f"latenttransformer{number}" for number in range(3)]


def test_a_transformer_has_what_it_needs_to_be_fitted_again(fitted):
    again = clone(fitted)
    assert not hasattr(again, "space_")
    assert again.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        again.transform(TEXTS)
    np.testing.assert_array_equal(again.fit(TEXTS).transform(TEXTS), fitted.transform(TEXTS))


def test_it_stands_in_pipelines_and_searches():
    pipeline = make_pipeline(tiny(), LogisticRegression())
    search = GridSearchCV(pipeline, {"latenttransformer__latent_dim": [2, 3]}, cv=2).fit(TEXTS, LABELS)
    assert search.best_params_["latenttransformer__latent_dim"] in {2, 3}
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
    assert set(search.predict(TEXTS)) <= {0, 1}


def test_a_frozen_one_is_not_fitted_again(fitted):
    pipeline = make_pipeline(FrozenEstimator(fitted), LogisticRegression()).fit(TEXTS, LABELS)
    assert clone(pipeline)[0].estimator is fitted


def test_what_is_pickled_is_the_model_alone(fitted, tmp_path):
    joblib.dump(fitted, tmp_path / "fitted")
    content, again = (tmp_path / "fitted").read_bytes(), joblib.load(tmp_path / "fitted")
    np.testing.assert_array_equal(again.transform(TEXTS), fitted.transform(TEXTS))
    weights = sum(tensor.numel() * 4 for tensor in tensors_of(fitted.space_.model).values())
    assert len(content) < weights + 40_000
    assert b"texts.jsonl" not in content
    assert TEXTS[3].encode() not in content
    joblib.dump(tiny(), tmp_path / "fresh")
    assert not hasattr(joblib.load(tmp_path / "fresh"), "space_")


def test_a_text_that_cannot_be_read_is_an_error_or_a_row_of_nan(fitted):
    with pytest.raises(InputError, match="text 2 is empty"):
        fitted.transform(["a good d1", ""])
    missing = clone(fitted).set_params(unreadable="nan").fit(TEXTS).transform(["a good d1", "", "zzz"])
    assert np.isnan(missing).any(axis=1).tolist() == [False, True, True]


@pytest.mark.parametrize(
    "texts", ["one text", [], [1, 2], np.array([["a"], ["b"]], dtype=object), ["a", None]], ids=repr
)
def test_what_is_no_sequence_of_texts_is_refused(texts, fitted):
    with pytest.raises((InputError, TypeCheckError)):
        fitted.transform(texts)


def test_what_is_wrong_with_its_parameters_is_told_when_it_is_fitted():
    with pytest.raises(RecipeError, match="no recipe 'defaut': the nearest is default"):
        tiny(recipe="defaut").fit(TEXTS)
    with pytest.raises(InputError, match="one code a token"):
        LatentTransformer("delta-ar1").fit(TEXTS)


def test_a_run_is_kept_where_it_is_asked_for_and_opened_from_there(tmp_path):
    folder = tmp_path / "run"
    fitted = tiny(folder=str(folder)).fit(TEXTS)
    opened = latentia.LatentTransformer.from_run(folder)
    np.testing.assert_array_equal(opened.transform(TEXTS), fitted.transform(TEXTS))
    assert opened.recipe == str(folder / "recipe.yaml")
    fitted.space_.save_pretrained(tmp_path / "exported")
    again = LatentTransformer.from_run(tmp_path / "exported")
    np.testing.assert_array_equal(again.transform(TEXTS), fitted.transform(TEXTS))


def test_an_export_is_fitted_again_by_its_own_recipe(tmp_path):
    fitted = tiny().fit(TEXTS)
    fitted.space_.save_pretrained(tmp_path / "exported")
    opened = LatentTransformer.from_run(tmp_path / "exported")
    again = clone(opened).fit(TEXTS)
    assert again.space_.record.recipe == fitted.space_.record.recipe
    np.testing.assert_array_equal(again.transform(TEXTS), fitted.transform(TEXTS))


def test_a_folder_that_is_not_free_is_refused_and_nothing_is_changed(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("mine")
    (tmp_path / "run-texts.jsonl").write_text("an earlier run's")
    with pytest.raises(RunError, match="is not empty"):
        tiny(folder=str(tmp_path / "run")).fit(TEXTS)
    found = {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"mine": "mine", "run-texts.jsonl": "an earlier run's"}


def test_a_run_is_kept_in_a_folder_that_is_not_there_yet_and_nowhere_else(tmp_path):
    folder = tmp_path / "none" / "run"
    tiny(folder=str(folder)).fit(TEXTS)
    assert [path.name for path in folder.parent.iterdir()] == ["run"]
    assert set(latentia.load(folder).training.texts()) <= set(TEXTS)
